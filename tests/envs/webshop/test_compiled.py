"""Large official catalogues: streamed, compiled once, the same game as in memory."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import craft_envs.webshop.compiled as compiled_module
import craft_envs.webshop.official as official_module
import craft_envs.webshop.world as world_module
from craft_envs.agents import make_agent, run_episode
from craft_envs.core import TextEnv
from craft_envs.errors import DataMismatch
from craft_envs.webshop.bundled import bundled_shop
from craft_envs.webshop.compiled import CompiledShop, compiled_shop
from craft_envs.webshop.generate import SHAPES, products, record
from craft_envs.webshop.generate_goals import instruction_records
from craft_envs.webshop.json_stream import array_entries, object_entries
from craft_envs.webshop.official import OfficialShop, found_files, import_official, official_shop, read_shop
from craft_envs.webshop.product import Goal
from craft_envs.webshop.world import load_world


def _written(folder: Path, count: int, *, people: bool = True) -> Path:
    """A generated catalogue in the original's files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = list(products(SHAPES["full"], count=count))
    shop = bundled_shop()
    by_asin: dict[str, list[Goal]] = {one.product.asin: [] for one in made}
    for split in ("train", "valid", "test"):
        for register in ("synthetic", "human"):
            for goal in shop.goals(split, register):  # type: ignore[arg-type]
                if goal.asin in by_asin:
                    by_asin[goal.asin].append(goal)
    ins, human = instruction_records(made, {asin: tuple(goals) for asin, goals in by_asin.items()})
    # A product that the attribute file does not know, one that comes twice, one without a name of its own.
    del ins[made[3].product.asin]
    items = [record(one) for one in made]
    items += [items[5], {**items[6], "asin": "nan"}, {**items[7], "asin": "B" * 11}]
    (folder / "items_shuffle.json").write_text(json.dumps(items), "utf-8")
    (folder / "items_ins_v2.json").write_text(json.dumps(ins), "utf-8")
    if people:
        (folder / "items_human_ins.json").write_text(json.dumps(human), "utf-8")
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("official"), 160)


@pytest.fixture(autouse=True)
def _compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(official_module, "COMPILED_FROM", 0)
    kept = (world_module._load, world_module._tasks, world_module._searcher, official_module._loaded)
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


@pytest.mark.parametrize("nouns", [None, "all", "some"])
def test_it_is_the_shop_in_memory(files: Path, tmp_path: Path, nouns: str | None) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for path in files.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    memory = read_shop(found_files(folder))
    if nouns is not None:
        asins = list(memory.catalogue.asins())[:: 1 if nouns == "all" else 3]
        said = {asin: ["scarf", "wool"] if number % 2 else [] for number, asin in enumerate(asins)}
        (folder / "title_nouns.json").write_text(json.dumps(said))
        memory = read_shop(found_files(folder))
    kept = official_shop(folder)
    assert isinstance(kept, CompiledShop) and isinstance(memory, OfficialShop)
    assert list(kept.catalogue.asins()) == list(memory.catalogue.asins())
    assert kept.catalogue.content_hash == memory.catalogue.content_hash
    assert kept.catalogue.nouns_source == memory.catalogue.nouns_source
    assert kept.goal_counts == memory.goal_counts
    for register in ("synthetic", "human"):
        parts, numbers = kept.parts(register)
        expected, all_numbers = memory.parts(register)
        assert list(parts) == list(expected)
        for split in expected:
            assert list(parts[split]) == list(expected[split]), (register, split)
        assert all(all_numbers[name] == number for name, number in numbers.items())


def test_train_is_bounded_by_goals_of_many_products(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_module, "TRAIN_GOALS", 40)
    parts, _ = compiled_shop(found_files(files), 0).parts("synthetic")
    whole, _ = read_shop(found_files(files)).parts("synthetic")
    assert len(parts["train"]) == len(parts["legacy_train"]) == 40
    assert len({goal.asin for goal in parts["train"]}) == 40
    assert set(map(repr, parts["train"])) <= set(map(repr, whole["train"]))
    assert list(parts["legacy_train"]) == list(whole["legacy_train"][:40])
    assert list(parts["test"]) == list(whole["test"]) and list(parts["legacy"]) == list(whole["legacy"])


@pytest.mark.parametrize("compat", ["strict", "upstream"])
def test_it_is_played_like_the_one_in_memory(
    files: Path, monkeypatch: pytest.MonkeyPatch, compat: str
) -> None:
    def played() -> list[Any]:
        world = load_world(data="official", data_dir=files, compat=compat)
        env = TextEnv(world, split="test")
        agent = make_agent("oracle", env)
        out = [run_episode(env, agent, task_id=task_id, seed=0) for task_id in env.task_ids[::40]]
        return [world.tasks.data_hash, *((one.actions, one.observations, one.score) for one in out)]

    kept = played()
    for function in (
        world_module._load,
        world_module._tasks,
        world_module._searcher,
        official_module._loaded,
    ):
        function.cache_clear()
    monkeypatch.setattr(official_module, "COMPILED_FROM", 1 << 40)
    assert played() == kept


