"""Official ALFWorld files that are cut, altered, hostile: each a clear error, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import random
import tarfile
from pathlib import Path

import pytest

from craft_envs.alfworld import conversion, origin
from craft_envs.alfworld.official import import_official, official_source
from craft_envs.alfworld.problem import problem_text
from craft_envs.alfworld.world import load_world
from craft_envs.errors import CraftError, DataMismatch, DataNotFound
from tests.envs.alfworld.packing import archive, tree

COUNTS = {"train": 4, "valid_seen": 1, "valid_unseen": 1}


@pytest.fixture(scope="module")
def release() -> dict[str, bytes]:
    """Six bundled houses in the official layout: name to content."""
    tasks = load_world(size="small").tasks
    files = {}
    for split, count in COUNTS.items():
        for task_id in list(tasks.task_ids(split))[:count]:
            facts = tasks.facts(task_id)
            content = {
                "grammar": '{"rhs": ' + json.dumps(f"Your task is to: {facts.task}") + "}",
                "pddl_problem": problem_text(facts),
                "solvable": True,
                "walkthrough": [],
            }
            files[f"json_2.1.1/{task_id}/game.tw-pddl"] = json.dumps(content).encode()
    return files


@pytest.fixture(autouse=True)
def _small_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conversion, "EXPECTED", COUNTS)
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CRAFT_DATA", str(tmp_path / "home"))


ARCHIVES = (
    "json_2.1.1.zip",
    "json_2.1.1.tar",
    "json_2.1.1.tar.gz",
    "json_2.1.1.tar.xz",
    "json_2.1.1.tar.bz2",
)


def _nothing_written(folder: Path) -> bool:
    return not any(path.suffix in (".games", ".part") for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.97])
def test_a_cut_archive(name: str, share: float, release: dict[str, bytes], tmp_path: Path) -> None:
    path = archive(release, tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises((DataMismatch, DataNotFound)) as caught:
        import_official(path)
    assert name in str(caught.value)
    assert caught.value.remedy
    assert _nothing_written(tmp_path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_altered_bytes_never_give_another_error(name: str, release: dict[str, bytes], tmp_path: Path) -> None:
    path = archive(release, tmp_path / name)
    content = path.read_bytes()
    rng = random.Random(name)
    for _ in range(25):
        altered = bytearray(content)
        for _ in range(rng.choice([1, 5, 50])):
            altered[rng.randrange(len(altered))] = rng.randrange(256)
        path.write_bytes(altered)
        try:
            import_official(path)
        except CraftError as error:
            assert error.remedy


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_game_file_cut_in_half_is_named(share: float, release: dict[str, bytes], tmp_path: Path) -> None:
    root = tree(release, tmp_path / "raw")
    name = sorted(release)[2]
    (root / name).write_bytes(release[name][: int(len(release[name]) * share)])
    with pytest.raises(DataMismatch) as caught:
        official_source(root)
    assert caught.value.where == str(root / name)
    assert _nothing_written(tmp_path)
    report = import_official(root, allow_partial=True)
    assert report.broken == (str(root / name),)
    assert sum(report.counts.values()) == sum(COUNTS.values()) - 1


def test_all_broken_files_are_counted(release: dict[str, bytes], tmp_path: Path) -> None:
    broken = {name: content[:99] for name, content in release.items()}
    with pytest.raises(DataMismatch, match="5 more files"):
        import_official(tree(broken, tmp_path / "raw"))
    with pytest.raises(DataNotFound, match="no playable"):
        import_official(tmp_path / "raw", allow_partial=True)


def test_a_failed_import_keeps_the_former_one(release: dict[str, bytes], tmp_path: Path) -> None:
    good = archive(release, tmp_path / "json_2.1.1.zip")
    before = Path(import_official(good).target).read_bytes()
    good.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(DataMismatch):
        import_official(good)
    assert len(official_source().task_ids("train")) == COUNTS["train"]
    assert official_source().path.read_bytes() == before


def test_a_full_disk(release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(release, tmp_path / "raw")
    with monkeypatch.context() as patch:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            official_source(root)
        with pytest.raises(OSError, match="Free space, then run again"):
            import_official(root)
    assert _nothing_written(tmp_path)
    assert len(official_source(root).task_ids("train")) == COUNTS["train"]


@pytest.mark.parametrize("prefix", ["../", "/", "a/../", "..\\"])
@pytest.mark.parametrize("name", ["json_2.1.1.zip", "json_2.1.1.tar"])
def test_names_that_leave_the_archive(
    name: str, prefix: str, release: dict[str, bytes], tmp_path: Path
) -> None:
    game = next(iter(release.values()))
    bad = {f"{prefix}train/pick-a-b-c-1/trial_x/game.tw-pddl": game}
    with pytest.raises(DataMismatch, match="a member is called"):
        import_official(archive(release | bad, tmp_path / name))


@pytest.mark.parametrize("part", ["..", "", "a b", "ä", "x\ny", "*"])
def test_odd_folder_names_are_refused(part: str, release: dict[str, bytes], tmp_path: Path) -> None:
    game = next(iter(release.values()))
    bad = {f"json_2.1.1/train/{part}/trial_x/game.tw-pddl": game}
    with pytest.raises(DataMismatch):
        import_official(archive(release | bad, tmp_path / "json_2.1.1.tar"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_an_archive(kind: bytes, release: dict[str, bytes], tmp_path: Path) -> None:
    path = archive(release, tmp_path / "json_2.1.1.tar")
    with tarfile.open(path, "a") as packed:
        member = tarfile.TarInfo("json_2.1.1/train/pick-a-b-c-1/trial_x/game.tw-pddl")
        member.type, member.linkname = kind, "/etc/passwd"
        packed.addfile(member)
    with pytest.raises(DataMismatch, match="a link or a device"):
        import_official(path)


@pytest.mark.parametrize("name", ["json_2.1.1.zip", "json_2.1.1.tar.xz", "tree"])
def test_a_file_that_unpacks_to_too_much(
    name: str, release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "MAX_GAME_BYTES", 100_000)
    bomb = release | {"json_2.1.1/train/pick-a-b-c-1/trial_x/game.tw-pddl": b" " * 3_000_000}
    path = tree(bomb, tmp_path / "raw") if name == "tree" else archive(bomb, tmp_path / name)
    with pytest.raises(DataMismatch, match="larger than 100000 bytes"):
        import_official(path)


def test_an_archive_with_too_many_members(
    release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "MAX_MEMBERS", 3)
    for name in ("json_2.1.1.zip", "json_2.1.1.tar"):
        with pytest.raises(DataMismatch, match="more than 3 members"):
            import_official(archive(release, tmp_path / name))


def test_an_encrypted_zip(release: dict[str, bytes], tmp_path: Path) -> None:
    path = archive(release, tmp_path / "json_2.1.1.zip")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 1)
    path.write_bytes(content)
    with pytest.raises(DataMismatch, match="password"):
        import_official(path)


def test_two_different_games_of_one_name(release: dict[str, bytes], tmp_path: Path) -> None:
    names = sorted(release)
    again = {names[0].replace("json_2.1.1", "json_2.1.1/again"): release[names[1]]}
    with pytest.raises(DataMismatch, match="two different games"):
        import_official(archive(release | again, tmp_path / "json_2.1.1.zip"))


def _read_everything() -> None:
    source = official_source()
    for split in source.splits():
        for task_id in source.task_ids(split):
            source.facts(task_id)


def test_a_damaged_converted_file_says_what_to_do(release: dict[str, bytes], tmp_path: Path) -> None:
    target = Path(import_official(tree(release, tmp_path / "raw")).target)
    content = target.read_bytes()
    rng = random.Random(1)
    for _ in range(40):
        altered = bytearray(content)
        altered[rng.randrange(len(altered))] ^= 1 << rng.randrange(8)
        target.write_bytes(altered)
        with pytest.raises(DataMismatch, match="import the release again"):
            _read_everything()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(release: dict[str, bytes], tmp_path: Path) -> None:
    root = tree(release, tmp_path / "raw")
    name = sorted(release)[1]
    (root / name).chmod(0)
    with pytest.raises(DataMismatch, match="cannot be read"):
        import_official(root)
