"""The terms of the loss on some tokens: what a method with its settings switches on, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from craft_rl.config import TrainConfig
from craft_rl.craft_terms import CraftTerms, CringeTerms
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss.policy import PolicyLoss, clipped_policy_loss
from craft_rl.teacher_terms import Gates, TeacherTerms
from craft_rl.token_weights import Evidence


@dataclass(frozen=True, slots=True)
class Columns:
    """The per-token values of a batch on the model's device."""

    advantages: Tensor
    """[N]"""
    behaviour: Tensor
    """[N] log-probs by the sampler."""
    reference: Tensor | None
    """[N] log-probs of the frozen reference; None when no term needs them."""
    teacher: TeacherTerms | None = None
    """The teacher's part of the loss; None when it has none."""
    seen: Evidence | None = None
    """What the token weights were made of; None when there are none."""
    weighing: dict[str, float] = field(default_factory=dict)
    """Metrics of the token weights."""
    craft: CraftTerms | None = None
    """CRAFT's part; None when no pillar is on."""
    cringe: CringeTerms | None = None
    """CRINGE's part; None in other methods."""


class Student(NamedTuple):
    """What the current weights say about some tokens."""

    logprobs: Tensor
    """[M] with gradient."""
    entropy: Tensor | None = None
    """[M] where a term or a gate needs it."""
    margins: Tensor | None = None
    """[M] from ``CringeTerms.margin``, where that term is on."""


class Term(NamedTuple):
    """One term before aggregation."""

    name: str
    values: Tensor
    """[M]"""
    weight: float


def token_terms(
    config: TrainConfig,
    columns: Columns,
    index: Tensor,
    student: Student,
    before: Tensor,
    gates: Gates | None = None,
) -> tuple[PolicyLoss, list[Term]]:
    """All terms of the tokens at ``index``; one that is off is absent, not multiplied by 0.

    Args:
        config: method with its settings.
        columns: of the whole batch.
        index: [M] places in the batch.
        student: of the current weights.
        before: [M] log pi_old.
        gates: of the whole optimiser step, where the teacher's term needs them.
    """
    logprobs, teacher, craft, cringe = student.logprobs, columns.teacher, columns.craft, columns.cringe
    advantages = columns.advantages[index]
    if teacher is not None:
        advantages = teacher.advantages(advantages, before, index)
    policy = clipped_policy_loss(
        logprobs,
        before,
        advantages,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        clip_dual=config.clip_dual,
    )
    terms = [Term("policy", policy.loss, config.policy_coef)]
    if student.entropy is not None and config.entropy_coef > 0:
        terms.append(Term("entropy", student.entropy, -config.entropy_coef))
    if columns.reference is not None and config.kl_coef > 0:
        reference = columns.reference[index]
        if craft is not None:
            estimate, weight = craft.kl(logprobs, reference, index), craft.weights.mu
        else:
            estimate = kl_estimate(logprobs, reference, config.kl_kind)
            weight = config.kl_coef if cringe is None else cringe.weights.mu
        terms.append(Term("kl", estimate, weight))
    if craft is not None:
        credit = craft.loss(logprobs, index)
        if credit is not None:
            terms.append(Term("credit", credit, craft.weights.lam))
    if cringe is not None and student.margins is not None:
        terms.append(Term("cringe", cringe.loss(student.margins, index), cringe.weights.lam))
    if teacher is not None:
        distilled = teacher.loss(logprobs, before, student.entropy, index, gates)
        if distilled is not None:
            terms.append(Term(teacher.use, distilled, teacher.weight))
    return policy, terms
