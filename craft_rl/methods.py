"""The table of methods: which advantage, loss terms, defaults, paper each name stands for.

A method is a row, not a fork: the trainer reads the row and nothing else knows its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from craft_envs.errors import ConfigError, one_of
from craft_rl.advantage.amr_sd import amr_sd_advantages
from craft_rl.advantage.rlsd import rlsd_advantages
from craft_rl.correction_settings import IbpoConfig
from craft_rl.distillation_settings import DistillConfig, TeacherUse

Estimator = Literal["grpo", "rloo", "gigpo"]
Reweight = Callable[..., Tensor]
"""(advantages, log pi_old, log pi_T, weight=, clip=) -> token advantages; the same tensor at weight 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One row.

    Example: ``METHODS["grpo"].estimator`` is ``"grpo"``, its ``defaults["kl_coef"]`` is ``0.01``.
    """

    name: str
    summary: str
    """One sentence for ``craft train --help``."""
    estimator: Estimator
    """File under ``craft_rl/advantage`` that turns scores into advantages."""
    divides_by_std: bool
    """Whether the estimator divides by the group's standard deviation unless told otherwise."""
    teacher: TeacherUse = "none"
    """Where log-probs of the skill-conditioned teacher enter."""
    reweight: Reweight | None = None
    """What turns advantages into token advantages, for a teacher that enters there."""
    reads: bool = False
    """Whether the student's own prompts show skills in training."""
    corrects: bool = False
    """Whether failed siblings are corrected, see ``correction.py``."""
    token_weights: bool = False
    """Tokens are weighed by what an adapter does, see credit/adapter_residual.py; the policy needs one."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``TrainConfig`` with the values of the paper."""
    paper: str
    """arXiv id with title."""


_PUBLISHED = {
    "clip_low": 0.2,
    "clip_high": 0.2,
    "clip_dual": 3.0,
    "kl_coef": 0.01,
    "entropy_coef": 0.001,
    "invalid_penalty": 0.1,
    "reward_scale": 10.0,
}

