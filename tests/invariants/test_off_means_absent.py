"""A method whose own part is switched off is its baseline, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import ArcaConfig
from craft_rl.correction_settings import IbpoConfig
from craft_rl.credit.adapter_residual import SCHEMES
from craft_rl.distillation_settings import DistillConfig
from craft_rl.grading import grade
from craft_rl.methods import METHODS
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.metrics import is_wall_clock
from craft_rl.types import Group
from craft_rl.update import Learned, Learner, loss_weights
from tests.rl.tiny_lora import lora_config, lora_policy, lora_trainer
from tests.rl.tiny_teacher import (
    TEACHING,
    learner,
    off,
    played,
    teaching_config,
    teaching_trainer,
    tiny_teacher,
)
from tests.rl.tiny_training import (
    gradients,
    made_trajectory,
    same_weights,
    tiny_config,
    tiny_policy,
    tiny_trainer,
)


def uneven() -> Group:
    """Four siblings of different length, two of which pass the same states."""
    siblings = tuple(made_trajectory("a", i, return_=float(i % 2), steps=2 + i % 3) for i in range(4))
    return Group(group_id="a", trajectories=siblings)


def test_gigpo_without_step_weight_is_grpo(tmp_path):
    for normalisation in ("trajectory", "per_step"):
        off = grade([uneven()], tiny_config(method="gigpo", step_weight=0.0, normalisation=normalisation))
        base = grade([uneven()], tiny_config(normalisation=normalisation))
        assert off.level_groups == base.level_groups
        for name, values in base.advantages.items():
            assert (off.advantages[name] == values).all()
    own = grade([uneven()], tiny_config(method="gigpo"))
    assert any((own.advantages[name] != values).any() for name, values in base.advantages.items())
    weights = {}
    for name, settings in (("gigpo", {"step_weight": 0.0}), ("grpo", {})):
        trainer = tiny_trainer(tiny_config(method=name, updates=2, **settings), tmp_path / name)
        trainer.run()
        weights[name] = trainer.policy.model.state_dict()
    for key, value in weights["grpo"].items():
        assert torch.equal(value, weights["gigpo"][key]), key


@pytest.mark.parametrize("autocast", ["none", "bf16"])
def test_corrections_switched_off_are_absent(tmp_path, autocast):
    """No generation, no draw, no metric, the baseline's loss with its gradients; switched on they differ."""
    runs = {}
    for name, settings in (
        ("grpo", {}),
        ("ibpo", {"method": "ibpo"}),
        ("on", {"method": "ibpo", "ibpo": IbpoConfig(weight=0.6, mask=True, operator="resume")}),
    ):
        config = tiny_config(updates=2, autocast=autocast, kl_coef=0.05, entropy_coef=0.01, **settings)
        trainer = tiny_trainer(config, tmp_path / name)
        rows = [trainer.one_update()[0] for _ in range(2)]
        runs[name] = trainer, rows, trainer.engine.counters.tokens_sampled
    (base, base_rows, sampled), (off, off_rows, off_sampled), (on, _, on_sampled) = runs.values()
    assert sampled == off_sampled < on_sampled and base.identity == off.identity
    assert off.corrector is None and same_weights(base.policy.model, off.policy.model)
    assert not same_weights(base.policy.model, on.policy.model)
    for row, other in zip(base_rows, off_rows, strict=True):
        assert row.keys() == other.keys()
        assert all(other[k] == v for k, v in row.items() if not is_wall_clock(k))
    batch, _ = played(base.config)
    learned, wanted = graded_gradients(base.config, batch)
    other, found = graded_gradients(off.config, batch)
    assert learned.terms == other.terms and any(value.any() for value in wanted.values())
    assert all(torch.equal(value, found[key]) for key, value in wanted.items())


def graded_gradients(config, batch, update=0):
    """What one optimiser step would do: its sums, its gradients."""
    policy, learned = tiny_policy(), Learned()
    own = learner(config, policy)
    columns = own.columns(batch, update=update)
    rows = list(range(len(batch)))
    weights = loss_weights(batch, rows, config.aggregation)
    gates = own._gates(batch, columns, rows, weights, 0)
    own.accumulate(batch, columns, rows, weights, None, learned, gates=gates)
    return learned, gradients(policy.model)


def told(batch):
    """The batch with made-up log-probs of a teacher."""
    noise = np.random.default_rng(0).normal(size=len(batch.token_ids)).astype(np.float32)
    return replace(batch, teacher_logprobs=np.where(batch.loss_mask, batch.behaviour_logprobs + noise, 0))


