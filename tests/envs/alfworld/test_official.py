"""Official games: found in every form they come in, checked, converted once, served lazily."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from craft_envs.alfworld import conversion, official, origin
from craft_envs.alfworld.facts import GameFacts, Goal
from craft_envs.alfworld.fingerprint import content_hash
from craft_envs.alfworld.official import OfficialSource, import_official, official_source
from craft_envs.alfworld.problem import problem_text
from craft_envs.alfworld.world import load_world
from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from tests.envs.alfworld.packing import archive, tree

COUNTS = {"train": 3, "valid_seen": 2, "valid_unseen": 1}


def _content(facts: GameFacts, solvable: object = True) -> bytes:
    grammar = '{"rhs": ' + json.dumps(f"Your task is to: {facts.task}") + "}"
    content = {"grammar": grammar, "pddl_problem": problem_text(facts), "walkthrough": []}
    if solvable is not None:
        content["solvable"] = solvable
    return json.dumps(content).encode()


@pytest.fixture
def release(make_odd_house: Callable[..., GameFacts]) -> dict[str, bytes]:
    """A release of six games: name in the archive to content."""
    files = {}
    for split, count in COUNTS.items():
        for number in range(count):
            goal = Goal(
                task_type="pick_and_place_simple",
                object_type=("Apple", "Knife", "Pan")[number],
                target_type="Desk",
            )
            folder = (
                f"json_2.1.1/{split}/pick_and_place_simple-{goal.object_type}-None-Desk-1/trial_T{number}"
            )
            files[f"{folder}/game.tw-pddl"] = _content(make_odd_house(goal))
            files[f"{folder}/traj_data.json"] = b"{}"
    return files


@pytest.fixture(autouse=True)
def _small_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conversion, "EXPECTED", COUNTS)
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CRAFT_DATA", raising=False)


def _check(source: OfficialSource) -> None:
    assert source.splits() == ("train", "valid_seen", "valid_unseen")
    assert {split: len(source.task_ids(split)) for split in source.splits()} == COUNTS
    task = source.task("train/pick_and_place_simple-Knife-None-Desk-1/trial_T1")
    assert (task.split, task.task_type) == ("train", "pick_and_place_simple")
    facts = source.facts(task.task_id)
    assert facts.goal.object_type == "Knife"
    assert content_hash(facts) == task.content_hash


@pytest.mark.parametrize("below", ["", "alfworld"])
@pytest.mark.parametrize(
    "name",
    [
        "tree",
        "json_2.1.1.zip",
        "json_2.1.2_tw-pddl.zip",
        "json_2.1.1.tar",
        "json_2.1.1.tar.gz",
        "json_2.1.1.tgz",
        "json_2.1.1.tar.xz",
        "json_2.1.1.tar.bz2",
    ],
)
def test_every_form_is_found_in_a_data_folder(
    name: str, below: str, release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    if name == "tree":
        tree(release, root / below)
    else:
        archive(release, root / below / name)
    _check(official_source(root))
    monkeypatch.setenv("CRAFT_DATA", str(root))
    _check(official_source())
    assert load_world(data="official").tasks is official_source()


def test_the_release_folder_or_the_archive_itself_may_be_named(
    release: dict[str, bytes], tmp_path: Path
) -> None:
    tree(release, tmp_path)
    _check(official_source(tmp_path / "json_2.1.1"))
    _check(official_source(archive(release, tmp_path / "other" / "whatever.zip")))


def test_hashes_do_not_depend_on_the_form(release: dict[str, bytes], tmp_path: Path) -> None:
    sources = [
        official_source(tree(release, tmp_path / "a")),
        official_source(archive(dict(reversed(release.items())), tmp_path / "b" / "json_2.1.1.tar.xz")),
    ]
    assert sources[0].data_hash == sources[1].data_hash
    assert sources[0].task_ids("train") == sources[1].task_ids("train")


def test_archives_without_games_are_passed_over(release: dict[str, bytes], tmp_path: Path) -> None:
    archive({"json_2.1.1/train/a/b/traj_data.json": b"{}"}, tmp_path / "json_2.1.1_json.zip")
    (tmp_path / "json_2.1.1" / "train").mkdir(parents=True)
    with pytest.raises(DataNotFound, match=r"json_2\.1\.1_json\.zip"):
        official_source(tmp_path)
    archive(release, tmp_path / "json_2.1.2_tw-pddl.zip")
    _check(official_source(tmp_path))


def test_the_second_start_reads_only_the_cache(
    release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(release, tmp_path)
    official_source(tmp_path)
    monkeypatch.setattr(official, "convert", None)
    _check(official_source(tmp_path))


def test_changed_raw_files_are_converted_again(
    release: dict[str, bytes], tmp_path: Path, make_odd_house: Callable[..., GameFacts]
) -> None:
    tree(release, tmp_path)
    before = official_source(tmp_path).data_hash
    other = make_odd_house(
        Goal(task_type="pick_and_place_simple", object_type="Book", target_type="Shelf"), "loc_bar_8"
    )
    name = next(name for name in release if name.endswith("game.tw-pddl"))
    (tmp_path / name).write_bytes(_content(other))
    assert official_source(tmp_path).data_hash != before


@pytest.mark.parametrize("damage", [b"", b"craft-alfworld-games 1\n", b"something else", None])
def test_a_damaged_cache_is_made_anew(
    damage: bytes | None, release: dict[str, bytes], tmp_path: Path
) -> None:
    tree(release, tmp_path)
    path = official_source(tmp_path).path
    path.write_bytes(path.read_bytes()[:-5] if damage is None else damage)
    _check(official_source(tmp_path))


def _open_in_process(folder: str, answers: multiprocessing.Queue[str]) -> None:
    conversion.EXPECTED = COUNTS  # type: ignore[misc]
    answers.put(official_source(folder).data_hash)


def test_two_processes_may_convert_at_once(release: dict[str, bytes], tmp_path: Path) -> None:
    tree(release, tmp_path)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_open_in_process, args=(str(tmp_path), answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert found == {official_source(tmp_path).data_hash}
    assert len(list((tmp_path / "cache" / "alfworld").glob("*.games"))) == 1


def test_import_writes_into_the_data_folder(
    release: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(release, tmp_path / "downloads" / "json_2.1.1.tar.gz")
    seen: list[tuple[int, int]] = []
    report = import_official(packed, progress=lambda done, total: seen.append((done, total)))
    assert report.counts == COUNTS
    assert report.other_language == sum(COUNTS.values()), "the tests' grammar is not ALFWorld's"
    assert not report.is_release
    assert seen[-1] == (6, 6)
    assert any("6 games" in line for line in report.lines())
    packed.unlink()
    _check(official_source())
    assert Path(report.target).is_relative_to(tmp_path / "home" / "craft")


def test_unsolvable_games_are_left_out_as_by_the_original(
    release: dict[str, bytes], tmp_path: Path, make_odd_house: Callable[..., GameFacts]
) -> None:
    extra = {}
    for name, solvable in (("trial_x", False), ("trial_y", None)):
        folder = f"json_2.1.1/train/pick_and_place_simple-Apple-None-Desk-1/{name}"
        extra[f"{folder}/game.tw-pddl"] = _content(make_odd_house(), solvable)
    extra["json_2.1.1/train/pick_and_place_simple-AppleSliced-None-Desk-1/t/game.tw-pddl"] = b"{"
    report = import_official(tree(release | extra, tmp_path / "raw"))
    assert (report.unsolvable, report.unchecked, report.unsupported) == (1, 1, 1)
    assert report.counts == COUNTS


def test_an_incomplete_release_is_refused_unless_asked_for(release: dict[str, bytes], tmp_path: Path) -> None:
    name = next(name for name in release if name.endswith("game.tw-pddl"))
    del release[name]
    root = tree(release, tmp_path / "raw")
    with pytest.raises(DataMismatch, match=r"train has 2 games instead of 3.*--allow-partial"):
        official_source(root)
    with pytest.raises(DataMismatch, match="not the complete ALFWorld release"):
        import_official(root)
    report = import_official(root, allow_partial=True)
    assert report.counts["train"] == 2
    assert len(official_source().task_ids("train")) == 2


def test_unknown_splits_and_ids(release: dict[str, bytes], tmp_path: Path) -> None:
    source = official_source(tree(release, tmp_path))
    with pytest.raises(ConfigError, match="did you mean 'valid_unseen'"):
        source.task_ids("valid_unsen")
    for wrong in ("", "train", "train/a/b", "x" * 100_000, None):
        with pytest.raises(ConfigError, match="unknown task id"):
            source.task(wrong)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="unknown task id"):
            source.facts(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"data": "oficial"},
        {"backend": "jericho"},
        {"data": "bundled", "data_dir": "."},
        {"data": "official", "size": "small"},
        {"size": "tiny"},
    ],
)
def test_unknown_options(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load_world(**options)  # type: ignore[arg-type]


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"does not exist.*craft data import alfworld"):
        load_world(data="official", data_dir=tmp_path / "nowhere")
    with pytest.raises(DataNotFound, match=r"no official ALFWorld games.*CRAFT_DATA"):
        load_world(data="official", data_dir=tmp_path)
    with pytest.raises(DataNotFound, match="no such file"):
        import_official(tmp_path / "nowhere.zip")


def test_a_tree_with_a_folder_instead_of_a_game(release: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "json_2.1.1" / "train" / "pick_and_place_simple-Egg-None-Desk-1" / "trial_T9"
    (folder / origin.GAME_FILE).mkdir(parents=True)
    os.symlink(folder, folder.parent / "trial_T8")
    _check(official_source(tree(release, tmp_path)))
