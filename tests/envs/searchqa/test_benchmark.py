"""The benchmark of Search-QA measures what it says, refuses what it cannot measure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from craft_envs.errors import ConfigError
from craft_envs.searchqa.benchmark import benchmark_searchqa, measure_service, questions_of
from craft_envs.searchqa.layouts import LAYOUTS
from craft_envs.searchqa.world import load_world

PROGRAM = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(200, {"status": "ok"})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(int(sys.argv[2]), {"result": [[] for _ in asked["queries"]]})
    def log_message(self, *words):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""


def program(status: int) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "{port}", str(status)]


def test_a_world_is_measured() -> None:
    world = load_world(size="small", topk=2)
    questions = questions_of(world, ["test"])
    assert len(questions) == len(set(questions)) > 100 and all(q.endswith("?") for q in questions)
    report = benchmark_searchqa(world, questions[:200], split="test", passes=1)
    assert world.corpus is not None and report.passages == len(world.corpus)
    assert report.questions == 200 and report.topk == 2 and set(report.overhead_us) == set(LAYOUTS)
    assert min(report.single_per_s, report.batch_per_s, report.step_cpu_s, report.reset_us) > 0
    assert all(0 < spent < 2_000 for spent in report.overhead_us.values())
    assert world.rules.retriever is load_world(size="small", topk=2).rules.retriever, "the world is untouched"


def test_a_service_is_started_asked_ended() -> None:
    report = measure_service(lambda port: [w.format(port=port) if w == "{port}" else w for w in program(200)],
                             ["who?"] * 300, passes=2)  # fmt: skip
    assert report.start_s > 0 and report.batch_per_s > 0
    assert report.server_cpu_per_s is None or report.server_cpu_per_s > 0


@pytest.mark.parametrize(
    ("status", "command", "message"),
    [
        (500, None, "the service answered 500"),
        (0, [sys.executable, "-c", "raise SystemExit('no such corpus')"], "did not start.*no such corpus"),
    ],
)
def test_a_service_that_does_not_serve(status: int, command: list[str] | None, message: str) -> None:
    words = command or program(status)
    with pytest.raises(ConfigError, match=message):
        measure_service(lambda port: [w.format(port=port) if w == "{port}" else w for w in words], ["who?"])


def test_nothing_to_measure(tmp_path: Path) -> None:
    world = load_world(size="small")
    with pytest.raises(ConfigError, match="nothing to measure"):
        benchmark_searchqa(world, [], split="test")
    with pytest.raises(ConfigError, match="nothing to measure"):
        measure_service(lambda port: program(200), [])
    with pytest.raises(ConfigError, match="have no questions"):
        questions_of(world, [])
