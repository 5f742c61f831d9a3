"""The text that a tokenizer should know, out of played episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from craft_envs.core import World
from craft_rl.types import Trajectory


def texts_of(
    trajectories: Iterable[Trajectory], world: World, *, task_ids: Sequence[str] = ()
) -> Iterator[str]:
    """Instructions, observations, responses, in the order of play; then further tasks' instructions.

    Args:
        trajectories: played episodes.
        world: where they were played.
        task_ids: tasks whose instructions alone are added: few words, but each one that a policy will meet.
    """
    for trajectory in trajectories:
        yield world.tasks.task(trajectory.task_id).instruction
        for step in trajectory.steps:
            yield step.observation
            yield step.response
    for task_id in task_ids:
        yield world.tasks.task(task_id).instruction
