"""Recipe of AMR-SD: small houses, the policy of the quickstart, a teacher that reads the bundled skills."""

from __future__ import annotations

from dataclasses import replace

from craft_rl.distillation_settings import TeacherConfig
from craft_rl.methods import METHODS
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld


def small() -> QuickstartConfig:
    """The small houses' recipe with another method; all else is equal, so that runs can be compared."""
    base = alfworld.small()
    train = replace(
        base.train,
        method="amr_sd",
        distill=METHODS["amr_sd"].defaults["distill"],
        skills="alfworld",
        teacher=TeacherConfig(too_long="shorter"),  # an episode with all its skills may outgrow the policy
    )
    return replace(base, recipe="small-amr-sd", train=train)
