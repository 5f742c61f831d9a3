"""Panels: hashes, files, what verification finds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_envs.panels import Panel, PanelEntry


def test_round_trip_through_a_file(tmp_path: Path, toy_world: Any) -> None:
    panel = Panel.of(toy_world.tasks, "test", name="toy-test", world={"data": "bundled"})
    panel.write(tmp_path / "toy.jsonl")
    again = Panel.read(tmp_path / "toy.jsonl")
    assert again == panel and again.hash == panel.hash and len(again) == 3
    assert again.task_ids == ("test/0", "test/1", "test/2") and again.data == "bundled"
    assert [path.name for path in tmp_path.iterdir()] == ["toy.jsonl"]


def test_hash_follows_content_and_order(toy_world: Any) -> None:
    panel = Panel.of(toy_world.tasks, "test")
    turned = dataclasses.replace(panel, entries=panel.entries[::-1])
    other = dataclasses.replace(panel, entries=(*panel.entries[:2], PanelEntry("test/2", "other")))
    split = dataclasses.replace(panel, split="train")
    assert len({panel.hash, turned.hash, other.hash, split.hash}) == 4
    assert dataclasses.replace(panel, name="another name").hash == panel.hash


def test_altered_file_is_refused(tmp_path: Path, toy_world: Any) -> None:
    text = Panel.of(toy_world.tasks, "test", name="toy").dumps()
    lines = text.splitlines()
    broken = [
        text.replace("test/1", "test/9"),
        "\n".join(lines[:-1]),
        "\n".join([lines[0], lines[2], lines[1], lines[3]]),
        text[: len(text) - 20],
        "",
        "[]",
        json.dumps({"panel": "x"}),
    ]
    for number, content in enumerate(broken):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(content)
        with pytest.raises(DataMismatch, match=r"restore the file"):
            Panel.read(path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataMismatch):
        Panel.read(tmp_path / "binary")
    with pytest.raises(DataNotFound):
        Panel.read(tmp_path / "absent.jsonl")


def test_verify_names_what_differs(toy_world: Any) -> None:
    panel = Panel.of(toy_world.tasks, "test")
    panel.verify(toy_world.tasks)
    more = (*panel.entries[:2], PanelEntry("test/2", "other"), PanelEntry("test/9", "x"))
    with pytest.raises(DataMismatch, match=r"1 missing: test/9; 1 altered: test/2"):
        dataclasses.replace(panel, entries=more).verify(toy_world.tasks)
    with pytest.raises(DataMismatch, match="3 missing"):
        dataclasses.replace(panel, split="gone").verify(toy_world.tasks)
    with pytest.raises(DataMismatch, match="is of other/Env"):
        dataclasses.replace(panel, env_id="other/Env-v0").verify(toy_world.tasks)


def test_disjoint_by_id_as_well_as_content(toy_world: Any) -> None:
    panel = Panel.of(toy_world.tasks, "test")
    panel.assert_disjoint(toy_world.tasks)
    for stolen in (PanelEntry("train/4", "new hash"), PanelEntry("new id", "hash of train/4")):
        with pytest.raises(DataMismatch, match="train/4"):
            dataclasses.replace(panel, entries=(*panel.entries, stolen)).assert_disjoint(toy_world.tasks)


def test_unknown_panel_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        Panel.load("alfworld-bundled-small-valid-unseen")
