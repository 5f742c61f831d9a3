"""How unevenly the schemes of token weights spread their weight over a LoRA policy's own trajectories."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import ArcaConfig, LoraConfig
from craft_rl.assemble import load_dialogue
from craft_rl.config import OptimConfig, TrainConfig
from craft_rl.credit.adapter_residual import SCHEMES, concentration
from craft_rl.engine.hf import open_engine
from craft_rl.models.load import load_policy
from craft_rl.models.lora import with_lora
from craft_rl.token_weights import token_weights
from craft_rl.tokens.pack import pack
from craft_rl.trainer import Trainer
from craft_rl.types import Group
from craft_rl.update import Learner
from craft_rl.worlds import WorldConfig, open_world

UNITS: tuple[Literal["step", "trajectory"], ...] = ("step", "trajectory")
RIVALS = tuple(scheme for scheme in SCHEMES if scheme not in ("uniform", "arca"))
"""Schemes that the paper finds concentrated, with ARCA between them and uniform weights."""


@dataclass(frozen=True, kw_only=True)
class ConcentrationConfig:
    """A short training with ARCA's weights for every rank with every seed; all schemes look on."""

    model: str
    """Folder or hub id of the policy to start from."""
    ranks: tuple[int, ...] = (4, 16, 64)
    """Ranks of the adapter."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of adapter, tasks, sampling."""
    updates: int = 3
    """Updates of each run; figures are means over the later half of them."""
    tasks_per_update: int = 3
    """Tasks of one update."""
    group_size: int = 4
    """Siblings per task."""
    learning_rate: float = 1e-3
    """Of the adapter."""
    eps: float = ArcaConfig.eps
    """Added to every salience."""
    world: WorldConfig = field(default_factory=lambda: WorldConfig(size="small", max_steps=15))
    """What is played."""

    def __post_init__(self) -> None:
        """Refuse what gives no figure."""
        for name in ("ranks", "seeds"):
            if not getattr(self, name):
                raise ConfigError(f"no {name} are given", remedy=f"give at least one of {name}")
        if min(self.ranks) < 1:
            raise ConfigError(f"setting ranks is {self.ranks!r}", remedy="give whole numbers from 1")
        if self.updates < 1:
            raise ConfigError(f"setting updates is {self.updates!r}", remedy="give a whole number from 1")

    def training(self, rank: int, seed: int) -> TrainConfig:
        """The settings of one run; prompts as the model's folder says."""
        config = TrainConfig(
            method="arca",
            lora=LoraConfig(rank=rank),
            arca=ArcaConfig(eps=self.eps),
            seed=seed,
            updates=self.updates,
            tasks_per_update=self.tasks_per_update,
            group_size=self.group_size,
            num_envs=self.tasks_per_update * self.group_size,
            world=self.world,
            reward_scale=1.0,
            kl_coef=0.0,
            entropy_coef=0.0,
            optim=OptimConfig(learning_rate=self.learning_rate),
            checkpoint_every=0,
            tensorboard=False,
        )
        known = load_dialogue(self.model)
        if known is None:
            return config
        sampling = replace(config.sampling, max_new_tokens=known.max_new_tokens)
        return replace(config, prompt=known.prompt, sampling=sampling)


def spreads(learner: Learner, groups: Sequence[Group], *, eps: float) -> list[dict[str, Any]]:
    """Mean Gini coefficient with mean effective share of tokens, for every scheme, per step or trajectory.

    Args:
        learner: of a LoRA policy under method arca.
        groups: trajectories to look at, whether they carry a signal or not.
        eps: added to every salience.
    """
    batch = pack([t for group in groups for t in group.trajectories if t.status.is_trainable])
    rows = range(len(batch))
    seen = learner.look(batch, rows)
    out = []
    for per in UNITS:
        for scheme in SCHEMES:
            words: dict[str, Any] = {} if scheme == "uniform" else {"eps": eps, "per": per}
            settings = ArcaConfig(scheme=scheme, **words)
            if scheme == "uniform" and per != settings.per:
                continue  # 0 and 1, whatever the unit
            _, weights, unit = token_weights(batch, rows, seen, settings)
            units = int(unit.max()) + 1
            spread = concentration(weights, unit, units)
            out.append(
                {
                    "per": per,
                    "scheme": scheme,
                    "gini": float(spread.gini.mean()),
                    "effective_tokens": float(spread.effective_ratio.mean()),
                    "tokens": len(unit) / units,
                }
            )
    return out


