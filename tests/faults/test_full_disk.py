"""A disk that fills up: the former file stays, nothing half is left behind, the message says what to do."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from craft_envs.data import atomic_write
from tests.rl.test_evaluate import ToyWorld, evaluate, panel_of, runner

ROOT = Path(__file__).parents[2]


def run_with_small_files(program: str, folder: Path, limit: int = 65_536) -> str:
    """Run a program whose writes really fail after ``limit`` bytes of a file."""
    start = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"sys.path[:0] = {[str(ROOT), str(ROOT / 'tests' / 'faults')]!r}; folder = {str(folder)!r}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_real_write_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"former")
    said = run_with_small_files(
        "from craft_envs.data import atomic_write\n"
        "try:\n"
        "    with atomic_write(folder + '/model.bin') as file:\n"
        "        file.write(b'x' * 1_000_000)\n"
        "except OSError as error:\n"
        "    print(error)\n",
        tmp_path,
    )
    assert "model.bin" in said and "a former one is untouched" in said and "ulimit" in said
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]
    assert (tmp_path / "model.bin").read_bytes() == b"former"


def test_panel_that_does_not_fit(tmp_path: Path) -> None:
    said = run_with_small_files(
        "from craft_envs.panels import Panel\n"
        "panel = Panel.load('alfworld-bundled-full-valid_seen')\n"
        "try:\n"
        "    panel.write(folder + '/panel.jsonl')\n"
        "except OSError as error:\n"
        "    print(error)\n",
        tmp_path,
        limit=1000,
    )
    assert "panel.jsonl" in said
    assert list(tmp_path.iterdir()) == []


def test_evaluation_goes_on_after_its_last_row(tmp_path: Path) -> None:
    said = run_with_small_files(
        "from tests.rl.test_evaluate import evaluate, panel_of, runner, ToyWorld\n"
        "world = ToyWorld(count=100)\n"
        "try:\n"
        "    evaluate(runner(), world, panel_of(world), rows_path=folder + '/rows.jsonl')\n"
        "except OSError as error:\n"
        "    print(error)\n",
        tmp_path,
        limit=4000,
    )
    assert "rows.jsonl" in said and "those before it are kept" in said and "ulimit" in said
    head, *kept = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert head["format"] == "craft-eval-rows/1" and 5 < len(kept) < 100
    world = ToyWorld(count=100)
    report = evaluate(runner(), world, panel_of(world), rows_path=tmp_path / "rows.jsonl")
    assert report.scored == 100
    assert sorted(world.opened) == sorted(set(panel_of(world).task_ids) - {row["task_id"] for row in kept})


def test_metrics_lose_no_line_that_was_written(tmp_path: Path) -> None:
    said = run_with_small_files(
        "from pathlib import Path\n"
        "from craft_rl.report.jsonl import MetricsFile\n"
        "metrics = MetricsFile(Path(folder) / 'metrics.jsonl', offset=0)\n"
        "try:\n"
        "    for update in range(1000):\n"
        "        metrics.write({'update': update, 'loss': 0.125})\n"
        "except OSError as error:\n"
        "    print(error)\n"
        "metrics.close()\n",
        tmp_path,
        limit=2000,
    )
    assert "metrics.jsonl" in said and "those before it are kept" in said
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows] == list(range(len(rows))) and len(rows) > 20


def test_download_keeps_its_part_for_later(tmp_path: Path) -> None:
    said = run_with_small_files(
        "import http.server, threading\n"
        "from craft_envs.data import download\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.send_header('Content-Length', '1000000'); self.end_headers()\n"
        "        self.wfile.write(b'x' * 1_000_000)\n"
        "    def log_message(self, *args): pass\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "try:\n"
        "    download(f'http://127.0.0.1:{server.server_port}/x', folder + '/games.zip', size=1_000_000)\n"
        "except OSError as error:\n"
        "    print(error)\n",
        tmp_path,
    )
    assert "games.zip.part" in said and "what has arrived is kept" in said
    assert [path.name for path in tmp_path.iterdir()] == ["games.zip.part"]
    assert (tmp_path / "games.zip.part").read_bytes() == b"x" * 65_536


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_that_reports_late(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network or copy-on-write disks say at the flush that the bytes did not fit."""

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "report.json"
    path.write_text("former")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=r"Free space.*report\.json") as caught, atomic_write(path, "w") as file:
        file.write("new")
    assert caught.value.errno == number
    assert path.read_text() == "former" and os.listdir(tmp_path) == ["report.json"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"was not written"), atomic_write(tmp_path / "file" / "x") as file:
        file.write(b"")
