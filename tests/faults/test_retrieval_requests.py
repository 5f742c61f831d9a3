"""Requests drawn from the description of the service, bent ones, raw bytes: answered or refused, no 5xx."""

from __future__ import annotations

import json
import random
import socket
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("flask")
pytest.importorskip("waitress")
from craft_servers.retrieval import answer_from, create_app, make_server, running
from craft_servers.retrieval_request import RetrievalLimits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from craft_envs.search.bm25 import Bm25Searcher
from craft_envs.search.index import memory_index
from craft_envs.searchqa.corpus import MemoryCorpus, Passage

LIMITS = RetrievalLimits(body_bytes=100_000, queries=40, query_characters=400, topk=50, passages=500)
WORDS = ["river", "stone", "harbour", "Łódź", "naïve", "the", "of", "O'Neil", "U.S.", "東京", "e\u0301tude"]

_CORPUS = MemoryCorpus(
    Passage(str(i), f"Entry {WORDS[i % 11]}", f"A {WORDS[i * 3 % 11]} by the {WORDS[i * 5 % 11]} {i}")
    for i in range(60)
)
APP = create_app(answer_from(Bm25Searcher(memory_index(_CORPUS.documents())), _CORPUS), limits=LIMITS)
CLIENT = APP.test_client()
SCHEMA = json.loads(CLIENT.get("/openapi.json").data)
BODY = SCHEMA["paths"]["/retrieve"]["post"]["requestBody"]["content"]["application/json"]["schema"]
STATUSES = {int(code) for code in SCHEMA["paths"]["/retrieve"]["post"]["responses"]}

MANY = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck), database=None)

text = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
    st.text(st.characters(), max_size=60),  # half surrogates are drawn too
    st.text(max_size=5).map(lambda part: part * 90),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def drawn(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the description allows."""
    if "oneOf" in schema:
        return st.one_of(*[drawn(choice) for choice in schema["oneOf"]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of(*[_of_kind(kind, schema) for kind in kinds])


def _of_kind(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "string":
        return text.map(lambda value: value[: schema["maxLength"]])
    if kind == "integer":
        return st.integers(schema["minimum"], schema["maximum"])
    if kind == "array":
        return st.lists(drawn(schema["items"]), max_size=schema["maxItems"])
    if kind == "object":
        fields = schema["properties"]
        must = {name: drawn(fields[name]) for name in schema["required"]}
        may = {name: drawn(value) for name, value in fields.items() if name not in must}
        return st.fixed_dictionaries(must, optional=may)
    return {"boolean": st.booleans(), "null": st.none()}[kind]


def checked(reply: Any, queries: int | None, topk: int) -> None:
    """A reply is as the description says."""
    assert reply.status_code in STATUSES, reply.status_code
    assert reply.status_code < 500, reply.data
    assert reply.content_type == "application/json"
    body = json.loads(reply.data)
    if reply.status_code != 200:
        assert list(body) == ["error"] and body["error"]
        return
    assert list(body) == ["result"]
    if queries is not None:
        assert len(body["result"]) == queries
    for ranking in body["result"]:
        assert len(ranking) <= (topk or 3)
        for item in ranking:
            document = item.get("document", item)
            assert set(document) == {"id", "contents"} and set(item) in (
                {"document", "score"},
                {"id", "contents"},
            )


@MANY
@given(drawn(BODY))
def test_what_the_description_allows_is_answered(payload: dict[str, Any]) -> None:
    reply = CLIENT.post("/retrieve", data=json.dumps(payload))
    queries = len(payload["queries"]) if "queries" in payload else 1
    topk = payload.get("topk") or 3
    checked(reply, queries, topk)
    assert (reply.status_code == 200) == (queries * topk <= LIMITS.passages)


@MANY
@given(drawn(BODY), st.data())
def test_bent_requests_are_answered_or_refused(payload: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*payload, "topk", "queries", "query", "return_scores"]))
    payload[name] = data.draw(anything)
    checked(CLIENT.post("/retrieve", data=json.dumps(payload)), None, 50)


@MANY
@given(st.one_of(st.binary(max_size=200), anything.map(lambda value: json.dumps(value).encode())))
def test_raw_bodies_are_refused(body: bytes) -> None:
    reply = CLIENT.post("/retrieve", data=body)
    checked(reply, None, 50)


@MANY
@given(drawn(BODY), st.data())
def test_broken_bytes_are_refused(payload: dict[str, Any], data: st.DataObject) -> None:
    body = bytearray(json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        body = body or bytearray(b" ")
    checked(CLIENT.post("/retrieve", data=bytes(body)), None, 50)


@settings(max_examples=300, deadline=None, database=None)
@example("GET", "/.\u200b..:x")
@given(st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "POST"]), st.text(max_size=30))
def test_other_doors_are_closed(method: str, path: str) -> None:
    # quoted, or the test's own client takes a path that begins with a slash for the name of a host
    for place in ("/" + quote(path, safe="", errors="replace"), "/health", "/retrieve", "/openapi.json"):
        assert CLIENT.open(place, method=method).status_code < 500


def test_hostile_bytes_over_the_wire_leave_the_service_well() -> None:
    draw = random.Random(0)
    good = b'{"query": "river"}'
    heads = [
        b"POST /retrieve HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(good) + good,
        b"POST /retrieve HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n" + good,
        b"POST /retrieve HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n" + good,
        b"POST /retrieve HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /retrieve HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n"
        + good
        + b"\r\n0\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /retrieve HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
    ]
    statuses = []
    with running(make_server(APP, port=0)) as address:
        port = int(address.rsplit(":", 1)[1])
        for number in range(300):
            message = bytearray(heads[number % len(heads)])
            if number >= len(heads):
                for _ in range(draw.randint(1, 8)):
                    message[draw.randrange(min(len(message), 200))] = draw.randrange(256)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(bytes(message))
                connection.shutdown(socket.SHUT_WR)
                reply = b""
                try:
                    while block := connection.recv(65536):
                        reply += block
                except ConnectionResetError:
                    pass
            if reply.startswith(b"HTTP/"):
                statuses.append(int(reply.split()[1]))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(heads[0])
            assert connection.recv(15).startswith(b"HTTP/1.1 200 OK")
    assert len(statuses) > 100 and 200 in statuses and 400 in statuses
    # 501 is HTTP's own answer to a transfer coding or version that a server does not have.
    assert not [status for status in statuses if status >= 500 and status != 501], statuses
