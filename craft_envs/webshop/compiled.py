"""A real catalogue too large for memory: streamed once into the cache, memory-mapped from then on.

The key is the content of the files; a note of their ages saves hashing them again. A folder of the cache
holds ``catalogue`` (see ``store``), ``synthetic.jsonl`` with ``human.jsonl`` (goals with their numbers in the
original, the splits first), ``shop.json`` (written last). It is made beside its place, then renamed.
"""

from __future__ import annotations

import array
import contextlib
import functools
import hashlib
import itertools
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from craft_envs.data import atomic_write, cache_root, sha256_of, write_json
from craft_envs.errors import DataMismatch, DataNotFound
from craft_envs.folders import fresh_folder, made_once
from craft_envs.progress import TerminalProgress
from craft_envs.webshop.catalogue import clean_products
from craft_envs.webshop.goal_file import read_goals, write_goals
from craft_envs.webshop.goals import (
    SHUFFLE_SEED,
    asked_in,
    drawn_limit,
    human_goals,
    shuffled,
    variants,
    weight_of,
)
from craft_envs.webshop.json_stream import array_entries, object_entries
from craft_envs.webshop.nouns import checked_nouns, guessed_nouns
from craft_envs.webshop.product import Goal, Product
from craft_envs.webshop.splits import (
    LEGACY_TEST,
    TEST_GOALS,
    VALID_GOALS,
    official_parts,
    side_of,
    spread,
)
from craft_envs.webshop.store import NOT_WRITTEN, StoredCatalogue, compile_catalogue

TRAIN_GOALS: Final = 100_000
"""Goals that ``train`` or ``legacy_train`` of such a catalogue have at most: it has millions."""
_FORMAT: Final = 1
_META: Final = "shop.json"


class Files(Protocol):
    """Where the parts of the catalogue are."""

    @property
    def items(self) -> Path:
        """The products."""
        ...

    @property
    def ins(self) -> Path:
        """Attributes, synthetic instructions."""
        ...

    @property
    def human(self) -> Path | None:
        """Human instructions."""
        ...

    @property
    def nouns(self) -> Path | None:
        """Nouns of the titles."""
        ...


class CompiledShop:
    """A compiled catalogue with the goals of its splits; goals are read when they are asked for.

    Raises:
        DataNotFound: there is none in the folder.
        DataMismatch: it is damaged, or of another format.
    """

    def __init__(self, folder: Path) -> None:
        """See the class."""
        self.folder = folder
        meta = _json(folder / _META)
        if meta.get("format") != _FORMAT or not isinstance(meta.get("goals"), dict):
            raise _damaged(folder, "it is of another format")
        self.goal_counts: dict[str, int] = meta["goals"]
        """Register -> goals of the whole catalogue, in splits or not."""
        for register, size in meta["sizes"].items():
            if not _is_file(folder / f"{register}.jsonl", size):
                raise _damaged(folder, f"its {register} goals are missing or cut")
        self.catalogue = StoredCatalogue(folder / "catalogue")

    def parts(self, register: str) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
        """Split -> goals in their order, goal id -> number in the original.

        Raises:
            DataMismatch: the file is damaged.
        """
        return self._synthetic if register == "synthetic" else self._human

    @cached_property
    def _synthetic(self) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
        return read_goals(self.folder / "synthetic.jsonl")

    @cached_property
    def _human(self) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
        return read_goals(self.folder / "human.jsonl")


def compiled_shop(files: Files, seed: int) -> CompiledShop:
    """The compiled form of some files from the cache; made when it is absent or damaged.

    Two processes that ask at once make it once: the second one waits. An interruption leaves what was there.

    Args:
        files: where the parts are.
        seed: of prices inside ranges, of price limits.

    Raises:
        DataMismatch: a file is cut, or is not of the schema.
        OSError: the cache cannot be written.
    """
    folder = cache_root() / "webshop" / f"official-{_key(files, seed)}"

    def make() -> CompiledShop:
        with fresh_folder(folder, state=NOT_WRITTEN) as fresh:
            _compile(files, fresh, seed)
        return CompiledShop(folder)

    return made_once(folder, lambda: CompiledShop(folder), make, state=NOT_WRITTEN)


