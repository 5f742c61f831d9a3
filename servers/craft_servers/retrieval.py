"""The retrieval service: passages for the search clients of the published training code, over HTTP."""

from __future__ import annotations

import contextlib
import json
import logging
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

from craft_envs.errors import ConfigError, RetrieverUnavailable
from craft_envs.search.hits import Searcher
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.retrievers.encoders import check_encoder
from craft_servers.limits import announce, check_address
from craft_servers.retrieval_request import DEFAULT_TOPK, RequestRefused, RetrievalLimits, parse_request
from craft_servers.retrieval_schema import description

logger = logging.getLogger(__name__)

_FRAGMENTS: Final = 131_072
_CONNECTIONS: Final = 4096


class Answer(Protocol):
    """Serves checked requests."""

    def __call__(self, queries: Sequence[str], topk: int, scores: bool) -> bytes:
        """The whole reply as JSON."""
        ...


def answer_from(searcher: Searcher, corpus: Corpus) -> Answer:
    """An answer that puts replies together from pieces of JSON, each passage encoded once while it is kept.

    Args:
        searcher: ranks ids of ``corpus``.
        corpus: passages; the 131,072 used last stay encoded.
    """

    @lru_cache(maxsize=_FRAGMENTS)
    def fragment(passage_id: str) -> str:
        record = {"id": passage_id, "contents": corpus.passage(passage_id).contents}
        return json.dumps(record, ensure_ascii=False)

    def answer(queries: Sequence[str], topk: int, scores: bool) -> bytes:
        rankings = []
        for hits in searcher.search(queries, topk) if queries else ():
            if scores:
                items = [f'{{"document": {fragment(doc_id)}, "score": {score!r}}}' for doc_id, score in hits]
            else:
                items = [fragment(doc_id) for doc_id, _ in hits]
            rankings.append(f"[{', '.join(items)}]")
        return f'{{"result": [{", ".join(rankings)}]}}'.encode()

    return answer


