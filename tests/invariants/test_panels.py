"""Invariant 3: panels are those of the README, apart from training tasks by all that a player can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from craft_envs.core import World
from craft_envs.panels import Panel, frozen_names
from craft_envs.registration import load_world

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def first_text(world: World, task_id: str) -> str:
    return world.open(task_id, 0).start()


def test_hashes_are_those_of_the_readme() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (\d+) \| `([0-9a-f]{16})` \|$", README, re.MULTILINE)
    told = {name: (int(tasks), begin) for name, tasks, begin in rows}
    panels = map(Panel.load, frozen_names())
    assert told == {panel.name: (len(panel), panel.hash[:16]) for panel in panels}


@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
@pytest.mark.parametrize("size", ["small", "full"])
def test_bundled_panels_are_apart_from_train(size: str, split: str) -> None:
    panel = Panel.load(f"alfworld-bundled-{size}-{split}")
    world = load_world(panel.env_id, **panel.world)
    panel.assert_disjoint(world.tasks)
    trained = {first_text(world, task_id) for task_id in world.tasks.task_ids("train")}
    assert trained.isdisjoint(first_text(world, task_id) for task_id in panel.task_ids)


@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
def test_official_panels_are_apart_from_train(split: str, craft_data: Path) -> None:
    panel = Panel.load(f"alfworld-official-{split}")
    source = load_world(panel.env_id, **panel.world, data_dir=str(craft_data)).tasks
    panel.verify(source)
    panel.assert_disjoint(source)
