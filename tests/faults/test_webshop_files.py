"""Damaged, incomplete, odd catalogue files: clear errors, nothing half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_envs.webshop.catalogue import MemoryCatalogue, parsed_price
from craft_envs.webshop.nouns import guessed_nouns, spacy_available
from craft_envs.webshop.official import found_files, import_official, official_shop
from craft_envs.webshop.world import load_world


def _record(asin: str = "B000000001", **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "asin": asin,
        "name": "Ardo Knit Scarf",
        "full_description": "Keeps warm.",
        "small_description": ["Soft wool", "Hand made"],
        "pricing": "$17.50",
        "images": ["scarf.png"],
        "category": "fashion",
        "query": "Scarves ",
        "product_category": "Clothing › Women › Scarves",
        "customization_options": {
            "Color": [{"value": " Red/Blue ", "image": None}, {"value": "Green"}],
            "Size": None,
        },
    }
    record.update(changes)
    return {key: value for key, value in record.items() if value is not ...}


def _ins(asin: str = "B000000001") -> dict[str, Any]:
    return {
        asin: {
            "attributes": ["soft wool"],
            "instruction": "Find me soft wool scarves",
            "instruction_attributes": ["soft wool"],
        }
    }


def _written(folder: Path, items: Any = None, ins: Any = None, **others: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "items_shuffle.json": [_record()] if items is None else items,
        "items_ins_v2.json": _ins() if ins is None else ins,
        **{name.replace("__", "."): content for name, content in others.items()},
    }
    for name, content in contents.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_small_catalogue_of_ones_own(tmp_path: Path) -> None:
    folder = _written(tmp_path / "webshop")
    for place in (tmp_path, folder, folder / "items_shuffle.json"):
        shop = official_shop(place)
        product = shop.catalogue.product("B000000001")
        assert product.options == {"color": ("red | blue", "green")}
        assert (product.price, product.price_text, product.query) == (17.5, "$17.5", "scarves")
        assert shop.catalogue.nouns_source == "heuristic"
        assert len(shop.synthetic) == 2 and not shop.human
    with pytest.raises(ConfigError, match="no human goals"):
        load_world(data="official", data_dir=tmp_path, goals="human")


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        ([{"name": "x"}], "no asin"),
        (["B000000001"], "no asin"),
        ([_record(asin=7)], "no asin"),
        ([_record(asin="")], "no page can link to"),
        ([_record(asin="B0\x0012")], "no page can link to"),
        ([_record(name=...)], "KeyError 'name'"),
        ([_record(query=None)], "query is NoneType"),
        ([_record(category=...)], "category"),
        ([_record(small_description=[1])], "small_description"),
        ([_record(customization_options={"color": [{}]})], "value"),
        ([_record(customization_options={"color": "red"})], "TypeError"),
        ([_record(customization_options=["red"])], "AttributeError"),
        ([_record(pricing="call us")], "not a dollar amount"),
        ([_record(pricing="$12.5.1")], "not a dollar amount"),
        ([_record(pricing="$")], "not a dollar amount"),
        ([_record(pricing=12.5)], "not a dollar amount"),
        ([_record(pricing="$" + "9" * 400)], "not a dollar amount"),
        ({"B000000001": _record()}, "holds a dict"),
        ('[{"asin": "B0000', "cut or damaged"),
        ("", "cut or damaged"),
        ("[" * 100_000, "cut or damaged"),
    ],
    ids=range(21),  # the contents are too long for names
)
def test_malformed_products(tmp_path: Path, items: Any, wrong: str) -> None:
    folder = _written(tmp_path / "webshop", items)
    with pytest.raises(DataMismatch, match=wrong) as caught:
        official_shop(tmp_path)
    assert str(folder) in str(caught.value)
    target = tmp_path / "target"
    with pytest.raises(DataMismatch):
        import_official(folder, data_dir=target)
    assert not target.exists(), "nothing is written before everything was checked"


@pytest.mark.parametrize(
    "ins",
    [
        [],
        {"B000000001": []},
        {"B000000001": {"attributes": "soft"}},
        {"B000000001": {"attributes": ["a"], "instruction": "Find me", "instruction_attributes": []}},
        {"B000000001": {"attributes": ["a"], "instruction": "Find me"}},
        {"B000000001": {"attributes": ["a"], "instruction": 7, "instruction_attributes": ["a"]}},
        "{",
    ],
    ids=range(7),
)
def test_malformed_instructions(tmp_path: Path, ins: Any) -> None:
    _written(tmp_path / "webshop", ins=ins)
    with pytest.raises(DataMismatch):
        official_shop(tmp_path)


@pytest.mark.parametrize("name", ["title_nouns__json", "items_human_ins__json"])
@pytest.mark.parametrize("content", ["[]", '{"B000000001": 7}', '{"B000000001": [7]}', "{"])
def test_malformed_companions(tmp_path: Path, name: str, content: str) -> None:
    _written(tmp_path / "webshop", **{name: content})
    with pytest.raises(DataMismatch):
        official_shop(tmp_path)


def test_what_the_original_skips_is_skipped(tmp_path: Path) -> None:
    items = [
        _record("nan"),
        _record("B0000000012345"),
        _record(),
        _record(name="The same asin again"),
        _record("B000000002", pricing=None, customization_options=None, small_description="One line"),
        _record("B000000003", pricing="$10.00 - $1,020.50", customization_options={}),
    ]
    catalogue = official_shop(_written(tmp_path / "webshop", items)).catalogue
    assert list(catalogue.asins()) == ["B000000001", "B000000002", "B000000003"]
    assert catalogue.product("B000000001").title == "Ardo Knit Scarf"
    second, third = catalogue.product("B000000002"), catalogue.product("B000000003")
    assert (second.price_text, second.bullets, second.attributes) == (
        "$100.0",
        ("One line",),
        ("DUMMY_ATTR",),
    )
    assert third.price_text == "$10.0 to $1020.5" and 10 <= third.price <= 1020.5
    with pytest.raises(ConfigError, match="no product"):
        catalogue.product("B00000000X")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"items_shuffle\*\.json.*craft data import webshop"):
        load_world(data="official", data_dir=tmp_path)
    with pytest.raises(DataNotFound):
        load_world(data="official", data_dir=tmp_path / "nowhere")
    (tmp_path / "items_shuffle.json").write_text("[]")
    with pytest.raises(DataNotFound, match="items_ins_v2"):
        load_world(data="official", data_dir=tmp_path)
    with pytest.raises(DataNotFound):
        import_official(tmp_path / "nowhere")


def test_import_makes_the_catalogue_found(tmp_path: Path) -> None:
    human = {
        "B000000001": [
            {
                "instruction": "a green one.",
                "instruction_attributes": ["soft wool"],
                "instruction_options": ["green"],
            }
        ]
    }
    nouns = {"B000000001": ["ardo", "knit", "scarf"]}
    source = _written(tmp_path / "mine", items_human_ins__json=human, title_nouns__json=nouns)
    target, seen = tmp_path / "data", list[tuple[int, int]]()
    report = import_official(source, data_dir=target, progress=lambda done, total: seen.append((done, total)))
    assert (report.products, report.synthetic_goals, report.human_goals) == (1, 2, 1)
    assert (report.nouns_source, seen[-1]) == ("file", (4, 4))
    shop = official_shop(target)
    assert shop.catalogue.content_hash == report.content_hash == official_shop(source).catalogue.content_hash
    assert shop.human[0].instruction.startswith("a green one, and price lower than")
    world = load_world(data="official", data_dir=target, goals="human")
    assert world.tasks.task_ids("all")
    again = import_official(target, data_dir=target)
    assert again.content_hash == report.content_hash, "importing a folder into itself is harmless"


def test_the_catalogue_of_a_thousand_is_preferred(tmp_path: Path) -> None:
    folder = _written(tmp_path / "webshop")
    (folder / "items_shuffle_1000.json").write_text("[]")
    (folder / "items_ins_v2_1000.json").write_text("{}")
    files = found_files(tmp_path)
    assert (files.items.name, files.ins.name) == ("items_shuffle_1000.json", "items_ins_v2_1000.json")
    files = found_files(folder / "items_shuffle.json")
    assert (files.items.name, files.ins.name) == ("items_shuffle.json", "items_ins_v2.json")


def test_a_range_needs_to_be_drawn() -> None:
    records = [_record(pricing="$1.00 - $2.00")]
    with pytest.raises(ConfigError, match="range"):
        MemoryCatalogue.from_records(records, {})
    assert (
        MemoryCatalogue.from_records(records, {}, prices={"B000000001": 1.5}).product("B000000001").price
        == 1.5
    )
    assert parsed_price("")[1] == "$100.0"


def test_guessed_nouns() -> None:
    title = "Set of 2 Soft Wool-Scarves, 3.5in (Women's)"
    assert guessed_nouns(title) == ("set", "soft", "wool", "scarves", "women")


@pytest.mark.skipif(not spacy_available(), reason="spaCy with an English model is not installed")
def test_spacy_computes_the_recorded_nouns(craft_goldens: Path) -> None:
    from craft_envs.webshop.nouns import spacy_nouns

    shop = official_shop(craft_goldens / "webshop" / "catalogue")
    asins = shop.catalogue.asins()[:100]
    found = spacy_nouns(shop.catalogue.product(asin).title for asin in asins)
    assert found == [shop.catalogue.nouns(asin) for asin in asins]
