"""The phases that a run of the embedded policy is made of: demonstrations, cloning, training, evaluation.

``quickstart`` strings them together once; a study clones once a seed, then trains each of its variants.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from craft_envs.core import World
from craft_envs.panels import Panel
from craft_rl.agent.parse import tags_of
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.assemble import save_dialogue
from craft_rl.checkpoint import Checkpoint
from craft_rl.config import TrainConfig
from craft_rl.engine.protocol import Engine
from craft_rl.evaluate import ModelRunner, Runner, evaluate
from craft_rl.models.load import Policy, save_policy
from craft_rl.models.small import build_small
from craft_rl.quickstart_outcome import report_place
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.report.console import ProgressBar
from craft_rl.report.evaluation import save_report, score_so_far
from craft_rl.report.jsonl import MetricsFile
from craft_rl.report.plots import SFT_PANELS, plot_curves
from craft_rl.rollout.demonstrate import demonstrate, demonstration_specs, play_agent
from craft_rl.rollout.texts import texts_of
from craft_rl.sft import SFTReport, sft
from craft_rl.skill_mix import save_reading
from craft_rl.skilled import bank_texts, demonstrate_mix, open_preface
from craft_rl.task_order import TaskOrder
from craft_rl.teacher import open_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.trainer import Trainer
from craft_rl.types import EvalReport, TaskResult, Trajectory


def play_demonstrations(
    config: QuickstartConfig, world: World, console: Console
) -> tuple[Policy, list[Trajectory]]:
    """The fresh policy, with a tokenizer trained on the world's texts, then what it is to imitate.

    Raises:
        ConfigError: the world refuses a setting, or the vocabulary has no room.
    """
    train, tasks = config.training, world.tasks.task_ids(config.train.world.split)
    limit = min(train.world.tasks or len(tasks), len(tasks))
    count = min(config.demonstrations, limit)
    chosen = TaskOrder(tasks, per_update=count, seed=config.seed, limit=limit).tasks(0)
    sample = demonstration_specs(chosen[: config.tokenizer_tasks], seed=config.seed)
    form = train.prompt.form
    played = play_agent(sample, world, config.demonstrator, form=form)
    texts = texts_of(played, world, task_ids=tasks)
    if (mix := config.skill_mix).bank is not None:
        texts = chain(texts, bank_texts(mix.bank, world.tasks.env_id, mix.reading.placement))
    policy = build_small(
        texts,
        size=config.model_size,
        vocab_size=config.vocab_size,
        tags=(*tags_of(form), *config.whole),
        max_context=config.max_context,
        lookback=config.lookback,
        seed=config.seed,
    )
    specs = demonstration_specs(
        chosen,
        per_task=-(-config.demonstrations // count),
        seed=config.seed,
        max_steps=config.step_limit,
    )
    # All tasks once, then all of them again: a number that is no multiple still reaches every task.
    specs = sorted(specs, key=lambda spec: spec.sibling)[: config.demonstrations]
    with ProgressBar("demonstrations", len(specs), shown=(), console=console) as bar:
        how: dict[str, Any] = {
            "agent": config.demonstrator,
            "noise": config.noise,
            "no_slips": config.no_slips,
            "max_context": config.max_context,
            "on_done": lambda _: bar.advance({}),
        }
        io = config.dialogue.io(policy)
        if mix.bank is None:
            return policy, demonstrate(specs, world, io, **how)
        return policy, demonstrate_mix(specs, world, io, policy, mix, **how)


def clone(
    config: QuickstartConfig,
    policy: Policy,
    trajectories: list[Trajectory],
    folder: Path,
    console: Console,
) -> SFTReport:
    """Train ``policy`` in place; ``folder`` gets ``model``, ``metrics.jsonl``, ``curves.png``.

    Raises:
        CraftError: as ``sft`` says, or the disk is full.
    """
    metrics = MetricsFile(folder / "metrics.jsonl", offset=0)
    with ProgressBar("cloning", None, shown=("loss", "accuracy", "epoch"), console=console) as bar:

        def on_row(row: Mapping[str, Any]) -> None:
            metrics.write(row)
            bar.advance(row)

        report = sft(policy, trajectories, config.cloning, on_row=on_row)
    metrics.close()
    save_dialogue(save_policy(policy, folder / "model"), config.dialogue)
    save_reading(folder / "model", config.skill_mix)
    plot_curves(report.history, folder / "curves.png", x="step", panels=SFT_PANELS)
    return report


def reinforce(
    config: QuickstartConfig,
    train: TrainConfig,
    policy: Policy,
    engine: Engine,
    world: World,
    folder: Path,
    console: Console,
    *,
    resume: bool = False,
    on_update: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> Checkpoint:
    """Train ``policy`` in place.

    Args:
        config: how the policy is spoken to.
        train: method with budget.
        policy: where the training starts.
        engine: samples from its weights.
        world: opened.
        folder: of the run, see ``Trainer``.
        console: where progress goes.
        resume: go on from the newest checkpoint in ``folder``.
        on_update: called with each update's metrics; what it raises ends the training.

    Raises:
        CraftError: see ``Trainer.run``.
    """
    codec = config.dialogue.io(policy).codec
    shown = ("success", "invalid", "steps", "seconds")
    with ProgressBar("training", train.updates, shown=shown, console=console) as bar:

        def done(row: Mapping[str, Any], groups: Any) -> None:
            bar.advance(row)
            on_update(row)

        trainer = Trainer(
            train,
            policy,
            world,
            engine,
            PolicyIO(
                codec=codec,
                prompt=train.prompt,
                sampling=train.sampling,
                preface=open_preface(train, policy, world.tasks),
            ),
            folder,
            on_update=done,
            teacher=open_teacher(train, policy, ChatCodec(policy.tokenizer), world.tasks),
        )
        return trainer.run(resume=resume)


def evaluate_policy(
    config: QuickstartConfig,
    policy: Policy,
    engine: Engine,
    world: World,
    panel: Panel,
    folder: Path,
    console: Console,
    *,
    agent: str,
    identity: str = "",
    rows_path: str | os.PathLike[str] | None = None,
) -> tuple[EvalReport, list[Trajectory]]:
    """The policy on one panel, without skills; its report is saved in ``folder``.

    Args:
        config: decoding, evaluation seeds, step limit.
        policy: who plays.
        engine: samples from its weights.
        world: opened.
        panel: all its tasks are played.
        folder: of the whole run; the report lies there under ``report_place``.
        console: where progress goes.
        agent: name in the report.
        identity: see ``ModelRunner``.
        rows_path: see ``evaluate``; what lies there is not played again.

    Returns:
        The report, the episodes that were played now.

    Raises:
        DataMismatch: the world does not hold the panel's tasks.
    """
    played: list[Trajectory] = []
    runner = ModelRunner(
        engine,
        config.dialogue.io(policy, temperature=config.eval_temperature),
        agent=agent,
        identity=identity,
        on_trajectory=played.append,
    )
    return evaluate_runner(config, runner, world, panel, folder, console, rows_path=rows_path), played


def evaluate_runner(
    config: QuickstartConfig,
    runner: Runner,
    world: World,
    panel: Panel,
    folder: Path,
    console: Console,
    *,
    rows_path: str | os.PathLike[str] | None = None,
) -> EvalReport:
    """Any agent on one panel; its report is saved in ``folder``. Arguments as in ``evaluate_policy``.

    Raises:
        DataMismatch: the world does not hold the panel's tasks.
    """
    total = len(panel) * len(config.eval_seeds)
    rows: list[TaskResult] = []
    shown = ("score", "broken")
    with ProgressBar(f"{runner.agent} on {panel.name}", total, shown=shown, console=console) as bar:

        def on_row(row: TaskResult) -> None:
            rows.append(row)
            bar.advance(score_so_far(rows))

        report = evaluate(
            runner,
            world,
            panel,
            seeds=config.eval_seeds,
            num_envs=config.train.num_envs,
            max_steps=config.step_limit,
            rows_path=rows_path,
            on_row=on_row,
        )
    save_report(report, folder / report_place(panel.name, runner.agent))
    return report
