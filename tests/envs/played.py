"""One episode of an agent: its actions, which of them were admissible, its score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from craft_envs.agents import Seat, make_agent
from craft_envs.core import World, session_info


class Played(NamedTuple):
    """What an agent did."""

    actions: tuple[str, ...]
    admissible: tuple[bool, ...]
    score: float


def played(world: World, task_id: str, agent: str | Callable[[Seat], Any], steps: int) -> Played:
    """At most ``steps`` actions of a named agent, or of one that is made for the seat."""
    session = world.open(task_id, 0)
    seat = Seat(world, split=session.task.split)
    seat.take(session)
    player = make_agent(agent, seat) if isinstance(agent, str) else agent(seat)
    observation, actions, admissible = session.start(), [], []
    for step in range(steps):
        info = session_info(session, True, step)
        if step == 0:
            player.reset(info)
        action = player.act(observation, info)
        actions.append(action)
        admissible.append(action in info["admissible_actions"])
        outcome = session.act(action)
        observation = outcome.observation
        if outcome.terminated:
            break
    return Played(tuple(actions), tuple(admissible), session.score)
