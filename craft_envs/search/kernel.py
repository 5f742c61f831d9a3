"""The compiled ranking: ``kernel.c``, built once by the C compiler of the machine."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from craft_envs.data import cache_root
from craft_envs.errors import ConfigError
from craft_envs.search.layout import Bm25Index
from craft_envs.search.similarity import idf

logger = logging.getLogger(__name__)

_SOURCE: Final = Path(__file__).with_name("kernel.c")
# No fused operations, no fast-math: every float rounds as it does in Java.
_FLAGS: Final = ("-O2", "-std=c11", "-fPIC", "-shared", "-ffp-contract=off")
_RESULTS: Final = 1 << 20
_TERM_BYTES: Final = 32
_BEST_BYTES: Final = 16
_SECONDS: Final = 120
_FEW_TERMS: Final = 64
_REMEDY: Final = "install a C compiler (gcc or clang), or search without it: slower, with equal results"

Ranked = list[tuple[list[int], list[float]]]
"""For each query: document numbers, best first, with their scores."""


class KernelRanking:
    """Ranks documents of one index; scratch memory per thread. The interpreter is free meanwhile."""

    def __init__(self, index: Bm25Index, impacts: NDArray[Any], ceilings: NDArray[Any], inverse: Any) -> None:
        """Prepare an index.

        Raises:
            ConfigError: there is no C compiler, or it does not make a working library.
        """
        self._rank = _library().craft_rank
        self._documents = len(index)
        # Kept here, since the pointers do not keep the arrays.
        self._arrays = (
            *(np.ascontiguousarray(values) for values in (index.docs, impacts, index.tfs, index.norms)),
            np.ascontiguousarray(inverse),
            idf(index.filled, np.diff(index.offsets)),
            *(np.ascontiguousarray(values) for values in (index.offsets, ceilings, index.id_ranks)),
        )
        self._pointers = tuple(_pointer(values) for values in self._arrays)
        self._local = threading.local()

    def best(self, queries: Sequence[Mapping[int, int]], k: int) -> Ranked:
        """The ``k`` best documents of each query.

        Args:
            queries: term number -> how often the query holds it.
            k: at least 1.
        """
        k = min(k, self._documents)
        if not k:
            return [([], []) for _ in queries]
        some = max(1, _RESULTS // k)
        found: Ranked = []
        for start in range(0, len(queries), some):
            found += self._some(queries[start : start + some], k)
        return found

    def _some(self, queries: Sequence[Mapping[int, int]], k: int) -> Ranked:
        numbers: list[int] = []
        times: list[int] = []
        first = [0]
        for query in queries:
            numbers += query
            times += query.values()
            first.append(len(numbers))
        most = max(map(len, queries), default=0) + 1
        scratch = self._scratch(k, most, len(queries))
        if len(queries) == 1 and len(numbers) <= _FEW_TERMS:
            # Writing into arrays whose addresses are known is half the work of a short search.
            count = len(numbers)
            scratch.first[1], scratch.numbers[:count], scratch.times[:count] = count, numbers, times
            pointers = scratch.given
        else:
            given = (np.array(first, np.int64), np.array(numbers, np.int32), np.array(times, np.int32))
            pointers = tuple(_pointer(values) for values in given)
        self._rank(
            *self._pointers,
            self._documents,
            len(self._arrays[0]),
            len(queries),
            *pointers,
            k,
            *scratch.pointers,
        )
        counts = scratch.counts[: len(queries)].tolist()
        if len(queries) * k <= 4 * sum(counts):
            docs = scratch.docs[: len(queries) * k].tolist()
            scores = scratch.scores[: len(queries) * k].tolist()
            return [
                (docs[at : at + count], scores[at : at + count])
                for at, count in zip(range(0, len(docs), k), counts, strict=True)
            ]
        return [
            (scratch.docs[at : at + count].tolist(), scratch.scores[at : at + count].tolist())
            for at, count in zip(range(0, len(queries) * k, k), counts, strict=True)
        ]

    def _scratch(self, k: int, terms: int, queries: int) -> _Scratch:
        kept: _Scratch | None = getattr(self._local, "scratch", None)
        if kept is None or kept.k < k or kept.terms < terms or kept.results < k * queries:
            kept = self._local.scratch = _Scratch(self._documents, k, terms, queries)
        return kept


class _Scratch:
    """What one thread writes into."""

    def __init__(self, documents: int, k: int, terms: int, queries: int) -> None:
        self.k, self.terms, self.results = k, max(terms, 64), k * max(queries, 128)
        self.docs = np.empty(self.results, np.int32)
        self.scores = np.empty(self.results, np.float32)
        self.counts = np.empty(self.results, np.int64)
        self._arrays = (
            np.zeros(documents, np.float64),
            np.empty(documents + 1, np.int32),
            np.empty(k, np.float64),
            np.empty(k * _BEST_BYTES, np.uint8),
            np.empty(self.terms * _TERM_BYTES, np.uint8),
            np.empty(self.terms, np.float64),
            self.docs,
            self.scores,
            self.counts,
        )
        self.pointers = tuple(_pointer(values) for values in self._arrays)
        self.first = np.zeros(2, np.int64)
        self.numbers = np.zeros(_FEW_TERMS, np.int32)
        self.times = np.zeros(_FEW_TERMS, np.int32)
        self.given = tuple(_pointer(values) for values in (self.first, self.numbers, self.times))


def _pointer(values: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)


@cache
def _library() -> ctypes.CDLL:
    """The compiled library, from the cache or fresh.

    Raises:
        ConfigError: see ``KernelRanking``.
    """
    key = hashlib.sha256(repr((_SOURCE.read_bytes(), _FLAGS, platform.machine())).encode()).hexdigest()[:16]
    place = cache_root() / "search" / f"kernel-{key}.so"
    try:
        if not (_ours(place) and _loads(place)):
            _compile(place)
        library = ctypes.CDLL(str(place))
    except OSError as error:
        raise ConfigError(f"no compiled search ({error})", where=str(place), remedy=_REMEDY) from None
    library.craft_rank.restype = None
    long, pointer = ctypes.c_int64, ctypes.c_void_p
    library.craft_rank.argtypes = [*[pointer] * 9, long, long, long, *[pointer] * 3, long, *[pointer] * 9]
    return library


def _compile(place: Path) -> None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    program = shutil.which(compiler[0]) or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if program is None:
        raise ConfigError("there is no C compiler", where=compiler[0], remedy=_REMEDY)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".kernel.", suffix=".part") as folder:
        fresh = Path(folder) / "kernel.so"
        command = [program, *_FLAGS, "-o", str(fresh), str(_SOURCE)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
            os.replace(fresh, place)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or str(error).encode()
            what = f"the C compiler failed: {said.decode(errors='replace')[-400:]}"
            raise ConfigError(what, where=program, remedy=_REMEDY) from None


def _loads(place: Path) -> bool:
    try:
        ctypes.CDLL(str(place))
    except OSError:
        return False
    return True


def _ours(place: Path) -> bool:
    """Whether a library is there that nobody else put there."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def available() -> bool:
    """Whether the compiled ranking works here; says once why not."""
    return _available() is None


@cache
def _available() -> str | None:
    try:
        _library()
    except ConfigError as error:
        logger.warning("Searching without the compiled part: %s", error)
        return str(error)
    return None
