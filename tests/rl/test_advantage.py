"""Advantages against tables worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from craft_rl.advantage.grpo import grpo_advantages
from craft_rl.advantage.normalise import group_statistics, step_scores, trajectory_scores
from craft_rl.advantage.rloo import rloo_advantages


def f64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_grpo_by_hand():
    # one win among four: mean 1/4, unbiased variance (9/16 + 3/16) / 3 = 1/4
    rows = grpo_advantages(f64(1, 0, 0, 0), torch.zeros(4, dtype=torch.int64), epsilon=0.0)
    assert rows.tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5])


def test_grpo_without_division_by_the_std():
    rows = grpo_advantages(f64(1, 0, 0, 0), torch.zeros(4, dtype=torch.int64), divide_by_std=False)
    assert rows.tolist() == pytest.approx([0.75, -0.25, -0.25, -0.25])


def test_rloo_by_hand():
    # own score minus the mean of the other three
    rows = rloo_advantages(f64(1, 0, 0, 0), torch.zeros(4, dtype=torch.int64))
    assert rows.tolist() == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3])


@pytest.mark.parametrize("estimator", [grpo_advantages, rloo_advantages])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 10.0 / 3.0])
def test_equal_scores_give_exactly_nothing(estimator, value):
    rows = estimator(torch.full((7,), value, dtype=torch.float64), torch.zeros(7, dtype=torch.int64))
    assert torch.equal(rows, torch.zeros(7, dtype=torch.float64))


@pytest.mark.parametrize("estimator", [grpo_advantages, rloo_advantages])
def test_groups_do_not_see_each_other(estimator):
    group = torch.tensor([0, 1, 0, 1, 0, 1])
    together = estimator(f64(1, 5, 0, 7, 0, 9), group)
    assert torch.equal(together[group == 0], estimator(f64(1, 0, 0), torch.zeros(3, dtype=torch.int64)))
    assert torch.equal(together[group == 1], estimator(f64(5, 7, 9), torch.zeros(3, dtype=torch.int64)))


def test_penalty_per_step_and_per_trajectory_agree_in_the_mean():
    # an episode of four steps, one of them invalid, return 1, scale 10, coefficient 0.1
    steps = step_scores(f64(1, 1, 1, 1), torch.tensor([False, True, False, False]), scale=10.0, penalty=0.1)
    assert steps.tolist() == pytest.approx([10.0, 9.9, 10.0, 10.0])
    whole = trajectory_scores(f64(1), f64(0.25), scale=10.0, penalty=0.1)
    assert whole.item() == pytest.approx(9.975) == pytest.approx(steps.mean().item())


def test_statistics_by_hand():
    stats = group_statistics(f64(2, 4, 9), torch.tensor([0, 0, 1]))
    assert stats.mean.tolist() == [3.0, 3.0, 9.0]
    assert stats.std.tolist() == pytest.approx([math.sqrt(2), math.sqrt(2), 0.0])
    assert stats.rows.tolist() == [2.0, 2.0, 1.0]
    assert stats.level.tolist() == [False, False, True]
