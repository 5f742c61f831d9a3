"""Dense retrieval: passages by the inner product of sentence vectors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from craft_envs.errors import ConfigError, check_one_of, shown
from craft_envs.search.hits import Hit, checked
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.retrievers.encoders import Encoder, Vectors, clean_text, load_encoder
from craft_envs.searchqa.retrievers.protocol import CorpusRetriever
from craft_envs.searchqa.retrievers.vectors import HalfVectors, Progress, corpus_vectors

Backend = Literal["auto", "faiss", "numpy"]
_BACKENDS = ("auto", "faiss", "numpy")
_ROWS = 65_536
_QUERIES = 64


class DenseSearcher:
    """Exact nearest passages by inner product; safe between threads.

    Every passage has some nearness to every text, so that all queries but blank ones have hits.

    Args:
        ids: passage ids, in the order of ``vectors``.
        vectors: unit vectors [passages, dimension].
        encoder: what encoded them; encodes the queries.
        backend: ``"faiss"`` keeps the vectors in memory as float32; ``"numpy"`` reads the map in blocks;
            ``"auto"`` takes faiss where it is installed.

    Raises:
        ConfigError: faiss is asked for but not installed, unknown backend, or shapes disagree.
    """

    def __init__(
        self, ids: Sequence[str], vectors: HalfVectors, encoder: Encoder, *, backend: Backend = "auto"
    ) -> None:
        """See the class."""
        if vectors.shape != (len(ids), encoder.dimension):
            raise ConfigError(
                f"vectors have the shape {vectors.shape} for {len(ids)} passages of dimension "
                f"{encoder.dimension}",
                remedy="take vectors of this corpus by this encoder",
            )
        self._ids = tuple(ids)
        self._vectors = vectors
        self._encoder = encoder
        self._faiss = _flat_index(vectors, backend)

    def __len__(self) -> int:
        """Passages."""
        return len(self._ids)

    @property
    def backend(self) -> str:
        """``faiss`` or ``numpy``."""
        return "numpy" if self._faiss is None else "faiss"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The ``k`` nearest passages of each query, nearest first; ``[]`` for a blank query.

        Raises:
            ConfigError: ``k`` is below 1.
        """
        checked(queries, k)
        most = min(k, len(self))
        rankings = [list[Hit]() for _ in queries]
        spoken = [at for at, query in enumerate(queries) if query.strip()]
        if not spoken or not most:
            return rankings
        for start in range(0, len(spoken), _QUERIES):
            some = spoken[start : start + _QUERIES]
            vectors = np.ascontiguousarray(
                self._encoder([clean_text(queries[at]) for at in some], "query"), dtype=np.float32
            )
            scores, rows = self._nearest(vectors, most)
            for at, best, places in zip(some, scores.tolist(), rows.tolist(), strict=True):
                # Equal scores in the corpus's order, whatever the backend.
                pairs = sorted(zip(best, places, strict=True), key=lambda pair: (-pair[0], pair[1]))
                rankings[at] = [Hit(self._ids[place], score) for score, place in pairs]
        return rankings

    def _nearest(self, queries: Vectors, k: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        if self._faiss is not None:
            scores, rows = self._faiss.search(queries, k)
            return scores, rows
        best = np.full((len(queries), 0), 0.0, dtype=np.float32)
        places = np.zeros((len(queries), 0), dtype=np.int64)
        for start in range(0, len(self), _ROWS):
            block = np.asarray(self._vectors[start : start + _ROWS], dtype=np.float32)
            near = queries @ block.T
            rows = np.broadcast_to(np.arange(start, start + len(block)), near.shape)
            best = np.concatenate([best, near], axis=1)
            places = np.concatenate([places, rows], axis=1)
            if best.shape[1] > k:
                # The kth best value decides; among equals the first in the corpus stay.
                order = np.argsort(-best, axis=1, kind="stable")[:, :k]
                best = np.take_along_axis(best, order, axis=1)
                places = np.take_along_axis(places, order, axis=1)
        return best, places


def dense_searcher(
    corpus: Corpus,
    *,
    encoder: str | Encoder = "e5-small",
    backend: Backend = "auto",
    progress: Progress | None = None,
) -> DenseSearcher:
    """A searcher over the vectors of ``contents``, encoded at first use, then memory-mapped from the cache.

    Args:
        corpus: passages; encoding takes a core about four minutes (``e5-small``) or one (``minilm``) for each
            thousand of 90 words.
        encoder: a name or folder that ``load_encoder`` knows, or any ``Encoder``.
        backend: see ``DenseSearcher``.
        progress: called with (passages encoded, all).

    Raises:
        ConfigError: a package is not installed, a name is unknown, the encoder does not keep its promise.
        DataNotFound: the encoder's folder lacks a file.
        DataMismatch: a file of the encoder is not what it should be.
        OSError: the cache cannot be written.
    """
    model = load_encoder(encoder) if isinstance(encoder, str) else encoder
    if not isinstance(model, Encoder):
        raise ConfigError(
            f"{shown(model)} is not an encoder", remedy="give an object with name, dimension, __call__"
        )
    vectors = corpus_vectors(corpus, model, progress=progress)
    ids = [passage_id for passage_id, _ in corpus.documents()]
    return DenseSearcher(ids, vectors, model, backend=backend)


def dense_retriever(
    corpus: Corpus,
    *,
    encoder: str | Encoder = "e5-small",
    backend: Backend = "auto",
    progress: Progress | None = None,
) -> CorpusRetriever:
    """The retriever over ``dense_searcher``, which see."""
    searcher = dense_searcher(corpus, encoder=encoder, backend=backend, progress=progress)
    return CorpusRetriever(searcher, corpus)


def _flat_index(vectors: HalfVectors, backend: str) -> Any:
    check_one_of("backend", backend, _BACKENDS)
    if backend == "numpy":
        return None
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)  # tells at length which build it has found
    try:
        import faiss
    except ImportError as error:
        if backend == "auto":
            return None
        raise ConfigError("faiss is not installed", remedy='pip install "craft-agents[dense]"') from error
    # More threads make a single search a hundred times slower on a busy machine.
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), _ROWS):
        index.add(np.ascontiguousarray(vectors[start : start + _ROWS], dtype=np.float32))
    return index
