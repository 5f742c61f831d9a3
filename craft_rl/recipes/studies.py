"""Studies by name: which variants are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from craft_envs.errors import ConfigError, one_of
from craft_rl.craft_settings import CraftConfig
from craft_rl.recipes.craft import ABLATIONS
from craft_rl.study.settings import StudyConfig


def _changed(pillars: CraftConfig) -> str:
    """What differs from the full method, as a variant writes it."""
    usual, given = asdict(CraftConfig()), asdict(pillars)
    return " ".join(f"craft.{name}={json.dumps(v)}" for name, v in given.items() if v != usual[name])


_SDAR = ("grpo", "gigpo", "grpo_opsd", "skill_sd", "rlsd", "sdar")
STUDIES: Mapping[str, tuple[str, ...]] = {
    "sdar": _SDAR,
    "craft": (
        *_SDAR,
        "rlsd-irrelevant: method=rlsd teacher.control=irrelevant",
        "opsd",  # the teacher alone, no reward
        "sdar-1: method=sdar distill.coef=1",  # 100 times the published pull
        "grpo-kl: method=grpo kl_coef=0.01",  # CRAFT has a KL, the others none
        "craft",  # credit "realised"
        "craft-1: method=craft craft.coef=1 craft.controller=false",
        "craft-paper: method=craft craft.variant=paper",
        "craft-group-tilt: method=craft craft.variant=group_tilt",
        "adaptive_cringe",
        "arca: method=arca lora.rank=16 optim.learning_rate=0.001",
        "arca-uniform: method=arca arca.scheme=uniform lora.rank=16 optim.learning_rate=0.001",
        "ibpo: method=ibpo ibpo.weight=0.6 ibpo.mask=true ibpo.operator=resume",
        "craft-shuffled: method=craft craft.control=shuffled_siblings",
        "craft-no-gap: method=craft craft.control=no_gap",
        "craft-frozen: frozen=craft",
    ),
    "craft-ablations": (
        "grpo",
        "craft",
        *(f"craft-{name}: method=craft {_changed(pillars())}" for name, pillars in ABLATIONS.items()),
    ),
    "sdar-controls": (
        "grpo",
        "sdar",
        "sdar-irrelevant: method=sdar teacher.control=irrelevant",
        "sdar-empty: method=sdar teacher.control=empty",
        "sdar-shuffled: method=sdar distill.shuffle=true",
    ),
}
"""Name -> its variants, the baseline among them. The study craft goes on in a folder of the study sdar."""

READING = "small-skills"
"""Recipe whose starts have learned to act on skills: else their teacher would know no more than they do."""


def study_of(name: str, recipe: str | None = None) -> StudyConfig:
    """A named study on a recipe; ``READING`` when none is given.

    Example: ``study_of("sdar", "webshop-small").variants`` begins with ``"grpo"``.

    Raises:
        ConfigError: no such study or recipe.
    """
    if name not in STUDIES:
        remedy = one_of(name, STUDIES)
        raise ConfigError(f"no study {name!r}", remedy=remedy)
    return StudyConfig(name=name, recipe=recipe or READING, variants=STUDIES[name])
