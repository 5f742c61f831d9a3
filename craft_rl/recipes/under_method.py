"""A recipe's training under another method: the row's own settings, the rest as the recipe has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.methods import METHODS, method
from craft_rl.quickstart_settings import QuickstartConfig


def under_method(base: QuickstartConfig, name: str, *, skills: str | None = None) -> TrainConfig:
    """The training of ``base`` with the method ``name``.

    The recipe keeps its rewards, penalties, optimiser; from the row come the settings in which it differs
    from GRPO's, such as ``distill``. CRAFT polarises a KL, so a recipe without one gets the row's weight.

    Args:
        base: a recipe.
        name: of the method.
        skills: bank of its teacher, who reads as the policy has learned to read where the recipe teaches it.

    Raises:
        ConfigError: no such method, or settings of the recipe that it refuses.
    """
    train, row, plain = base.train, method(name), METHODS["grpo"].defaults
    changes: dict[str, Any] = {
        key: value for key, value in row.defaults.items() if key not in plain or value != plain[key]
    }
    if row.teacher == "craft" and train.kl_coef == 0:
        changes["kl_coef"] = row.defaults["kl_coef"]
    if skills is not None:
        # an episode with all its skills may outgrow a small policy
        reading = base.skill_mix.reading if base.skill_mix.bank else TeacherConfig()
        changes |= {"skills": skills, "teacher": replace(reading, too_long="shorter")}
    return replace(train, method=name, **changes)
