"""A catalogue on disk: memory-mapped, products decoded when they are asked for.

A folder holds ``products.bin`` (a JSON line a product, the one that the content hash is made of; a second one
with images where there are any), ``offsets.bin`` (where each starts), ``asins.bin`` (ten bytes each, in
catalogue order), ``sorted.bin`` with ``places.bin`` (the same in order of code points, with their places),
``meta.json``. Processes of one machine share the pages that they read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from craft_envs.data import cache_root, write_json
from craft_envs.errors import ConfigError, DataMismatch, DataNotFound, shown
from craft_envs.folders import fresh_folder, made_once
from craft_envs.webshop.catalogue import canonical
from craft_envs.webshop.generate import SHAPES, VERSION, products
from craft_envs.webshop.product import Product

Progress = Callable[[int, int], None]

FORMAT: Final = 1
META: Final = "meta.json"
NOT_WRITTEN: Final = "no catalogue was written"
_ASIN: Final = np.dtype("S10")
_FILES: Final[dict[str, np.dtype[Any]]] = {
    "products.bin": np.dtype("u1"),
    "offsets.bin": np.dtype("<u8"),
    "asins.bin": _ASIN,
    "sorted.bin": _ASIN,
    "places.bin": np.dtype("<u4"),
}
_KEPT: Final = 4_096
"""Products that stay decoded."""
_REPORT: Final = 5_000


class _Row(NamedTuple):
    product: Product
    nouns: tuple[str, ...]


class StoredCatalogue:
    """The products of a folder; read-only, safe between threads.

    Opening reads a few bytes; sizes are checked, contents are not.

    Args:
        folder: what ``compile_catalogue`` wrote.

    Raises:
        DataNotFound: there is no such folder.
        DataMismatch: it is incomplete, of another format, or no catalogue.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """See the class."""
        self.folder = Path(folder)
        meta = _meta(self.folder)
        self.nouns_source: str = meta["nouns_source"]
        self.content_hash: str = meta["content_hash"]
        maps = {name: _mapped(self.folder / name, kind, meta["sizes"]) for name, kind in _FILES.items()}
        self._products, self._offsets = maps["products.bin"], maps["offsets.bin"]
        self._sorted, self._places = maps["sorted.bin"], maps["places.bin"]
        self._asins = _Asins(maps["asins.bin"])
        self._row = lru_cache(maxsize=_KEPT)(self._decoded)

    def __len__(self) -> int:
        return len(self._asins)

    def asins(self) -> Sequence[str]:
        """Identities in catalogue order; read from disk as they are asked for."""
        return self._asins

    def product(self, asin: str) -> Product:
        """The product of this identity.

        Raises:
            ConfigError: there is none.
        """
        return self._row(asin).product

    def nouns(self, asin: str) -> tuple[str, ...]:
        """Lower-cased nouns of the product's title, in order, with repeats.

        Raises:
            ConfigError: there is no such product.
        """
        return self._row(asin).nouns

    def _decoded(self, asin: str) -> _Row:
        key = asin.encode("utf-8", "surrogatepass") if isinstance(asin, str) else b""
        place = int(np.searchsorted(self._sorted, np.bytes_(key))) if 0 < len(key) <= 10 else len(self)
        if place >= len(self) or self._sorted[place] != key:
            raise ConfigError(
                f"the catalogue has no product {shown(asin)}",
                where=str(self.folder),
                remedy="take one from asins()",
            )
        number = int(self._places[place])
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        try:
            return _row(self._products[start:end].tobytes())
        except (ValueError, TypeError) as error:
            raise DataMismatch(
                f"product {number} ({shown(asin)}) of the compiled catalogue is damaged",
                where=str(self.folder),
                remedy="delete the folder; it is made again",
            ) from error


def compile_catalogue(
    rows: Iterable[tuple[Product, Sequence[str]]],
    folder: str | os.PathLike[str],
    *,
    nouns_source: str | Callable[[], str],
    progress: Progress | None = None,
    total: int = 0,
) -> StoredCatalogue:
    """Write products into a folder, then open it.

    It is written beside its place, then renamed: whatever interrupts it, a former catalogue stays. Memory
    grows by 30 bytes a product.

    Args:
        rows: products with the nouns of their titles, in catalogue order, read once.
        folder: becomes the catalogue; a former one there is replaced.
        nouns_source: what ``info["title_nouns_source"]`` says; asked for after the last row, if a function.
        progress: called now and then with (products done, ``total``), once more at the end.
        total: how many there are; 0 when unknown.

    Raises:
        DataMismatch: an asin occurs twice, is empty, longer than ten bytes, or not ASCII.
        ConfigError: ``folder`` holds something that is no compiled catalogue.
        OSError: the disk is full, or the place cannot be written.
    """
    place = Path(folder)
    if place.exists() and not (place.is_dir() and {e.name for e in place.iterdir()} <= {*_FILES, META}):
        raise ConfigError(
            "the folder for a catalogue holds something else", where=str(place), remedy="name a new folder"
        )
    with fresh_folder(place, state=f"{NOT_WRITTEN}, a former one is untouched") as fresh:
        _write(rows, fresh, nouns_source, progress, total)
    return StoredCatalogue(place)