def test_it_is_compiled_once_until_a_file_changes(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    real = compiled_module._compile

    def counted(*arguments: Any) -> None:
        built.append("once")
        real(*arguments)

    monkeypatch.setattr(compiled_module, "_compile", counted)
    report = import_official(files, data_dir=tmp_path / "data")
    assert report.products == 160 and report.human_goals > 100 and report.synthetic_goals > 700
    # The copy has the same content: nothing is compiled again.
    assert built == ["once"]
    copied = found_files(tmp_path / "data")
    first = compiled_shop(copied, 0)
    items = json.loads(copied.items.read_text())
    items[0]["name"] = "Something else"
    copied.items.write_text(json.dumps(items))
    second = compiled_shop(copied, 0)
    assert built == ["once"] * 2 and first.catalogue.content_hash != second.catalogue.content_hash
    assert compiled_shop(copied, 1).parts("synthetic") != second.parts("synthetic")


def test_an_interruption_leaves_nothing_half_written(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    for place in ("compile_catalogue", "spread", "write_goals", "write_json"):
        with monkeypatch.context() as patched:
            patched.setattr(compiled_module, place, interrupted)
            with pytest.raises((KeyboardInterrupt, TypeError)):
                compiled_shop(found_files(files), 0)
        assert not list((tmp_path / "cache" / "webshop").glob("official-*"))
        assert not list((tmp_path / "cache" / "webshop").glob("*.part"))
    assert len(compiled_shop(found_files(files), 0).catalogue) == 160


def test_a_damaged_cache_is_made_again(files: Path, tmp_path: Path) -> None:
    whole = compiled_shop(found_files(files), 0)
    test = list(whole.parts("synthetic")[0]["test"])
    for name, left in (
        ("shop.json", None),
        ("synthetic.jsonl", 100),
        ("human.jsonl", None),
        ("catalogue/meta.json", 9),
        ("catalogue/products.bin", 0),
    ):
        path = whole.folder / name
        if left is None:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:left])
        assert list(compiled_shop(found_files(files), 0).parts("synthetic")[0]["test"]) == test
    for note in (tmp_path / "cache" / "webshop").glob("stamps-*.json"):
        note.write_text("[")
    assert compiled_shop(found_files(files), 0).folder == whole.folder
    path = whole.folder / "synthetic.jsonl"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DataMismatch, match="cannot be read"):
        compiled_shop(found_files(files), 0).parts("synthetic")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ('{"a": 1}', "does not hold a list"),
        ("7", "does not hold a list"),
        ('[{"asin": "A"}', "is missing"),
        ('[{"asin": "A"}, ', "cut or damaged"),
        ('[{"asin": "A', "cut or damaged"),
        ('[{"asin": "A"} {"asin": "B"}]', "is missing"),
        ('[{"asin": "A"},]', "cut or damaged"),
        ("[1, 2] 3", "follows the end"),
        ("[nope]", "cut or damaged"),
        ("[" * 100_000, "cut or damaged"),
    ],
)
def test_what_is_no_array_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataMismatch, match=said):
        list(array_entries(path))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'["\xff\xfe"]')
    with pytest.raises(DataMismatch, match="cut or damaged"):
        list(array_entries(path))


def test_entries_are_those_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    values: list[Any] = [
        {"text": 'é漢😀\\"' * draw.randrange(90), "n": draw.random() * 10 ** draw.randrange(-9, 9)}
        for _ in range(300)
    ]
    values += [12345678901234567890, -1.5e300, None, True, [], {}, "x" * 5_000, [[1, [2]], {"a": {"b": [3]}}]]
    for block in (1, 2, 3, 7, 64, 1 << 20):
        monkeypatch.setattr("craft_envs.webshop.json_stream._BLOCK", block)
        some = values if block > 3 else values[-30:]
        for indent in (None, 2):
            path = tmp_path / "x.json"
            path.write_bytes(b"\xef\xbb\xbf" + json.dumps(some, ensure_ascii=False, indent=indent).encode())
            assert list(array_entries(path)) == some
            keyed = {f"k{number}": value for number, value in enumerate(some)}
            path.write_text(json.dumps(keyed, indent=indent))
            assert dict(object_entries(path)) == keyed
    path.write_text("{1: 2}")
    with pytest.raises(DataMismatch):
        list(object_entries(path))


def test_an_endless_entry_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft_envs.webshop.json_stream._LONGEST", 1_000)
    monkeypatch.setattr("craft_envs.webshop.json_stream._BLOCK", 64)
    path = tmp_path / "x.json"
    path.write_text('[{"a": "' + "x" * 100_000 + '"}]')
    with pytest.raises(DataMismatch, match="cut or damaged"):
        list(array_entries(path))


def test_a_record_of_another_schema_is_told(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for path in files.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    items = json.loads((folder / "items_shuffle.json").read_text())
    for change in (
        {"pricing": "cheap"},
        {"name": 7},
        {"customization_options": {"a": ["b"]}},
        {"asin": None},
    ):
        (folder / "items_shuffle.json").write_text(json.dumps([*items[:9], {**items[9], **change}]))
        with pytest.raises(DataMismatch, match="product 9"):
            compiled_shop(found_files(folder), 0)
    assert not list((tmp_path / "cache" / "webshop").glob("official-*"))
