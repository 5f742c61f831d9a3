"""Settings of a study: which variants of which methods, from which start, with which budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft_envs.errors import ConfigError
from craft_rl.config import SPEED_ONLY, TrainConfig, to_mapping
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.craft import without_controller
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.recipes.under_method import method_changes
from craft_rl.skill_mix import teacher_reading
from craft_rl.study.variants import Variant, built, changed_settings, settings_from, with_changes

BANKS: Mapping[str, str] = {
    "craft/ALFWorld-v0": "alfworld",
    "craft/WebShop-v0": "webshop",
    "craft/SearchQA-v0": "searchqa",
}
"""Environment -> bundled bank of skills that a study takes when none is named."""

_OWN = {
    "seed": "seeds",
    "out": "out",
    "overwrite": "out",
    "threads": "jobs",
    "ladder": "panels alone: a study evaluates the policies only",
    "exhibits": "craft quickstart, which tells episodes",
    "train_minutes": "updates: minutes would give each variant another budget",
    "train.method": "variants",
    "train.seed": "seeds",
    "sft.seed": "seeds",
    "sft.minutes": "sft.epochs: minutes would not repeat",
    "train.skills": "skills",
}
"""Settings of a recipe that a study decides itself, with what to use instead."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that a study decides; ``craft_rl.recipes.studies`` holds named ones.

    For each seed one policy is cloned; every variant is trained from it with the same updates, evaluated
    without skills on the recipe's panels.

    Raises:
        ConfigError: settings that contradict each other, a method or setting that does not exist.
    """

    name: str
    """Of the study."""
    recipe: str = "small"
    """Recipe of the quickstart that the start, the world, the panels, the budget come from."""
    variants: tuple[str, ...]
    """What is compared: NAME of a method, or "LABEL: method=NAME FIELD=VALUE ..."."""
    baseline: str = "grpo"
    """Label of the variant that the others are compared with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each has a start of its own."""
    updates: int | None = None
    """Updates of every variant; the recipe's when absent."""
    eval_seeds: tuple[int, ...] | None = None
    """Evaluation seeds; the recipe's when absent."""
    settings: tuple[str, ...] = ()
    """Further settings of the recipe, FIELD=VALUE each: demonstrations=3600, train.tasks_per_update=8."""
    skills: str | None = None
    """Bank of the teachers; when absent that which the start has learned to read, else the bundled one."""
    teacher: tuple[str, ...] = ()
    """Changes to how every teacher reads it, FIELD=VALUE each: budget=200. A variant may change more."""
    checkpoint_every: int = 5
    """Updates that an interruption costs at most."""
    jobs: int = 1
    """Processes at the same time, each with one thread."""
    minutes: float | None = None
    """No start and no training begins after this wall time; run again to go on."""
    out: Path | None = None
    """Folder of the study; runs/study-NAME-RECIPE when absent."""

    def __post_init__(self) -> None:
        """Resolve everything once, so that nothing is refused later."""
        for name in ("seeds", "variants", "eval_seeds"):
            values = getattr(self, name)
            if values is not None and (not values or len(set(values)) != len(values)):
                raise ConfigError(
                    f"{name} is {' '.join(map(str, values)) or 'empty'}",
                    remedy="give at least one, each only once",
                )
        for name in ("jobs", "checkpoint_every", "updates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}", remedy="give a whole number from 1")
        if self.minutes is not None and self.minutes <= 0:
            raise ConfigError(f"minutes is {self.minutes}", remedy="give minutes above 0, or none")
        labels = [variant.label for variant in self.parsed]
        if len(set(labels)) != len(labels):
            raise ConfigError(f"two variants share a label: {', '.join(labels)}", remedy="name each once")
        if self.baseline not in labels:
            raise ConfigError(
                f"the baseline {self.baseline!r} is no variant",
                remedy=f"add it, or choose one of {', '.join(labels)}",
            )
        told = [train for train in self.trainings.values() if train.skills is not None]
        if not told:
            for name in ("skills", "teacher"):
                if getattr(self, name):
                    raise ConfigError(
                        f"setting {name} would have no effect: no variant has a teacher",
                        remedy=f"drop {name}",
                    )

    @property
    def parsed(self) -> tuple[Variant, ...]:
        """The variants."""
        return tuple(Variant.parse(text) for text in self.variants)

    @property
    def start(self) -> QuickstartConfig:
        """Settings of the starts, with seed 0.

        Raises:
            ConfigError: no such recipe or setting, or one that the study decides.
        """
        changes = settings_from(self.settings, where="settings")
        for name in changes:
            if name in _OWN:
                raise ConfigError(f"settings name {name}", remedy=f"use {_OWN[name]}")
        for name, short in (("train.updates", "updates"), ("eval_seeds", "eval_seeds")):
            if (value := getattr(self, short)) is not None:
                if name in changes:
                    raise ConfigError(f"{short} as well as {name} is given", remedy="drop one")
                changes[name] = value
        recipe = quickstart_recipe(self.recipe)
        changed = changed_settings(recipe, changes, where="settings")
        return dataclasses.replace(changed, threads=None, ladder=())

    @property
    def trainings(self) -> dict[str, TrainConfig]:
        """Label -> settings of its training, with seed 0.

        All take the recipe's; what the row of a method sets otherwise than grpo's row comes with it.

        Raises:
            ConfigError: as ``TrainConfig`` says, with the variant's label.
        """
        start = self.start.train
        neutral = {
            "checkpoint_every": self.checkpoint_every,
            "keep_checkpoints": 1,
            "tensorboard": False,
        }
        shared = {
            name: value for name, value in to_mapping(start).items() if name not in ("skills", "teacher")
        }
        trainings = {
            v.label: self._training(v, shared | neutral | _as_plain(method_changes(start, v.method)))
            for v in self.parsed
            if v.frozen is None
        }
        for variant in self.parsed:
            if variant.frozen is not None:
                # The weights themselves are known when that variant has been trained.
                trainings[variant.label] = without_controller(self._held(variant, trainings))
        return {variant.label: trainings[variant.label] for variant in self.parsed}

    def variant(self, label: str) -> Variant:
        """The one with this label."""
        return next(variant for variant in self.parsed if variant.label == label)

    @property
    def bank(self) -> str:
        """Bank of the teachers.

        Raises:
            ConfigError: none is named, none is bundled for this world.
        """
        start = self.start
        named, env = self.skills or start.skill_mix.bank, start.train.world.env
        if named is None and env not in BANKS:
            raise ConfigError(f"no bank of skills is bundled for {env}", remedy="name one with skills")
        return named or BANKS[env]

    @property
    def reading(self) -> TeacherConfig:
        """How every teacher reads: as the start has learned to, with ``teacher``'s changes.

        A small policy has little room, so what does not fit is told in short; the metrics count it.

        Raises:
            ConfigError: no such setting.
        """
        usual = teacher_reading(self.start.skill_mix.reading)
        changes = settings_from(self.teacher, where="teacher")
        return changed_settings(usual, changes, where="teacher")

    @property
    def folder(self) -> Path:
        """Where the results lie."""
        return self.out if self.out is not None else Path("runs") / f"study-{self.name}-{self.recipe}"

    def _held(self, variant: Variant, trainings: Mapping[str, TrainConfig]) -> TrainConfig:
        other = trainings.get(variant.frozen or "")
        if other is None or other.method != "craft" or not other.craft.controller:
            raise ConfigError(
                f"{variant.frozen!r} is no variant of craft with a controller",
                where=f"variant {variant.label}",
                remedy="name the label of one",
            )
        return other

    def _training(self, variant: Variant, shared: Mapping[str, Any]) -> TrainConfig:
        where, base = f"variant {variant.label}", dict(shared)
        changes = dict(variant.changes)
        for name in ("seed", *SPEED_ONLY, "updates", "skills"):
            if name in changes:
                raise ConfigError(f"{name} would differ between variants", where=where, remedy=f"drop {name}")
        untold = {name: value for name, value in changes.items() if not name.startswith("teacher.")}
        if built(TrainConfig, with_changes(base, untold), where=where).has_teacher:
            base["skills"] = self.bank
            # A teacher that is told nothing has no use for the others' way of reading.
            if changes.get("teacher.control") != "empty":
                base["teacher"] = to_mapping(self.reading)
        return built(TrainConfig, with_changes(base, changes), where=where)


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with a study under other settings; variants, seeds may be added, the name may change.

    Args:
        before: ``resolved`` of the study that lies in the folder.
        now: ``resolved`` of the one that is asked for.
        where: the folder.

    Raises:
        ConfigError: with every setting that differs.
    """
    changed = []
    for name in ("variants", "starts"):
        for entry in before[name]:
            if entry not in now[name]:
                changed.append(f"{name}: {entry} is there, not asked for")
    changed += _differences(before, now)
    if changed:
        raise ConfigError(
            "the folder holds a study with other settings: " + "; ".join(changed),
            where=str(where),
            remedy="go on with the same settings (variants or seeds may be added), or choose another --out",
        )


def resolved(config: StudyConfig) -> dict[str, Any]:
    """All that decides results, down to each variant's training: plain values."""
    start = to_mapping(config.start)
    for name in ("out", "overwrite", "exhibits"):
        start.pop(name, None)
    return {
        "baseline": config.baseline,
        "start": start,
        "starts": [str(seed) for seed in config.seeds],
        "variants": {
            label: {name: value for name, value in to_mapping(train).items() if name not in SPEED_ONLY}
            | ({"frozen": held} if (held := config.variant(label).frozen) else {})
            for label, train in config.trainings.items()
        },
    }


def _differences(before: Any, now: Any, prefix: str = "") -> list[str]:
    """``name: old -> new`` wherever both sides have an entry, or where one of them has a new setting."""
    lines: list[str] = []
    for name in before if prefix in ("", "variants.") else sorted(set(before) | set(now)):
        if name == "starts" or (prefix == "variants." and name not in now):
            continue
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            lines.append(f"{prefix}{name}: {old!r} -> {new!r}")
    return lines


def _as_plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: to_mapping(value) if dataclasses.is_dataclass(value) else value for key, value in changes.items()
    }