@pytest.mark.parametrize("autocast", ["none", "bf16"])
@pytest.mark.parametrize("name", TEACHING)
def test_a_teacher_of_weight_0_is_absent(name, autocast):
    """Loss with every gradient equal the baseline's; with the weight they differ."""
    settings = {"autocast": autocast, "kl_coef": 0.05, "entropy_coef": 0.01}
    settings["policy_coef"] = METHODS[name].defaults.get("policy_coef", 1.0)
    base = tiny_config(**{**settings, "reward_scale": 10.0, "invalid_penalty": 0.1})
    batch, _ = played(base)
    wanted, values = graded_gradients(base, batch)
    assert any(value.any() for value in values.values())
    # a teacher's log-probs lie there, nobody looks at them
    without = teaching_config(name, distill=off(name), **settings)
    assert not without.has_teacher
    learned, found = graded_gradients(without, told(batch))
    assert learned.terms == wanted.terms and learned.weighted == wanted.weighted
    assert learned.teacher == {} and found.keys() == values.keys()
    for key, value in values.items():
        assert torch.equal(value, found[key]), key
    _, with_teacher = graded_gradients(teaching_config(name, **settings), told(batch))
    assert any(not torch.equal(value, with_teacher[key]) for key, value in values.items())


def test_a_decayed_teacher_is_not_asked(tmp_path):
    """RLSD's share falls to 0: from then on no teacher forward, the baseline's gradient."""
    config = teaching_config("rlsd", distill=DistillConfig(coef=0.5, decay=3), updates=4)
    trainer = teaching_trainer(config, tmp_path, teacher=tiny_teacher)
    asked = [any(key.startswith("teacher/") for key in trainer.one_update()[0]) for _ in range(4)]
    assert asked == [True, True, False, False]
    batch, _ = played(config)
    base = tiny_config(kl_coef=config.kl_coef, entropy_coef=config.entropy_coef)
    _, wanted = graded_gradients(base, batch)
    _, found = graded_gradients(config, told(batch), update=3)
    assert all(torch.equal(value, found[key]) for key, value in wanted.items())


def test_whole_runs_without_weight_are_the_baselines(tmp_path):
    config = teaching_config("sdar", distill=off("sdar"), updates=2)
    run = teaching_trainer(config, tmp_path / "off")
    run.run()
    base = tiny_trainer(
        tiny_config(updates=2, kl_coef=config.kl_coef, entropy_coef=config.entropy_coef), tmp_path / "base"
    )
    base.run()
    assert same_weights(run.policy.model, base.policy.model)
    with pytest.raises(ConfigError, match="would not ask a teacher"):
        teaching_trainer(config, tmp_path / "idle", teacher=tiny_teacher)
    with pytest.raises(ConfigError, match="needs a teacher"):
        teaching_trainer(teaching_config("sdar"), tmp_path / "none")


@pytest.mark.parametrize("precision", ["float32", "autocast", "bfloat16"])
def test_even_token_weights_are_grpo_on_the_same_lora_policy(precision, tmp_path):
    """Scheme uniform looks at nothing: loss, every adapter gradient equal GRPO's; other schemes differ."""
    settings = {"entropy_coef": 0.01, "kl_coef": 0.05}
    settings["autocast"] = "bf16" if precision == "autocast" else "none"
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    base = lora_config("grpo", **settings)
    batch, _ = played(base)

    def stepped(config):
        policy, learned = lora_policy(moved=0.3, dtype=dtype), Learned()
        own = Learner(policy.model, config, temperature=1.0)
        state = torch.get_rng_state()
        columns = own.columns(batch)
        rows = list(range(len(batch)))
        weights = loss_weights(batch, rows, config.aggregation).to(columns.advantages.dtype)
        own.accumulate(batch, columns, rows, weights, None, learned)
        assert torch.equal(torch.get_rng_state(), state)
        return columns, learned, gradients(policy.model)

    _, wanted, values = stepped(base)
    assert values and all(".lora_" in name for name in values) and any(v.any() for v in values.values())
    columns, learned, found = stepped(lora_config(arca=ArcaConfig(scheme="uniform"), **settings))
    assert columns.seen is None and columns.weighing == {}
    assert learned.terms == wanted.terms and learned.weighted == wanted.weighted
    assert found.keys() == values.keys()
    assert all(torch.equal(value, found[key]) for key, value in values.items())
    for scheme in SCHEMES[1:]:
        _, _, other = stepped(lora_config(arca=ArcaConfig(scheme=scheme), **settings))
        assert any(not torch.equal(value, other[key]) for key, value in values.items()), scheme


def test_whole_runs_with_even_token_weights_are_grpo(tmp_path):
    rows = {}
    for name, config in (
        ("grpo", lora_config("grpo", minibatches=2)),
        ("uniform", lora_config(arca=ArcaConfig(scheme="uniform"), minibatches=2)),
    ):
        trainer = lora_trainer(config, tmp_path / name)
        trainer.run()
        clean = [
            {k: v for k, v in row.items() if not is_wall_clock(k)}
            for row in read_metrics(tmp_path / name / "metrics.jsonl")
        ]
        rows[name] = (clean, trainer.policy.model)
    assert rows["grpo"][0] == rows["uniform"][0]
    assert same_weights(rows["grpo"][1], rows["uniform"][1])
