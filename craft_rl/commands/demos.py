"""craft demos: record demonstrations of an agent without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from craft_envs.core import split_task_ids
from craft_rl.assemble import DialogueSettings, check_dialogue
from craft_rl.report.console import ProgressBar
from craft_rl.rollout.demonstrate import demonstrate, demonstration_specs
from craft_rl.rollout.record import save_trajectories
from craft_rl.types import Trajectory
from craft_rl.worlds import WorldConfig, open_world


@dataclass(frozen=True, kw_only=True)
class DemosSettings:
    """Record an agent's episodes in the tokens that a policy would see."""

    policy: Annotated[str, tyro.conf.Positional]
    """Model folder or hub id whose tokenizer is used."""
    out: Annotated[Path, tyro.conf.Positional]
    """JSON lines file to write."""
    agent: str = "scripted"
    """Who plays: scripted, oracle, random."""
    noise: float = 0.0
    """Probability of a random step, which is shown but not imitated."""
    no_slips: tuple[str, ...] = ()
    """Actions that random steps never are, such as help."""
    per_task: int = 1
    """Episodes of each task."""
    seed: int = 0
    """Seed of the choice of tasks, of the noise."""
    world: WorldConfig = field(default_factory=WorldConfig)
    """What is played."""
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)
    """How the policy is spoken to."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(tyro.cli(DemosSettings, prog="craft demos", args=list(args)))
    return 0


def run(settings: Annotated[DemosSettings, tyro.conf.arg(name="")]) -> list[Trajectory]:
    """Record an agent's episodes in the tokens that a policy would see."""
    from craft_rl.models.load import load_policy
    from craft_rl.task_order import TaskOrder

    world = open_world(settings.world)
    check_dialogue(settings.policy, settings.dialogue.prompt)
    io = settings.dialogue.io(load_policy(settings.policy))
    every = split_task_ids(world.tasks, settings.world.split)
    count = min(settings.world.tasks or len(every), len(every))
    task_ids = TaskOrder(every, per_update=count, seed=settings.seed, limit=count).tasks(0)
    specs = demonstration_specs(
        task_ids, per_task=settings.per_task, seed=settings.seed, max_steps=settings.world.max_steps
    )
    solved: list[bool] = []
    with ProgressBar(f"{settings.agent} plays", len(specs), shown=("solved",)) as bar:

        def on_done(trajectory: Trajectory) -> None:
            solved.append(trajectory.success)
            bar.advance({"solved": sum(solved) / len(solved)})

        trajectories = demonstrate(
            specs,
            world,
            io,
            agent=settings.agent,
            noise=settings.noise,
            no_slips=settings.no_slips,
            max_context=settings.dialogue.max_context,
            on_done=on_done,
        )
    save_trajectories(settings.out, trajectories)
    Console().print(
        f"{len(trajectories)} trajectories, {sum(solved)} solved: {settings.out}",
        highlight=False,
        soft_wrap=True,
    )
    return trajectories
