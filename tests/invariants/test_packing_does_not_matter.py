"""Invariant 6: the loss does not depend on packing order or micro-batch size."""

from __future__ import annotations

import copy

import pytest
import torch

from craft_rl.grading import grade
from craft_rl.tokens.pack import pack
from craft_rl.update import Learned, Learner, loss_weights
from tests.rl.tiny_training import PROMPT, gradients, tiny_config, tiny_groups, tiny_policy


def loss_and_gradients(groups, config, *, reverse: bool, micro: int):
    """Loss, gradients of one optimiser step in float64."""
    config = tiny_config(**config, micro_batch_tokens=micro)
    graded = grade(groups, config)
    order = graded.trajectories[::-1] if reverse else graded.trajectories
    batch = pack(order, graded.advantages)
    model = tiny_policy(seed=3).model.double()
    reference = copy.deepcopy(tiny_policy(seed=4).model).double() if config.kl_coef else None
    learner = Learner(model, config, temperature=1.0, reference=reference)
    rows = range(len(batch))
    learned = Learned()
    old = learner.score_batch(tiny_policy(seed=5).model.double(), batch, rows)
    weights = loss_weights(batch, rows, config.aggregation)
    learner.accumulate(batch, learner.columns(batch), rows, weights, old, learned)
    return sum(learned.weighted.values()), gradients(model), learned


@pytest.mark.parametrize("aggregation", ["trajectory", "step", "token"])
@pytest.mark.parametrize("history", ["full", "window"])
def test_order_and_micro_batches(aggregation, history):
    prompt = PROMPT if history == "full" else type(PROMPT)(template="compact/1", think="off", form="legacy")
    groups = tiny_groups(prompt=prompt)
    config = {"aggregation": aggregation, "kl_coef": 0.1, "entropy_coef": 0.05, "passes": 2, "prompt": prompt}
    loss, whole, learned = loss_and_gradients(groups, config, reverse=False, micro=1 << 20)
    assert abs(loss) > 1e-4
    assert set(learned.terms) == {"policy", "kl", "entropy"}
    for reverse, micro in ((True, 1 << 20), (False, 1), (True, 64), (False, 200)):
        other, parts, _ = loss_and_gradients(groups, config, reverse=reverse, micro=micro)
        assert other == pytest.approx(loss, rel=1e-12)
        assert parts.keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=1e-9, atol=1e-13)
