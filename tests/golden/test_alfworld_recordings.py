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

from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.game import Game, compile_game
from craft_envs.alfworld.pddl import GameFile
from craft_envs.types import Task


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _session(game: Game, task_id: str) -> AlfSession:
    task = Task(task_id=task_id, env_id="", split="", task_type="", instruction="", content_hash="")
    return AlfSession(game, task)


@pytest.fixture(scope="module")
def games(craft_goldens: Path, craft_data: Path) -> dict[str, Game]:
    """All recorded walkthroughs' games, those of the generated archive too, by id."""
    archives = [
        craft_data / "alfworld" / "json_2.1.1.tar.xz",
        craft_goldens / "alfworld" / "generated_games.tar.xz",
    ]
    found: dict[str, Game] = {}
    for archive in archives:
        if not archive.is_file():
            pytest.skip(f"{archive} is not there")
        with tarfile.open(archive) as tar:
            for member in tar:
                if not member.name.endswith("/game.tw-pddl"):
                    continue
                task_id = "/".join(member.name.split("/")[-4:-1])
                content = tar.extractfile(member)
                assert isinstance(content, io.BufferedReader)
                file = GameFile(content.read(), member.name)
                assert file.same_language()
                found[task_id] = compile_game(file.read(task_id, task_id.split("/")[0]))
    return found


def test_every_recorded_string_is_reproduced(games: dict[str, Game], craft_goldens: Path) -> None:
    episodes = steps = 0
    for episode in _lines(craft_goldens / "alfworld" / "episodes.jsonl.gz"):
        session = _session(games[episode["id"]], episode["id"])
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
    games: dict[str, Game], craft_goldens: Path
) -> None:
    count = 0
    for entry in _lines(craft_goldens / "alfworld" / "walkthroughs.jsonl.gz"):
        session = _session(games[entry["id"]], entry["id"])
        for command in entry["walkthrough"]:
            assert not session.success, entry["id"]
            assert session.act(command).action_valid, f"{entry['id']} {command!r}"
        assert session.success, entry["id"]
        count += 1
    assert count == 4027
