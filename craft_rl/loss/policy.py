"""The clipped policy-gradient loss of PPO with a dual clip.

Sources: Schulman et al. 2017, arXiv 1707.06347, eq. (7); dual clip: Ye et al. 2020, arXiv 1912.09729, (5).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from craft_rl.loss.aggregate import masked_mean

_MAX_LOG_RATIO = 20.0
"""Above it every branch is flat already; the bound keeps exp() finite: 0 * inf must not reach a gradient."""


class PolicyLoss(NamedTuple):
    """Per-token loss with the masks that metrics are made of."""

    loss: Tensor
    """[...] before aggregation."""
    clipped: Tensor
    """[...] bool, the clip at 1 - eps_low or 1 + eps_high decides."""
    clipped_lower: Tensor
    """[...] bool, the dual clip at c decides (negative advantages only)."""
    log_ratio: Tensor
    """[...] log pi - log pi_old, detached."""


def clipped_policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    clip_dual: float | None = 3.0,
) -> PolicyLoss:
    """L = max(-A r, -A clip(r, 1 - eps_low, 1 + eps_high)), and min(L, -A c) where A < 0.

    With r = exp(log pi - log pi_old). Gradients flow through ``logprobs`` alone when the other two are
    detached, which is the caller's duty.

    Args:
        logprobs: [...] log pi of the tokens.
        old_logprobs: [...] the same under the weights that the update started from.
        advantages: [...] A, broadcast over the tokens of its unit.
        clip_low: eps_low > 0.
        clip_high: eps_high > 0.
        clip_dual: c > 1, or None for no dual clip.

    Returns:
        Per-token values; aggregate them with weights of ``aggregate.py``.

    Raises:
        ValueError: ``clip_dual`` is not above 1.
    """
    if clip_dual is not None and clip_dual <= 1:
        raise ValueError(f"clip_dual must be above 1 (c in the paper), got {clip_dual}.")
    log_ratio = logprobs - old_logprobs
    ratio = torch.exp(log_ratio.clamp_max(_MAX_LOG_RATIO))
    unclipped = -advantages * ratio
    held = -advantages * ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    loss = torch.maximum(unclipped, held)
    clipped = held > unclipped
    if clip_dual is None:
        clipped_lower = torch.zeros_like(clipped)
    else:
        floor = -advantages * clip_dual
        clipped_lower = (loss > floor) & (advantages < 0)
        loss = torch.where(advantages < 0, torch.minimum(floor, loss), loss)
    return PolicyLoss(loss, clipped, clipped_lower, log_ratio.detach())


def approximate_kl(log_ratio: Tensor, mask: Tensor) -> Tensor:
    """Mean of log pi_old - log pi under the mask: how far the policy has moved inside one update."""
    return masked_mean(-log_ratio, mask)
