"""Group-relative advantages of GRPO.

Source: Shao et al. 2024, DeepSeekMath, arXiv 2402.03300, section 4.1: A_i = (R_i - mean(R)) / std(R).
Without the division: Liu et al. 2025, "Understanding R1-Zero-like training", arXiv 2503.20783.
"""

from __future__ import annotations

import torch
from torch import Tensor

from craft_rl.advantage.normalise import group_statistics


def grpo_advantages(
    scores: Tensor,
    group: Tensor,
    *,
    counted: Tensor | None = None,
    divide_by_std: bool = True,
    epsilon: float = 1e-6,
) -> Tensor:
    """A_r = (s_r - mean) / (std + eps) inside each group, std unbiased.

    Deviations from the published code: none in value, but a row of a group whose scores are all equal gets
    exactly 0 where rounding of the mean could leave 1e-16 / eps.

    Args:
        scores: [R] one score per row (trajectory or step).
        group: [R] int, index of the group.
        counted: [R] bool, rows that enter mean and std; all by default.
        divide_by_std: False leaves the centred score.
        epsilon: added to the std.

    Returns:
        [R] advantages. In a group with one counted row mean is 0 and std 1, as published: the score itself
        remains. A trainer that wants no signal from such a group must leave it out.
    """
    stats = group_statistics(scores, group, counted)
    alone = stats.rows <= 1
    mean = torch.where(alone, torch.zeros_like(scores), stats.mean)
    centred = scores - mean
    if divide_by_std:
        std = torch.where(alone, torch.ones_like(scores), stats.std)
        centred = centred / (std + epsilon)
    return torch.where(stats.level & ~alone, torch.zeros_like(scores), centred)
