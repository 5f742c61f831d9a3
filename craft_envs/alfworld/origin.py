"""Raw ALFWorld releases on disk, folder tree or archive, read without unpacking."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from craft_envs.data import sha256_of
from craft_envs.errors import DataMismatch

SPLITS: Final = ("train", "valid_seen", "valid_unseen", "valid_train")
"""Folders of a release; the last one is not in every release."""
GAME_FILE: Final = "game.tw-pddl"

MAX_GAME_BYTES: Final = 4 << 20
"""A game file of the release has under 0.2 MB."""
MAX_MEMBERS: Final = 500_000
MAX_TOTAL_BYTES: Final = 64 << 30
"""The full release with pictures' metadata stays below; an archive that unpacks to more is refused."""

_ARCHIVE = re.compile(r"json_2\.1\.[\w.-]*?(\.zip|\.tar|\.tar\.gz|\.tgz|\.tar\.xz|\.txz|\.tar\.bz2)$")
_SAFE_NAME = re.compile(r"[\w.+-]+")
_REMEDY = "fetch the file again: `craft data download alfworld`"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawGame:
    """One game file, not yet looked into.

    Example: ``RawGame(task_id="train/look_at.../trial_T2019...", split="train", where="...", data=b"{")``.
    """

    task_id: str
    split: str
    where: str
    """Name of the file for messages."""
    data: bytes


class Origin:
    """One place with raw game files.

    Args:
        path: a folder that holds ``train/``, ``valid_seen/``, ..., or an archive.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        self.path = path

    def identity(self) -> str:
        """Hex digest that changes when the raw files change.

        For an archive of its bytes, so that it may be moved; for a tree of names, sizes, times of change.

        Raises:
            DataMismatch: a file cannot be read.
        """
        if not self.path.is_dir():
            try:
                return sha256_of(self.path)
            except OSError as error:
                raise _unreadable(error, str(self.path)) from None
        state = hashlib.sha256(str(self.path.absolute()).encode(errors="surrogateescape"))
        for task_id, file in self._tree():
            try:
                stat = file.stat()
            except OSError as error:
                raise _unreadable(error, str(file)) from None
            state.update(f"\n{task_id} {stat.st_size} {stat.st_mtime_ns}".encode(errors="surrogateescape"))
        return state.hexdigest()

    def count(self) -> int | None:
        """Number of game files where it is known without reading everything."""
        return sum(1 for _ in self._tree()) if self.path.is_dir() else None

    def games(self) -> Iterator[RawGame]:
        """All game files, one in memory at a time.

        Raises:
            DataMismatch: a damaged or unsafe archive, an unreadable or oversized file.
        """
        if self.path.is_dir():
            yield from self._from_tree()
            return
        try:
            if zipfile.is_zipfile(self.path):
                yield from self._from_zip()
            else:
                yield from self._from_tar()
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error) as error:
            raise DataMismatch(
                f"the archive is cut or damaged ({error})", where=str(self.path), remedy=_REMEDY
            ) from None
        except (NotImplementedError, RuntimeError, UnicodeError) as error:
            raise DataMismatch(
                f"the archive cannot be read ({error})",
                where=str(self.path),
                remedy="unpack it by hand, then name the folder",
            ) from None
        except OSError as error:
            raise _unreadable(error, str(self.path)) from None

    def _tree(self) -> Iterator[tuple[str, Path]]:
        for split in SPLITS:
            for folder in _folders(self.path / split):
                for trial in _folders(folder):
                    file = trial / GAME_FILE
                    if file.is_file():
                        yield f"{split}/{folder.name}/{trial.name}", file

    def _from_tree(self) -> Iterator[RawGame]:
        for task_id, file in self._tree():
            try:
                with open(file, "rb") as stream:
                    data = _bounded(stream, str(file))
            except OSError as error:
                raise _unreadable(error, str(file)) from None
            yield RawGame(task_id=task_id, split=task_id.split("/", 1)[0], where=str(file), data=data)

    def _from_zip(self) -> Iterator[RawGame]:
        with zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise self._unsafe(f"more than {MAX_MEMBERS} members")
            for member in members:
                task_id = self._task_id(member.filename)
                if task_id is None or member.is_dir():
                    continue
                where = f"{self.path}: {member.filename}"
                with archive.open(member) as stream:
                    data = _bounded(stream, where)
                yield RawGame(task_id=task_id, split=task_id.split("/", 1)[0], where=where, data=data)

    def _from_tar(self) -> Iterator[RawGame]:
        total = 0
        with tarfile.open(self.path) as archive:
            for number, member in enumerate(archive):
                total += max(0, member.size)
                if number > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
                    raise self._unsafe(f"more than {MAX_MEMBERS} members or {MAX_TOTAL_BYTES} bytes")
                task_id = self._task_id(member.name)
                if task_id is None:
                    continue
                where = f"{self.path}: {member.name}"
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise self._unsafe(f"{member.name} is a link or a device instead of a file")
                with stream:
                    data = _bounded(stream, where)
                yield RawGame(task_id=task_id, split=task_id.split("/", 1)[0], where=where, data=data)

    def _task_id(self, name: str) -> str | None:
        """``split/task/trial`` of a member that is a game file, else ``None``."""
        parts = name.replace("\\", "/").split("/")
        if parts[-1] != GAME_FILE or len(parts) < 4 or parts[-4] not in SPLITS:
            return None
        if ".." in parts or parts[0] == "" or not all(_SAFE_NAME.fullmatch(part) for part in parts[-4:]):
            raise self._unsafe(f"a member is called {name[:200]!a}")
        return "/".join(parts[-4:-1])

    def _unsafe(self, what: str) -> DataMismatch:
        return DataMismatch(
            f"the archive is not an ALFWorld release: {what}", where=str(self.path), remedy=_REMEDY
        )


def candidates(root: Path) -> list[Path]:
    """Trees or archives under a data folder that may hold games, the likeliest first.

    Args:
        root: a data folder (``json_2.1.1/`` or an archive in it or in its folder ``alfworld``), the release's
            own folder, or an archive.
    """
    if root.is_file():
        return [root]
    found: list[Path] = []
    for base in (root, root / "alfworld"):
        if not base.is_dir():
            continue
        if any((base / split).is_dir() for split in SPLITS):
            found.append(base)
        found += sorted((p for p in base.glob("json_2.1.*") if p.is_dir()), reverse=True)
        archives = [p for p in base.glob("json_2.1.*") if p.is_file() and _ARCHIVE.fullmatch(p.name)]
        found += sorted(archives, key=lambda p: ("tw-pddl" not in p.name, p.name))
    return found


def holds_games(path: Path) -> bool:
    """Whether a candidate has at least one game file; reads an archive only as far as its first one.

    Raises:
        DataMismatch: a damaged or unsafe archive.
    """
    origin = Origin(path)
    if path.is_dir():
        return next(origin._tree(), None) is not None
    return next(origin.games(), None) is not None


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return [path / name for name in sorted(entry.name for entry in entries if entry.is_dir())]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(error, str(path)) from None


def _bounded(stream: IO[bytes], where: str) -> bytes:
    # Sizes in headers may lie, so the bytes themselves are counted.
    data = stream.read(MAX_GAME_BYTES + 1)
    if len(data) > MAX_GAME_BYTES:
        raise DataMismatch(
            f"the game file is larger than {MAX_GAME_BYTES} bytes", where=where, remedy="replace the file"
        )
    return data


def _unreadable(error: OSError, where: str) -> DataMismatch:
    return DataMismatch(f"the file cannot be read ({error.strerror or error})", where=where, remedy=_REMEDY)