def create_app(
    answer: Answer,
    *,
    health: dict[str, Any] | None = None,
    limits: RetrievalLimits | None = None,
    topk: int = DEFAULT_TOPK,
) -> Any:
    """The Flask application: ``POST /retrieve``, ``GET /health``, ``GET /openapi.json``.

    Every refusal is JSON, ``{"error": "..."}``, with a status of the 400s, or 503.
    A reply is ``{"result": [[{"document": {"id", "contents"}, "score"}, ...], ...]}``,
    one list for each query (one for ``"query"`` too); without ``return_scores`` the documents stand alone.

    Args:
        answer: see ``answer_from``.
        health: what ``/health`` tells beside its status.
        limits: bounds of a request.
        topk: for requests that name none.

    Raises:
        ConfigError: Flask is not installed; ``topk`` is not within the limits.
    """
    try:
        from flask import Flask, Response, request
        from werkzeug.exceptions import HTTPException
    except ImportError as error:
        raise _absent("flask") from error
    bounds = limits or RetrievalLimits()
    if not 1 <= topk <= bounds.topk:
        raise ConfigError(f"topk is {topk}", remedy=f"use a number from 1 to {bounds.topk}")
    app = Flask("craft_servers.retrieval", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = bounds.body_bytes
    about = json.dumps({"status": "ok", "topk": topk, **(health or {})})
    schema = json.dumps(description(bounds, topk))

    def reply(body: bytes | str, status: int = 200) -> Response:
        return Response(body, status, content_type="application/json")

    def refusal(text: str, status: int) -> Response:
        return reply(json.dumps({"error": text}), status)

    def retrieve() -> Response:
        try:
            asked = parse_request(request.get_data(cache=False), bounds, topk)
        except RequestRefused as error:
            return refusal(str(error), 400)
        return reply(answer(asked.queries, asked.topk, asked.return_scores))

    def healthy() -> Response:
        return reply(about)

    def described() -> Response:
        return reply(schema)

    def unavailable(error: RetrieverUnavailable) -> Response:
        return refusal(str(error), 503)

    def refused(error: HTTPException) -> Any:
        made = error.get_response()  # keeps headers such as Allow
        made.data = json.dumps({"error": error.description or error.name})
        made.content_type = "application/json"
        return made

    app.add_url_rule("/retrieve", view_func=retrieve, methods=["POST"])
    app.add_url_rule("/health", view_func=healthy)
    app.add_url_rule("/openapi.json", view_func=described)
    app.register_error_handler(RetrieverUnavailable, unavailable)
    app.register_error_handler(HTTPException, refused)
    return app


def make_server(app: Any, *, host: str = "127.0.0.1", port: int = 8000, threads: int = 8) -> Any:
    """A waitress server that is bound but not yet running; ``run()`` serves, ``close()`` ends it.

    Its settings stand thousands of connections that are kept open: with waitress's own, a hundred and first
    waits, and past about a thousand the process dies.

    Args:
        app: WSGI application.
        host: 127.0.0.1 is this machine alone; others are warned about.
        port: 0 takes any free one, see ``effective_port``.
        threads: requests that are worked on at a time.

    Raises:
        ConfigError: waitress is not installed, the address is of no use or taken.
    """
    try:
        from waitress.server import create_server
    except ImportError as error:
        raise _absent("waitress") from error
    check_address(host, port)
    announce(host)
    if threads < 1:
        raise ConfigError(f"threads is {threads}", remedy="give at least one")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request under load
    _allow_open_files(_CONNECTIONS + 256)
    try:
        return create_server(
            app,
            host=host,
            port=port,
            threads=threads,
            connection_limit=_CONNECTIONS,
            asyncore_use_poll=True,
            backlog=2048,
            channel_timeout=300,
            max_request_body_size=2 * RetrievalLimits().body_bytes,
            ident="craft",
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            remedy="another program may use the port; choose one with --port, or 0 for any free one",
        ) from error


@contextlib.contextmanager
def running(server: Any) -> Iterator[str]:
    """Serve from a thread of this process while the block runs; gives the address, ``http://host:port``."""
    thread = threading.Thread(target=server.run, name="retrieval", daemon=True)
    thread.start()
    try:
        yield f"http://{server.effective_host}:{server.effective_port}"
    finally:
        server.close()
        thread.join(5)


def serve(
    corpus: str = "bundled",
    retriever: Literal["bm25", "dense", "hybrid"] = "bm25",
    host: str = "127.0.0.1",
    port: int = 8000,
    topk: int = DEFAULT_TOPK,
    threads: int = 8,
    encoder: str | None = None,
) -> None:
    """Serve passages until interrupted, for Search-R1's clients as well as those of SkyRL or verl-agent.

    Args:
        corpus: "bundled", or a .jsonl or .jsonl.gz file with id, contents on each line.
        retriever: bm25 has Lucene's ranks; dense, hybrid need the extra "dense".
        host: address to listen on; the default can be reached from this machine alone.
        port: 0 takes any free one.
        topk: passages a query gets when the request says nothing.
        threads: requests that are worked on at a time.
        encoder: of dense, hybrid: e5-small (when absent), minilm, or a folder with model.onnx beside
            tokenizer.json.

    Raises:
        ConfigError: a setting is of no use, a package is not installed, the port is taken.
        DataNotFound: no such corpus file.
        DataMismatch: the corpus file is not what it should be; the line is named.
        OSError: the cache cannot be written.
    """
    began = time.monotonic()
    check_address(host, port)
    check_encoder(retriever, encoder)
    passages = load_corpus(corpus)
    searcher = load_searcher(retriever, passages, encoder)
    health = {"retriever": retriever, "passages": len(passages), "content_hash": passages.content_hash}
    app = create_app(answer_from(searcher, passages), health=health, topk=topk)
    server = make_server(app, host=host, port=port, threads=threads)
    logger.info(
        "Serving %s passages by %s at http://%s:%s/retrieve (ready after %.1f s)",
        len(passages),
        retriever,
        server.effective_host,
        server.effective_port,
        time.monotonic() - began,
    )
    with contextlib.suppress(ValueError):  # signals are the main thread's alone
        signal.signal(signal.SIGTERM, _stop)
    try:
        server.run()
    finally:
        server.close()


def load_corpus(name: str) -> Corpus:
    """The bundled corpus, or the one of a file.

    Raises:
        DataNotFound: no such file.
        DataMismatch: the file is not what it should be.
    """
    if name == "bundled":
        from craft_envs.searchqa.bundled import bundled_corpus

        return bundled_corpus()
    from craft_envs.searchqa.corpus_file import open_corpus

    return open_corpus(name, progress=_said("passages read"))


def load_searcher(retriever: str, corpus: Corpus, encoder: str | None = None) -> Searcher:
    """The searcher of a retriever that ranks passages of a corpus.

    Raises:
        ConfigError: the retriever is not one of bm25, dense, hybrid; a package is not installed.
    """
    from craft_envs.searchqa.retrievers.make import make_retriever
    from craft_envs.searchqa.retrievers.protocol import CorpusRetriever

    check_encoder(retriever, encoder)
    options: dict[str, Any] = {"progress": _said("passages indexed")}
    if encoder is not None:
        options["encoder"] = encoder
    made = make_retriever(retriever, corpus, **options)
    if not isinstance(made, CorpusRetriever):
        raise ConfigError(f"the service cannot serve {retriever!r}", remedy="use bm25, dense or hybrid")
    return made.searcher


def _said(what: str) -> Callable[..., None]:
    last = time.monotonic()

    def progress(done: int, total: int | None = None) -> None:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            logger.info("%s%s %s", done, f" of {total}" if total else "", what)

    return progress


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def _absent(package: str) -> ConfigError:
    return ConfigError(f"serving needs the package {package}", remedy='pip install "craft-agents[servers]"')