def _compile(files: Files, folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    ins = _Packed(object_entries(files.ins), files.ins)
    with TerminalProgress(f"reading {files.items.name}") as progress:
        rows = _Rows(files, ins, rng)
        catalogue = compile_catalogue(
            rows, folder / "catalogue", nouns_source=rows.nouns_source, progress=progress
        )
    after_prices = rng.getstate()
    table = _Goals(catalogue, ins, rng, files.ins)
    rng.setstate(after_prices)
    instructions = _human_records(files.human)
    people = shuffled(human_goals(catalogue, instructions, rng, where=str(files.human)))
    numbers = {goal.goal_id: number for number, goal in enumerate(people)}
    parts, known = table.parts()
    write_goals(folder / "synthetic.jsonl", parts, known)
    write_goals(folder / "human.jsonl", official_parts(people) if people else {}, numbers)
    registers = ("synthetic", "human")
    meta = {
        "format": _FORMAT,
        "goals": {"synthetic": table.total, "human": len(people)},
        "sizes": {name: (folder / f"{name}.jsonl").stat().st_size for name in registers},
    }
    write_json(folder / _META, meta)


class _Packed:
    """Records of a JSON object as bytes, a fifth of their size as objects.

    Raises:
        DataMismatch: one is not an object.
    """

    def __init__(self, entries: Iterable[tuple[str, Any]], path: Path) -> None:
        self._records: dict[str, bytes] = {}
        for asin, record in entries:
            if not isinstance(record, dict):
                raise DataMismatch(f"the record of {asin!r} is not an object", where=str(path))
            self._records[asin] = json.dumps(record, separators=(",", ":")).encode()

    def get(self, asin: str) -> Mapping[str, Any] | None:
        """The record of a product, if there is one."""
        packed = self._records.get(asin)
        return None if packed is None else json.loads(packed)


class _Rows:
    """Products with nouns out of the files, read once."""

    def __init__(self, files: Files, ins: _Packed, rng: random.Random) -> None:
        self._files, self._ins, self._rng = files, ins, rng
        self._found = Counter[bool]()

    def __iter__(self) -> Iterator[tuple[Product, Sequence[str]]]:
        path = self._files.nouns
        known: dict[str, bytes] = {}
        if path is not None:
            for asin, nouns in object_entries(path):
                known.update(
                    (a, "\0".join(n).encode())
                    for a, n in checked_nouns({asin: nouns}, where=str(path)).items()
                )
        items = array_entries(self._files.items)
        for product in clean_products(items, self._ins, price_rng=self._rng, where=str(self._files.items)):
            packed = known.get(product.asin)
            self._found[packed is not None] += 1
            if packed is None:
                yield product, guessed_nouns(product.title)
            else:
                yield product, tuple(packed.decode().split("\0")) if packed else ()

    def nouns_source(self) -> str:
        """As ``nouns_for`` says it."""
        if not self._found[False]:
            return "file"
        return "file+heuristic" if self._found[True] else "heuristic"


class _Asked(NamedTuple):
    """A product that is asked for."""

    asin: str
    first: int
    """Number of its first goal in catalogue order."""
    goals: int
    limit: tuple[float, str]


class _Goals:
    """The synthetic goals of a catalogue, made product by product, never all at once."""

    def __init__(self, catalogue: StoredCatalogue, ins: _Packed, rng: random.Random, path: Path) -> None:
        self._catalogue, self._ins, self._where = catalogue, ins, str(path)
        self._asked: list[_Asked] = []
        self._uses = Counter[str]()
        self.total = 0
        with TerminalProgress("drawing goals") as progress:
            for number, asin in enumerate(catalogue.asins()):
                asked = self._asked_of(asin)
                if asked is None:
                    continue
                product = catalogue.product(asin)
                count = math.prod(map(len, product.options.values()))
                self._asked.append(_Asked(asin, self.total, count, drawn_limit(product.price, rng)))
                self._uses.update({word: asked[1].count(word) * count for word in asked[1]})
                self.total += count
                progress(number, len(catalogue))
        order = list(range(self.total))
        random.Random(SHUFFLE_SEED).shuffle(order)
        self._order = array.array("I", order)
        self._number = array.array("I", bytes(4 * self.total))
        for number, place in enumerate(order):
            self._number[place] = number

    def parts(self) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
        """Splits as ``official_parts`` makes them, ``train`` and ``legacy_train`` bounded; numbers."""
        last = min(self.total, LEGACY_TEST + TRAIN_GOALS)
        wanted = set(self._order[:last])
        legacy: dict[int, Goal] = {}
        for asked in self._asked:
            places = wanted.intersection(range(asked.first, asked.first + asked.goals))
            if places:
                goals = self._made(asked)
                for place in places:
                    legacy[self._number[place]] = goals[place - asked.first]
        test = spread(self._side("test"), TEST_GOALS, set())
        said = {goal.instruction for goal in test}
        valid = spread(self._side("valid"), VALID_GOALS, said)
        said |= {goal.instruction for goal in valid}
        train = spread(self._side("train"), TRAIN_GOALS, said)
        numbers = self._numbers_of(itertools.chain(test, valid, train))
        numbers.update((goal.goal_id, number) for number, goal in legacy.items())
        parts: dict[str, Sequence[Goal]] = {
            "train": sorted(train, key=lambda goal: numbers[goal.goal_id]),
            "valid": valid,
            "test": test,
            "legacy": [legacy[number] for number in range(min(LEGACY_TEST, last))],
            "legacy_train": [legacy[number] for number in range(LEGACY_TEST, last)],
        }
        return {split: part for split, part in parts.items() if part}, numbers

    def _numbers_of(self, goals: Iterable[Goal]) -> dict[str, int]:
        kept = {goal.goal_id: goal.asin for goal in goals}
        asins = set(kept.values())
        return {
            goal.goal_id: self._number[asked.first + place]
            for asked in self._asked
            if asked.asin in asins
            for place, goal in enumerate(self._made(asked))
            if goal.goal_id in kept
        }

    def _side(self, side: str) -> Iterator[list[Goal]]:
        with TerminalProgress(f"choosing goals of {side}") as progress:
            for done, asked in enumerate(self._asked):
                if side_of(asked.asin) == side:
                    yield self._made(asked)
                progress(done, len(self._asked))

    def _made(self, asked: _Asked) -> list[Goal]:
        found = self._asked_of(asked.asin)
        assert found is not None  # those without were left out when the products were counted
        weight = weight_of(found[1], self._uses)
        goals = variants(self._catalogue.product(asked.asin), *found, asked.limit)
        return [replace(goal, weight=weight) for goal in goals]

    def _asked_of(self, asin: str) -> tuple[str, tuple[str, ...]] | None:
        record = self._ins.get(asin)
        return None if record is None else asked_in(record, asin, self._where)


def _human_records(path: Path | None) -> dict[str, Any]:
    return {} if path is None else dict(object_entries(path))


def _key(files: Files, seed: int) -> str:
    """Names the content of the files; hashed anew only where one of them has changed."""
    paths = [path for path in (files.items, files.ins, files.human, files.nouns) if path is not None]
    stamps = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    name = hashlib.sha256("\0".join(map(str, paths)).encode()).hexdigest()[:16]
    note = cache_root() / "webshop" / f"stamps-{name}.json"
    with contextlib.suppress(DataNotFound, DataMismatch):
        known = _json(note)
        if known.get("stamps") == stamps and isinstance(known.get("content"), str):
            return _named(known["content"], seed)
    content = " ".join(f"{place}:{sha256_of(path)}" for place, path in enumerate(paths))
    content = hashlib.sha256(f"{content} {files.human is None} {files.nouns is None}".encode()).hexdigest()
    note.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(note, "w") as file:
        json.dump({"stamps": stamps, "content": content}, file)
    return _named(content, seed)


@functools.cache
def _named(content: str, seed: int) -> str:
    return hashlib.sha256(f"{content} {seed} {_FORMAT}".encode()).hexdigest()[:16]


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataNotFound("there is no compiled catalogue", where=str(path.parent)) from error
    except (ValueError, OSError) as error:
        raise _damaged(path.parent, "its description cannot be read") from error
    if not isinstance(values, dict):
        raise _damaged(path.parent, "its description is no object")
    return values


def _is_file(path: Path, size: object) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _damaged(folder: Path, why: str) -> DataMismatch:
    return DataMismatch(
        f"the compiled catalogue is damaged: {why}",
        where=str(folder),
        remedy="delete the folder; it is made again",
    )
