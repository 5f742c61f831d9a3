"""The native engine against recordings of the original, character for character."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from craft_envs.alfworld.conversion import EXPECTED, RELEASE_HASH
from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.fingerprint import content_hash, digest
from craft_envs.alfworld.game import Game, compile_game
from craft_envs.alfworld.pddl import GameFile
from craft_envs.alfworld.world import AlfWorld, load_world
from craft_envs.types import Task


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _session(game: Game, task_id: str) -> AlfSession:
    task = Task(task_id=task_id, env_id="", split="", task_type="", instruction="", content_hash="")
    return AlfSession(game, task)


@pytest.fixture(scope="module")
def official(craft_data: Path) -> AlfWorld:
    return load_world(data="official", data_dir=craft_data)


@pytest.fixture(scope="module")
def generated(craft_goldens: Path) -> dict[str, Game]:
    """The recorded generated games by id."""
    found: dict[str, Game] = {}
    with tarfile.open(craft_goldens / "alfworld" / "generated_games.tar.xz") as tar:
        for member in tar:
            if member.name.endswith("/game.tw-pddl"):
                task_id = "/".join(member.name.split("/")[-4:-1])
                content = tar.extractfile(member)
                assert isinstance(content, io.BufferedReader)
                file = GameFile(content.read(), member.name)
                assert file.same_language()
                found[task_id] = compile_game(file.read(task_id, "generated"))
    return found


def test_the_official_games_are_the_release(official: AlfWorld) -> None:
    tasks = official.tasks
    assert {split: len(tasks.task_ids(split)) for split in tasks.splits()} == {
        "train": 3553,
        "valid_seen": 140,
        "valid_unseen": 134,
        "valid_train": 200,
    }
    three = [tasks.task(task_id) for split in EXPECTED for task_id in tasks.task_ids(split)]
    assert digest(sorted(f"{task.task_id} {task.content_hash}" for task in three)) == RELEASE_HASH
    for task in three[::200]:
        assert content_hash(tasks.facts(task.task_id)) == task.content_hash


def test_every_recorded_string_is_reproduced(
    official: AlfWorld, generated: dict[str, Game], craft_goldens: Path
) -> None:
    episodes = steps = 0
    for episode in _lines(craft_goldens / "alfworld" / "episodes.jsonl.gz"):
        task_id = episode["id"]
        game = generated[task_id] if episode["split"] == "generated" else official.game(task_id)
        session = _session(game, task_id)
        assert session.start() == episode["intro"]
        assert f"Your task is to: {session.game.task}" == episode["task"]
        assert session.admissible_actions() == episode["admissible"]
        for number, step in enumerate(episode["steps"]):
            here = f"{episode['id']} step {number} {step['command']!r}"
            accepted = step["command"].strip() in session.admissible_actions()
            observation, reward, terminated, valid = session.act(step["command"])
            assert observation == step["feedback"], here
            assert session.admissible_actions() == step["admissible"], here
            assert (reward, session.score) == (step["score"], step["score"]), here
            assert (terminated, session.success) == (step["done"], step["won"]), here
            assert valid == accepted, here
            steps += 1
        assert session.success == episode["won"]
        episodes += 1
    assert episodes > 300
    assert steps > 10_000


def test_every_official_walkthrough_wins_with_its_last_command(
    official: AlfWorld, craft_goldens: Path
) -> None:
    count = 0
    for entry in _lines(craft_goldens / "alfworld" / "walkthroughs.jsonl.gz"):
        session = _session(official.game(entry["id"]), entry["id"])
        for command in entry["walkthrough"]:
            assert not session.success, entry["id"]
            assert session.act(command).action_valid, f"{entry['id']} {command!r}"
        assert session.success, entry["id"]
        count += 1
    assert count == 4027
