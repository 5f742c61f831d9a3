"""Weights that turn per-token losses into one number.

An aggregation is a table of weights w_t >= 0, computed once for all tokens of an optimiser step; the loss is
``sum_t w_t z_t``. Micro-batches then only add up slices of that sum, so neither packing order nor micro-batch
size can change the loss (the published code divides by the number of micro-batches instead, which weighs a
short micro-batch as much as a long one).

What each weighs, for trajectories i with steps k of n_ik tokens and n_i = sum_k n_ik:

========== ======================================== =============================================
weights    w of a token                             equal weight is given to
========== ======================================== =============================================
token      1 / sum_i n_i                            tokens: long episodes pull more
trajectory 1 / (trajectories * n_i)                 trajectories, whatever their length
step       1 / (steps * n_ik)                       steps: an episode counts by its steps
========== ======================================== =============================================
"""

from __future__ import annotations

import torch
from torch import Tensor


def token_mean_weights(mask: Tensor) -> Tensor:
    """Equal weight for every token under the mask (``token-mean``).

    Args:
        mask: [...] bool, or 0/1.

    Returns:
        [...] w = m / sum m in float64 unless ``mask`` is floating; all 0 for an empty mask.
    """
    m = _as_float(mask)
    return m / m.sum().clamp_min(1.0)


def unit_mean_weights(mask: Tensor, unit: Tensor) -> Tensor:
    """Equal weight for every unit, spread evenly over the unit's tokens (``seq-mean-token-mean``).

    Args:
        mask: [...] bool, or 0/1.
        unit: [...] int, index of the unit (trajectory, step or row) to which each token belongs.

    Returns:
        [...] w = m / (U n_u), with n_u the tokens of unit u under the mask and U the number of units that
        have at least one. Units without tokens are left out of U (the published code yields 0/0 there).
    """
    m = _as_float(mask)
    counts = _counts(m, unit)
    units = (counts > 0).sum().clamp_min(1)
    return m / (counts.clamp_min(1.0)[unit] * units)


def unit_sum_weights(mask: Tensor, unit_count: int) -> Tensor:
    """Sum over the tokens of a unit, mean over units (``seq-mean-token-sum``).

    Args:
        mask: [...] bool, or 0/1.
        unit_count: number of units U, those without tokens included.

    Returns:
        [...] w = m / U.
    """
    return _as_float(mask) / max(unit_count, 1)


def fixed_length_weights(mask: Tensor, length: int) -> Tensor:
    """Sum over all tokens divided by a constant length (``seq-mean-token-sum-norm``).

    Args:
        mask: [...] bool, or 0/1.
        length: the constant; the published code uses the padded response length.

    Returns:
        [...] w = m / length.
    """
    return _as_float(mask) / max(length, 1)


def weighted_sum(values: Tensor, weights: Tensor) -> Tensor:
    """``sum_t w_t z_t``, where values with weight 0 cannot leak in, not even as inf or nan.

    Args:
        values: [...] per-token losses z.
        weights: [...] from one of the functions above.

    Returns:
        Scalar in the dtype of ``values``.
    """
    kept = torch.where(weights != 0, values, torch.zeros_like(values))
    return (kept * weights.to(values.dtype)).sum()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` under ``mask``; 0 for an empty mask."""
    return weighted_sum(values, token_mean_weights(mask))


def _as_float(mask: Tensor) -> Tensor:
    return mask if mask.is_floating_point() else mask.to(torch.float64)


def _counts(m: Tensor, unit: Tensor) -> Tensor:
    size = int(unit.max()) + 1 if unit.numel() else 1
    return torch.zeros(size, dtype=m.dtype, device=m.device).index_add_(0, unit.reshape(-1), m.reshape(-1))
