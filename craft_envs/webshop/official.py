"""The real catalogue: found on disk under the original's file names, checked, imported."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from craft_envs.data import atomic_write, data_root, explained
from craft_envs.errors import DataMismatch, DataNotFound
from craft_envs.webshop.catalogue import MemoryCatalogue
from craft_envs.webshop.compiled import CompiledShop, compiled_shop
from craft_envs.webshop.goals import human_goals, shuffled, synthetic_goals
from craft_envs.webshop.nouns import checked_nouns, spacy_available, spacy_nouns
from craft_envs.webshop.product import Goal
from craft_envs.webshop.splits import official_parts

PRICE_SEED: Final = 0
"""Freezes what the original leaves to chance: prices inside ranges, price limits of goals."""
COMPILED_FROM: Final = 1 << 26
"""Bytes of ``items_shuffle*.json`` from which on a catalogue is compiled instead of loaded into memory."""
NOUNS_FILE: Final = "title_nouns.json"
_ITEMS: Final = re.compile(r"items_shuffle(_\w+)?\.json")
_INS: Final = re.compile(r"items_ins_v2(_\w+)?\.json")
_HUMAN: Final = re.compile(r"items_human_ins(_\w+)?\.json")

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialFiles:
    """Where the parts of one real catalogue are."""

    items: Path
    """``items_shuffle*.json``: the products."""
    ins: Path
    """``items_ins_v2*.json``: attributes, synthetic instructions."""
    human: Path | None
    """``items_human_ins*.json``: human instructions; may be missing."""
    nouns: Path | None
    """``title_nouns.json``: nouns of the titles; may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialShop:
    """A real catalogue with its goals, in the original's numbering."""

    catalogue: MemoryCatalogue
    synthetic: tuple[Goal, ...]
    human: tuple[Goal, ...]

    @property
    def goal_counts(self) -> dict[str, int]:
        """Register -> goals of the whole catalogue."""
        return {"synthetic": len(self.synthetic), "human": len(self.human)}

    def parts(self, register: str) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
        """Split -> goals in order, goal id -> number in the original; of ``synthetic`` or ``human`` goals."""
        goals = self.synthetic if register == "synthetic" else self.human
        return official_parts(goals), {goal.goal_id: number for number, goal in enumerate(goals)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found and wrote."""

    folder: Path
    files: tuple[str, ...]
    """Names of the files written."""
    products: int
    synthetic_goals: int
    human_goals: int
    nouns_source: str
    content_hash: str


def official_shop(data_dir: str | os.PathLike[str] | None = None) -> OfficialShop | CompiledShop:
    """The real catalogue of this machine, loaded once per process; a large one compiled once per machine.

    Args:
        data_dir: a data folder (its subfolder ``webshop`` is looked at first), the folder of the files, or
            one ``items_shuffle*.json``; else ``CRAFT_DATA``, else the user's data folder.

    Raises:
        DataNotFound: a file is missing.
        DataMismatch: one is cut, or is not of the schema.
        OSError: a large catalogue cannot be written to the cache.
    """
    return _shop(found_files(data_root(data_dir).absolute()))


def _shop(files: OfficialFiles) -> OfficialShop | CompiledShop:
    stamps = tuple(
        (path.stat().st_mtime_ns, path.stat().st_size) if path is not None else (0, 0)
        for path in (files.items, files.ins, files.human, files.nouns)
    )
    return _loaded(files, stamps)


def _is_large(files: OfficialFiles) -> bool:
    return files.items.stat().st_size >= COMPILED_FROM


def import_official(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Check the original's files, then copy them into the data folder, where ``data="official"`` finds them.

    Where spaCy is installed (extra ``spacy``), a catalogue without ``title_nouns.json`` gets one, unless it
    is so large that it would take hours.

    Args:
        path: their folder, or one ``items_shuffle*.json`` with the others beside it.
        data_dir: the data folder to write to; else ``CRAFT_DATA``, else the user's data folder.
        progress: called with (files done, files in all).

    Raises:
        DataNotFound: a file is missing.
        DataMismatch: one is cut, or is not of the schema; nothing has been written then.
        OSError: the data folder cannot be written, or the disk is full.
    """
    source = Path(path).expanduser().absolute()
    if not source.exists():
        raise DataNotFound("there is no such file or folder", where=str(source), remedy="check the path")
    files = found_files(source)
    folder = data_root(data_dir).absolute() / "webshop"
    shop = _shop(files)
    texts: dict[str, bytes | Path] = {files.items.name: files.items, files.ins.name: files.ins}
    if files.human is not None:
        texts[files.human.name] = files.human
    nouns_source = shop.catalogue.nouns_source
    if files.nouns is not None:
        texts[NOUNS_FILE] = files.nouns
    elif isinstance(shop, OfficialShop) and spacy_available():
        texts[NOUNS_FILE] = json.dumps(_tagged(shop.catalogue)).encode()
        nouns_source = "file"
    for number, (name, content) in enumerate(texts.items()):
        if progress is not None:
            progress(number, len(texts))
        _copied(content, folder / name)
    if progress is not None:
        progress(len(texts), len(texts))
    return ImportReport(
        folder=folder,
        files=tuple(texts),
        products=len(shop.catalogue),
        synthetic_goals=shop.goal_counts["synthetic"],
        human_goals=shop.goal_counts["human"],
        nouns_source=nouns_source,
        content_hash=official_shop(folder).catalogue.content_hash,
    )


def found_files(root: Path) -> OfficialFiles:
    """The files of one catalogue under a folder, or beside an ``items_shuffle*.json``.

    Of several catalogues in one folder the one of 1,000 products is taken; a file's path takes that file.

    Raises:
        DataNotFound: products or attributes are missing.
    """
    remedy = (
        "`craft data import webshop PATH` with a folder that holds items_shuffle*.json, items_ins_v2*.json "
        "(items_human_ins*.json is welcome); or name that folder by data_dir= or CRAFT_DATA"
    )
    if root.is_file():
        folders, wanted = [root.parent], root.name
    else:
        folders, wanted = [root / "webshop", root / "webshop" / "catalogue", root, root / "data"], ""
    for folder in folders:
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        items = _chosen(names, _ITEMS, wanted)
        if items is None or (wanted and items != wanted):
            continue
        suffix = _suffix(_ITEMS, items)
        ins = _chosen(names, _INS, "", suffix)
        if ins is None:
            raise DataNotFound("there is no items_ins_v2*.json", where=str(folder), remedy=remedy)
        human = _chosen(names, _HUMAN, "", suffix)
        return OfficialFiles(
            items=folder / items,
            ins=folder / ins,
            human=None if human is None else folder / human,
            nouns=folder / NOUNS_FILE if NOUNS_FILE in names else None,
        )
    raise DataNotFound("there is no items_shuffle*.json", where=str(root), remedy=remedy)


def read_shop(files: OfficialFiles, seed: int = PRICE_SEED) -> OfficialShop:
    """Read one catalogue with its goals.

    Args:
        files: where its parts are.
        seed: of prices inside ranges, of price limits; another one than the default gives other goals.

    Raises:
        DataMismatch: a file is cut, or is not of the schema.
    """
    items = _json(files.items, list)
    ins = _json(files.ins, dict)
    human = _json(files.human, dict) if files.human is not None else {}
    nouns = (
        checked_nouns(_json(files.nouns, dict), where=str(files.nouns)) if files.nouns is not None else None
    )
    for asin, record in ins.items():
        if not isinstance(record, dict):
            raise DataMismatch(f"the record of {asin!r} is not an object", where=str(files.ins))
    rng = random.Random(seed)
    catalogue = MemoryCatalogue.from_records(items, ins, nouns=nouns, price_rng=rng, where=str(files.items))
    # Both kinds of goals go on from the generator as the prices left it: the original makes only one kind.
    after_prices = rng.getstate()
    synthetic = shuffled(synthetic_goals(catalogue, ins, rng, where=str(files.ins)))
    rng.setstate(after_prices)
    people = shuffled(human_goals(catalogue, human, rng, where=str(files.human)))
    return OfficialShop(catalogue=catalogue, synthetic=tuple(synthetic), human=tuple(people))


@cache
def _loaded(files: OfficialFiles, stamps: tuple[tuple[int, int], ...]) -> OfficialShop | CompiledShop:
    return compiled_shop(files, PRICE_SEED) if _is_large(files) else read_shop(files)


def _suffix(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.fullmatch(name)
    return (match.group(1) or "") if match else ""


def _chosen(names: Sequence[str], pattern: re.Pattern[str], wanted: str, suffix: str = "_1000") -> str | None:
    """The wanted file, else the one with this suffix, else the plain one, else the first."""
    known = [name for name in names if pattern.fullmatch(name)]
    order = (lambda name: name == wanted, lambda name: _suffix(pattern, name) == suffix)
    for fits in (*order, lambda name: not _suffix(pattern, name), lambda name: True):
        for name in known:
            if fits(name):
                return name
    return None


def _json(path: Path, kind: type[Any]) -> Any:
    try:
        with open(path, "rb") as file:
            values = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise DataMismatch(
            f"the file is cut or damaged: {error}", where=str(path), remedy="fetch it again"
        ) from error
    if not isinstance(values, kind):
        raise DataMismatch(
            f"the file holds a {type(values).__name__}, not a {kind.__name__}",
            where=str(path),
            remedy="check that it is the original's file of this name",
        )
    return values


def _tagged(catalogue: MemoryCatalogue) -> dict[str, list[str]]:
    asins = catalogue.asins()
    titles = (catalogue.product(asin).title for asin in asins)
    return {asin: list(nouns) for asin, nouns in zip(asins, spacy_nouns(titles), strict=True)}


def _copied(content: bytes | Path, place: Path) -> None:
    if isinstance(content, Path) and place.exists() and content.samefile(place):
        return
    try:
        with atomic_write(place) as file:
            for block in _blocks(content):
                file.write(block)
    except OSError as error:
        raise explained(error, place) from error


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with open(content, "rb") as file:
        while block := file.read(1 << 20):
            yield block