def build_generated(
    folder: str | os.PathLike[str], count: int, seed: int = 0, progress: Progress | None = None
) -> StoredCatalogue:
    """Generate a shop of any size into a folder; its first 1,200 products with seed 0 are the bundled ones.

    Args:
        folder: becomes the catalogue.
        count: how many products.
        seed: another seed is another shop.
        progress: called now and then with (products done, ``count``).

    Raises:
        ConfigError: ``count`` is not positive, or ``folder`` holds something else.
        OSError: the disk is full, or the place cannot be written.
    """
    if count < 1:
        raise ConfigError(f"a shop of {count} products", remedy="give a positive number")
    rows = ((made.product, made.nouns) for made in products(SHAPES["full"], seed, count))
    return compile_catalogue(rows, folder, nouns_source="generated", progress=progress, total=count)


def generated_catalogue(count: int, seed: int = 0, progress: Progress | None = None) -> StoredCatalogue:
    """A generated shop of any size from the cache; made when it is absent or damaged.

    Two processes that ask at once make it once: the second one waits.

    Raises:
        ConfigError: ``count`` is not positive.
        OSError: the cache cannot be written.
    """
    folder = cache_root() / "webshop" / f"{VERSION}-{seed}-{count}"
    return made_once(
        folder,
        lambda: StoredCatalogue(folder),
        lambda: build_generated(folder, count, seed, progress),
        state=NOT_WRITTEN,
    )


class _Asins(Sequence[str]):
    """Identities in catalogue order, decoded one by one."""

    def __init__(self, raw: NDArray[np.bytes_]) -> None:
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return _Asins(self._raw[place])
        return bytes(self._raw[place]).decode("ascii")

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._raw), _REPORT):
            yield from (asin.decode("ascii") for asin in self._raw[start : start + _REPORT].tolist())


def _write(
    rows: Iterable[tuple[Product, Sequence[str]]],
    folder: Path,
    nouns_source: str | Callable[[], str],
    progress: Progress | None,
    total: int,
) -> None:
    digest = hashlib.sha256()
    ends = bytearray(8)
    names = bytearray()
    end = count = 0
    with open(folder / "products.bin", "wb") as file:
        for product, nouns in rows:
            line = canonical(product, nouns)
            digest.update(line)
            if product.image or product.option_images:
                line += json.dumps([product.image, dict(product.option_images or {})]).encode()
            file.write(line)
            end += len(line)
            ends += end.to_bytes(8, "little")
            names += _asin_bytes(product.asin)
            count += 1
            if progress is not None and count % _REPORT == 0:
                progress(count, total)
        _flushed(file)
    asins = np.frombuffer(names, dtype=_ASIN)
    places = np.argsort(asins, kind="stable").astype("<u4")
    ordered = asins[places]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise DataMismatch(f"the asin {shown(ordered[int(twice[0])].decode())} occurs twice")
    for name, values in (
        ("offsets.bin", bytes(ends)),
        ("asins.bin", bytes(names)),
        ("sorted.bin", ordered.tobytes()),
        ("places.bin", places.tobytes()),
    ):
        with open(folder / name, "wb") as file:
            file.write(values)
            _flushed(file)
    meta = {
        "format": FORMAT,
        "count": count,
        "nouns_source": nouns_source if isinstance(nouns_source, str) else nouns_source(),
        "content_hash": digest.hexdigest(),
        "sizes": {name: (folder / name).stat().st_size for name in _FILES},
    }
    write_json(folder / META, meta)
    if progress is not None:
        progress(count, count)


def _flushed(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _asin_bytes(asin: str) -> bytes:
    if not asin.isascii() or not 0 < len(asin) <= _ASIN.itemsize or "\x00" in asin:
        raise DataMismatch(
            f"the asin {shown(asin)} cannot be stored", remedy="an asin is one to ten ASCII characters"
        )
    return asin.encode().ljust(_ASIN.itemsize, b"\x00")


def _row(text: bytes) -> _Row:
    line, _, images = text.partition(b"\n")
    (asin, title, description, bullets, attributes, options, *rest, nouns) = json.loads(line)
    price, price_text, query, category, product_category = rest
    image, option_images = json.loads(images) if images else ("", {})
    product = Product(
        asin=asin,
        title=title,
        description=description,
        bullets=tuple(bullets),
        attributes=tuple(attributes),
        options={group: tuple(values) for group, values in options},
        price=price,
        price_text=price_text,
        query=query,
        category=category,
        product_category=product_category,
        image=image,
        option_images=option_images or None,
    )
    return _Row(product, tuple(nouns))


def _meta(folder: Path) -> dict[str, Any]:
    place = folder / META
    try:
        meta = json.loads(place.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataNotFound("there is no compiled catalogue", where=str(folder)) from error
    except (ValueError, OSError) as error:
        raise _damaged(folder, "its description cannot be read") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise _damaged(folder, "it is of another format")
    known = {"nouns_source": str, "content_hash": str, "sizes": dict, "count": int}
    if not all(isinstance(meta.get(key), kind) for key, kind in known.items()):
        raise _damaged(folder, "its description lacks an entry")
    if meta["sizes"].get("asins.bin") != meta["count"] * _ASIN.itemsize:
        raise _damaged(folder, "its description contradicts itself")
    return meta


def _mapped(place: Path, kind: np.dtype[Any], sizes: dict[str, Any]) -> NDArray[Any]:
    size = place.stat().st_size if place.is_file() else -1
    if size != sizes.get(place.name):
        raise _damaged(place.parent, f"{place.name} is absent or has another length")
    # Nothing can be mapped of an empty file.
    return np.memmap(place, dtype=kind, mode="r") if size else np.empty(0, dtype=kind)


def _damaged(folder: Path, why: str) -> DataMismatch:
    return DataMismatch(
        f"the compiled catalogue is damaged: {why}",
        where=str(folder),
        remedy="delete the folder; it is made again",
    )
