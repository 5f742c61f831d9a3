"""One episode of a named agent, as its actions with the score."""

from __future__ import annotations

from craft_envs.agents import Seat, make_agent
from craft_envs.core import World, session_info


def played(world: World, task_id: str, name: str, steps: int) -> tuple[list[str], float]:
    """Its actions, at most ``steps``, with the session's score at the end."""
    session = world.open(task_id, 0)
    seat = Seat(world, split=session.task.split)
    seat.take(session)
    agent = make_agent(name, seat)
    observation, actions = session.start(), []
    for step in range(steps):
        info = session_info(session, True, step)
        if step == 0:
            agent.reset(info)
        actions.append(agent.act(observation, info))
        outcome = session.act(actions[-1])
        observation = outcome.observation
        if outcome.terminated:
            break
    return actions, session.score
