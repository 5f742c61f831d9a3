"""Distillation terms: the student moves towards its own skill-conditioned self.

Sources: SDAR, arXiv 2605.15155, section 3 with its published code; Skill-SD, arXiv 2604.10674, as that code
implements it (``skillsd_utils.py``). The teacher's log-probs are constants in every term.

===============  =====================================================================================
signal           per-token loss of SDAR
===============  =====================================================================================
gate             g_t * (log pi_T - log pi): the paper's
gap              -sg[Delta_t] * log pi: the true gradient of the reverse KL on sampled tokens
centred_gate     -(g_t - mean g) * log pi: the paper's with a baseline, less variance
===============  =====================================================================================

In expectation on-policy only the spread of g over tokens matters, since E[grad log pi] = 0: with beta = 0 the
term of signal ``gate`` carries no information of the teacher.

The paper also names forward KL with Jensen-Shannon in place of the reverse KL; no code of these is public.
Here a divergence is its pull c(Delta) on a sampled token: E[-c * grad log pi] over the student's own tokens
is the gradient of the divergence over the whole vocabulary, constants dropped for less variance. So nothing
but the log-probs of sampled tokens is needed. Signal ``gap`` has c in place of Delta, the gates open by c.

===============  ==============================================  =========================================
divergence       what is made small                              c
===============  ==============================================  =========================================
reverse_kl       KL(pi || pi_T), the default                     Delta
forward_kl       KL(pi_T || pi)                                  exp(min(Delta, 20)) - 1
jsd              KL(pi || M)/2 + KL(pi_T || M)/2, M the mean     (softplus(Delta) - ln 2) / 2
===============  ==============================================  =========================================
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Signal = Literal["gate", "gap", "centred_gate"]
SIGNALS: tuple[Signal, ...] = ("gate", "gap", "centred_gate")

Divergence = Literal["reverse_kl", "forward_kl", "jsd"]
DIVERGENCES: tuple[Divergence, ...] = ("reverse_kl", "forward_kl", "jsd")

_MAX_GAP = 20.0
"""Largest Delta inside the exponential of the forward KL's pull."""
_MAX_NEGATIVE_GAP = 20.0
"""Skill-SD's bound on log pi_T - log pi inside its k3, as published."""
_MAX_LOG_RATIO = 10.0
"""Skill-SD's bound on log pi - log pi_old, as published."""


def divergence_pull(gap: Tensor, divergence: Divergence = "reverse_kl") -> Tensor:
    """c of the second table above: how strongly a sampled token is to be raised (lowered where negative).

    Args:
        gap: [...] Delta = log pi_T - log pi of the sampled tokens, nats.
        divergence: a row of the table.

    Returns:
        [...], detached; for ``reverse_kl`` the gap itself.

    Raises:
        ValueError: unknown divergence.
    """
    delta = gap.detach()
    if divergence == "reverse_kl":
        return delta
    if divergence == "forward_kl":
        return torch.expm1(delta.clamp(max=_MAX_GAP))
    if divergence == "jsd":
        return 0.5 * (torch.nn.functional.softplus(delta) - math.log(2.0))
    raise ValueError(f"Unknown divergence {divergence!r}; choose one of {', '.join(DIVERGENCES)}.")


def sdar_loss(
    logprobs: Tensor,
    teacher_logprobs: Tensor,
    gate: Tensor,
    *,
    signal: Signal = "gate",
    mean_gate: Tensor | float | None = None,
    divergence: Divergence = "reverse_kl",
) -> Tensor:
    """Per-token SDAR loss, a row of the table above.

    Args:
        logprobs: [...] log pi of the sampled tokens; gradients flow through it alone.
        teacher_logprobs: [...] log pi_T of the same tokens.
        gate: [...] g, from ``gates.gate_values``; not used by ``gap``.
        signal: a row of the table.
        mean_gate: mean of g over all tokens of the optimiser step, for ``centred_gate``.
        divergence: whose pull ``gap`` takes; the gates have theirs already.

    Returns:
        [...] losses, to be aggregated with weights of ``aggregate.py``.

    Raises:
        ValueError: unknown signal, or ``centred_gate`` without the mean.
    """
    teacher = teacher_logprobs.detach()
    if signal == "gate":
        return gate.detach() * (teacher - logprobs)
    if signal == "gap":
        return -divergence_pull(teacher - logprobs, divergence) * logprobs
    if signal == "centred_gate":
        if mean_gate is None:
            raise ValueError("The signal 'centred_gate' needs the mean of the gate over the optimiser step.")
        return -(gate.detach() - mean_gate) * logprobs
    raise ValueError(f"Unknown signal {signal!r}; choose one of {', '.join(SIGNALS)}.")


def skill_sd_loss(logprobs: Tensor, teacher_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Importance-weighted k3 of Skill-SD: rho * (exp(-d) - 1 + d) with d = log pi - log pi_T.

    rho = exp(min(log pi - log pi_old, 10)), -d is bounded by 20 inside the exponential. Gradients flow
    through rho as well as k3; inside the bounds they add up to rho * d * grad log pi.

    Args:
        logprobs: [...] log pi of the sampled tokens.
        teacher_logprobs: [...] log pi_T of the same tokens.
        old_logprobs: [...] log pi_old.

    Returns:
        [...] losses, to be aggregated with weights of ``aggregate.py``.
    """
    d = logprobs - teacher_logprobs.detach()
    k3 = torch.exp((-d).clamp(max=_MAX_NEGATIVE_GAP)) - 1.0 + d
    rho = torch.exp((logprobs - old_logprobs.detach()).clamp(max=_MAX_LOG_RATIO))
    return rho * k3


class Divergences(NamedTuple):
    """Full-vocabulary divergences between student p and teacher q, nats."""

    reverse_kl: Tensor
    """[...] KL(p || q)"""
    forward_kl: Tensor
    """[...] KL(q || p)"""
    jsd: Tensor
    """[...] KL(p || M) / 2 + KL(q || M) / 2 with M = (p + q) / 2"""


def divergences(student_logits: Tensor, teacher_logits: Tensor) -> Divergences:
    """The three divergences of SDAR's ablation.

    Args:
        student_logits: [..., V]; gradients flow through it.
        teacher_logits: [..., V]; detached.

    Returns:
        [...] each.
    """
    log_p = torch.log_softmax(student_logits, -1)
    log_q = torch.log_softmax(teacher_logits.detach(), -1)
    p, q = log_p.exp(), log_q.exp()
    log_m = torch.logaddexp(log_p, log_q) - 0.6931471805599453
    return Divergences(
        reverse_kl=(p * (log_p - log_q)).sum(-1),
        forward_kl=(q * (log_q - log_p)).sum(-1),
        jsd=0.5 * (p * (log_p - log_m)).sum(-1) + 0.5 * (q * (log_q - log_m)).sum(-1),
    )
