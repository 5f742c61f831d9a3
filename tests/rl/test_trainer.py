"""The update loop: what it refuses, what it records, that it learns."""

from __future__ import annotations

import dataclasses
import math

import pytest

from craft_envs.errors import ConfigError
from craft_rl import checkpoint as checkpoints
from craft_rl.agent.policy_io import Sampling
from craft_rl.config import OptimConfig
from craft_rl.report.jsonl import read_metrics
from craft_rl.task_order import TaskOrder
from craft_rl.trainer import Trainer
from craft_rl.worlds import WorldConfig
from tests.rl.tiny_training import same_weights, tiny_config, tiny_policy, tiny_trainer

IDS = [f"train/{i}" for i in range(10)]


def test_every_task_once_per_epoch():
    order = TaskOrder(IDS, per_update=5, seed=0)
    first = order.tasks(0) + order.tasks(1)
    second = order.tasks(2) + order.tasks(3)
    assert sorted(first) == sorted(second) == sorted(IDS)
    assert first != second


def test_order_depends_on_ids_not_on_their_places():
    order = TaskOrder(IDS, per_update=3, seed=4)
    assert TaskOrder(IDS[::-1], per_update=3, seed=4).tasks(7) == TaskOrder(IDS, per_update=3, seed=4).tasks(
        7
    )
    assert TaskOrder(IDS, per_update=3, seed=5).tasks(7) != order.tasks(7)


def test_limited_set_of_tasks():
    order = TaskOrder(IDS, per_update=2, seed=0, limit=4)
    assert len({task for update in range(20) for task in order.tasks(update)}) == 4
    with pytest.raises(ConfigError, match="5 different tasks, there are 4"):
        TaskOrder(IDS, per_update=5, seed=0, limit=4)


def test_learns_to_be_lucky(tmp_path):
    config = tiny_config(
        updates=40,
        tasks_per_update=1,
        group_size=32,
        num_envs=32,
        kl_coef=0.0,
        entropy_coef=0.0,
        world=WorldConfig(tasks=1, max_steps=1),
        optim=OptimConfig(learning_rate=6e-2),
        checkpoint_every=0,
    )
    tiny_trainer(config, tmp_path).run()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    early = sum(row["success"] for row in rows[:5]) / 5
    late = sum(row["success"] for row in rows[-5:]) / 5
    assert late > early + 0.3


def test_metrics_hold_what_was_promised(tmp_path):
    tiny_trainer(tiny_config(updates=1), tmp_path).run()
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    for name in (
        "success return invalid parse/ok parse/cut_off response_tokens steps entropy loss/policy loss/kl "
        "loss/entropy loss_weighted/kl clip_fraction grad_norm advantage_std mixed_groups "
        "zero_variance_groups excluded_failures learning_rate approx_kl seconds_world seconds_tokens "
        "seconds_engine seconds_learning tokens_per_second_rollout"
    ).split():
        assert name in row, name
    assert row["loss"] == pytest.approx(sum(v for k, v in row.items() if k.startswith("loss_weighted/")))
    assert row["loss/kl"] == pytest.approx(0.0, abs=1e-6)  # the policy still is its own reference
    assert row["loss/entropy"] > 0


def test_off_means_absent(tmp_path):
    trainer = tiny_trainer(tiny_config(updates=1, kl_coef=0.0, entropy_coef=0.0), tmp_path)
    assert trainer.learner.reference is None
    trainer.run()
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    assert "loss/kl" not in row
    assert "loss/entropy" not in row


def test_sampling_of_rollout_with_loss_must_agree(tmp_path):
    good = tiny_trainer(tiny_config(), tmp_path)
    other = dataclasses.replace(good.io, sampling=Sampling(temperature=0.5, max_new_tokens=4))
    with pytest.raises(ConfigError, match="differ from those of the configuration"):
        Trainer(good.config, tiny_policy(), good.world, good.engine, other, tmp_path)


def test_evaluator_chooses_the_best(tmp_path):
    scores = {2: 0.3, 4: 0.9, 6: 0.5}
    config = tiny_config(updates=6, eval_every=2, checkpoint_every=2, keep_checkpoints=1)
    trainer = tiny_trainer(config, tmp_path, evaluator=lambda update: {"score": scores[update]})
    trainer.run()
    kept = sorted(p.name for p in (tmp_path / "checkpoints").glob("update-*"))
    assert kept == ["update-000004", "update-000006"]
    assert [row.get("eval/score") for row in read_metrics(tmp_path / "metrics.jsonl")] == [
        None,
        0.3,
        None,
        0.9,
        None,
        0.5,
    ]
    with pytest.raises(ConfigError, match="both or neither"):
        tiny_trainer(config, tmp_path)


def test_an_evaluation_without_a_score_chooses_nothing(tmp_path):
    config = tiny_config(updates=4, eval_every=2, checkpoint_every=2)
    scores = {2: math.nan, 4: 0.1}
    tiny_trainer(config, tmp_path, evaluator=lambda update: {"score": scores[update]}).run()
    best = checkpoints.best(tmp_path / "checkpoints")
    assert best is not None and best[0].name == "update-000004"


def test_methods_differ(tmp_path):
    runs = {}
    for name in ("grpo", "rloo", "gigpo"):
        trainer = tiny_trainer(tiny_config(method=name, updates=3), tmp_path / name)
        trainer.run()
        runs[name] = trainer.policy.model
    assert not same_weights(runs["grpo"], runs["rloo"])
    assert not same_weights(runs["grpo"], runs["gigpo"])


def test_old_logprobs_of_the_sampler_agree_with_the_trainer(tmp_path):
    """In float32 on CPU the sampler's log-probs are the trainer's to 1e-4, so the ratios stay near 1."""
    trainer = tiny_trainer(tiny_config(updates=1, old_logprobs="sampler"), tmp_path)
    trainer.run()
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    assert abs(row["approx_kl"]) < 1e-4
    assert row["clip_fraction"] == 0.0


def test_the_kl_to_the_start_can_be_watched_without_a_weight(tmp_path):
    bare = {"kl_coef": 0.0, "entropy_coef": 0.0, "updates": 3, "passes": 2}
    watched = tiny_trainer(tiny_config(log_kl=True, **bare), tmp_path / "watched")
    blind = tiny_trainer(tiny_config(**bare), tmp_path / "blind")
    watched.run()
    blind.run()
    assert same_weights(watched.policy.model, blind.policy.model)  # nothing but a number
    rows = read_metrics(tmp_path / "watched" / "metrics.jsonl")
    values = [row["reference_kl"] for row in rows]
    assert values[0] == pytest.approx(0.0, abs=1e-6) and 0 < values[1] < values[2]
    assert not any("loss/kl" in row for row in rows)
    assert not any("reference_kl" in row for row in read_metrics(tmp_path / "blind" / "metrics.jsonl"))
    weighed = tiny_trainer(tiny_config(updates=2, kl_coef=0.1), tmp_path / "weighed")
    weighed.run()
    row = read_metrics(tmp_path / "weighed" / "metrics.jsonl")[1]
    assert row["reference_kl"] == row["loss/kl"] > 0
    with pytest.raises(ConfigError, match="log_kl"):
        tiny_config(kl_coef=0.1, log_kl=True)
    assert tiny_config(kl_coef=0.0, log_kl=True, kl_kind="k1").has_reference
