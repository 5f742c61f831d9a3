"""The original engine behind the session interface, in lock-step with the native one."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import sys
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import GameFacts, Goal
from craft_envs.alfworld.fingerprint import content_hash
from craft_envs.alfworld.pddl import GameFile
from craft_envs.alfworld.problem import problem_text
from craft_envs.alfworld.textworld_backend import opener
from craft_envs.alfworld.world import AlfWorld, load_world
from craft_envs.core import Session
from craft_envs.errors import ConfigError

_INSTALLED = all(importlib.util.find_spec(name) for name in ("alfworld", "textworld", "fast_downward"))
_GAMES = int(os.environ.get("CRAFT_LOCKSTEP_GAMES", "6"))
_STEPS = 25

original = pytest.mark.skipif(
    not _INSTALLED, reason='the original engine is not installed: pip install "craft-agents[alfworld]"'
)


@pytest.mark.skipif(_INSTALLED, reason="the original engine is installed")
def test_without_the_packages_the_error_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install .*craft-agents\[alfworld\]"):
        load_world(backend="textworld")


def _commands(walkthrough: tuple[str, ...], rng: random.Random) -> Generator[str, list[str], None]:
    """Some noise, then the walkthrough with noise between; receives the admissible list through ``send``."""
    plan = list(walkthrough)
    admissible = yield ""
    for _ in range(_STEPS):
        draw = rng.random()
        if draw < 0.1:
            admissible = yield rng.choice(
                ["", "  look ", "go to nowhere 1", "take", "LOOK", "examine\u00a0mug 1"]
            )
        elif draw < 0.5 or not plan:
            admissible = yield rng.choice(admissible)
        else:
            admissible = yield plan.pop(0)


def _compare(ours: Session, theirs: Session, facts: GameFacts, seed: str) -> int:
    """Play both with the same commands; returns the number of steps."""
    rng = random.Random(seed)
    task_id = ours.task.task_id
    assert ours.start() == theirs.start()
    assert ours.admissible_actions() == theirs.admissible_actions()
    anchors: dict[str, str] = {}
    commands = _commands(facts.walkthrough, rng)
    next(commands)
    steps = 0
    while True:
        # Both anchors must split the visited states in the same way.
        assert anchors.setdefault(ours.anchor(), theirs.anchor()) == theirs.anchor()
        assert len(set(anchors.values())) == len(anchors)
        try:
            command = commands.send(ours.admissible_actions())
        except StopIteration:
            return steps
        assert ours.act(command) == theirs.act(command), f"{task_id} step {steps} {command!r}"
        assert ours.admissible_actions() == theirs.admissible_actions(), f"{task_id} step {steps} {command!r}"
        assert (ours.success, ours.score) == (theirs.success, theirs.score)
        steps += 1


def _lock_step(native: AlfWorld, reference: AlfWorld) -> None:
    for task_id in _sample(native, _GAMES):
        ours, theirs = native.open(task_id, 0), reference.open(task_id, 0)
        assert _compare(ours, theirs, native.tasks.facts(task_id), task_id) == _STEPS


def _sample(world: AlfWorld, count: int) -> list[str]:
    ids = [task_id for split in world.tasks.splits() for task_id in world.tasks.task_ids(split)]
    by_type: dict[str, list[str]] = {}
    for task_id in random.Random(11).sample(ids, len(ids)):
        by_type.setdefault(task_id.split("/")[1].split("-")[0], []).append(task_id)
    return [group[k] for k in range(count) for group in by_type.values() if k < len(group)][:count]


@original
@pytest.mark.parametrize("size", [pytest.param("full", marks=pytest.mark.peer), "small"])
def test_lock_step_on_bundled_houses(size: str) -> None:
    native, reference = load_world(size=size), load_world(size=size, backend="textworld")
    _lock_step(native, reference)


@original
@pytest.mark.peer
def test_lock_step_on_official_games(craft_data: Path) -> None:
    native = load_world(data="official", data_dir=craft_data)
    reference = load_world(data="official", data_dir=craft_data, backend="textworld")
    _lock_step(native, reference)


@original
@pytest.mark.peer
@pytest.mark.parametrize("start", ["loc_bar_9", "loc_bar_1"])
@pytest.mark.parametrize(
    "goal",
    [
        Goal(task_type="pick_and_place_simple", object_type="Book", target_type="Shelf"),
        Goal(task_type="look_at_obj_in_light", object_type="Knife", target_type="DeskLamp"),
        Goal(task_type="look_at_obj_in_light", object_type="DeskLamp", target_type="DeskLamp"),
        Goal(task_type="pick_two_obj_and_place", object_type="Apple", target_type="Shelf"),
        Goal(task_type="pick_heat_then_place_in_recep", object_type="Apple", target_type="Desk"),
        Goal(task_type="pick_cool_then_place_in_recep", object_type="Apple", target_type="Fridge"),
        Goal(task_type="pick_clean_then_place_in_recep", object_type="Pan", target_type="Shelf"),
    ],
)
def test_lock_step_on_the_odd_house(
    goal: Goal,
    start: str,
    make_odd_house: Callable[[Goal, str], GameFacts],
    make_session: Callable[[GameFacts], AlfSession],
) -> None:
    facts = make_odd_house(goal, start)
    open_original = opener()
    for seed in ("a", "b"):
        ours = make_session(facts)
        assert _compare(ours, open_original(facts, ours.task), facts, seed) == _STEPS


@original
@pytest.mark.peer
def test_the_original_leaves_the_process_as_it_was() -> None:
    argv, stdout, folder = list(sys.argv), sys.stdout, os.environ.get("ALFWORLD_DATA")
    world = load_world(size="small", backend="textworld")
    session = world.open(world.tasks.task_ids("valid_seen")[0], 0)
    session.act("look")
    assert sys.argv == argv
    assert sys.stdout is stdout
    assert os.environ.get("ALFWORLD_DATA") == folder


def test_a_problem_written_is_read_back_equal(craft_data: Path) -> None:
    """What the original is given to play is the game that the official file describes."""
    seen = 0
    with tarfile.open(craft_data / "alfworld" / "json_2.1.1.tar.xz") as archive:
        for member in archive:
            if not member.name.endswith("/game.tw-pddl"):
                continue
            stream = archive.extractfile(member)
            assert isinstance(stream, io.BufferedReader)
            file = GameFile(stream.read(), member.name)
            facts = file.read("train/a-b/c", "train")
            file.problem = problem_text(facts)
            assert content_hash(file.read("train/a-b/c", "train")) == content_hash(facts)
            seen += 1
            if seen == 40:
                break
    assert seen == 40
