"""The loss rooms against recorded values of the published code."""

from __future__ import annotations

import pytest
import torch

from craft_rl.loss.aggregate import masked_mean, weighted_sum
from craft_rl.loss.entropy import chosen_logprobs, entropy
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss.policy import approximate_kl, clipped_policy_loss
from tests.golden.tables import assert_close, cases, published_weights, tensor


@pytest.mark.parametrize("case", cases("agg_loss"))
def test_aggregation(case):
    values = tensor(case["inputs"]["loss_mat"]).requires_grad_()
    mask = tensor(case["inputs"]["response_mask"]).bool()
    loss = weighted_sum(values, published_weights(mask, case["config"]["loss_agg_mode"]))
    loss.backward()
    assert_close(loss, case["expected"]["loss"])
    assert_close(values.grad, case["expected"]["grad_loss_mat"], relative=True)


@pytest.mark.parametrize("case", cases("policy_loss"))
def test_clipped_policy_loss(case):
    given, config, expected = case["inputs"], case["config"], case["expected"]
    logprobs = tensor(given["log_probs"]).requires_grad_()
    mask = tensor(given["response_mask"]).bool()
    out = clipped_policy_loss(
        logprobs,
        tensor(given["old_log_probs"]),
        tensor(given["advantages"]),
        clip_low=config["clip_ratio_low"],
        clip_high=config["clip_ratio_high"],
        clip_dual=config["clip_ratio_c"],
    )
    loss = weighted_sum(out.loss, published_weights(mask, config["loss_agg_mode"]))
    loss.backward()
    assert_close(loss, expected["loss"])
    assert_close(logprobs.grad, expected["grad_log_probs"], relative=True)
    assert_close(masked_mean(out.clipped.double(), mask), expected["pg_clipfrac"])
    assert_close(masked_mean(out.clipped_lower.double(), mask), expected["pg_clipfrac_lower"])
    assert_close(approximate_kl(out.log_ratio, mask), expected["ppo_kl"])


@pytest.mark.parametrize("case", cases("kl_penalty"))
def test_kl_estimates(case):
    logprobs = tensor(case["inputs"]["log_probs"]).requires_grad_()
    mask = tensor(case["inputs"]["response_mask"]).bool()
    values = kl_estimate(logprobs, tensor(case["inputs"]["ref_log_prob"]), case["config"]["alias"])
    loss = masked_mean(values, mask)
    loss.backward()
    assert_close(values[mask], tensor(case["expected"]["kl_token"])[mask])
    assert_close(loss, case["expected"]["loss"])
    assert_close(logprobs.grad, case["expected"]["grad_log_probs"], relative=True)


@pytest.mark.parametrize("case", cases("logits_stats"))
def test_logprobs_with_entropy(case):
    tokens = torch.tensor(case["inputs"]["responses"])
    for function, value, gradient in (
        (lambda z: chosen_logprobs(z, tokens), "log_probs", "grad_logits_of_sum_log_probs"),
        (entropy, "entropy", "grad_logits_of_sum_entropy"),
    ):
        logits = tensor(case["inputs"]["logits"]).requires_grad_()
        out = function(logits)
        out.sum().backward()
        assert_close(out, case["expected"][value])
        assert_close(logits.grad, case["expected"][gradient], relative=True)
