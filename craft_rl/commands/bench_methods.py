"""craft bench methods: what one update of each method costs, beside that of another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from craft_envs.data import write_json
from craft_envs.errors import ConfigError
from craft_rl.assemble import DialogueSettings
from craft_rl.worlds import WorldConfig, open_world, with_fitting_size

if TYPE_CHECKING:
    from craft_rl.method_cost import MethodCost


@dataclass(frozen=True, kw_only=True)
class BenchMethodsSettings:
    """One real update of each method with the embedded policy: passes counted, phases timed."""

    methods: tuple[str, ...] = ()
    """Names; every method when absent."""
    base: str = "grpo"
    """What the others are compared with."""
    model: str = "small-1M"
    """small-0.3M, small-1M, ... (random weights), or a model folder or hub id."""
    tasks: int = 4
    """Tasks of the update."""
    group_size: int = 4
    """Siblings per task."""
    updates: int = 1
    """Updates; counts are those of the first, times the best of all."""
    max_steps: int = 8
    """Step limit."""
    micro_batch_tokens: int = 8192
    """Tokens of one forward pass, padding included."""
    skills: str | None = None
    """Bank of the teachers; the bundled one of the environment when absent."""
    out: Path | None = None
    """JSON file to write."""
    world: WorldConfig = field(default_factory=lambda: WorldConfig(size="small"))
    """What is played."""
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)
    """How the policy is spoken to."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(tyro.cli(BenchMethodsSettings, prog="craft bench methods", args=with_fitting_size(args)))
    return 0


def run(settings: Annotated[BenchMethodsSettings, tyro.conf.arg(name="")]) -> list[MethodCost]:
    """Measure, print, write.

    Raises:
        ConfigError: unknown method, or settings that it refuses.
    """
    from craft_rl.adapter_settings import LoraConfig
    from craft_rl.agent.parse import tags_of
    from craft_rl.commands.sft import SMALL
    from craft_rl.config import TrainConfig
    from craft_rl.distillation_settings import TeacherConfig
    from craft_rl.method_cost import measure
    from craft_rl.methods import METHODS, method
    from craft_rl.models.load import Policy, load_policy
    from craft_rl.models.lora import with_lora
    from craft_rl.models.small import build_small
    from craft_rl.rollout.demonstrate import demonstration_specs, play_agent
    from craft_rl.rollout.texts import texts_of

    names = list(dict.fromkeys([settings.base, *(settings.methods or METHODS)]))
    rows = [method(name) for name in names]
    world, dialogue = open_world(settings.world), settings.dialogue
    texts: list[str] = []
    if settings.model.startswith(SMALL):
        sample = demonstration_specs(world.tasks.task_ids(settings.world.split)[::20][:100])
        texts = list(texts_of(play_agent(sample, world, "scripted", form=dialogue.prompt.form), world))

    def fresh() -> Policy:
        if not texts:
            return load_policy(settings.model)
        return build_small(
            texts,
            size=settings.model.removeprefix(SMALL),
            tags=tags_of(dialogue.prompt.form),
            max_context=2 * dialogue.max_context,  # room for skills
        )

    costs = []
    for row in rows:
        defaults = dict(row.defaults)
        if row.teacher != "none" or row.reads:
            # craft/ALFWorld-v0 -> alfworld
            usual = settings.world.env.rpartition("/")[2].partition("-")[0].lower()
            defaults |= {"skills": settings.skills or usual, "teacher": TeacherConfig(too_long="shorter")}
        lora = LoraConfig(rank=16 if row.token_weights else 0)
        policy = with_lora(fresh(), lora, seed=0)
        config = TrainConfig(
            **defaults,
            method=row.name,
            lora=lora,
            updates=settings.updates,
            tasks_per_update=settings.tasks,
            group_size=settings.group_size,
            num_envs=settings.tasks * settings.group_size,
            world=dataclasses.replace(settings.world, max_steps=settings.max_steps),
            prompt=dialogue.prompt,
            sampling=dialogue.io(policy, temperature=1.0).sampling,
            micro_batch_tokens=settings.micro_batch_tokens,
            tensorboard=False,
        )
        costs.append(measure(config, policy, world, dialogue, updates=settings.updates))
    print_costs(costs, Console())
    if settings.out is not None:
        write_json(settings.out, [dataclasses.asdict(cost) for cost in costs])
    return costs


def print_costs(costs: Sequence[MethodCost], console: Console) -> None:
    """A row for each method, then in words what it has beyond the first."""
    from craft_rl.method_cost import Passes, extra

    if not costs:
        raise ConfigError("no method was measured", remedy="name at least one")
    base = costs[0]
    table = Table(title=f"one update, {base.loss_tokens:,} sampled tokens", title_justify="left")
    table.add_column("method")
    for name in ("rollout", "teacher", "learning", "gradient", "no gradient", "reference"):
        table.add_column(name, justify="right")
    for cost in costs:
        passes = (cost.learning, cost.scoring, cost.reference)
        table.add_row(
            cost.method,
            *(f"{cost.seconds[phase]:.2f}" for phase in ("rollout", "teacher", "learning")),
            *(f"{one.tokens:,}" for one in passes),
        )
    console.print(table)
    told = "CPU seconds of each phase; tokens of each kind of forward pass beyond sampling, padding included."
    console.print(told, highlight=False, soft_wrap=True)
    for cost in costs[1:]:
        more = extra(cost, base)
        parts = [
            f"{p.calls:+,} {'pass' if p.calls == 1 else 'passes'} {words} "
            f"({p.tokens:+,} tokens, {p.positions:+,} scored positions)"
            for kind, words in (
                ("learning", "with gradient"),
                ("scoring", "without gradient"),
                ("reference", "of the reference"),
            )
            if (p := more.get(kind, Passes())) != Passes()
        ]
        share = cost.seconds["teacher"] / max(base.total, 1e-9)
        told = f"; the teacher took {share:.1%} of {base.method}'s update" if cost.teacher_tokens else ""
        if cost.seconds["credit"]:
            share = cost.seconds["credit"] / max(cost.total, 1e-9)
            told += f"; the credit of its tokens takes {share:.2%} of its own"
        console.print(
            f"{cost.method} over {base.method}: {', '.join(parts) or 'no pass'}, nothing else{told}",
            highlight=False,
            soft_wrap=True,
        )
