"""Invariant 9: a group without variance has a policy gradient of exactly zero, counted in the log."""

from __future__ import annotations

import pytest
import torch

from craft_rl.grading import grade
from craft_rl.tokens.pack import pack
from craft_rl.types import Group
from craft_rl.update import Learned, Learner, loss_weights, needed_sequences
from tests.rl.tiny_training import (
    gradients,
    made_group,
    made_trajectory,
    same_weights,
    tiny_config,
    tiny_policy,
)

OFF = {"kl_coef": 0.0, "entropy_coef": 0.0}


@pytest.mark.parametrize("returns", [[0, 0, 0], [1, 1, 1], [0.1, 0.1, 0.1]])
@pytest.mark.parametrize("normalisation", ["trajectory", "per_step"])
@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_no_gradient_no_step(returns, normalisation, method):
    config = tiny_config(method=method, normalisation=normalisation, **OFF)
    graded = grade([made_group("a", returns)], config)
    assert graded.level_groups == {"a"}
    policy, before = tiny_policy(), tiny_policy()
    learned = Learner(policy.model, config, temperature=1.0).learn(
        pack(graded.trajectories, graded.advantages), update=0
    )
    assert learned.grad_norm == 0.0
    assert learned.forward_tokens == 0
    assert same_weights(policy.model, before.model)


def test_the_gradient_is_zero_when_the_forward_pass_is_not_skipped():
    config = tiny_config(**OFF)
    graded = grade([made_group("a", [1, 1, 1])], config)
    batch = pack(graded.trajectories, graded.advantages)
    assert needed_sequences(batch, config) == [False] * 3
    policy = tiny_policy()
    learner = Learner(policy.model, config, temperature=1.0)
    rows = list(range(3))
    weights = torch.ones(len(batch.token_ids))
    learner.accumulate(batch, learner.columns(batch), rows, weights, None, Learned())
    found = gradients(policy.model)
    assert found
    assert all(not gradient.any() for gradient in found.values())


def test_skipping_changes_nothing_for_the_others():
    """The forward pass is left out, the denominators are not."""
    groups = [made_group("a", [1, 0, 0]), made_group("b", [1, 1, 1], steps=4)]
    config = tiny_config(**OFF)
    graded = grade(groups, config)
    assert graded.level_groups == {"b"}
    batch = pack(graded.trajectories, graded.advantages)
    assert sum(needed_sequences(batch, config)) == 3
    found = []
    for rows in ([0, 1, 2], list(range(len(batch)))):
        model = tiny_policy().model.double()
        learner = Learner(model, config, temperature=1.0)
        weights = loss_weights(batch, range(len(batch)), config.aggregation)
        learner.accumulate(batch, learner.columns(batch), rows, weights, None, Learned())
        found.append(gradients(model))
    skipped, full = found
    assert any(gradient.any() for gradient in full.values())
    for name, gradient in full.items():
        torch.testing.assert_close(skipped[name], gradient, rtol=1e-9, atol=1e-15)


def test_invalid_actions_make_a_signal_where_returns_do_not():
    siblings = tuple(made_trajectory("a", i, 1.0, steps=4, invalid=(1,) if i == 0 else ()) for i in range(3))
    graded = grade([Group(group_id="a", trajectories=siblings)], tiny_config(invalid_penalty=0.1))
    assert graded.level_groups == frozenset()
    assert graded.advantages["a/0"][0] < 0 < graded.advantages["a/1"][0]
