"""Folders that are made whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from craft_envs.data import explained
from craft_envs.errors import DataMismatch, DataNotFound

Opened = TypeVar("Opened")


@contextlib.contextmanager
def fresh_folder(place: Path, *, state: str) -> Iterator[Path]:
    """An empty folder beside ``place``, which it becomes when the block ends; a former one is replaced.

    Whatever interrupts the block, ``place`` stays as it was.

    Args:
        place: of the finished folder.
        state: what an error says about it, see ``data.explained``.

    Raises:
        OSError: the disk is full, or the place cannot be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.", suffix=".part") as made:
            fresh = Path(made) / "fresh"
            fresh.mkdir()
            yield fresh
            if place.exists():
                place.rename(Path(made) / "former")
            fresh.rename(place)
    except OSError as error:
        raise explained(error, place, state) from error


def made_once(
    folder: Path, opened: Callable[[], Opened], make: Callable[[], Opened], *, state: str
) -> Opened:
    """What ``opened`` finds in a folder of the cache; what ``make`` puts there when it finds nothing good.

    Two processes that ask at once make it once: the second one waits. What an interruption left beside the
    folder is removed.

    Args:
        folder: of the cache.
        opened: opens it; DataNotFound or DataMismatch mean that it has to be made.
        make: makes it, opens it; called when no folder is there.
        state: what an error says, see ``data.explained``.

    Raises:
        OSError: the cache cannot be written.
    """
    with contextlib.suppress(DataNotFound, DataMismatch):
        return opened()
    lock = folder.parent / f".{folder.name}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(DataNotFound, DataMismatch):
                return opened()
            for left in folder.parent.glob(f".{folder.name}.*.part"):
                shutil.rmtree(left, ignore_errors=True)
            if folder.is_dir():
                shutil.rmtree(folder)
            return make()
    except OSError as error:
        raise explained(error, lock, state) from error
