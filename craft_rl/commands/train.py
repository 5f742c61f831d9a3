"""``craft train``: reinforcement learning of a policy in a world."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from craft_envs.data import write_json
from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import check_adapter
from craft_rl.cli import value_of
from craft_rl.config import TrainConfig, from_mapping, to_mapping
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.methods import METHODS

COMMAND_FILE = "command.json"
"""Lies in the run's folder: what ``--resume`` goes on with."""
SHOWN = ("success", "invalid", "steps", "entropy", "mixed_groups", "seconds")


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """Train a policy by playing: groups of siblings, advantages inside each group, clipped policy loss."""

    out: Path
    """Folder of the run: metrics.jsonl, curves.png, checkpoints; the policy is written to OUT/model, with
    lora.rank merged into its base, the adapter alone to OUT/adapter."""
    model: str
    """Folder or hub id of the policy to start from."""
    resume: bool = False
    """Go on from the newest checkpoint in OUT."""
    max_context: int | None = None
    """Most tokens of a dialogue; as the model's folder says, else 4096."""
    panel: str | None = None
    """Frozen panel for the evaluations during training; its score chooses the best checkpoint."""
    device: str = "cpu"
    """Where model with optimiser live."""
    dtype: str = "float32"
    """Precision of the weights."""
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    """Method, loss, optimiser, budget."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(parse(args))
    return 0


def parse(args: Sequence[str]) -> TrainCommand:
    """The command line over the defaults of its method, of its model's folder, or of the run to be resumed.

    The folder of a policy that has learned to read skills says how its teacher reads them.

    A resumed run takes every setting from its own folder, so that ``--resume --out OUT`` is enough; what the
    command line adds must agree with it.

    Raises:
        ConfigError: unknown method, or a folder whose settings this version does not know.
    """
    out, model = value_of(args, "--out"), value_of(args, "--model")
    stored = Path(out or "") / COMMAND_FILE
    if "--resume" in args and out and stored.is_file():
        values = json.loads(stored.read_text())
        config = from_mapping(TrainConfig, values.pop("train"), where=str(stored))
        base = TrainCommand(**values, out=Path(out), train=config)
        return tyro.cli(TrainCommand, prog="craft train", args=list(args), default=base)
    config = TrainConfig.for_method(value_of(args, "--method") or "grpo")
    if model is not None:
        config = _with_dialogue(config, model)
        if (bank := value_of(args, "--skills")) is not None:
            config = _with_reading(config, model, bank)
    base = TrainCommand(
        # tyro then names what is missing, or prints the help
        out=tyro.MISSING if out is None else Path(out),
        model=tyro.MISSING if model is None else model,
        train=config,
    )
    told = f"{TrainCommand.__doc__} Methods: {', '.join(METHODS)}."
    return tyro.cli(TrainCommand, prog="craft train", description=told, args=list(args), default=base)


def run(command: TrainCommand, *, on_update: Callable[[Mapping[str, Any], Any], None] | None = None) -> Path:
    """Train, save, plot.

    Returns:
        The folder of the trained policy.

    Raises:
        CraftError: see ``Trainer.run``.
    """
    from craft_rl.agent.policy_io import PolicyIO
    from craft_rl.assemble import (
        DialogueSettings,
        check_dialogue,
        load_dialogue,
        save_dialogue,
    )
    from craft_rl.checkpoint import checkpoints
    from craft_rl.engine.hf import open_engine
    from craft_rl.models.load import load_policy, save_policy
    from craft_rl.models.lora import has_adapter, merged, with_lora
    from craft_rl.report.console import ProgressBar
    from craft_rl.report.corrections import correction_cost
    from craft_rl.report.jsonl import read_metrics
    from craft_rl.report.plots import plot_curves
    from craft_rl.skill_mix import save_skills_read
    from craft_rl.skilled import open_preface
    from craft_rl.teacher import open_teacher
    from craft_rl.tokens.encode import ChatCodec
    from craft_rl.trainer import Trainer
    from craft_rl.worlds import open_panels, open_world

    config = command.train
    if (command.panel is not None) != (config.eval_every > 0):
        raise ConfigError(
            f"panel is {command.panel!r}, eval_every {config.eval_every}", remedy="give both or neither"
        )
    check_adapter(config.method, config.needs_adapter, config.lora)
    world = open_world(config.world)
    # Looked at now: a panel of another world would otherwise stop the run at its first evaluation.
    panels = open_panels(() if command.panel is None else (command.panel,), config.world)
    policy = load_policy(command.model, device=command.device, dtype=command.dtype)
    policy = with_lora(policy, config.lora, seed=config.seed)
    check_dialogue(command.model, config.prompt)
    known = load_dialogue(command.model)
    max_context = command.max_context or (known.max_context if known else 4096)
    engine = open_engine(policy.model, slots=config.num_envs, max_context=max_context)
    codec = ChatCodec(policy.tokenizer)
    preface = open_preface(config, policy, world.tasks)
    io = PolicyIO(codec=codec, prompt=config.prompt, sampling=config.sampling, preface=preface)
    evaluator = _evaluator(command, engine, io, world, panels[0]) if panels else None
    # now rather than at the first update: a bank that cannot be read then costs no episode
    teacher = open_teacher(config, policy, codec, world.tasks)
    dialogue = DialogueSettings(
        prompt=config.prompt, max_new_tokens=config.sampling.max_new_tokens, max_context=max_context
    )
    command.out.mkdir(parents=True, exist_ok=True)
    if not checkpoints(command.out / "checkpoints"):
        write_json(command.out / COMMAND_FILE, _plain(command))

    def describe(folder: Path) -> None:
        save_dialogue(folder, dialogue)
        if preface is not None:
            save_skills_read(folder, config.teacher)

    with ProgressBar("training", config.updates, shown=SHOWN) as bar:

        def advance(row: Mapping[str, Any], groups: Any) -> None:
            bar.advance(row)
            if on_update is not None:
                on_update(row, groups)

        trainer = Trainer(
            config,
            policy,
            world,
            engine,
            io,
            command.out,
            evaluator=evaluator,
            on_update=advance,
            on_save=describe,
            teacher=teacher,
        )
        trainer.run(resume=command.resume)
    if has_adapter(policy.model):
        describe(save_policy(policy, command.out / "adapter"))
    # merged: who reads the model need not know how it was trained
    model = save_policy(merged(policy), command.out / "model")
    describe(model)
    rows = read_metrics(command.out / "metrics.jsonl")
    plot_curves(rows, command.out / "curves.png")
    first, last = rows[:10], rows[-10:]
    print(
        f"{len(rows)} updates, success {_mean(first):.3f} (first {len(first)}) to {_mean(last):.3f} "
        f"(last {len(last)}), {sum(row['seconds'] for row in rows):.0f} s"
    )
    cost = correction_cost(rows)
    if cost:
        print(f"corrections: {cost}")
    print(model)
    return model


def _evaluator(
    command: TrainCommand, engine: Any, io: Any, world: Any, panel: Any
) -> Callable[[int], dict[str, float]]:
    from craft_rl.agent.policy_io import PolicyIO, Sampling
    from craft_rl.evaluate import ModelRunner, evaluate

    config = command.train
    sampling = Sampling(temperature=0.0, max_new_tokens=io.sampling.max_new_tokens)
    greedy = PolicyIO(codec=io.codec, prompt=io.prompt, sampling=sampling)

    def evaluator(update: int) -> dict[str, float]:
        report = played(greedy)
        scores = {"score": report.mean, "errors": float(report.errors)}
        if io.preface is not None:  # beside, under another name: what the policy scores when it is told
            scores["score_with_skills"] = played(replace(greedy, preface=io.preface)).mean
        return scores

    def played(voice: PolicyIO) -> Any:
        runner = ModelRunner(engine, voice, agent=command.model)
        limit = config.world.max_steps
        return evaluate(runner, world, panel, num_envs=config.num_envs, max_steps=limit)

    return evaluator


def _with_dialogue(config: TrainConfig, model: str) -> TrainConfig:
    from craft_rl.assemble import load_dialogue

    known = load_dialogue(model)
    if known is None:
        return config
    sampling = replace(config.sampling, max_new_tokens=known.max_new_tokens)
    return replace(config, prompt=known.prompt, sampling=sampling)


def _with_reading(config: TrainConfig, model: str, bank: str) -> TrainConfig:
    from craft_rl.skill_mix import load_reading, teacher_reading

    row, learned = METHODS[config.method], load_reading(model)
    if (row.teacher == "none" and not row.reads) or learned == TeacherConfig():
        return config
    return replace(config, skills=bank, teacher=teacher_reading(learned))


def _plain(command: TrainCommand) -> dict[str, Any]:
    names = ("model", "max_context", "panel", "device", "dtype")
    return {**{name: getattr(command, name) for name in names}, "train": to_mapping(command.train)}


def _mean(rows: Sequence[Mapping[str, Any]]) -> float:
    return sum(row["success"] for row in rows) / max(len(rows), 1)
