"""Loss terms against tables worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from craft_rl.loss.aggregate import token_mean_weights, unit_mean_weights, weighted_sum
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss.policy import clipped_policy_loss


def f64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# A, ratio -> loss with eps 0.2 on both sides, c = 3; d loss / d log pi
TABLE = [
    (1.0, 1.0, -1.0, -1.0),
    (1.0, 1.5, -1.2, 0.0),  # clipped above
    (1.0, 0.5, -0.5, -0.5),  # moving back is never clipped
    (-1.0, 1.0, 1.0, 1.0),
    (-1.0, 0.5, 0.8, 0.0),  # clipped below
    (-1.0, 2.0, 2.0, 2.0),
    (-1.0, 5.0, 3.0, 0.0),  # dual clip
    (0.0, 5.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("advantage", "ratio", "loss", "gradient"), TABLE)
def test_clipped_loss_by_hand(advantage, ratio, loss, gradient):
    logprobs = f64(math.log(ratio)).requires_grad_()
    out = clipped_policy_loss(logprobs, f64(0.0), f64(advantage))
    out.loss.sum().backward()
    assert out.loss.item() == pytest.approx(loss)
    assert logprobs.grad is not None
    assert logprobs.grad.item() == pytest.approx(gradient)


@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("kind", ["k3"])
def test_extreme_ratios_leave_finite_gradients_in_float32(advantage, kind):
    logprobs = torch.tensor([-1.0, -300.0]).requires_grad_()
    other = torch.tensor([-300.0, -1.0])
    loss = clipped_policy_loss(logprobs, other, torch.full((2,), advantage)).loss + kl_estimate(
        logprobs, other, kind
    )
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert logprobs.grad is not None and torch.isfinite(logprobs.grad).all()


def test_dual_clip_must_be_above_one():
    with pytest.raises(ValueError, match="above 1"):
        clipped_policy_loss(f64(0.0), f64(0.0), f64(1.0), clip_dual=1.0)


def test_kl_estimates_by_hand():
    # d = log 2: k1 = -log 2, k2 = log(2)^2 / 2, k3 = 2 - log 2 - 1
    logprobs, reference = f64(0.0), f64(math.log(2.0))
    assert kl_estimate(logprobs, reference, "k1").item() == pytest.approx(-math.log(2))
    assert kl_estimate(logprobs, reference, "abs").item() == pytest.approx(math.log(2))
    assert kl_estimate(logprobs, reference, "k2").item() == pytest.approx(math.log(2) ** 2 / 2)
    assert kl_estimate(logprobs, reference, "k3").item() == pytest.approx(1 - math.log(2))
    with pytest.raises(ValueError, match="k9"):
        kl_estimate(logprobs, reference, "k9")  # type: ignore[arg-type]


def test_weights_by_hand():
    mask = torch.tensor([True, True, True, False, True])
    unit = torch.tensor([0, 0, 0, 0, 1])
    assert token_mean_weights(mask).tolist() == [0.25, 0.25, 0.25, 0.0, 0.25]
    assert unit_mean_weights(mask, unit).tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 0.0, 1 / 2])


def test_empty_mask_gives_zero():
    mask = torch.zeros(3, dtype=torch.bool)
    for weights in (token_mean_weights(mask), unit_mean_weights(mask, torch.zeros(3, dtype=torch.int64))):
        assert weighted_sum(f64(1, 2, 3), weights).item() == 0.0


def test_what_lies_outside_the_mask_cannot_leak():
    values = f64(1.0, math.inf, math.nan).requires_grad_()
    loss = weighted_sum(values, token_mean_weights(torch.tensor([True, False, False])))
    loss.backward()
    assert loss.item() == 1.0
    assert values.grad is not None and values.grad.tolist() == [1.0, 0.0, 0.0]
