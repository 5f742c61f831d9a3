"""The advantage rooms against recorded values of the published code."""

from __future__ import annotations

import pytest
import torch

from craft_rl.advantage.grpo import grpo_advantages
from craft_rl.advantage.normalise import step_scores
from craft_rl.advantage.rloo import rloo_advantages
from tests.golden.tables import assert_close, cases, labels, tensor


def counted_rows(case) -> torch.Tensor | None:
    """[B] the rows whose scores the published code puts into mean and std."""
    if case["config"]["compute_mean_std_cross_steps"]:
        return None
    seen: set[object] = set()
    keep = []
    for pair in zip(case["inputs"]["uid"], case["inputs"]["traj_uid"], strict=True):
        keep.append(pair not in seen)
        seen.add(pair)
    return torch.tensor(keep)


@pytest.mark.parametrize("case", cases("grpo_advantage"))
def test_grpo(case):
    mask = tensor(case["inputs"]["response_mask"])
    rows = grpo_advantages(
        tensor(case["inputs"]["token_level_rewards"]).sum(-1),
        labels(case["inputs"]["uid"]),
        counted=counted_rows(case),
        divide_by_std=case["config"]["norm_adv_by_std_in_grpo"],
        epsilon=case["config"]["epsilon"],
    )
    assert_close(rows.unsqueeze(-1) * mask, case["expected"]["advantages"])


@pytest.mark.parametrize("case", cases("rloo_advantage"))
def test_rloo(case):
    mask = tensor(case["inputs"]["response_mask"])
    scores = tensor(case["inputs"]["token_level_rewards"]).sum(-1)
    rows = rloo_advantages(scores, labels(case["inputs"]["uid"]), counted=counted_rows(case))
    assert_close(rows.unsqueeze(-1) * mask, case["expected"]["advantages"])


@pytest.mark.parametrize("case", cases("reward_to_advantage"))
def test_from_rewards_to_advantages(case):
    given, config = case["inputs"], case["config"]
    scores = step_scores(
        tensor(given["episode_rewards"]),
        ~torch.tensor(given["is_action_valid"]).bool(),
        scale=1.0,
        penalty=config["invalid_action_penalty_coef"],
    )
    assert_close(scores, case["expected"]["row_score"])
    rows = grpo_advantages(
        scores,
        labels(given["uid"]),
        counted=counted_rows(case),
        divide_by_std=config["norm_adv_by_std_in_grpo"],
        epsilon=config["epsilon"],
    )
    length = (
        given["response_length"]
        if isinstance(given["response_length"], int)
        else len(case["expected"]["advantages"][0])
    )
    mask = torch.arange(length) < torch.tensor(given["valid_response_length"]).unsqueeze(-1)
    assert_close(rows.unsqueeze(-1) * mask, case["expected"]["advantages"])
