"""The text that a tokenizer should know, out of played episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from craft_envs.core import World
from craft_rl.types import Trajectory


def texts_of(trajectories: Iterable[Trajectory], world: World) -> Iterator[str]:
    """Instructions, observations, responses, in the order of play."""
    for trajectory in trajectories:
        yield world.tasks.task(trajectory.task_id).instruction
        for step in trajectory.steps:
            yield step.observation
            yield step.response
