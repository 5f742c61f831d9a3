"""Studies by name: which variants are compared."""

from __future__ import annotations

from collections.abc import Mapping

from craft_envs.errors import ConfigError, did_you_mean
from craft_rl.study.settings import StudyConfig

STUDIES: Mapping[str, tuple[str, ...]] = {
    "sdar": ("grpo", "gigpo", "grpo_opsd", "skill_sd", "rlsd", "sdar"),
    "sdar-controls": (
        "grpo",
        "sdar",
        "sdar-irrelevant: method=sdar teacher.control=irrelevant",
        "sdar-empty: method=sdar teacher.control=empty",
        "sdar-shuffled: method=sdar distill.shuffle=true",
    ),
}
"""Name -> its variants, the baseline among them."""

READING = "small-skills"
"""Recipe whose starts have learned to act on skills: else their teacher would know no more than they do."""


def study_of(name: str, recipe: str | None = None) -> StudyConfig:
    """A named study on a recipe; ``READING`` when none is given.

    Example: ``study_of("sdar", "webshop-small").variants`` begins with ``"grpo"``.

    Raises:
        ConfigError: no such study or recipe.
    """
    if name not in STUDIES:
        remedy = f"{did_you_mean(name, STUDIES)} use one of {', '.join(STUDIES)}".strip()
        raise ConfigError(f"no study {name!r}", remedy=remedy)
    return StudyConfig(name=name, recipe=recipe or READING, variants=STUDIES[name])
