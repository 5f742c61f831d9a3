"""Invariant 8: saved, killed, resumed equals the straight run bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from craft_envs.errors import CheckpointMismatch, ConfigError
from craft_rl.adapter_settings import LoraConfig
from craft_rl.config import OptimConfig
from craft_rl.models.load import load_policy
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.metrics import is_wall_clock
from tests.rl.tiny_lora import lora_config, lora_trainer
from tests.rl.tiny_teacher import teaching_config, teaching_trainer, tiny_bank, tiny_teacher
from tests.rl.tiny_training import same_weights, tiny_config, tiny_trainer

SETTINGS = {"kl_coef": 0.05, "entropy_coef": 0.01, "passes": 2, "minibatches": 2, "updates": 6}

CHILD = """
import sys
from pathlib import Path
from tests.rl.tiny_training import tiny_config, tiny_trainer
from tests.invariants.test_resume import SETTINGS

tiny_trainer(tiny_config(**SETTINGS), Path(sys.argv[1])).run(resume=True)
"""


def repeatable(folder: Path) -> list[dict]:
    """Metrics without those of the clock."""
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not is_wall_clock(k)} for row in rows]


def train(folder: Path, **settings):
    trainer = tiny_trainer(tiny_config(**{**SETTINGS, **settings}), folder)
    trainer.run(resume=True)
    return trainer


def test_stopped_between_updates(tmp_path):
    straight = train(tmp_path / "straight")

    class Stop(Exception):
        pass

    def stop_after_three(row, groups):
        if row["update"] == 3:
            raise Stop

    halted = tiny_trainer(tiny_config(**SETTINGS), tmp_path / "halted", on_update=stop_after_three)
    with pytest.raises(Stop):
        halted.run()
    assert len(read_metrics(tmp_path / "halted" / "metrics.jsonl")) == 3
    resumed = train(tmp_path / "halted")
    assert resumed.update == 6
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert repeatable(tmp_path / "straight") == repeatable(tmp_path / "halted")
    rows = repeatable(tmp_path / "straight")
    assert [row["update"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert any(row["grad_norm"] > 0 for row in rows)


def test_killed_at_any_moment(tmp_path):
    """kill -9 as soon as a checkpoint exists, wherever the process then is."""
    straight = train(tmp_path / "straight")
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=Path(__file__).parents[2],
    )
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / "update-000002").exists():
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    resumed = train(folder)
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert repeatable(tmp_path / "straight") == repeatable(folder)


def test_number_of_environments_changes_nothing(tmp_path):
    one = train(tmp_path / "1", num_envs=1)
    for number in (4, 16):
        many = train(tmp_path / str(number), num_envs=number)
        assert same_weights(one.policy.model, many.policy.model)
        assert repeatable(tmp_path / "1") == repeatable(tmp_path / str(number))


def test_the_start_of_another_run_is_refused(tmp_path):
    train(tmp_path, updates=2)
    with pytest.raises(ConfigError, match="already holds a run"):
        tiny_trainer(tiny_config(**SETTINGS), tmp_path).run()
    with pytest.raises(CheckpointMismatch, match="seed: 0 -> 1"):
        train(tmp_path, updates=2, seed=1)
    with pytest.raises(CheckpointMismatch, match=r"optim\.learning_rate"):
        train(tmp_path, updates=2, optim=OptimConfig(learning_rate=1.0))


def test_a_run_without_schedule_can_be_prolonged(tmp_path):
    straight = train(tmp_path / "straight")
    train(tmp_path / "longer", updates=3)
    longer = train(tmp_path / "longer", updates=6)
    assert same_weights(straight.policy.model, longer.policy.model)


def test_a_teacher_resumes_with_what_it_has_learned(tmp_path):
    """Statistics of the skills go on too: strategy ucb chooses by them."""

    def ucb(policy):
        return tiny_teacher(policy, strategy="ucb", options={"count": 1})

    def prepared(folder, updates, **settings):
        return teaching_trainer(
            teaching_config("sdar", updates=updates, minibatches=2), folder, teacher=ucb, **settings
        )

    straight = prepared(tmp_path / "straight", 6)
    straight.run()
    prepared(tmp_path / "halted", 2).run()
    resumed = prepared(tmp_path / "halted", 6)
    resumed.run(resume=True)
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert repeatable(tmp_path / "straight") == repeatable(tmp_path / "halted")
    assert straight.teacher.state() == resumed.teacher.state()
    assert len(straight.teacher.state()["uses"]) > 1
    other = teaching_trainer(
        teaching_config("sdar", updates=6, minibatches=2),
        tmp_path / "halted",
        teacher=lambda policy: tiny_teacher(policy, bank=type(tiny_bank())(**OTHER), strategy="full"),
    )
    with pytest.raises(CheckpointMismatch, match="skills: "):
        other.run(resume=True)


OTHER = {"name": "other", "env_id": tiny_bank().env_id, "skills": tiny_bank().skills[:2]}


def test_a_lora_policy_resumes_bit_for_bit(tmp_path):
    """A checkpoint holds the adapter; the weights below are those of the start, which is checked."""

    def prepared(folder, updates, **settings):
        return lora_trainer(lora_config(updates=updates, minibatches=2, kl_coef=0.05, **settings), folder)

    straight = prepared(tmp_path / "straight", 6)
    straight.run()
    prepared(tmp_path / "halted", 2).run()
    resumed = prepared(tmp_path / "halted", 6)
    resumed.run(resume=True)
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert repeatable(tmp_path / "straight") == repeatable(tmp_path / "halted")
    last = tmp_path / "halted" / "checkpoints" / "update-000006" / "model"
    assert same_weights(load_policy(last).model, straight.policy.model)
    with pytest.raises(CheckpointMismatch, match=r"lora"):
        prepared(tmp_path / "halted", 6, lora=LoraConfig(rank=2)).run(resume=True)
