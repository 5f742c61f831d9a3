"""AMR-SD: its formula, its absence at weight 0, its place in an update."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from craft_envs.errors import ConfigError
from craft_rl.advantage.amr_sd import amr_sd_advantages
from craft_rl.distillation_settings import DistillConfig
from craft_rl.recipes.quickstart import quickstart_recipe
from tests.rl.tiny_teacher import teaching_config, teaching_trainer, tiny_teacher
from tests.rl.tiny_training import same_weights, tiny_config, tiny_trainer


def test_the_bonus_is_one_sided_and_clipped() -> None:
    advantages = torch.tensor([1.0, 1.0, 1.0, -2.0, -2.0])
    gap = torch.tensor([-3.0, 0.1, 5.0, -3.0, 5.0])
    old = torch.full((5,), -1.0)
    found = amr_sd_advantages(advantages, old, old + gap, weight=0.5, clip=0.2)
    torch.testing.assert_close(found, torch.tensor([1.0, 1.05, 1.1, -2.0, -2.2]))
    assert amr_sd_advantages(advantages, old, old + gap, weight=0.0, clip=0.2) is advantages
    for bad in ({"weight": -1.0, "clip": 0.2}, {"weight": 1.0, "clip": -0.2}):
        with pytest.raises(ValueError, match="must not be negative"):
            amr_sd_advantages(advantages, old, old, **bad)


def test_an_update_differs_from_grpo_unless_it_is_off(tmp_path: Path) -> None:
    """Off means absent for every row with a teacher is tested in tests/invariants; here whole updates."""
    runs = {"grpo": tiny_trainer(tiny_config(), tmp_path / "grpo")}
    plain = {"kl_coef": runs["grpo"].config.kl_coef, "entropy_coef": runs["grpo"].config.entropy_coef}
    off = teaching_config("amr_sd", distill=DistillConfig(coef=0.0), **plain)
    runs["off"] = teaching_trainer(off, tmp_path / "off")
    runs["on"] = teaching_trainer(teaching_config("amr_sd", **plain), tmp_path / "on", teacher=tiny_teacher)
    rows = {name: run.one_update()[0] for name, run in runs.items()}
    models = {name: run.policy.model for name, run in runs.items()}
    assert same_weights(models["grpo"], models["off"]) and not same_weights(models["grpo"], models["on"])
    assert rows["grpo"].keys() == rows["off"].keys() and "teacher/gap_mean" in rows["on"]


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"distill\.decay"):
        teaching_config("amr_sd", distill=DistillConfig(coef=1.0, decay=7))
    with pytest.raises(ConfigError, match="policy term"):
        teaching_config("amr_sd", policy_coef=0.0, kl_coef=0.1)


def test_the_recipe_differs_from_its_base_in_the_method_alone() -> None:
    ours, base = quickstart_recipe("small-amr-sd"), quickstart_recipe("small-skills")
    assert ours.train.method == "amr_sd" and ours.train.has_teacher and ours.sft == base.sft
    assert (ours.train.world, ours.train.optim, ours.panels) == (
        base.train.world,
        base.train.optim,
        base.panels,
    )
