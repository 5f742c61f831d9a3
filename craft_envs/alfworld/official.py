"""The official ALFWorld games: found on disk, checked, converted once, served lazily."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from craft_envs.alfworld.conversion import ImportReport, Progress, convert, games_digest
from craft_envs.alfworld.facts import GameFacts
from craft_envs.alfworld.origin import SPLITS, Origin, candidates, holds_games
from craft_envs.alfworld.store import FORMAT, GameStore, Row
from craft_envs.data import cache_root, data_root
from craft_envs.errors import ConfigError, DataMismatch, DataNotFound, one_of, shown
from craft_envs.types import Task

ENV_ID: Final = "craft/ALFWorld-v0"
IMPORTED: Final = "official.games"
"""Name of the converted file that an import leaves in the folder ``alfworld`` of the data folder."""

_log = logging.getLogger(__name__)


class OfficialSource:
    """The official tasks; read-only, shared by the whole process, safe between threads.

    Example: ``official_source().task_ids("valid_unseen")[0]``.

    Args:
        store: the converted file.
    """

    def __init__(self, store: GameStore) -> None:
        """See the class."""
        self._store = store
        ids: dict[str, list[str]] = {}
        for row in store.rows.values():
            ids.setdefault(row.split, []).append(row.task_id)
        self._ids = {split: tuple(sorted(ids[split])) for split in SPLITS if split in ids}
        self._tasks: dict[str, Task] = {}

    @property
    def env_id(self) -> str:
        """Gymnasium id of the environment that plays these tasks."""
        return ENV_ID

    @cached_property
    def data_hash(self) -> str:
        """Hex digest over the ids with the content hashes of all tasks."""
        return games_digest(self._store.rows.values(), self._ids)

    @property
    def path(self) -> Path:
        """The converted file."""
        return self._store.path

    def splits(self) -> tuple[str, ...]:
        """``train``, ``valid_seen``, ``valid_unseen``, and ``valid_train`` where the release has it."""
        return tuple(self._ids)

    def task_ids(self, split: str) -> Sequence[str]:
        """All ids of a split, sorted.

        Raises:
            ConfigError: there is no such split.
        """
        if split not in self._ids:
            raise ConfigError(
                f"unknown split {shown(split)}",
                where=f"official ALFWorld data, {self._store.path}",
                remedy=one_of(split, self._ids),
            )
        return self._ids[split]

    def task(self, task_id: str) -> Task:
        """The task of this id.

        Raises:
            ConfigError: there is no such task.
        """
        known = self._tasks.get(task_id)
        if known is None:
            row = self._row(task_id)
            known = Task(
                task_id=row.task_id,
                env_id=ENV_ID,
                split=row.split,
                task_type=row.task_type,
                instruction=row.task,
                content_hash=row.content_hash,
            )
            self._tasks[task_id] = known
        return known

    def facts(self, task_id: str) -> GameFacts:
        """The game of this id, decoded anew at each call.

        Raises:
            ConfigError: there is no such task.
            DataMismatch: the converted file is damaged.
        """
        self._row(task_id)
        return self._store.facts(task_id)

    def _row(self, task_id: str) -> Row:
        try:
            return self._store.rows[task_id]
        except (KeyError, TypeError):
            raise ConfigError(
                f"unknown task id {shown(task_id)}",
                where=f"official ALFWorld data, {self._store.path}",
                remedy="take an id from task_ids(split); it reads split/task_folder/trial_folder",
            ) from None


def official_source(data_dir: str | os.PathLike[str] | None = None) -> OfficialSource:
    """The official games of this machine, one source per file and process.

    The first call converts raw files (about 15 s), later ones take the converted file from the cache.

    Args:
        data_dir: a data folder, the release's own folder, or an archive; else ``CRAFT_DATA``, else the user's
            data folder.

    Raises:
        DataNotFound: no games there.
        DataMismatch: they are damaged or not complete; ``import_official(..., allow_partial=True)`` takes
            what there is.
        OSError: the cache folder cannot be written, or the disk is full.
    """
    root = data_root(data_dir).absolute()
    for imported in (root, root / "alfworld" / IMPORTED, root / IMPORTED):
        if imported.is_file() and imported.suffix == ".games":
            return _opened(imported)
    origin = Origin(_found(root))
    place = cache_root() / "alfworld" / f"official-{FORMAT}-{origin.identity()[:32]}.games"
    if not place.is_file():
        with _one_at_a_time(place):
            if not place.is_file():
                _log.info("converting the official ALFWorld games of %s, once", origin.path)
                convert(origin, place)
    try:
        return _opened(place)
    except DataMismatch:
        # A damaged cache is no loss: the raw files are still there.
        with _one_at_a_time(place):
            convert(origin, place)
        return _opened(place)


def import_official(
    path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    allow_partial: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Convert a release into the data folder, where ``data="official"`` finds it.

    Args:
        path: the release's folder, its archive, or a folder that holds one of them.
        data_dir: the data folder to write to; else ``CRAFT_DATA``, else the user's data folder.
        allow_partial: accept missing or broken games, which the report then counts.
        progress: called with (games read, games expected).

    Raises:
        DataNotFound: no games there.
        DataMismatch: an archive or a game is damaged, or games are missing.
        OSError: the data folder cannot be written, or the disk is full.
    """
    source = Path(path).expanduser().absolute()
    if not source.exists():
        raise DataNotFound("there is no such file or folder", where=str(source), remedy="check the path")
    target = data_root(data_dir).absolute() / "alfworld" / IMPORTED
    return convert(Origin(_found(source)), target, allow_partial=allow_partial, progress=progress)


def _opened(path: Path) -> OfficialSource:
    """One source per file of the process; a file that was replaced is opened anew."""
    stat = path.stat()
    return _opened_version(path, stat.st_mtime_ns, stat.st_size)


@cache
def _opened_version(path: Path, mtime_ns: int, size: int) -> OfficialSource:
    return OfficialSource(GameStore(path))


def _found(root: Path) -> Path:
    """The first tree or archive that has games."""
    remedy = (
        "`craft data download alfworld` where there is internet; or `craft data import alfworld PATH`; or "
        "name the folder that holds json_2.1.1/ or its archive by data_dir= or CRAFT_DATA "
        "(alfworld-download puts it into ~/.cache/alfworld)"
    )
    if not root.exists():
        raise DataNotFound("the data folder does not exist", where=str(root), remedy=remedy)
    seen = candidates(root)
    for path in seen:
        if holds_games(path):
            return path
    looked = f"; without game files: {', '.join(p.name for p in seen)}" if seen else ""
    raise DataNotFound("no official ALFWorld games (game.tw-pddl)", where=f"{root}{looked}", remedy=remedy)


@contextlib.contextmanager
def _one_at_a_time(place: Path) -> Iterator[None]:
    """Let other processes wait while this one converts; without locks both convert, which is only slower."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(place.with_suffix(".lock"), "ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
