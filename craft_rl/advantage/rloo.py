"""Leave-one-out advantages of RLOO.

Source: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Ahmadian et al. 2024,
arXiv 2402.14740, eq. (8).
"""

from __future__ import annotations

import torch
from torch import Tensor

from craft_rl.advantage.normalise import group_statistics


def rloo_advantages(scores: Tensor, group: Tensor, *, counted: Tensor | None = None) -> Tensor:
    """A_r = s_r - mean of the other rows' scores = n / (n - 1) * (s_r - mean) inside each group.

    Args:
        scores: [R] one score per row (trajectory or step).
        group: [R] int, index of the group.
        counted: [R] bool, rows that enter n and mean; all by default.

    Returns:
        [R] advantages; a group with one counted row keeps its raw score, as published.
    """
    stats = group_statistics(scores, group, counted)
    n = stats.rows
    advantages = (scores - stats.mean) * (n / (n - 1.0).clamp_min(1.0))
    # equal scores must cancel exactly, whatever the mean's rounding
    advantages = torch.where(stats.level, torch.zeros_like(scores), advantages)
    return torch.where(n <= 1, scores, advantages)
