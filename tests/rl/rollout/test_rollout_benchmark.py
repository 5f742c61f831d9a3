"""The rollout's accounting: parts add up, tokens are counted once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.commands.bench_rollout import main
from craft_rl.rollout.benchmark import benchmark_rollout
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld


def test_parts_add_up_to_the_whole():
    io = PolicyIO(
        codec=ToyCodec(), prompt=PromptSettings(template="compact/1"), sampling=Sampling(max_new_tokens=64)
    )
    report = benchmark_rollout(ToyWorld(count=12), ToyEngine(), io, episodes=6, num_envs=4)
    assert report.episodes == 6 and report.steps >= 6
    assert sum(report.shares.values()) == pytest.approx(1.0, abs=1e-6)
    assert sum(report.microseconds_per_step.values()) == pytest.approx(1e6 * report.seconds / report.steps)


def test_every_token_of_a_growing_dialogue_is_encoded_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "r.json"
    arguments = ["--episodes", "6", "--num-envs", "3", "--max-steps", "4", "--model", "small-0.3M"]
    assert main([*arguments, "--dialogue.max-new-tokens", "6", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["steps"] == 24
    assert report["encoded_tokens"] == report["dialogue_tokens"]
    assert report["encoded_per_token"] == 1.0
    assert report["uncached_tokens"] > 2 * report["encoded_tokens"]
    assert "went through the model 1.000 times" in " ".join(capsys.readouterr().out.split())


def test_fresh_prompts_are_encoded_step_by_step(tmp_path: Path):
    out = tmp_path / "r.json"
    arguments = ["--episodes", "3", "--num-envs", "3", "--max-steps", "4", "--model", "small-0.3M"]
    window = ["--dialogue.max-new-tokens", "6", "--dialogue.prompt.history", "window"]
    assert main([*arguments, *window, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["dialogue_tokens"] == report["uncached_tokens"] >= report["encoded_tokens"]
