"""The retrieval service's replies: both dialects, exact shapes, defined edges, refusals that explain."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask")
pytest.importorskip("waitress")

from craft_servers.retrieval import (
    answer_from,
    create_app,
    load_corpus,
    load_searcher,
    make_server,
    running,
    serve,
)
from craft_servers.retrieval_request import RetrievalLimits

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound, RetrieverUnavailable
from craft_envs.search.bm25 import Bm25Searcher
from craft_envs.search.index import memory_index
from craft_envs.searchqa.corpus import MemoryCorpus, split_contents
from craft_envs.searchqa.retrievers.http import HttpRetriever

CONTENTS = [
    '"Emma (novel)"\nEmma is a novel by Jane Austen about a "matchmaker".',
    '"Jane Austen"\nJane Austen was an English novelist, born in Steventon.',
    'Beyoncé\nBeyoncé Knowles sang "Halo" \\ with\ta tab.',
    '"Steventon"\nSteventon is a village in Hampshire 🏡.',
    '"Novel"\nA novel is a long work of fiction.',
]
LIMITS = RetrievalLimits(body_bytes=20_000, queries=50, query_characters=300, topk=20, passages=200)


@pytest.fixture(scope="module")
def corpus() -> MemoryCorpus:
    return MemoryCorpus(split_contents(str(10 + i), text) for i, text in enumerate(CONTENTS))


@pytest.fixture(scope="module")
def app(corpus: MemoryCorpus) -> Any:
    searcher = Bm25Searcher(memory_index(corpus.documents()))
    return create_app(answer_from(searcher, corpus), health={"retriever": "bm25"}, limits=LIMITS)


@pytest.fixture
def client(app: Any) -> Any:
    return app.test_client()


def ask(client: Any, payload: Any) -> Any:
    reply = client.post("/retrieve", json=payload)
    assert reply.status_code == 200, reply.data
    assert reply.content_type == "application/json"
    return reply.get_json()


def test_search_r1(client: Any, corpus: MemoryCorpus) -> None:
    searcher = Bm25Searcher(memory_index(corpus.documents()))
    queries = ["who wrote the novel Emma", "Steventon"]
    want = [
        [
            {
                "document": {"id": hit.doc_id, "contents": corpus.passage(hit.doc_id).contents},
                "score": hit.score,
            }
            for hit in hits
        ]
        for hits in searcher.search(queries, 2)
    ]
    assert ask(client, {"queries": queries, "topk": 2, "return_scores": True}) == {"result": want}
    assert [len(ranking) for ranking in want] == [2, 2]


def test_skyrl(client: Any) -> None:
    many = ask(client, {"queries": ["Emma novel"], "topk": 3, "return_scores": True})
    assert ask(client, {"query": "Emma novel", "topk": 3, "return_scores": True}) == many
    assert len(many["result"]) == 1


def test_without_scores_the_documents_stand_alone(client: Any) -> None:
    for count in (1, 2, 3):  # the published server fails on every number of queries but two
        scored = ask(client, {"queries": ["Emma"] * count, "topk": 2, "return_scores": True})["result"]
        for payload in ({}, {"return_scores": False}, {"return_scores": None}):
            bare = ask(client, {"queries": ["Emma"] * count, "topk": 2, **payload})["result"]
            assert bare == [[item["document"] for item in ranking] for ranking in scored]


def test_topk_that_says_nothing_is_three(client: Any) -> None:
    query = "novel Austen Steventon Emma Beyoncé"
    assert len(ask(client, {"query": query, "topk": 20})["result"][0]) == 5
    for payload in ({}, {"topk": None}, {"topk": 0}, {"topk": 3}, {"topk": 3.0}):
        assert len(ask(client, {"query": query, **payload})["result"][0]) == 3


def test_text_arrives_as_it_is(client: Any) -> None:
    for i, query in ((0, "matchmaker"), (2, "Halo"), (3, "Hampshire")):
        (item,) = ask(client, {"query": query})["result"][0]
        assert item == {"id": str(10 + i), "contents": CONTENTS[i]}


def test_queries_that_match_nothing(client: Any) -> None:
    assert ask(client, {"queries": []}) == {"result": []}
    odd = ["", "  ", "the of and", "xylophone", "\0", "\ud800", "?!", "Emma"]
    result = ask(client, {"queries": odd})["result"]
    assert [len(ranking) for ranking in result] == [0, 0, 0, 0, 0, 0, 0, 1]


def test_content_type_does_not_matter_unknown_fields_neither(client: Any) -> None:
    body = json.dumps({"query": "Emma", "user": {"name": 1}}).encode()
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
        assert client.post("/retrieve", data=body, content_type=kind).status_code == 200


REFUSED: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"queries=Emma",
    "not UTF-8": b'{"query": "\xff"}',
    "cut": b'{"query": "Em',
    "a list": [],
    "a string": "Emma",
    "null": None,
    "neither": {"topk": 3},
    "both": {"query": "a", "queries": ["a"]},
    "queries a string": {"queries": "Emma"},
    "queries null": {"queries": None},
    "queries a mapping": {"queries": {"0": "Emma"}},
    "query a list": {"query": ["Emma"]},
    "query a number": {"query": 7},
    "a query null": {"queries": ["Emma", None]},
    "topk negative": {"query": "a", "topk": -1},
    "topk a text": {"query": "a", "topk": "3"},
    "topk true": {"query": "a", "topk": True},
    "topk half": {"query": "a", "topk": 2.5},
    "topk infinite": b'{"query": "a", "topk": 1e999}',
    "topk nan": b'{"query": "a", "topk": NaN}',
    "topk too large": {"query": "a", "topk": 21},
    "topk huge": b'{"query": "a", "topk": ' + b"9" * 6000 + b"}",
    "scores a number": {"query": "a", "return_scores": 1},
    "too many queries": {"queries": ["a"] * 51},
    "too many passages": {"queries": ["a"] * 50, "topk": 20},
    "query too long": {"query": "a" * 301},
    "nested": b'{"query": ' + b"[" * 9000 + b"]" * 9000 + b"}",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(client: Any, kind: str) -> None:
    payload = REFUSED[kind]
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    reply = client.post("/retrieve", data=body, content_type="application/json")
    assert reply.status_code == 400, reply.data
    assert list(reply.get_json()) == ["error"] and 10 < len(reply.get_json()["error"]) < 400


@pytest.mark.parametrize("depth", range(900, 1010, 5))
def test_nesting_near_the_interpreters_limit(client: Any, depth: int) -> None:
    for before, after in ((b'{"query": ', b"}"), (b'{"topk": ', b"}"), (b"", b"")):
        body = before + b"[" * depth + b"]" * depth + after
        assert client.post("/retrieve", data=body).status_code == 400


def test_refusals_of_the_protocol(client: Any) -> None:
    assert client.get("/retrieve").status_code == 405
    assert client.get("/retrieve").headers["Allow"]
    assert client.get("/").status_code == client.post("/retrieve/").status_code == 404
    reply = client.post("/retrieve", data=b" " * 20_001)
    assert reply.status_code == 413
    for refusal in (client.get("/retrieve"), client.get("/"), reply):
        assert refusal.content_type == "application/json" and refusal.get_json()["error"]


def test_a_retriever_that_is_unavailable_is_503() -> None:
    def answer(queries: Any, topk: int, scores: bool) -> bytes:
        raise RetrieverUnavailable("the other machine is down")

    reply = create_app(answer).test_client().post("/retrieve", json={"query": "a"})
    assert reply.status_code == 503 and "other machine" in reply.get_json()["error"]


def test_health_with_description(client: Any) -> None:
    assert client.get("/health").get_json() == {"status": "ok", "topk": 3, "retriever": "bm25"}
    schema = client.get("/openapi.json").get_json()
    assert schema["openapi"].startswith("3.1") and set(schema["paths"]) == {
        "/retrieve",
        "/health",
        "/openapi.json",
    }
    (first, _) = schema["paths"]["/retrieve"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "oneOf"
    ]
    assert first["properties"]["queries"]["maxItems"] == 50


def test_our_client_against_our_service(app: Any, corpus: MemoryCorpus) -> None:
    with running(make_server(app, port=0)) as address:
        for dialect in ("search_r1", "skyrl"):
            retriever = HttpRetriever(f"{address}/retrieve", dialect=dialect)  # type: ignore[arg-type]
            emma, empty, stop, knowles = retriever.retrieve(["matchmaker", "", "of the", "Knowles"], 20)
            assert emma[0].contents == CONTENTS[0] and emma[0].title == "Emma (novel)"
            assert empty == stop == [] and knowles[0].contents == CONTENTS[2]
            with pytest.raises(RetrieverUnavailable, match="topk"):
                retriever.retrieve(["a"], 21)
            retriever.close()


def test_other_addresses_are_warned_about(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make_server(app, port=0).close()
        # Threads of a server that an earlier test closed may still have something to say.
        assert not [record for record in caplog.records if record.name.startswith("craft")]
        with pytest.raises(ConfigError, match="cannot listen"):
            make_server(app, host="nowhere at all", port=0)
    assert "other machines" in caplog.text


def test_a_port_that_is_taken(app: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConfigError, match=r"cannot listen.*--port"):
            make_server(app, port=taken.getsockname()[1])
    for port in (-1, 65536):
        with pytest.raises(ConfigError, match="no port"):
            make_server(app, port=port)
    with pytest.raises(ConfigError, match="threads"):
        make_server(app, port=0, threads=0)


def test_settings(corpus: MemoryCorpus) -> None:
    with pytest.raises(ConfigError, match="topk"):
        create_app(lambda *_: b"", topk=0)
    with pytest.raises(ConfigError, match="http"):
        load_searcher("http", corpus)
    with pytest.raises(ConfigError, match="bm25"):
        load_searcher("bm52", corpus)


BROKEN = {
    "not JSON": (b'{"id": "1", "contents": "a"}\nnonsense\n', "line 2"),
    "no contents": (b'{"id": "1", "content": "a"}\n', "contents"),
    "no id": (b'{"contents": "a"}\n', '"id"'),
    "a list": (b"[1]\n", "line 1"),
    "twice": (b'{"id": "7", "contents": "a"}\n{"id": 7, "contents": "b"}\n', "'7'"),
    "Latin-1": ('{"id": "1", "contents": "a"}\n{"id": "2", "contents": "é"}\n'.encode("latin-1"), "line 2"),
    "UTF-16": ('{"id": "1", "contents": "a"}\n'.encode("utf-16"), "UTF-8"),
    "empty": (b"\n\n", "no passage"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_corpora_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(BROKEN[kind][0])
    with pytest.raises(DataMismatch) as caught:
        load_corpus(str(path))
    assert BROKEN[kind][1] in str(caught.value) and str(path) in str(caught.value)


def test_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no such corpus"):
        load_corpus(str(tmp_path / "nowhere.jsonl"))


def test_the_bundled_corpus_is_served() -> None:
    corpus = load_corpus("bundled")
    first = next(iter(corpus))
    client = create_app(answer_from(load_searcher("bm25", corpus), corpus)).test_client()
    result = ask(client, {"query": first.title, "topk": 10})["result"][0]
    assert first.contents in [item["contents"] for item in result]


def test_an_encoder_that_nothing_uses_is_refused() -> None:
    with pytest.raises(ConfigError, match="would have no effect"):
        serve(retriever="bm25", encoder="minilm")


def test_the_program_ends_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(json.dumps({"id": i, "contents": text}) for i, text in enumerate(CONTENTS)))
    code = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from craft_servers.retrieval import serve\n"
        f"serve(corpus={str(path)!r}, port=0)\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    line = program.stderr.readline()
    assert "Serving 5 passages by bm25 at http://127.0.0.1:" in line
    time.sleep(0.05)
    program.terminate()
    assert program.wait(20) == 0
    program.stderr.close()
