"""A recipe's training under another method: the row's own settings, the rest as the recipe has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.methods import METHODS, method
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.skill_mix import teacher_reading


def method_changes(train: TrainConfig, name: str) -> dict[str, Any]:
    """Fields that change where ``train`` goes on under the method ``name``.

    A training keeps its rewards, penalties, optimiser. What the row of its present method sets otherwise
    than GRPO's row, such as ``distill``, returns to the default; what the new row sets otherwise comes. CRAFT
    polarises a KL, so a training without one gets the row's weight, and keeps it under the next method.

    Raises:
        ConfigError: no such method.
    """
    usual, row = TrainConfig(), method(name)
    changes = {key: getattr(usual, key) for key in _own(train.method)} | _own(name) | {"method": name}
    if row.teacher == "craft" and train.kl_coef == 0:
        changes["kl_coef"] = row.defaults["kl_coef"]
    return changes


def under_method(base: QuickstartConfig, name: str, *, skills: str | None = None) -> TrainConfig:
    """The training of ``base`` with the method ``name``.

    Args:
        base: a recipe.
        name: of the method.
        skills: bank of the method's teacher, if it has one; when absent that which the recipe's policy learns
            to read. The teacher reads as the policy has learned to.

    Raises:
        ConfigError: no such method, or settings of the recipe that it refuses.
    """
    changes, row = method_changes(base.train, name), METHODS[name]
    bank = skills or (base.skill_mix.bank if row.teacher != "none" or row.reads else None)
    reading = base.skill_mix.reading if base.skill_mix.bank else TeacherConfig()
    told = TeacherConfig() if bank is None else teacher_reading(reading)
    return replace(base.train, **changes, skills=bank, teacher=told)


def _own(name: str) -> dict[str, Any]:
    plain = METHODS["grpo"].defaults
    return {
        key: value for key, value in method(name).defaults.items() if key not in plain or value != plain[key]
    }
