"""Token weights from how far an adapter moves the hidden state (ARCA), beside those it is compared with.

Source: "Adapter-Residual Credit Assignment", arXiv 2606.00257, section 3:
w_t = (alpha_t + eps) / sum_k (alpha_k + eps) over the tokens of a unit (completion or episode), detached.

=================  =====================================================================================
scheme             salience alpha_t
=================  =====================================================================================
uniform            0: w = 1 / T
surprisal          -log pi(y_t)
entropy_reduction  max(0, H_t - H_{t+1}) inside a row, 0 for its last token
divergence         ``|log pi(y_t) - log pi_ref(y_t)|``
arca               ``||h_t(adapter on) - h_t(adapter off)||`` at the position that predicts y_t
=================  =====================================================================================

The paper does not state eps; 1e-8 lets the scores dominate. Salience 0 everywhere gives exactly 1 / T.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Scheme = Literal["uniform", "surprisal", "entropy_reduction", "divergence", "arca"]
SCHEMES: tuple[Scheme, ...] = ("uniform", "surprisal", "entropy_reduction", "divergence", "arca")

EPSILON = 1e-8


def surprisal(logprobs: Tensor) -> Tensor:
    """[N] -log pi of the sampled tokens, nats, detached."""
    return -logprobs.detach()


def entropy_reduction(entropy: Tensor, row: Tensor) -> Tensor:
    """[N] max(0, H_t - H_{t+1}), nats, detached; 0 for the last token of each row.

    Args:
        entropy: [N] of the student at each token, the tokens of a row side by side in order.
        row: [N] int, row of each token.
    """
    h = entropy.detach()
    out = torch.zeros_like(h)
    if len(h) > 1:
        same = row[1:] == row[:-1]
        out[:-1] = torch.where(same, (h[:-1] - h[1:]).clamp_min(0.0), out[:-1])
    return out


def divergence(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """[N] ``|log pi - log pi_ref|`` of the sampled tokens, nats, detached."""
    return (logprobs.detach() - reference_logprobs.detach()).abs()


def adapter_residual(adapted: Tensor, base: Tensor) -> Tensor:
    """[N] Euclidean norm of the hidden states' difference, detached.

    Half precision is widened first: the subtraction of near-equal values would lose everything.

    Args:
        adapted: [N, D] last hidden state with the adapter, at the positions that predict the tokens.
        base: [N, D] the same without it.
    """
    a, b = adapted.detach(), base.detach()
    if a.dtype in (torch.float16, torch.bfloat16):
        a, b = a.float(), b.float()
    return torch.linalg.vector_norm(a - b, dim=-1)


def salience_weights(salience: Tensor, unit: Tensor, *, epsilon: float = EPSILON) -> Tensor:
    """w_t of the file's head.

    Args:
        salience: [N] alpha >= 0.
        unit: [N] int, index of the unit of each token.
        epsilon: added to every alpha, above 0.

    Returns:
        [N] weights that add up to 1 in each unit, detached.

    Raises:
        ValueError: ``epsilon`` is not above 0.
    """
    if epsilon <= 0:
        raise ValueError(f"epsilon must be above 0, got {epsilon}.")
    raised = salience.detach() + epsilon
    w = raised / _unit_sums(raised, unit)[unit]
    # (0 + eps) / (T eps) is not bitwise 1 / T
    silent = (_unit_sums((salience != 0).to(w.dtype), unit) == 0)[unit]
    return torch.where(silent, 1.0 / _unit_sums(torch.ones_like(w), unit)[unit], w)


def weighted_advantages(advantages: Tensor, weights: Tensor, unit: Tensor) -> Tensor:
    """[N] A * T * w_t with T the tokens of the unit: mean weight 1, so a clipped loss stays comparable.

    Args:
        advantages: [N] A of each token's unit.
        weights: [N] from ``salience_weights``.
        unit: [N] int.
    """
    counts = _unit_sums(torch.ones_like(weights), unit)[unit]
    # T * (1 / T) is not bitwise 1: even weights shall leave the advantages as they are
    return torch.where(weights == 1.0 / counts, advantages, advantages * counts * weights)


class Concentration(NamedTuple):
    """How unevenly a unit's weights are spread."""

    gini: Tensor
    """[U] 0 for equal weights, (T - 1) / T for a single one."""
    effective_ratio: Tensor
    """[U] EffN / T = 1 / (T sum w^2), in (0, 1]."""


def concentration(weights: Tensor, unit: Tensor, units: int) -> Concentration:
    """Gini coefficient with the effective share of tokens, per unit; 0 for a unit without tokens.

    Args:
        weights: [N] from ``salience_weights``.
        unit: [N] int, below ``units``.
        units: U.
    """
    counts = _unit_sums(torch.ones_like(weights), unit, units)
    order = torch.argsort(weights, stable=True)
    order = order[torch.argsort(unit[order], stable=True)]
    starts = (torch.cumsum(counts, 0) - counts).to(torch.int64)
    rank = torch.arange(len(order), device=unit.device) - starts[unit[order]] + 1
    ranked = _unit_sums(rank.to(weights.dtype) * weights[order], unit[order], units)
    n = counts.clamp_min(1.0)
    gini = 2.0 * ranked / n - (n + 1.0) / n
    squares = _unit_sums(weights.square(), unit, units)
    zero = torch.zeros_like(n)
    return Concentration(
        torch.where(counts > 0, gini, zero),
        torch.where(
            counts > 0, 1.0 / (n * squares.clamp_min(1e-300 if n.dtype == torch.float64 else 1e-30)), zero
        ),
    )


def _unit_sums(values: Tensor, unit: Tensor, units: int | None = None) -> Tensor:
    size = units if units is not None else (int(unit.max()) + 1 if len(unit) else 0)
    return torch.zeros(size, dtype=values.dtype, device=values.device).index_add_(0, unit, values)
