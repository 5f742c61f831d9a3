"""Trajectories on disk: everything comes back, broken files are named."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from craft_envs.errors import DataMismatch, DataNotFound
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.rollout.record import load_trajectories, save_trajectories
from craft_rl.rollout.scheduler import collect, group_specs
from craft_rl.types import Step, Trajectory
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld


def played(history: str) -> list[Trajectory]:
    io = PolicyIO(
        codec=ToyCodec(),
        prompt=PromptSettings(template="compact/1", history=history),
        sampling=Sampling(max_new_tokens=64),
    )
    world = ToyWorld(crash={"train/2": 2})
    specs = group_specs(world.tasks.task_ids("train"), group_size=2, run_seed=0, update=0)
    return collect(specs, world, ToyEngine(poison="train/4/0"), io, num_envs=3)


def plain(value: object) -> object:
    if isinstance(value, Trajectory | Step):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return value


@pytest.mark.parametrize("history", ["full", "window"])
def test_everything_comes_back(tmp_path: Path, history: str):
    trajectories = played(history)
    path = tmp_path / "new folder" / "t.jsonl"
    assert save_trajectories(path, trajectories) == len(trajectories)
    assert [plain(t) for t in load_trajectories(path)] == [plain(t) for t in trajectories]


def test_ids_of_a_growing_dialogue_are_stored_once(tmp_path: Path):
    longest = max(played("full"), key=lambda t: len(t.steps))
    save_trajectories(tmp_path / "t.jsonl", [longest])
    record = json.loads((tmp_path / "t.jsonl").read_text())
    stored = sum(len(s["prompt_added"]) + len(s["completion_ids"]) for s in record["steps"])
    last = longest.steps[-1]
    assert stored == len(last.prompt_ids) + len(last.completion_ids)
    (back,) = load_trajectories(tmp_path / "t.jsonl")
    assert len({id(s.prompt_ids.base) for s in back.steps}) <= 2


def test_any_text_comes_back(tmp_path: Path):
    """Half a surrogate pair cannot be written as UTF-8, yet an agent may say it."""
    (one,) = played("full")[:1]
    said = dataclasses.replace(one.steps[0], response="\ud800 \u2028 \x00 ä", action="\udfff\n")
    odd = dataclasses.replace(one, steps=(said, *one.steps[1:]))
    save_trajectories(tmp_path / "t.jsonl", [odd])
    (back,) = load_trajectories(tmp_path / "t.jsonl")
    assert plain(back) == plain(odd)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-40],
        lambda text: text.replace("craft-trajectory/1", "craft-trajectory/0"),
        lambda text: text.replace('"prompt_kept": 0', '"prompt_kept": 5', 1),
        lambda text: text.replace('"completion_logprobs": [', '"completion_logprobs": [0.5, ', 1),
        lambda text: "[1, 2]\n",
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, damage):
    path = tmp_path / "t.jsonl"
    save_trajectories(path, played("full")[:1])
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataMismatch, match=r"t\.jsonl:1"):
        list(load_trajectories(path))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataNotFound, match="nothing"):
        list(load_trajectories(tmp_path / "nothing.jsonl"))


def test_a_failed_write_keeps_the_former_file(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    trajectories = played("full")
    save_trajectories(path, trajectories[:2])

    def breaks():
        yield trajectories[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_trajectories(path, breaks())
    assert len(list(load_trajectories(path))) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["t.jsonl"]
