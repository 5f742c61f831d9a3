"""Making, opening, caching an index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from craft_envs.data import cache_root
from craft_envs.errors import ConfigError, DataMismatch, shown
from craft_envs.folders import fresh_folder, made_once
from craft_envs.search.build import Build, Progress
from craft_envs.search.layout import ARRAYS, META, Bm25Index, open_index

__all__ = ["Bm25Index", "Progress", "build_index", "cached_index", "memory_index", "open_index"]

_NOT_WRITTEN = "no index was written"


def memory_index(documents: Iterable[tuple[str, str]]) -> Bm25Index:
    """Index a small collection in memory.

    Args:
        documents: pairs of id and text; ids are unique.

    Raises:
        DataMismatch: an id occurs twice.
        ConfigError: an id or a text is not a string.
    """
    return Build(None).run(documents, "")


def build_index(
    documents: Iterable[tuple[str, str]],
    folder: str | os.PathLike[str],
    *,
    content_hash: str = "",
    progress: Progress | None = None,
    total: int = 0,
) -> Bm25Index:
    """Index a collection into a folder, then open it memory-mapped.

    It is written beside its place, then renamed: whatever interrupts the build, a former index stays.

    Args:
        documents: pairs of id and text, read once; ids are unique.
        folder: becomes the index; a former one there is replaced.
        content_hash: kept with the index, for whoever wants to know what it was made from.
        progress: called now and then with (documents done, ``total``).
        total: how many documents there are, for ``progress``; 0 when unknown.

    Raises:
        DataMismatch: an id occurs twice.
        ConfigError: an id or a text is not a string, or ``folder`` holds something that is no index.
        OSError: the disk is full, or the place cannot be written.
    """
    place = Path(folder)
    if place.exists() and not (place.is_dir() and _replaceable(place)):
        what = "the folder for a search index holds something else"
        raise ConfigError(what, where=str(place), remedy="name an empty or a new folder")
    with fresh_folder(place, state=f"{_NOT_WRITTEN}, a former one is untouched") as fresh:
        Build(fresh, progress, total).run(documents, content_hash)
    return open_index(place)


def cached_index(
    documents: Callable[[], Iterable[tuple[str, str]]],
    *,
    name: str,
    content_hash: str,
    progress: Progress | None = None,
    total: int = 0,
) -> Bm25Index:
    """The index of a collection from the cache; built when it is absent, stale or damaged.

    Two processes that ask at once build once: the second one waits.

    Args:
        documents: gives the pairs of id and text; called only when the index has to be built.
        name: what the collection is called, for people who look into the cache.
        content_hash: of everything that is indexed; another hash, another index.
        progress: called now and then with (documents done, ``total``).
        total: how many documents there are, for ``progress``; 0 when unknown.

    Raises:
        ConfigError: ``name`` is no plain file name, or ``content_hash`` is empty.
        DataMismatch: an id occurs twice.
        OSError: the cache cannot be written.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum() or not content_hash:
        raise ConfigError(f"a cached index needs a plain name with a content hash, got {shown(name)}")
    folder = cache_root() / "search" / f"{name}-{content_hash[:16]}"

    def opened() -> Bm25Index:
        found = open_index(folder)
        if found.content_hash != content_hash:
            raise DataMismatch("the index is of other documents", where=str(folder))
        return found

    def make() -> Bm25Index:
        return build_index(documents(), folder, content_hash=content_hash, progress=progress, total=total)

    return made_once(folder, opened, make, state=_NOT_WRITTEN)


def _replaceable(folder: Path) -> bool:
    known = {f"{name}.bin" for name in ARRAYS} | {META}
    return all(entry.name in known for entry in folder.iterdir())
