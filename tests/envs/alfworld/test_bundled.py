"""The bundled tasks: enough of them, the same everywhere, panels apart from train, every game in order."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from typing import get_args

import pytest

from craft_envs.alfworld.bundled import DATA_HASHES, SPLITS, BundledSource, bundled_source
from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import TASK_TYPES
from craft_envs.alfworld.fingerprint import content_hash
from craft_envs.alfworld.game import compile_game
from craft_envs.alfworld.kinds import FIXED, HOLDS, OPENABLE
from craft_envs.alfworld.rooms import SIZES, Size
from craft_envs.alfworld.scenes import scenes
from craft_envs.errors import ConfigError

BOTH: tuple[Size, ...] = get_args(Size)
ID = re.compile(r"(train|valid_seen|valid_unseen)/([a-z_]+)-([A-Za-z]+)-None-([A-Za-z]+)-(\d+)/trial_b\d{5}")


@pytest.fixture(params=BOTH)
def source(request: pytest.FixtureRequest) -> BundledSource:
    return bundled_source(request.param)


def test_counts_are_those_promised(source: BundledSource) -> None:
    assert source.splits() == SPLITS
    assert len(source.task_ids("train")) >= 3000
    assert len(source.task_ids("valid_seen")) >= 200
    assert len(source.task_ids("valid_unseen")) >= 200
    for split in SPLITS:
        types = Counter(i.split("/")[1].split("-")[0] for i in source.task_ids(split))
        assert set(types) == set(TASK_TYPES)
        assert len(set(types.values())) == 1


def test_ids_tell_what_is_played(source: BundledSource) -> None:
    ids = [i for split in SPLITS for i in source.task_ids(split)]
    assert len(set(ids)) == len(ids)
    assert len({i.rsplit("/", 1)[1] for i in ids}) == len(ids), "trial names are unique without their folder"
    for split in SPLITS:
        assert list(source.task_ids(split)) == sorted(source.task_ids(split))
    for i in ids[::37]:
        found = ID.fullmatch(i)
        assert found
        facts = source.facts(i)
        task = source.task(i)
        assert found.groups()[:4] == (
            facts.split,
            facts.goal.task_type,
            facts.goal.object_type,
            facts.goal.target_type,
        )
        assert (task.task_id, task.split, task.instruction) == (i, facts.split, facts.task)
        assert task.task_type == facts.goal.task_type
        assert task.content_hash == content_hash(facts)


def test_every_game_is_the_recorded_one(source: BundledSource) -> None:
    """Also on other platforms or Python versions: the digest covers the content of all tasks."""
    assert source.measured_hash() == DATA_HASHES[source.size] == source.data_hash


def test_content_does_not_depend_on_hash_seeds_or_on_what_was_built_before() -> None:
    program = (
        "from craft_envs.alfworld.bundled import bundled_source as s;"
        "sources = s('full'), s('small');"
        "print([s.task(s.task_ids('train')[k]).content_hash for s in sources for k in (5, 3)])"
    )
    expected = [
        bundled_source(size).task(bundled_source(size).task_ids("train")[k]).content_hash
        for size in ("full", "small")
        for k in (5, 3)
    ]
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == str(expected)


def test_a_fresh_source_builds_the_same_game(source: BundledSource) -> None:
    other = BundledSource(source.size)
    for i in source.task_ids("valid_unseen")[:5]:
        assert other.facts(i) == source.facts(i)
        assert other.facts(i) is other.facts(i)


def test_ids_need_no_game(source: BundledSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a game was built to list ids")

    monkeypatch.setattr("craft_envs.alfworld.bundled.build", forbidden)
    fresh = BundledSource(source.size)
    assert fresh.task_ids("train") == source.task_ids("train")
    with pytest.raises(AssertionError, match="a game was built"):
        fresh.task(fresh.task_ids("train")[0])


def test_panels_are_disjoint_from_train_by_what_a_player_reads(source: BundledSource) -> None:
    """By id, by content, by the room with the task line: the whole first observation differs."""
    first: dict[str, set[str]] = {}
    content: dict[str, set[str]] = {}
    settings: dict[str, set[str]] = {}
    rooms: dict[str, str] = {}
    for split in SPLITS:
        ids = source.task_ids(split)
        first[split] = set()
        for i in ids:
            facts = source.facts(i)
            if facts.start not in rooms:
                rooms[facts.start] = compile_game(facts).intro.removesuffix(facts.task)
            first[split].add(rooms[facts.start] + facts.task)
        content[split] = {source.task(i).content_hash for i in ids}
        settings[split] = {i.split("/")[1] for i in ids}
        assert len(content[split]) == len(ids)
    for panel in ("valid_seen", "valid_unseen"):
        for sets in (first, content, settings):
            assert not sets[panel] & sets["train"]
        assert len(settings[panel]) == len(source.task_ids(panel)), "a panel asks nothing twice"


def test_unseen_rooms_are_new_and_seen_rooms_are_not(source: BundledSource) -> None:
    rooms = {split: {i.split("/")[1].rsplit("-", 1)[1] for i in source.task_ids(split)} for split in SPLITS}
    assert rooms["valid_seen"] <= rooms["train"]
    assert not rooms["valid_unseen"] & rooms["train"]
    furniture = {s.number: tuple(sorted(r.type for r in s.receptacles)) for s in scenes(source.size)}
    assert len(set(furniture.values())) == len(furniture)
    unseen = {s.number for s in scenes(source.size) if s.unseen}
    assert {int(number) for number in rooms["valid_unseen"]} <= unseen
    assert not {int(number) for number in rooms["train"]} & unseen
    assert all(number > 430 for number in furniture), "numbers up to 430 are rooms of the official data"


def test_no_number_belongs_to_rooms_of_both_sizes() -> None:
    assert not {s.number for s in scenes("full")} & {s.number for s in scenes("small")}


def test_every_game_is_in_order(source: BundledSource) -> None:
    for split in SPLITS:
        for i in source.task_ids(split)[:: 10 if split == "train" else 1]:
            facts = source.facts(i)
            places = {r.id: r for r in facts.receptacles}
            names = [r.id for r in facts.receptacles] + [t.id for t in facts.things]
            assert len({name.lower() for name in names}) == len(names)
            assert facts.start not in {r.location for r in facts.receptacles}
            assert not any(r.openable and r.type not in OPENABLE for r in facts.receptacles)
            assert not any(r.opened for r in facts.receptacles)
            for thing in facts.things:
                (place,) = thing.receptacles
                assert thing.locations == (places[place].location,)
                hosts = FIXED.get(thing.type)
                assert places[place].type in hosts if hosts else thing.type in HOLDS[places[place].type]
                assert thing.pickupable is not bool(hosts)
            session = AlfSession(compile_game(facts), source.task(i))
            assert not session.success
            assert facts.goal.object_type.lower() in facts.task
            assert facts.goal.target_type.lower() in facts.task


def test_small_houses_are_small() -> None:
    source = bundled_source("small")
    words: set[str] = set()
    for split in SPLITS:
        for i in source.task_ids(split):
            facts = source.facts(i)
            assert 4 <= len(facts.receptacles) <= 7
            assert len({r.location for r in facts.receptacles}) == len(facts.receptacles)
            assert len(facts.things) <= 9
            words |= {r.type for r in facts.receptacles} | {t.type for t in facts.things}
    assert len(words) <= 40


def test_some_full_houses_share_locations_or_lack_doors() -> None:
    """Both are common in the official games, so a player must have met them."""
    rooms = scenes("full")
    receptacles = [r for s in rooms for r in s.receptacles]
    locations = sum(len({r.location for r in s.receptacles}) for s in rooms)
    assert 0.85 < locations / len(receptacles) < 0.95
    doors = [r.openable for r in receptacles if r.type in ("Cabinet", "Drawer")]
    assert 0.75 < sum(doors) / len(doors) < 0.92


def test_the_tables_name_known_kinds_only() -> None:
    for size in BOTH:
        for room in SIZES[size].rooms.values():
            assert set(room.furniture) <= set(HOLDS)
            assert set(room.decor) <= set(FIXED)
            for kind in room.objects:
                assert any(kind in HOLDS[place] for place in room.furniture), kind


@pytest.mark.parametrize("bad", ["valid", "", "Train", "valid_unsen"])
def test_an_unknown_split_is_an_error(bad: str) -> None:
    with pytest.raises(ConfigError, match="split"):
        bundled_source("small").task_ids(bad)


@pytest.mark.parametrize("bad", ["", "train/x/y", "\x00", "train/" + "x" * 10_000])
def test_an_unknown_id_is_an_error(bad: str) -> None:
    with pytest.raises(ConfigError, match="task id") as caught:
        bundled_source("small").task(bad)
    assert len(str(caught.value)) < 500


def test_an_id_of_the_other_size_is_an_error() -> None:
    with pytest.raises(ConfigError, match="task id"):
        bundled_source("small").task(bundled_source("full").task_ids("train")[0])


def test_an_unknown_size_is_an_error() -> None:
    with pytest.raises(ConfigError, match="size"):
        bundled_source("medium")  # type: ignore[arg-type]


def test_the_content_hash_covers_content_alone() -> None:
    facts = bundled_source("small").facts(bundled_source("small").task_ids("train")[0])
    same = dataclasses.replace(
        facts, task_id="other", split="other", things=facts.things[::-1], walkthrough=("look",)
    )
    assert content_hash(same) == content_hash(facts)
    thing = facts.things[0]
    for change in (
        {"task": facts.task + " "},
        {"goal": dataclasses.replace(facts.goal, object_type="Mug2")},
        {"start": "loc_bar_99"},
        {"things": (dataclasses.replace(thing, clean=not thing.clean), *facts.things[1:])},
        {"receptacles": facts.receptacles[1:]},
        {"can_contain": facts.can_contain - {("Desk", "Pen")}},
    ):
        assert content_hash(dataclasses.replace(facts, **change)) != content_hash(facts), change
