"""The compact file of a converted release: its index is read at once, a game when it is asked for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, Final

from craft_envs.alfworld.facts import TASK_TYPES, GameFacts, Goal, Receptacle, Thing
from craft_envs.data import atomic_write
from craft_envs.errors import DataMismatch

FORMAT: Final = 1
_MAGIC: Final = b"craft-alfworld-games %d\n"
_THING_FLAGS: Final = (
    "pickupable receptacle_object toggleable toggled cleanable heatable coolable sliceable"
    " clean hot cool sliced"
).split()
_SAMPLES: Final = 24
_DICTIONARY_BYTES: Final = 1 << 15

_pairs: dict[tuple[str, ...], frozenset[tuple[str, str]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the index says of one game.

    Example: ``Row(task_id="train/.../trial_T2019...", split="train", task_type="pick_two_obj_and_place",
    task="put two cd in safe.", content_hash="5c0e...", start=0, length=1830)``.
    """

    task_id: str
    split: str
    task_type: str
    task: str
    content_hash: str
    start: int = 0
    """Offset of the game in the body of the file, in bytes."""
    length: int = 0
    """Bytes of the game in the body."""


class GameStore:
    """A compact file, opened.

    The file is held in memory (about 7 MB for a full release), so that it may be replaced while in use.

    Args:
        path: what ``write_store`` wrote.

    Raises:
        DataMismatch: another format, or a damaged file.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        self.path = path
        content = path.read_bytes()
        magic = _MAGIC % FORMAT
        if not content.startswith(magic):
            raise self._damaged("it is of another format")
        begin = len(magic) + 8
        size = int.from_bytes(content[len(magic) : begin], "big")
        try:
            header = json.loads(zlib.decompress(content[begin : begin + size]))
            self.meta: dict[str, Any] = header["meta"]
            self._dictionary: bytes = header["dictionary"].encode()
            self.rows = {row[0]: _row(row) for row in header["rows"]}
        except (ValueError, KeyError, TypeError, IndexError, zlib.error, RecursionError):
            raise self._damaged("its index cannot be read") from None
        self._body = memoryview(content)[begin + size :]
        if sum(row.length for row in self.rows.values()) != len(self._body):
            raise self._damaged("it is cut")

    def facts(self, task_id: str) -> GameFacts:
        """Decode one game; about half a millisecond.

        Raises:
            KeyError: no such game.
            DataMismatch: the file is damaged.
        """
        row = self.rows[task_id]
        unpack = zlib.decompressobj(zdict=self._dictionary)
        try:
            text = unpack.decompress(self._body[row.start : row.start + row.length])
            if not unpack.eof:
                raise self._damaged(f"the game {task_id} is cut")
            return _decode(json.loads(text), row)
        except (ValueError, KeyError, TypeError, IndexError, zlib.error):
            raise self._damaged(f"the game {task_id} cannot be read") from None

    def _damaged(self, what: str) -> DataMismatch:
        return DataMismatch(
            f"the converted ALFWorld file cannot be used: {what}",
            where=str(self.path),
            remedy="delete it, then import the release again",
        )


def write_store(path: Path, games: Sequence[tuple[Row, bytes]], meta: dict[str, Any]) -> None:
    """Write a compact file beside its place, then rename it there.

    Args:
        path: where it shall be.
        games: rows, each with the game as ``encode`` gives it.
        meta: JSON content to keep with them.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    step = max(1, len(games) // _SAMPLES)
    dictionary = b"".join(text for _, text in games[::step])[-_DICTIONARY_BYTES:]
    rows: list[list[Any]] = []
    body: list[bytes] = []
    start = 0
    for row, text in games:
        pack = zlib.compressobj(9, zdict=dictionary)
        blob = pack.compress(text) + pack.flush()
        rows.append([row.task_id, row.task_type, row.task, row.content_hash, start, len(blob)])
        body.append(blob)
        start += len(blob)
    header = {"meta": meta, "dictionary": dictionary.decode(), "rows": rows}
    packed = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    with atomic_write(path) as file:
        file.write(_MAGIC % FORMAT)
        file.write(len(packed).to_bytes(8, "big"))
        file.write(packed)
        for blob in body:
            file.write(blob)


def encode(facts: GameFacts) -> bytes:
    """One game as ASCII JSON, without what its row says."""
    can: dict[str, list[str]] = {}
    for receptacle, thing in sorted(facts.can_contain):
        can.setdefault(receptacle, []).append(thing)
    content = [
        [facts.goal.object_type, facts.goal.target_type],
        facts.start,
        [[r.id, r.type, r.location, r.openable + 2 * r.opened] for r in facts.receptacles],
        [
            [
                t.id,
                t.type,
                t.receptacles,
                t.locations,
                t.inside,
                _bits(getattr(t, name) for name in _THING_FLAGS),
            ]
            for t in facts.things
        ],
        facts.walkthrough,
        {receptacle: " ".join(things) for receptacle, things in can.items()},
    ]
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _decode(content: Any, row: Row) -> GameFacts:
    goal, start, receptacles, things, walkthrough, can = content
    if row.task_type not in TASK_TYPES:
        raise ValueError(row.task_type)
    return GameFacts(
        task_id=row.task_id,
        split=row.split,
        task=row.task,
        goal=Goal(
            task_type=row.task_type,
            object_type=intern(goal[0]),
            target_type=intern(goal[1]),
        ),
        start=intern(start),
        receptacles=tuple(
            Receptacle(
                id=intern(name),
                type=intern(kind),
                location=intern(location),
                openable=bool(flags & 1),
                opened=bool(flags & 2),
            )
            for name, kind, location, flags in receptacles
        ),
        things=tuple(
            Thing(
                id=intern(name),
                type=intern(kind),
                receptacles=tuple(map(intern, inside)),
                locations=tuple(map(intern, locations)),
                inside=tuple(map(intern, outer)),
                **{flag: True for bit, flag in enumerate(_THING_FLAGS) if bits >> bit & 1},
            )
            for name, kind, inside, locations, outer, bits in things
        ),
        can_contain=_can_contain(can),
        walkthrough=tuple(walkthrough),
    )


def _can_contain(can: dict[str, str]) -> frozenset[tuple[str, str]]:
    # Few distinct tables serve thousands of games.
    key = tuple(f"{receptacle}:{things}" for receptacle, things in can.items())
    known = _pairs.get(key)
    if known is None:
        known = frozenset(
            (intern(receptacle), intern(thing))
            for receptacle, things in can.items()
            for thing in things.split()
        )
        known = _pairs.setdefault(key, known)
    return known


def _row(content: list[Any]) -> Row:
    task_id, task_type, task, content_hash, start, length = content
    return Row(
        task_id=task_id,
        split=intern(task_id.split("/", 1)[0]),
        task_type=intern(task_type),
        task=task,
        content_hash=content_hash,
        start=start,
        length=length,
    )


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << bit for bit, flag in enumerate(flags) if flag)
