"""Conversion of the raw ALFWorld release into one compact file, checked as a whole."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from craft_envs.alfworld.fingerprint import content_hash, digest
from craft_envs.alfworld.origin import SPLITS, Origin
from craft_envs.alfworld.pddl import GameFile
from craft_envs.alfworld.store import Row, encode, write_store
from craft_envs.errors import DataMismatch, DataNotFound

EXPECTED: Final = {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
"""Games of the complete release; ``valid_train`` is not in every one."""
RELEASE_HASH: Final = "b61d50b697e15a43e266e5cb3755d519"
"""Digest over the ids with the content hashes of the three splits of the release json_2.1.2_tw-pddl."""

Progress = Callable[[int, int], None]
"""Called with (games read, games expected)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found.

    Example: ``ImportReport(origin=".../json_2.1.2_tw-pddl.zip", counts={"train": 3553, ...}, ...)``.
    """

    origin: str
    target: str = ""
    """The converted file."""
    counts: dict[str, int]
    """Playable games of each split."""
    unsolvable: int = 0
    """Left out, as by the original loader: the file says the game cannot be solved."""
    unchecked: int = 0
    """Left out, as by the original loader: the file does not say whether the game can be solved."""
    unsupported: int = 0
    """Left out, as by the original loader: tasks with movable receptacles or slicing."""
    other_language: int = 0
    """Games whose file brings another text grammar (older releases say ``put X in/on Y``); they are played
    in the language of alfworld 0.4.2 (``move X to Y``)."""
    broken: tuple[str, ...] = ()
    """Files that could not be read; only a partial import goes on in spite of them."""
    is_release: bool = False
    """The three splits are, game by game, those of the release json_2.1.2_tw-pddl."""
    data_hash: str = ""
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The report for a person."""
        splits = ", ".join(f"{split} {count:,}" for split, count in self.counts.items())
        out = [f"{sum(self.counts.values()):,} games ({splits}) from {self.origin}"]
        out.append("identical to the release" if self.is_release else "not identical to the known release")
        for count, what in (
            (self.unsolvable, "games left out: marked as unsolvable"),
            (self.unchecked, "games left out: not marked as solvable"),
            (self.unsupported, "games left out: movable receptacles or slicing"),
            (self.other_language, "games carry another text grammar; played in that of alfworld 0.4.2"),
            (len(self.broken), f"files cannot be read: {', '.join(self.broken[:5])}"),
        ):
            if count:
                out.append(f"{count:,} {what}")
        if self.target:
            out.append(f"written to {self.target} in {self.seconds:.0f} s")
        return out


@dataclass(slots=True)
class _Gathered:
    """What reading the raw games brought so far."""

    games: dict[str, tuple[Row, bytes]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    other_language: int = 0
    broken: list[DataMismatch] = field(default_factory=list)


def convert(
    origin: Origin, target: Path, *, allow_partial: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Read every raw game, check the whole, write the compact file.

    Args:
        origin: the raw files.
        target: the compact file; a former one stays as it was when anything goes wrong.
        allow_partial: accept missing or broken games, which the report then counts.
        progress: called with (games read, games expected).

    Raises:
        DataNotFound: no playable game.
        DataMismatch: an archive or a game is damaged, or games are missing.
        OSError: the target cannot be written, or the disk is full.
    """
    began = time.monotonic()
    got = _Gathered()
    try:
        _gather(origin, got, progress)
    except DataMismatch as error:
        if not allow_partial or not got.games:
            raise
        got.broken.append(error)
    counts = Counter(row.split for row, _ in got.games.values())
    if not allow_partial:
        _refuse_broken(got.broken)
        _refuse_incomplete(origin, counts, got.left_out)
    if not got.games:
        raise DataNotFound(
            "no playable ALFWorld game", where=str(origin.path), remedy="import another release"
        )
    games = [got.games[task_id] for task_id in sorted(got.games)]
    rows = [row for row, _ in games]
    report = ImportReport(
        origin=str(origin.path),
        target=str(target),
        counts={split: counts[split] for split in SPLITS if counts[split]},
        unsolvable=got.left_out["unsolvable"],
        unchecked=got.left_out["unchecked"],
        unsupported=got.left_out["unsupported"],
        other_language=got.other_language,
        broken=tuple(error.where for error in got.broken),
        is_release=games_digest(rows, EXPECTED) == RELEASE_HASH,
        data_hash=games_digest(rows, SPLITS),
        seconds=time.monotonic() - began,
    )
    meta: dict[str, Any] = {"origin": report.origin, "counts": report.counts, "is_release": report.is_release}
    write_store(target, games, meta)
    return report


def _gather(origin: Origin, got: _Gathered, progress: Progress | None) -> None:
    expected = origin.count() or sum(EXPECTED.values())
    for number, raw in enumerate(origin.games(), 1):
        if progress is not None:
            progress(number, max(number, expected))
        folder = raw.task_id.split("/")[1]
        if "movable" in folder or "Sliced" in folder:
            got.left_out["unsupported"] += 1
            continue
        try:
            file = GameFile(raw.data, raw.where)
            if not file.solvable:
                got.left_out["unchecked" if file.solvable is None else "unsolvable"] += 1
                continue
            facts = file.read(raw.task_id, raw.split)
        except DataMismatch as error:
            got.broken.append(error)
            continue
        row = Row(
            task_id=raw.task_id,
            split=raw.split,
            task_type=facts.goal.task_type,
            task=facts.task,
            content_hash=content_hash(facts),
        )
        former = got.games.get(raw.task_id)
        if former is not None and former[0] != row:
            got.broken.append(
                DataMismatch(
                    f"two different games are called {raw.task_id}",
                    where=raw.where,
                    remedy="keep one of them",
                )
            )
        got.games[raw.task_id] = row, encode(facts)
        got.other_language += not file.same_language()


def _refuse_broken(broken: list[DataMismatch]) -> None:
    if not broken:
        return
    more = f" ({len(broken) - 1} more files cannot be read either)" if len(broken) > 1 else ""
    first = broken[0]
    raise DataMismatch(
        f"{first.what}{more}",
        where=first.where,
        remedy=f"{first.remedy}; or import what there is: `craft data import alfworld PATH --allow-partial`",
    )


def _refuse_incomplete(origin: Origin, counts: Counter[str], left_out: Counter[str]) -> None:
    wrong = [
        f"{split} has {counts[split]:,} games instead of {expected:,}"
        for split, expected in EXPECTED.items()
        if counts[split] != expected
    ]
    if not wrong:
        return
    details = [f"{count:,} {what}" for what, count in sorted(left_out.items())]
    raise DataMismatch(
        f"this is not the complete ALFWorld release: {', '.join(wrong)}"
        + (f" (left out: {', '.join(details)})" if details else ""),
        where=str(origin.path),
        remedy="fetch the release again; or import what there is: "
        "`craft data import alfworld PATH --allow-partial`",
    )


def games_digest(rows: Iterable[Row], splits: Collection[str]) -> str:
    """Hex digest over ids with content hashes of the games in these splits."""
    chosen = sorted((row.task_id, row.content_hash) for row in rows if row.split in splits)
    return digest(f"{task_id} {content}" for task_id, content in chosen)
