"""The card's numbers are the measured ones; measuring them proves that every bundled game can be won."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

import craft_envs.alfworld
from craft_envs.alfworld.bundled import SPLITS, bundled_source
from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import TASK_TYPES
from craft_envs.alfworld.game import compile_game
from craft_envs.alfworld.oracle import solve
from craft_envs.alfworld.rooms import Size
from craft_envs.alfworld.world import GameSource

CARD = (Path(craft_envs.alfworld.__file__).parent / "README.md").read_text()
Figures = dict[str, list[tuple[float, ...]]]


def table(heading: str) -> dict[str, tuple[float, ...]]:
    """Task type -> (games, receptacles, objects, plan, admissible) of the table below a line of the card."""
    part = CARD[CARD.index(heading) :]
    rows = re.findall(r"^\| `(\w+)` \| ([\d,.| ]+) \|$", part, re.MULTILINE)[: len(TASK_TYPES)]
    return {name: tuple(float(cell) for cell in cells.split("|")) for name, cells in rows}


def play(source: GameSource, task_id: str) -> tuple[float, ...]:
    """Let the oracle win, then tell the game's figures."""
    session = AlfSession(compile_game(source.facts(task_id)), source.task(task_id))
    first = len(session.admissible_actions())
    objects = len({item for found in session.contents for item in found})
    plan = solve(session)
    assert plan, "the goal holds from the start"
    for command in plan:
        assert session.act(command).action_valid, (task_id, command)
    assert session.success, task_id
    if session.game.walkthrough:
        assert len(plan) <= len(session.game.walkthrough), task_id
    return len(session.game.holders), objects, len(plan), first


def measure(source: GameSource, splits: tuple[str, ...]) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    for split in splits:
        per: Figures = defaultdict(list)
        for task_id in source.task_ids(split):
            per[source.task(task_id).task_type].append(play(source, task_id))
        figures[split] = per
    return figures


def means(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def assert_told(figures: dict[str, Figures], told: dict[str, tuple[float, ...]]) -> None:
    assert set(told) == set(TASK_TYPES)
    for kind, row in told.items():
        rows = [r for per in figures.values() for r in per[kind]]
        assert row[0] == len(rows)
        assert row[1:] == pytest.approx(means(rows), abs=0.0501), kind


def test_full_houses_are_like_the_official_ones() -> None:
    figures = measure(bundled_source("full"), SPLITS)
    official = table("Official games (train")
    assert_told(figures, table('Bundled, `size="full"`'))
    for split, per in figures.items():
        for kind, rows in per.items():
            for ours, theirs in zip(means(rows), official[kind][1:], strict=True):
                assert ours == pytest.approx(theirs, rel=0.15), (split, kind)


def test_small_houses_are_as_told() -> None:
    figures = measure(bundled_source("small"), SPLITS)
    assert_told(figures, table('Bundled, `size="small"`'))
    assert max(r[2] for per in figures.values() for rows in per.values() for r in rows) <= 12


def test_official_games_are_as_told(craft_data: Path) -> None:
    """All 4,027 are won; the figures are those of the three splits that papers use."""
    from craft_envs.alfworld.official import official_source

    source = official_source(craft_data)
    figures = measure(source, source.splits())
    assert {split: sum(map(len, per.values())) for split, per in figures.items()} == {
        "train": 3553,
        "valid_seen": 140,
        "valid_unseen": 134,
        "valid_train": 200,
    }
    del figures["valid_train"]
    assert_told(figures, table("Official games (train"))


@pytest.mark.parametrize("size", ["full", "small"])
def test_the_card_tells_how_many_tasks_there_are(size: Size) -> None:
    source = bundled_source(size)
    for split in SPLITS:
        ids = source.task_ids(split)
        found = re.search(rf"^\| `{split}` \| ([\d,]+) \|.*\| (\d+) of each", CARD, re.MULTILINE)
        assert found
        assert int(found.group(1).replace(",", "")) == len(ids)
        assert int(found.group(2)) == len(ids) / len(TASK_TYPES)
