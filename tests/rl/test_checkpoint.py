"""Checkpoints are whole or absent, damaged ones are named."""

from __future__ import annotations

import json

import pytest

from craft_envs.errors import CheckpointMismatch, CraftError
from craft_rl import checkpoint as checkpoints


def write_two(folder):
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_bytes(b"w" * 1000)
    (folder / "optimizer.pt").write_bytes(b"o" * 10)


def save(folder, update, write=write_two):
    return checkpoints.save(folder, update, {"note": update}, write)


def test_round_trip(tmp_path):
    saved = save(tmp_path, 3)
    found = checkpoints.latest(tmp_path)
    assert found == saved
    assert found is not None and found.update == 3 and found.state == {"note": 3}
    assert (found.model / "weights").read_bytes() == b"w" * 1000


def test_no_folder_no_checkpoint(tmp_path):
    assert checkpoints.latest(tmp_path / "nowhere") is None
    assert checkpoints.best(tmp_path) is None


def test_interrupted_writing_leaves_the_earlier_one(tmp_path):
    save(tmp_path, 1)

    def broken(folder):
        write_two(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(CraftError, match="No space left") as caught:
        save(tmp_path, 2, broken)
    assert "update-000001" in caught.value.remedy
    found = checkpoints.latest(tmp_path)
    assert found is not None and found.update == 1
    assert [p.name for p in tmp_path.iterdir()] == ["update-000001"]


def test_the_first_one_may_fail_too(tmp_path):
    def broken(folder):
        raise RuntimeError("[enforce fail at inline_container.cc] . unexpected pos")

    with pytest.raises(CraftError, match="could not be written") as caught:
        save(tmp_path, 1, broken)
    assert "no earlier checkpoint" in caught.value.remedy


@pytest.mark.parametrize("damage", ["cut", "missing", "manifest", "version"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    save(tmp_path, 1)
    newest = save(tmp_path, 2).path
    if damage == "cut":
        (newest / "model" / "weights").write_bytes(b"w" * 999)
    elif damage == "missing":
        (newest / "optimizer.pt").unlink()
    elif damage == "manifest":
        (newest / "manifest.json").write_text('{"format": 1, "upd')
    else:
        manifest = json.loads((newest / "manifest.json").read_text())
        (newest / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(CheckpointMismatch) as caught:
        checkpoints.load(newest)
    assert str(newest) in str(caught.value)
    found = checkpoints.latest(tmp_path)
    assert found is not None and found.update == 1


def test_nothing_but_damage_is_an_error(tmp_path):
    (save(tmp_path, 1).path / "optimizer.pt").unlink()
    with pytest.raises(CheckpointMismatch, match=r"optimizer\.pt .* missing"):
        checkpoints.latest(tmp_path)


def test_newest_with_best_stay(tmp_path):
    for update in range(1, 7):
        save(tmp_path, update)
    checkpoints.mark_best(tmp_path, 2, 0.5)
    (tmp_path / ".part-update-000009-1").mkdir()
    checkpoints.prune(tmp_path, 2)
    assert [p.name for p in checkpoints.checkpoints(tmp_path)] == [
        "update-000002",
        "update-000005",
        "update-000006",
    ]
    assert not list(tmp_path.glob(".part*"))
    marked = checkpoints.best(tmp_path)
    assert marked is not None and marked[1] == 0.5
