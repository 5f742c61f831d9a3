"""Token advantages of AMR-SD: the sequence's advantage grows on tokens that the teacher finds more likely.

Source: a survey's line on AMR-SD, the paper itself unseen: clipped one-sided bonuses A * (1 + Delta) with
Delta = log pi_T - log pi_old. Read here as A_t = A * (1 + lambda * clip(Delta, 0, c)); lambda and c are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor


def amr_sd_advantages(
    advantages: Tensor,
    behaviour_logprobs: Tensor,
    teacher_logprobs: Tensor,
    *,
    weight: float,
    clip: float,
) -> Tensor:
    """A_t of the file's head; with lambda = 0 the advantages themselves, the same tensor.

    Args:
        advantages: [...] A of each token's sequence.
        behaviour_logprobs: [...] log pi_old of the sampled tokens, nats.
        teacher_logprobs: [...] the same tokens under the skill-conditioned prompt, nats.
        weight: lambda >= 0.
        clip: c >= 0, the largest bonus before its weight.

    Returns:
        [...] token advantages, detached; of the sign of A, never smaller in size.

    Raises:
        ValueError: lambda or c is negative.
    """
    if weight < 0 or clip < 0:
        raise ValueError(f"AMR-SD's weight and clip must not be negative, got {weight}, {clip}.")
    if weight == 0:
        return advantages
    bonus = torch.clamp((teacher_logprobs - behaviour_logprobs).detach(), 0.0, clip)
    return (advantages * (1.0 + weight * bonus)).detach()
