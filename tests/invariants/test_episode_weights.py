"""Invariant 10: episodes weigh as the chosen normalisation says, whatever their length."""

from __future__ import annotations

import numpy as np
import pytest

from craft_rl.grading import grade
from craft_rl.tokens.pack import pack
from craft_rl.types import Group
from craft_rl.update import loss_weights
from tests.rl.tiny_training import made_trajectory, tiny_config


def uneven() -> Group:
    """A solved episode of 2 steps, a failed one of 8."""
    return Group(
        group_id="a",
        trajectories=(made_trajectory("a", 0, 1.0, steps=2), made_trajectory("a", 1, 0.0, steps=8)),
    )


def test_trajectory_baseline_ignores_length():
    graded = grade([uneven()], tiny_config(reward_scale=1.0, normalisation="trajectory"))
    # mean 1/2, unbiased std sqrt(1/2)
    assert graded.advantages["a/0"] == pytest.approx(np.full(2, np.sqrt(0.5)), rel=1e-5)
    assert graded.advantages["a/1"] == pytest.approx(np.full(8, -np.sqrt(0.5)), rel=1e-5)


def test_per_step_baseline_counts_every_step():
    graded = grade([uneven()], tiny_config(reward_scale=1.0, normalisation="per_step"))
    # ten rows, two of them 1: mean 0.2, unbiased variance (2 * 0.64 + 8 * 0.04) / 9
    std = np.sqrt(1.6 / 9)
    assert graded.advantages["a/0"] == pytest.approx(np.full(2, 0.8 / std), rel=1e-5)
    assert graded.advantages["a/1"] == pytest.approx(np.full(8, -0.2 / std), rel=1e-5)


def test_per_step_penalty_hits_the_step_alone():
    siblings = (made_trajectory("a", 0, 0.0, steps=3, invalid=(1,)), made_trajectory("a", 1, 0.0, steps=3))
    graded = grade([Group(group_id="a", trajectories=siblings)], tiny_config(normalisation="per_step"))
    first = graded.advantages["a/0"]
    assert first[1] < 0 < first[0] == first[2] == graded.advantages["a/1"][0]


@pytest.mark.parametrize(
    ("aggregation", "share"),
    [("trajectory", 0.5), ("step", 0.2), ("token", 0.2)],
)
def test_share_of_the_short_episode_in_the_loss(aggregation, share):
    graded = grade([uneven()], tiny_config())
    batch = pack(graded.trajectories, graded.advantages)
    weights = loss_weights(batch, range(len(batch)), aggregation).numpy()
    assert weights.sum() == pytest.approx(1.0)
    assert not weights[~batch.loss_mask].any()
    cut = int(batch.sequence_starts[1])
    assert weights[:cut].sum() == pytest.approx(share)


def test_steps_weigh_alike_whatever_their_tokens():
    short = made_trajectory("a", 0, 1.0, steps=1, tokens=2)
    wordy = made_trajectory("a", 1, 0.0, steps=1, tokens=8)
    batch = pack([short, wordy])
    cut = int(batch.sequence_starts[1])
    by_step = loss_weights(batch, range(2), "step").numpy()
    by_token = loss_weights(batch, range(2), "token").numpy()
    assert by_step[:cut].sum() == pytest.approx(0.5)
    assert by_token[:cut].sum() == pytest.approx(0.2)