METHODS: Mapping[str, Method] = {
    row.name: row
    for row in (
        Method(
            name="grpo",
            summary="Score minus the mean of the siblings, over their standard deviation.",
            estimator="grpo",
            divides_by_std=True,
            defaults=_PUBLISHED,
            paper="arXiv 2402.03300, DeepSeekMath",
        ),
        Method(
            name="rloo",
            summary="Score minus the mean of the other siblings.",
            estimator="rloo",
            divides_by_std=False,
            defaults=_PUBLISHED | {"reward_scale": 1.0},
            paper="arXiv 2402.14740, Back to Basics",
        ),
        Method(
            name="gigpo",
            summary="GRPO plus the step's return compared with others taken from the same state.",
            estimator="gigpo",
            divides_by_std=True,
            defaults=_PUBLISHED,
            paper="arXiv 2505.10978, Group-in-Group Policy Optimization",
        ),
        Method(
            name="skill_grpo",
            summary="GRPO with skills in the policy's own prompts; judged without them, with them beside.",
            estimator="grpo",
            divides_by_std=True,
            reads=True,
            defaults=_PUBLISHED,
            paper="arXiv 2605.15155, SDAR, its baseline Skill-GRPO",
        ),
        Method(
            name="opsd",
            summary="The gated distillation term of SDAR alone, without the reward.",
            estimator="grpo",
            divides_by_std=True,
            teacher="sdar",
            defaults=_PUBLISHED | {"policy_coef": 0.0, "distill": DistillConfig(coef=0.01)},
            paper="arXiv 2601.18734, OPSD, as the published SDAR code implements it",
        ),
        Method(
            name="grpo_opsd",
            summary="GRPO with the same pull on every token: SDAR whose gate is 0.5 everywhere.",
            estimator="grpo",
            divides_by_std=True,
            teacher="sdar",
            defaults=_PUBLISHED | {"distill": DistillConfig(coef=0.01, beta=0.0)},
            paper="arXiv 2605.15155, SDAR, its baseline GRPO+OPSD as the published code implements it",
        ),
        Method(
            name="sdar",
            summary="GRPO with a gated pull towards the policy's own skill-conditioned self.",
            estimator="grpo",
            divides_by_std=True,
            teacher="sdar",
            defaults=_PUBLISHED | {"distill": DistillConfig(coef=0.01)},
            paper="arXiv 2605.15155, Self-Distilled Agentic Reinforcement Learning",
        ),
        Method(
            name="skill_sd",
            summary="GRPO with the importance-weighted divergence from the skill-conditioned teacher.",
            estimator="grpo",
            divides_by_std=True,
            teacher="skill_sd",
            defaults=_PUBLISHED | {"distill": DistillConfig(coef=0.001)},
            paper="arXiv 2604.10674, Skill-SD, as the published SDAR code implements it",
        ),
        Method(
            name="rlsd",
            summary="GRPO whose token advantages grow where the skill-conditioned teacher agrees.",
            estimator="grpo",
            divides_by_std=True,
            teacher="rlsd",
            reweight=rlsd_advantages,
            defaults=_PUBLISHED | {"distill": DistillConfig(coef=0.5)},
            paper="arXiv 2604.03128, Self-Distilled RLVR, as the published SDAR code implements it",
        ),
        Method(
            name="amr_sd",
            summary="GRPO with a bonus on tokens that the skill-conditioned teacher finds more likely.",
            estimator="grpo",
            divides_by_std=True,
            teacher="advantages",
            reweight=amr_sd_advantages,
            defaults=_PUBLISHED | {"distill": DistillConfig(coef=1.0)},
            paper="AMR-SD, after a survey's line; the paper itself has not been read",
        ),
        Method(
            name="ibpo",
            summary="GRPO whose failures the policy corrects itself: shaped rewards, edited tokens.",
            estimator="grpo",
            divides_by_std=True,
            corrects=True,
            defaults=_PUBLISHED | {"ibpo": IbpoConfig(weight=0.6, mask=True)},
            paper="arXiv 2605.16302, Implicit Behavior Policy Optimization (abstract; the rest is ours)",
        ),
        Method(
            name="arca",
            summary="GRPO on a LoRA policy whose tokens count as the adapter moves their hidden state.",
            estimator="grpo",
            divides_by_std=True,
            token_weights=True,
            defaults=_PUBLISHED,
            paper="arXiv 2606.00257, Adapter-Residual Credit Assignment",
        ),
        Method(
            name="craft",
            summary="GRPO plus credit of single tokens, from siblings weighted by the teacher's preference.",
            estimator="grpo",
            divides_by_std=True,
            teacher="craft",
            defaults=_PUBLISHED,
            paper="arXiv 2606.29476, CRAFT",
        ),
        Method(
            name="adaptive_cringe",
            summary="GRPO against tokens that the teacher disapproves of, under CRAFT's controller.",
            estimator="grpo",
            divides_by_std=True,
            teacher="cringe",
            defaults=_PUBLISHED,
            paper="arXiv 2606.29476, CRAFT, its baseline; the term is of ACL 2023, The CRINGE Loss",
        ),
        Method(
            name="token_cringe",
            summary="GRPO against tokens that the teacher disapproves of, with constant weights.",
            estimator="grpo",
            divides_by_std=True,
            teacher="cringe",
            defaults=_PUBLISHED,
            paper="arXiv 2606.29476, CRAFT, its baseline; the term is of ACL 2023, The CRINGE Loss",
        ),
    )
}
"""Method name -> row."""


def method(name: str) -> Method:
    """The row of ``name``.

    Raises:
        ConfigError: no such method.
    """
    if name not in METHODS:
        remedy = one_of(name, METHODS)
        raise ConfigError(f"no method {name!r}", remedy=remedy)
    return METHODS[name]
