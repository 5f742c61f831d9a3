"""Recipe of AMR-SD: small houses, a policy that has learned to read skills, itself as its teacher."""

from __future__ import annotations

from dataclasses import replace

from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld
from craft_rl.recipes.under_method import under_method


def small() -> QuickstartConfig:
    """The small houses' recipe with another method; all else is equal, so that runs can be compared."""
    base = alfworld.small_skills()
    return replace(base, recipe="small-amr-sd", train=under_method(base, "amr_sd"))
