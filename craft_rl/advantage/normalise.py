"""Scores from rewards, group statistics over them.

A *row* is what one advantage belongs to. Two choices exist:

* ``trajectory`` (default): one row per trajectory. Mean, std are over the G siblings, so every trajectory
  weighs the same in the baseline, long or short; the advantages of a group sum to 0 over its trajectories.
* ``per_step``: one row per step, all steps of the group in one pool, as in the published code. An episode of
  50 steps then counts 50 times in mean and std, and the sum over trajectories is in general not 0.

The penalty for invalid actions, with coefficient c:

* ``per_step``: score of a step = scale * return - c where its action was invalid (published code);
* ``trajectory``: score = scale * return - c * (invalid steps / steps), which is the mean of the published row
  scores over the episode. The share, not the count, keeps the penalty within [0, c] for any length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class GroupStatistics(NamedTuple):
    """What each row is compared with."""

    mean: Tensor
    """[R] mean score of the row's group."""
    std: Tensor
    """[R] unbiased standard deviation of the row's group; 0 where fewer than two rows were counted."""
    rows: Tensor
    """[R] rows counted in the row's group."""
    level: Tensor
    """[R] bool, all counted scores of the group are equal bit for bit, the row's own score included."""


def trajectory_scores(returns: Tensor, invalid_share: Tensor, *, scale: float, penalty: float) -> Tensor:
    """Score per trajectory: scale * return - penalty * share of invalid steps.

    Args:
        returns: [R] sums of the world's rewards.
        invalid_share: [R] invalid steps / steps, in [0, 1].
        scale: multiplies the return (the papers pay 10 for success).
        penalty: c >= 0.

    Returns:
        [R] scores.
    """
    scores = returns * scale
    return scores - penalty * invalid_share if penalty else scores


def step_scores(returns: Tensor, invalid: Tensor, *, scale: float, penalty: float) -> Tensor:
    """Score per step: scale * return of its episode - penalty where the step's action was invalid.

    Args:
        returns: [R] return of the episode that each step belongs to.
        invalid: [R] bool.
        scale: multiplies the return.
        penalty: c >= 0.

    Returns:
        [R] scores.
    """
    scores = returns * scale
    return scores - penalty * invalid.to(scores.dtype) if penalty else scores


def group_statistics(scores: Tensor, group: Tensor, counted: Tensor | None = None) -> GroupStatistics:
    """Mean, unbiased std, count of each row's group.

    Args:
        scores: [R] float.
        group: [R] int, index of the group.
        counted: [R] bool, rows that enter the statistics; all by default.

    Returns:
        Statistics spread back to the rows.
    """
    groups = int(group.max()) + 1 if group.numel() else 0
    keep = torch.ones_like(group, dtype=torch.bool) if counted is None else counted
    index, kept = group[keep], scores[keep]
    zeros = torch.zeros(groups, dtype=scores.dtype, device=scores.device)
    count = zeros.index_add(0, index, torch.ones_like(kept))
    mean = zeros.index_add(0, index, kept) / count.clamp_min(1.0)
    squares = zeros.index_add(0, index, (kept - mean[index]).square())
    std = (squares / (count - 1.0).clamp_min(1.0)).sqrt()
    low = torch.full_like(zeros, float("inf")).scatter_reduce(0, index, kept, "amin")
    high = torch.full_like(zeros, float("-inf")).scatter_reduce(0, index, kept, "amax")
    level = (low == high)[group] & (scores == low[group])
    return GroupStatistics(mean[group], std[group], count[group], level)
