"""One pass of the published actor update (GRPO) against the same sum built from our loss terms."""

from __future__ import annotations

import pytest
import torch

from craft_rl.loss.aggregate import masked_mean, weighted_sum
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss.policy import approximate_kl, clipped_policy_loss
from tests.golden.tables import assert_close, cases, published_weights, tensor


@pytest.mark.parametrize("case", cases("update_policy", "grpo") + cases("update_policy", "grpo_no_kl"))
def test_grpo_update(case):
    given, config, expected = case["inputs"], case["config"], case["expected"]
    logprobs = tensor(given["log_probs"]).requires_grad_()
    entropy = tensor(given["entropy"]).requires_grad_()
    old, advantages = tensor(given["old_log_probs"]), tensor(given["advantages"])
    all_masks = tensor(given["response_mask"]).bool()
    # the published divisor is a constant of the settings, also for a short last mini-batch
    divisor = config["ppo_mini_batch_size"] // config["ppo_micro_batch_size_per_gpu"]
    assert not config["use_dynamic_bsz"]
    for number, rows in enumerate(given["micro_batches"]):
        mask = all_masks[rows]
        weights = published_weights(mask, config["loss_agg_mode"])
        policy = clipped_policy_loss(
            logprobs[rows],
            old[rows],
            advantages[rows],
            clip_low=config["clip_ratio_low"],
            clip_high=config["clip_ratio_high"],
            clip_dual=config["clip_ratio_c"],
        )
        pg_loss = weighted_sum(policy.loss, weights)
        loss = config["pg_loss_coef"] * pg_loss
        if config["entropy_coeff"]:
            loss = loss - config["entropy_coeff"] * weighted_sum(entropy[rows], weights)
        if config["use_kl_loss"]:
            assert config["kl_loss_type"] == "low_var_kl"
            k3 = kl_estimate(logprobs[rows], tensor(given["ref_log_prob"])[rows], "k3")
            loss = loss + config["kl_loss_coef"] * weighted_sum(k3, weights)
        loss = loss / divisor
        loss.backward()
        assert_close(loss, expected["micro_losses"][number])
        assert_close(pg_loss, expected["pg_loss"][number])
        assert_close(masked_mean(policy.clipped.double(), mask), expected["pg_clipfrac"][number])
        assert_close(approximate_kl(policy.log_ratio, mask), expected["ppo_kl"][number])
    assert_close(logprobs.grad, expected["grad_log_probs"], relative=True)
    found = entropy.grad if entropy.grad is not None else torch.zeros_like(entropy)
    assert_close(found, expected["grad_entropy"], relative=True)