def study(
    config: ConcentrationConfig, on_run: Callable[[Mapping[str, Any]], None] = lambda told: None
) -> list[dict[str, Any]]:
    """A row for every rank, seed, update, unit, scheme.

    Each update's own trajectories are looked at with the weights after it: a fresh adapter changes nothing.

    Args:
        config: all settings.
        on_run: called after each update with its metrics.

    Raises:
        CraftError: as ``load_policy`` or ``Trainer``.
    """
    world, rows = open_world(config.world), list[dict[str, Any]]()
    known = load_dialogue(config.model)
    for rank in config.ranks:
        for seed in config.seeds:
            train = config.training(rank, seed)
            policy = with_lora(load_policy(config.model), train.lora, seed=seed)
            limit = known.max_context if known is not None else 4096
            engine = open_engine(policy.model, slots=train.num_envs, max_context=limit)
            io = _io(policy, train)
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(train, policy, world, engine, io, Path(folder))
                for update in range(1, config.updates + 1):
                    metrics, groups = trainer.one_update()
                    named = {"rank": rank, "seed": seed, "update": update}
                    rows += [named | row for row in spreads(trainer.learner, groups, eps=config.eps)]
                    on_run(named | {"success": metrics["success"], "seconds": metrics["seconds"]})
    return rows


def _io(policy: Any, train: TrainConfig) -> Any:
    from craft_rl.agent.policy_io import PolicyIO
    from craft_rl.tokens.encode import ChatCodec

    return PolicyIO(codec=ChatCodec(policy.tokenizer), prompt=train.prompt, sampling=train.sampling)


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for every unit, rank, scheme: mean over the seeds, least, greatest, of the later half's means."""
    last = max(row["update"] for row in rows)
    later = [row for row in rows if row["update"] > last // 2]
    out = []
    for per in UNITS:
        for rank in sorted({row["rank"] for row in rows}):
            for scheme in SCHEMES:
                kept = [r for r in later if (r["per"], r["rank"], r["scheme"]) == (per, rank, scheme)]
                if not kept:
                    continue
                told: dict[str, Any] = {"per": per, "rank": rank, "scheme": scheme}
                for name in ("gini", "effective_tokens", "tokens"):
                    seeds = sorted({row["seed"] for row in kept})
                    means = [fmean(r[name] for r in kept if r["seed"] == seed) for seed in seeds]
                    told |= {name: fmean(means), f"{name}_least": min(means), f"{name}_most": max(means)}
                out.append(told)
    return out


def ordering(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Share of the runs in which ARCA's weights are less concentrated than each rival's, by unit.

    The Gini coefficients are means over the later half of a run; ``middle``: less than all rivals, above 0.
    """
    last = max(row["update"] for row in rows)
    told: dict[str, dict[str, float]] = {}
    for per in UNITS:
        found: dict[tuple[int, int], dict[str, list[float]]] = {}
        for row in rows:
            if row["per"] == per and row["update"] > last // 2:
                run = found.setdefault((row["rank"], row["seed"]), {})
                run.setdefault(row["scheme"], []).append(row["gini"])
        means = [{scheme: fmean(values) for scheme, values in run.items()} for run in found.values()]
        told[per] = {rival: fmean(run["arca"] < run[rival] for run in means) for rival in RIVALS}
        told[per]["middle"] = fmean(0 < run["arca"] < min(run[r] for r in RIVALS) for run in means)
    return told
