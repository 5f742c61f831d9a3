"""``craft sft``: behaviour cloning of a policy on demonstrations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import tyro

from craft_envs.data import write_json
from craft_envs.errors import ConfigError
from craft_rl.config import SFTConfig, to_mapping
from craft_rl.skill_mix import SkillMix, save_reading
from craft_rl.worlds import WorldConfig, with_fitting_size

SMALL = "small-"
"""Prefix of the embedded policies' names: ``small-0.3M`` is built from random weights."""


@dataclass(frozen=True, kw_only=True)
class SFTCommand:
    """Clone a player: demonstrations in, a policy that speaks the world's language out."""

    out: Path
    """Folder of the run; the policy is written to OUT/model."""
    model: str = "small-0.3M"
    """small-0.3M, -1M, -3M, -5M (random weights, own tokenizer), or a model's folder or hub id."""
    demonstrations: Path | None = None
    """File of recorded trajectories, in this model's tokens; without it the agent plays now."""
    agent: str = "scripted"
    """Who demonstrates; scripted sees only what a player sees, so that it can be imitated."""
    episodes: int = 1000
    """Demonstrations to play."""
    noise: float = 0.15
    """Probability that a demonstrated step is a random action, shown but not imitated."""
    solved_only: bool = False
    """Imitate only episodes that solved their task."""
    skill_mix: SkillMix = field(default_factory=SkillMix)
    """Skills in the prompts of some demonstrations, so that the policy learns to read them."""
    world: WorldConfig = field(default_factory=lambda: WorldConfig(size="small"))
    """World with its tasks; bundled ones are small unless said otherwise."""
    template: str = "compact/1"
    """Wording of the prompts."""
    history: str = "full"
    """full: one growing dialogue; window: a fresh prompt per step."""
    think: str = "off"
    """off, optional, required: thinking before the action."""
    form: str = "tags"
    """How responses are written, see craft_rl/agent/parse.py: tags, or search_tags for questions."""
    admissible: bool = True
    """List the admissible actions in the prompts."""
    max_new_tokens: int = 32
    """Most tokens of a response."""
    max_context: int = 2048
    """Most tokens of a dialogue."""
    vocab_size: int = 1024
    """Vocabulary of an embedded policy's tokenizer."""
    lookback: tuple[int, ...] = ()
    """Distances in tokens that heads of an embedded policy begin by looking back: helps it learn to copy."""
    device: str = "cpu"
    """Where to train."""
    sft: Annotated[SFTConfig, tyro.conf.arg(name="")] = field(default_factory=SFTConfig)
    """Budget, optimiser, copy task."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(parse(args))
    return 0


def parse(args: Sequence[str]) -> SFTCommand:
    """The command line; the default size fits the world that it names.

    Raises:
        ConfigError: unknown environment.
    """
    return tyro.cli(SFTCommand, prog="craft sft", args=with_fitting_size(args))


def run(command: SFTCommand) -> Path:
    """Demonstrate, clone, save.

    Returns:
        The policy's folder.

    Raises:
        ConfigError: settings that contradict each other, or nothing to imitate.
    """
    from craft_rl.agent.parse import tags_of
    from craft_rl.assemble import DialogueSettings, save_dialogue
    from craft_rl.models.load import Policy, load_policy, save_policy
    from craft_rl.models.small import build_small
    from craft_rl.report.console import ProgressBar
    from craft_rl.report.jsonl import MetricsFile
    from craft_rl.report.plots import SFT_PANELS, plot_curves
    from craft_rl.rollout.demonstrate import demonstrate, demonstration_specs, play_agent
    from craft_rl.rollout.record import load_trajectories
    from craft_rl.rollout.texts import texts_of
    from craft_rl.sft import sft
    from craft_rl.skilled import bank_texts, demonstrate_mix
    from craft_rl.task_order import TaskOrder
    from craft_rl.worlds import open_world

    started = time.perf_counter()
    seed = command.sft.seed
    dialogue = _dialogue(command, DialogueSettings)
    small = command.model.startswith(SMALL)
    mix = command.skill_mix
    if mix.bank is not None and command.demonstrations is not None:
        raise ConfigError(
            f"setting skill_mix.bank={mix.bank!r} would have no effect: the demonstrations are recorded",
            remedy="drop skill_mix.bank, or demonstrations",
        )
    if command.lookback and not small:
        raise ConfigError(
            f"lookback={command.lookback} would have no effect: {command.model} has its weights already",
            remedy=f"drop lookback, or name an embedded policy such as {SMALL}0.3M",
        )
    if small and command.demonstrations is not None:
        raise ConfigError(
            "recorded demonstrations hold the ids of another tokenizer than the one to be built",
            remedy="name the model whose tokenizer recorded them, or drop demonstrations",
        )
    if command.episodes < 1:
        raise ConfigError(f"episodes is {command.episodes}", remedy="give at least 1")
    world = open_world(command.world)
    ids = world.tasks.task_ids(command.world.split)
    limit = min(command.world.tasks or len(ids), len(ids))
    chosen = TaskOrder(ids, per_update=min(command.episodes, limit), seed=seed, limit=limit).tasks(0)
    policy: Policy
    if small:
        form = dialogue.prompt.form
        sample = play_agent(demonstration_specs(chosen[:200], seed=seed), world, command.agent, form=form)
        texts = texts_of(sample, world)
        if mix.bank is not None:
            texts = chain(texts, bank_texts(mix.bank, world.tasks.env_id, mix.reading.placement))
        policy = build_small(
            texts,
            size=command.model.removeprefix(SMALL),
            vocab_size=command.vocab_size,
            tags=tags_of(form),
            max_context=command.max_context,
            lookback=command.lookback,
            seed=seed,
        )
        policy.model.to(command.device)
    else:
        policy = load_policy(command.model, device=command.device)
    if command.demonstrations is not None:
        trajectories = list(load_trajectories(command.demonstrations))
    else:
        per_task = -(-command.episodes // len(chosen))
        specs = demonstration_specs(chosen, per_task=per_task, seed=seed, max_steps=command.world.max_steps)
        with ProgressBar("demonstrations", min(command.episodes, len(specs)), shown=()) as bar:
            how: dict[str, Any] = {
                "agent": command.agent,
                "noise": command.noise,
                "max_context": dialogue.max_context,
                "on_done": lambda _: bar.advance({}),
            }
            chosen_specs, io = specs[: command.episodes], dialogue.io(policy)
            if mix.bank is None:
                trajectories = demonstrate(chosen_specs, world, io, **how)
            else:
                trajectories = demonstrate_mix(chosen_specs, world, io, policy, mix, **how)
    if command.solved_only:
        trajectories = [t for t in trajectories if t.success]
    command.out.mkdir(parents=True, exist_ok=True)
    write_json(command.out / "config.json", _plain(command))
    metrics = MetricsFile(command.out / "metrics.jsonl", offset=0)
    with ProgressBar("cloning", None, shown=("loss", "accuracy", "epoch", "tokens_per_second")) as bar:

        def on_row(row: Any) -> None:
            metrics.write(row)
            bar.advance(row)

        report = sft(policy, trajectories, command.sft, on_row=on_row)
    metrics.close()
    model = save_policy(policy, command.out / "model")
    save_dialogue(model, dialogue)
    save_reading(model, mix)
    plot_curves(report.history, command.out / "curves.png", x="step", panels=SFT_PANELS)
    held = "" if report.holdout_loss is None else f", held out {report.holdout_loss:.3f}"
    print(
        f"{len(trajectories)} demonstrations, {report.steps} steps, "
        f"{report.tokens_per_second:,.0f} tokens/s, loss {report.loss:.3f}{held}, "
        f"accuracy {report.accuracy:.3f}, "
        f"{time.perf_counter() - started:.0f} s\n{model}"
    )
    return model


def _dialogue(command: SFTCommand, kind: Any) -> Any:
    from craft_rl.config import from_mapping

    names = ("template", "history", "think", "form", "admissible")
    prompt = {name: getattr(command, name) for name in names}
    return from_mapping(
        kind, {"prompt": prompt, "max_new_tokens": command.max_new_tokens, "max_context": command.max_context}
    )


def _plain(command: SFTCommand) -> dict[str, Any]:
    values = {k: str(v) if isinstance(v, Path) else v for k, v in vars(command).items()}
    plain = {name: to_mapping(getattr(command, name)) for name in ("world", "sft")}
    shown = {} if values.pop("skill_mix") == SkillMix() else {"skill_mix": to_mapping(command.skill_mix)}
    return {**values, **plain, **shown}
