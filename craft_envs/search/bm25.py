"""Search by BM25: the documents that Lucene would return, in its order, with its scores."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from craft_envs.errors import ConfigError
from craft_envs.search.analyzer import analyze_token
from craft_envs.search.hits import Hit, checked
from craft_envs.search.kernel import KernelRanking, available
from craft_envs.search.layout import Bm25Index
from craft_envs.search.postings import PostingsOf
from craft_envs.search.ranking import NumpyRanking
from craft_envs.search.similarity import K1, B, idf, impacts, inverse_norms
from craft_envs.search.strings import StringTable
from craft_envs.search.tokenizer import tokens

MAX_CHARACTERS: Final = 32_768
"""Of a query that are read; the rest is ignored."""
MAX_TERMS: Final = 1_024
"""Different terms of a query that are searched for, the first ones; Lucene refuses a query with more."""

_TOKENS: Final = 200_000
_LONG: Final = 64
_NAMES: Final = 100_000
_NEAR: Final = 1.1e-4
_TIE: Final = np.float32(1e-4)
_STEP: Final = np.float32(1e-6)


class Bm25Searcher:
    """Searches an index; safe to share between threads.

    Equal to Anserini's ``SimpleSearcher`` over Lucene 9: a query is a bag of terms, a repeated term counts as
    often as it occurs, equal scores are ordered by document id. No character of a query is an operator.

    Example: ``Bm25Searcher(memory_index([("a", "red scarf")])).search(["scarf"], 3)`` finds ``a``.
    """

    def __init__(
        self,
        index: Bm25Index,
        k1: float = K1,
        b: float = B,
        *,
        compiled: bool | None = None,
        cache_bytes: int = 1 << 26,
    ) -> None:
        """Prepare an index for searching.

        Args:
            index: what to search.
            k1: saturation of repeats, above 0.
            b: share of the length normalisation, 0 to 1.
            compiled: rank in C, several times faster with equal results, or in numpy; ``None`` takes C where
                a compiler is installed.
            cache_bytes: memory for postings when ranking in numpy.

        Raises:
            ConfigError: ``k1`` or ``b`` out of range; ``compiled`` is asked for without a working C compiler.
        """
        if not (0 < k1 < 1e6 and 0 <= b <= 1):
            raise ConfigError(f"BM25 needs k1 above 0 with b from 0 to 1, got k1={k1!r}, b={b!r}")
        self.index = index
        inverse = inverse_norms(index.total_terms, index.filled, k1, b)
        scored, ceilings = index.impacts, index.ceilings
        if (k1, b) != (K1, B):
            scored, ceilings = _rescored(index, inverse)
        self.compiled = available() if compiled is None else compiled
        """Whether ranking happens in C."""
        self._ranking: KernelRanking | NumpyRanking
        if self.compiled:
            self._ranking = KernelRanking(index, scored, ceilings, inverse)
        else:
            self._ranking = NumpyRanking(index, PostingsOf(index, scored, ceilings, inverse, cache_bytes))
        self._numbers = _Numbers(index.terms)
        self._names = _Names(index.ids)

    def __len__(self) -> int:
        return len(self.index)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best ``k`` documents of each query; see ``Searcher.search``.

        A query has at most ``MAX_CHARACTERS`` with ``MAX_TERMS`` different terms; what is beyond is ignored.
        """
        checked(queries, k)
        different = dict.fromkeys(queries)
        terms = [self._terms(query[:MAX_CHARACTERS]) for query in different]
        name = self._names.__getitem__
        hits = {
            query: list(map(Hit, map(name, docs), _printed(scores)))
            for query, (docs, scores) in zip(different, self._ranking.best(terms, k), strict=True)
        }
        if len(different) == len(queries):
            return list(hits.values())
        return [list(hits[query]) for query in queries]

    def ids(self, query: str, k: int) -> tuple[str, ...]:
        """The documents that ``search`` gives for one query, without their scores; twice as fast.

        Raises:
            ConfigError: see ``search``.
        """
        checked((query,), k)
        ((docs, _),) = self._ranking.best((self._terms(query[:MAX_CHARACTERS]),), k)
        return tuple(map(self._names.__getitem__, docs))

    def _terms(self, query: str) -> dict[int, int]:
        """Term number -> how often the query holds it."""
        number = self._numbers.__getitem__
        found: dict[int, int] = {}
        for term in map(number, tokens(query)):
            if term in found:
                found[term] += 1
            elif term >= 0 and len(found) < MAX_TERMS:
                found[term] = 1
        return found


class _Numbers(dict[str, int]):
    """Token -> number of its term in an index, -1 when nothing can be searched for; as met, within bounds."""

    def __init__(self, terms: StringTable) -> None:
        super().__init__()
        self._terms = terms

    def __missing__(self, token: str) -> int:
        term = analyze_token(token)
        number = -1 if term is None else self._terms.find(term)
        if len(self) >= _TOKENS:
            self.clear()
        if len(token) <= _LONG:
            self[token] = number
        return number


class _Names(dict[int, str]):
    """Document number -> id, as met, within bounds."""

    def __init__(self, ids: StringTable) -> None:
        super().__init__()
        self._ids = ids

    def __missing__(self, number: int) -> str:
        if len(self) >= _NAMES:
            self.clear()
        name = self[number] = self._ids[number]
        return name


def _printed(scores: list[float]) -> list[float]:
    """Falling scores as Anserini gives them out: four decimals, ties lowered by millionths, in float32."""
    rounded = array("f", [math.floor(score * 1e4 + 0.5) / 1e4 for score in scores]).tolist()
    if all(before - after > _NEAR for before, after in pairwise(rounded)):
        return rounded
    lowered = np.array(rounded, np.float32)
    ties = 0
    for place in range(1, len(lowered)):
        # The one before may have been lowered already; that is how Anserini counts.
        if lowered[place - 1] - lowered[place] > _TIE:
            ties = 0
        else:
            ties += 1
            lowered[place] -= _STEP * np.float32(ties)
    found: list[float] = lowered.tolist()
    return found


def _rescored(
    index: Bm25Index, inverse: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Impacts [P] with ceilings [V] for other settings than the stored ones."""
    frequencies = np.diff(index.offsets)
    weights = np.repeat(idf(index.filled, frequencies), frequencies)
    added = impacts(weights, index.tfs, inverse[index.norms[index.docs]])
    ceilings = np.maximum.reduceat(added, index.offsets[:-1]) if len(added) else index.ceilings
    return added, ceilings
