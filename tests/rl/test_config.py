"""Settings that are unknown, contradictory or without effect stop a run before its first token."""

from __future__ import annotations

import dataclasses

import pytest

from craft_envs.errors import ConfigError
from craft_rl.agent.policy_io import Sampling
from craft_rl.config import (
    OptimConfig,
    SFTConfig,
    TrainConfig,
    differences,
    fingerprint,
    from_mapping,
    to_mapping,
)
from craft_rl.methods import METHODS
from craft_rl.optim import rate_at
from craft_rl.worlds import WorldConfig


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (TrainConfig, {"method": "gpro"}, "did you mean 'grpo'"),
        (TrainConfig, {"group_size": 1}, "baseline"),
        (TrainConfig, {"updates": 0}, "updates"),
        (TrainConfig, {"sampling": Sampling(temperature=0.0)}, "temperature"),
        (TrainConfig, {"sampling": Sampling(top_p=0.9)}, "truncated_sampling"),
        (TrainConfig, {"sampling": Sampling(top_k=5)}, "truncated_sampling"),
        (TrainConfig, {"truncated_sampling": True}, "no effect"),
        (
            TrainConfig,
            {"sampling": Sampling(top_p=0.9), "truncated_sampling": True, "old_logprobs": "sampler"},
            "two different distributions",
        ),
        (TrainConfig, {"kl_coef": 0.0, "kl_kind": "k1"}, "no effect"),
        (TrainConfig, {"clip_high": 0.3}, "ratio 1 everywhere"),
        (TrainConfig, {"clip_dual": None}, "ratio 1 everywhere"),
        (TrainConfig, {"clip_dual": 1.0, "passes": 2}, "above 1"),
        (TrainConfig, {"method": "rloo", "divide_by_std": True}, "standard deviation"),
        (TrainConfig, {"step_weight": 0.5}, "method gigpo"),
        (TrainConfig, {"step_discount": 0.9}, "method gigpo"),
        (TrainConfig, {"method": "gigpo", "step_discount": 1.5}, "step_discount"),
        (OptimConfig, {"final_rate": 0.1}, "constant"),
        (OptimConfig, {"learning_rate": 0.0}, "above 0"),
        (SFTConfig, {"epochs": 1.0, "minutes": 1.0}, "one budget"),
        (SFTConfig, {"copy_length": 9}, "copy steps"),
        (SFTConfig, {"copy_stages": 2}, "copy steps"),
        (SFTConfig, {"copy_steps": 9, "copy_length": 8, "copy_stages": 4}, "copy_stages"),
        (SFTConfig, {"micro_batch_tokens": 10**6}, "batch_tokens"),
        (WorldConfig, {"data_dir": "x"}, "official"),
        (WorldConfig, {"data": "official", "size": "small"}, "one size"),
    ],
)
def test_refused(kind, settings, said):
    with pytest.raises(ConfigError) as caught:
        kind(**settings)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_unknown_setting_suggests_the_near_one():
    with pytest.raises(ConfigError, match="did you mean 'group_size'"):
        from_mapping(TrainConfig, {"groupsize": 8})
    with pytest.raises(ConfigError, match="OptimConfig has no setting 'lr'"):
        from_mapping(TrainConfig, {"optim": {"lr": 1.0}})


def test_round_trip_through_plain_data():
    config = TrainConfig(
        passes=2,
        clip_high=0.3,
        optim=OptimConfig(schedule="linear"),
        world=WorldConfig(size="small", tasks=5),
    )
    assert from_mapping(TrainConfig, to_mapping(config)) == config


def test_fingerprint_ignores_speed_alone():
    base = TrainConfig()
    assert fingerprint(dataclasses.replace(base, num_envs=3)) == fingerprint(base)
    changed = dataclasses.replace(base, seed=1, optim=OptimConfig(learning_rate=1.0), num_envs=3)
    assert fingerprint(changed) != fingerprint(base)
    assert differences(to_mapping(base), to_mapping(changed)) == [
        "optim.learning_rate: 1e-06 -> 1.0",
        "seed: 0 -> 1",
    ]


@pytest.mark.parametrize("name", METHODS)
def test_every_row_makes_a_configuration(name):
    config = TrainConfig.for_method(name, updates=3)
    assert config.method == name
    assert config.updates == 3
    for setting, value in METHODS[name].defaults.items():
        assert getattr(config, setting) == value


def test_schedule_by_hand():
    linear = OptimConfig(learning_rate=1.0, schedule="linear", warmup=0.2, final_rate=0.5)
    assert [rate_at(linear, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0, 2.0)] == pytest.approx(
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.5]
    )
    cosine = OptimConfig(learning_rate=1.0, schedule="cosine")
    assert [rate_at(cosine, p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])
    assert rate_at(OptimConfig(learning_rate=3.0), 0.9) == 3.0
