"""A retriever behind HTTP, in either of the two published JSON dialects."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

from craft_envs.errors import ConfigError, RetrieverUnavailable, check_one_of, shown
from craft_envs.search.hits import checked
from craft_envs.searchqa.corpus import split_contents
from craft_envs.searchqa.retrievers.protocol import Retrieved

Dialect = Literal["search_r1", "skyrl"]
_DIALECTS = ("search_r1", "skyrl")

QUERY_CHARACTERS = 4096
"""A longer query is cut before it is sent: a text of the policy must not become a failure of the service."""
BATCH = 1024
"""Queries of one request at most."""
_CONNECTIONS = 32
_REPLY_BYTES = 256 * 1024 * 1024
_RETRIED = frozenset({429, 500, 502, 503, 504})
_RETRIED_HERE = "is it running, is the address right, does it answer within the time limit?"


class HttpRetriever:
    """Asks a retrieval service; safe between threads, also after a fork.

    Connections are kept open. A refused connection, a timeout or a status 429, 500, 502, 503, 504 is tried
    again with growing pauses; an answer or ``RetrieverUnavailable`` comes within about ``total_s``.
    Blank queries are not sent, their result is ``[]``. Replies are checked before anything is used.

    Args:
        url: whole address, ``http://127.0.0.1:8000/retrieve``.
        dialect: ``"search_r1"`` sends ``{"queries": [...]}``, all in one request (up to 1,024); ``"skyrl"``
            sends ``{"query": "..."}``, one request each, several at a time.
        timeout_s: for one request.
        total_s: for one call of ``retrieve``, all attempts and pauses included.
        attempts: for one request, at least 1.
        sleep: pauses; replaced in tests.

    Raises:
        ConfigError: the address or a number is of no use, unknown dialect.
    """

    def __init__(
        self,
        url: str,
        *,
        dialect: Dialect = "search_r1",
        timeout_s: float = 30.0,
        total_s: float = 90.0,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """See the class; nothing is sent yet."""
        _check_url(url)
        check_one_of("dialect", dialect, _DIALECTS)
        for name, value in (("timeout_s", timeout_s), ("total_s", total_s), ("attempts", attempts)):
            if not (math.isfinite(value) and value > 0) or (name == "attempts" and value != int(value)):
                raise ConfigError(f"{name} is {value}", remedy="give a positive number")
        self.url = url
        self.dialect = dialect
        self._timeout = timeout_s
        self._total = total_s
        self._attempts = attempts
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: Any = None
        self._pid = 0

    def retrieve(self, queries: Sequence[str], k: int) -> list[list[Retrieved]]:
        """See ``Retriever.retrieve``; passages beyond ``k`` that a service sends are left out.

        Raises:
            ConfigError: ``k`` is below 1.
            RetrieverUnavailable: no usable answer within the bounds; the text says what came instead.
        """
        checked(queries, k)
        rankings = [list[Retrieved]() for _ in queries]
        spoken = [at for at, query in enumerate(queries) if query.strip()]
        if not spoken:
            return rankings
        texts = [sendable(queries[at]) for at in spoken]
        end = time.monotonic() + self._total
        if self.dialect == "search_r1":
            batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
            found = list(itertools.chain.from_iterable(self._batch(batch, k, end) for batch in batches))
        elif len(texts) == 1:
            found = self._single(texts[0], k, end)
        else:
            with ThreadPoolExecutor(min(_CONNECTIONS, len(texts))) as pool:
                pages = pool.map(lambda text: self._single(text, k, end), texts)
                found = list(itertools.chain.from_iterable(pages))
        for at, ranking in zip(spoken, found, strict=True):
            rankings[at] = ranking
        return rankings

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _batch(self, texts: list[str], k: int, end: float) -> list[list[Retrieved]]:
        reply = self._post({"queries": texts, "topk": k, "return_scores": True}, end)
        return self._rankings(reply, len(texts), k)

    def _single(self, text: str, k: int, end: float) -> list[list[Retrieved]]:
        reply = self._post({"query": text, "topk": k, "return_scores": True}, end)
        return self._rankings(reply, 1, k)

    def _post(self, payload: dict[str, Any], end: float) -> bytes:
        import httpx2

        cause = "no time was left"
        for attempt in range(self._attempts):
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                status, body = self._once(payload, min(left, self._timeout), end)
            except httpx2.TransportError as error:
                cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise self._unavailable(f"the request failed: {type(error).__name__}: {error}") from error
            else:
                if status == 200:
                    return body
                cause = f"it answered {status}: {shown(body[:200].decode('utf-8', 'replace'), 200)}"
                if status not in _RETRIED:
                    raise self._unavailable(cause)
            pause = min(0.25 * 2**attempt, 8.0)
            if attempt + 1 == self._attempts or time.monotonic() + pause >= end:
                break
            self._sleep(pause)
        raise self._unavailable(cause)

    def _once(self, payload: dict[str, Any], timeout: float, end: float) -> tuple[int, bytes]:
        import httpx2

        # The library's limit is between two bytes; a service that drips must not hold us for ever.
        stop = min(end, time.monotonic() + timeout)
        with self._opened().stream("POST", self.url, json=payload, timeout=timeout) as response:
            blocks, size = [], 0
            for block in response.iter_bytes():
                blocks.append(block)
                size += len(block)
                if size > _REPLY_BYTES:
                    raise self._unavailable(f"its reply is longer than {_REPLY_BYTES} bytes")
                if time.monotonic() > stop:
                    raise httpx2.ReadTimeout("the reply did not end in time")
            return response.status_code, b"".join(blocks)

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None or self._pid != os.getpid():  # sockets must not be shared with a parent
                import httpx2

                limits = httpx2.Limits(max_connections=256, max_keepalive_connections=_CONNECTIONS)
                # Proxies of the environment are for the outside, services like this one are beside us.
                self._client = httpx2.Client(limits=limits, trust_env=False, follow_redirects=False)
                self._pid = os.getpid()
            return self._client

    def _rankings(self, reply: bytes, queries: int, k: int) -> list[list[Retrieved]]:
        try:
            values = json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise self._unavailable(
                f"its reply is not JSON: {shown(reply[:80].decode('utf-8', 'replace'))}"
            ) from error
        result = values.get("result") if isinstance(values, dict) else None
        if not isinstance(result, list) or not all(isinstance(ranking, list) for ranking in result):
            raise self._unavailable(f'its reply has no list of lists under "result": {shown(values)}')
        if len(result) != queries:
            raise self._unavailable(f"it answered {queries} queries with {len(result)} rankings")
        return [[self._passage(item, rank) for rank, item in enumerate(ranking[:k], 1)] for ranking in result]

    def _passage(self, item: Any, rank: int) -> Retrieved:
        document, score = item, 1.0 / rank
        if isinstance(item, dict) and "document" in item:
            document, score = item["document"], item.get("score", score)
        if not isinstance(document, dict):
            raise self._unavailable(f"a passage of its reply is {shown(document)}, not an object")
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise self._unavailable(f"a score of its reply is {shown(score)}, not a finite number")
        contents = document.get("contents")
        if not isinstance(contents, str):
            title, text = document.get("title"), document.get("text")
            if not isinstance(title, str) or not isinstance(text, str):
                raise self._unavailable(f'a passage of its reply has no "contents": {shown(document)}')
            contents = f'"{title}"\n{text}'
        given = document.get("id", document.get("_id"))
        if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
            # Some services name no ids; the same text always gets the same one.
            given = hashlib.sha256(contents.encode("utf-8", "replace")).hexdigest()[:16]
        passage_id, title, text, quoted = split_contents(str(given), contents)
        return Retrieved(passage_id, title, text, float(score), quoted)

    def _unavailable(self, cause: str) -> RetrieverUnavailable:
        return RetrieverUnavailable(
            f"the retrieval service gave no usable answer: {cause}", where=self.url, remedy=_RETRIED_HERE
        )


def sendable(query: str) -> str:
    """The query as it is sent: valid Unicode, at most 4,096 characters."""
    return query[:QUERY_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _check_url(url: object) -> None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        usable = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
        if parts is not None:
            _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"the address of the retrieval service is {shown(url)}",
            remedy="give it whole, as http://127.0.0.1:8000/retrieve",
        )
