"""One door to every retriever, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from craft_envs.errors import ConfigError, did_you_mean, one_of, shown
from craft_envs.search.hits import Searcher
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.retrievers.bm25 import bm25_retriever, bm25_searcher
from craft_envs.searchqa.retrievers.protocol import CorpusRetriever, Retriever


def make_retriever(name: str, corpus: Corpus | None = None, **options: Any) -> Retriever:
    """A retriever over a corpus.

    Args:
        name: ``"bm25"``, ``"dense"``, ``"hybrid"``, ``"pyserini"``, or ``"http"``, which needs no corpus.
        corpus: passages.
        options: of that retriever. ``bm25``: k1, b, progress. ``dense``: encoder, backend, progress.
            ``hybrid``: those of ``dense``, rank_constant, depth. ``http``: those of ``HttpRetriever``.

    Raises:
        ConfigError: unknown name or option, a value out of range, no corpus, a package is not installed.
        DataNotFound: an encoder's folder lacks a file.
        DataMismatch: a file of an encoder is not what it should be.
        OSError: the cache cannot be written.
    """
    if name not in _MAKERS:
        raise ConfigError(
            f"no retriever is called {shown(name)}",
            remedy=one_of(name, _MAKERS),
        )
    maker = _MAKERS[name]
    known = [option for option in inspect.signature(maker).parameters if option != "corpus"]
    for option in options:
        if option not in known:
            near = did_you_mean(option, known)
            raise ConfigError(
                f"the retriever {name} has no option {option!r}",
                remedy=near or (f"it has {', '.join(known)}" if known else "it has none"),
            )
    if name == "http":
        if "url" not in options:
            raise ConfigError(
                "the retriever http needs the address of its service",
                remedy="url='http://127.0.0.1:8000/retrieve'",
            )
        return maker(**options)
    if corpus is None:
        raise ConfigError(f"the retriever {name} needs a corpus", remedy="give the passages to search")
    return maker(corpus, **options)


def _dense(
    corpus: Corpus, encoder: Any = "e5-small", backend: Any = "auto", progress: Any = None
) -> Retriever:
    from craft_envs.searchqa.retrievers.dense import dense_retriever

    return dense_retriever(corpus, encoder=encoder, backend=backend, progress=progress)


def _hybrid(
    corpus: Corpus,
    encoder: Any = "e5-small",
    backend: Any = "auto",
    rank_constant: float = 60,
    depth: int = 100,
    progress: Any = None,
) -> Retriever:
    from craft_envs.searchqa.retrievers.dense import dense_searcher
    from craft_envs.searchqa.retrievers.hybrid import HybridSearcher

    searchers: list[Searcher] = [
        bm25_searcher(corpus),
        dense_searcher(corpus, encoder=encoder, backend=backend, progress=progress),
    ]
    return CorpusRetriever(HybridSearcher(searchers, rank_constant=rank_constant, depth=depth), corpus)


def _http(
    url: str,
    dialect: Any = "search_r1",
    timeout_s: float = 30.0,
    total_s: float = 90.0,
    attempts: int = 5,
) -> Retriever:
    from craft_envs.searchqa.retrievers.http import HttpRetriever

    return HttpRetriever(url, dialect=dialect, timeout_s=timeout_s, total_s=total_s, attempts=attempts)


def _pyserini(corpus: Corpus) -> Retriever:
    from craft_envs.searchqa.retrievers.lucene import lucene_retriever

    return lucene_retriever(corpus)


_MAKERS: dict[str, Callable[..., Retriever]] = {
    "bm25": bm25_retriever,
    "dense": _dense,
    "hybrid": _hybrid,
    "http": _http,
    "pyserini": _pyserini,
}
