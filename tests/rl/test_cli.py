"""The program craft: dispatch, exit codes, its light commands."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import io
import json
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from craft_envs import releases
from craft_envs.panels import frozen_names
from craft_envs.registration import load_place
from craft_rl.cli import COMMANDS, main
from craft_rl.commands import data as data_command
from craft_rl.commands import doctor
from craft_rl.commands.bench import COMMANDS as BENCH
from craft_rl.commands.data import COMMANDS as DATA
from craft_rl.commands.data import OFFICIAL
from craft_rl.commands.serve import COMMANDS as SERVE

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRAFT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def test_every_command_exists_with_a_summary() -> None:
    for table in (COMMANDS, DATA, BENCH, SERVE):
        for name, command in table.items():
            assert callable(load_place(command.place)), name
            assert 10 < len(command.summary) < 80


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said and command.summary in said for name, command in COMMANDS.items())
    assert main([]) == 2


def test_help_is_quick_because_it_loads_little() -> None:
    program = (
        f"import sys; sys.path[:0] = {[str(ROOT)]!r}; from craft_rl.cli import main; main(['--help']);"
        "print(sorted({'torch', 'transformers', 'tyro', 'httpx2', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("craft 0.")


def test_unknown_words_stop_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evla"]) == 2
    assert "did you mean 'eval'" in capsys.readouterr().err
    assert main(["data", "lsit"]) == 2
    assert "did you mean 'list'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "envs", "--splti", "train"])
    assert stopped.value.code == 2
    assert "--split" in capsys.readouterr().err


def test_errors_become_exit_codes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["data", "import", "alfworld", str(tmp_path / "absent")]) == 1
    assert "DataNotFound" in capsys.readouterr().err
    assert main(["data", "freeze-panels", "no-such-panel"]) == 2
    assert "What to do" in capsys.readouterr().err


def test_a_baseline_that_does_not_fit_costs_no_measurement(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craft_rl.commands.bench.benchmark", lambda *_, **__: pytest.fail("measured"))
    stored = Path(__file__).parents[1] / "bench" / "baselines" / "envs-alfworld-bundled-full.json"
    assert main(["bench", "envs", "--size", "small", "--baseline", str(stored)]) == 1
    assert "the baseline is of" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("[]")
    assert main(["bench", "envs", "--baseline", str(tmp_path / "x.json")]) == 1
    assert "not a benchmark report" in capsys.readouterr().err


def test_doctor_finds_this_machine_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "python" in said and "gymnasium" in said and "official ALFWorld" in said


def test_doctor_knows_every_extra_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {"core": project["dependencies"], **project["optional-dependencies"]}
    del extras["dev"]
    assert set(doctor.PACKAGES) == set(extras)
    for extra, names in doctor.PACKAGES.items():
        wanted = {re.split("[^A-Za-z0-9_-]", line)[0] for line in extras[extra]}
        assert set(names) <= wanted, extra
    assert set(doctor.PACKAGES["core"]) == {re.split("[^A-Za-z0-9_-]", line)[0] for line in extras["core"]}


def test_doctor_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.PACKAGES, "core", ("gymnasium", "no-such-package"))
    monkeypatch.setitem(doctor.PACKAGES, "train", ("no-such-torch",))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "file" / "cache"))
    assert main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert "no-such-package" in captured.out and "cannot be written" in captured.out
    assert 'pip install "craft-agents[train]"' in captured.out
    assert "core, cache folder" in captured.err


def test_doctor_compares_with_the_tested_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.tested_versions()["torch"] == "2.13.0"
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"numpy": "0.0.1"})
    (core,) = [finding for finding in doctor.findings() if finding.subject == "core"]
    assert core.level == "note" and "(tested: 0.0.1)" in core.text


def test_data_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*frozen_names(), *releases.RELEASES))
    assert said.count("not here") == len(OFFICIAL) and "official games: not here" in said


def test_freeze_panels_compares_before_it_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "alfworld-bundled-small-valid_unseen"
    words = ["data", "freeze-panels", name, "--folder", str(tmp_path)]
    assert main(words) == 0 and "written" in capsys.readouterr().out
    assert main(words) == 0 and "unchanged" in capsys.readouterr().out
    path = tmp_path / f"{name}.jsonl"
    shipped = path.read_text()
    path.write_text(shipped[:-40])
    assert main(words) == 1
    assert path.read_text() == shipped[:-40]
    assert main([*words, "--replace"]) == 0
    assert path.read_text() == shipped


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the class's body."""

    body = b""

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)


def serve(body: bytes) -> tuple[http.server.ThreadingHTTPServer, str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Handler,), {"body": body}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/games"


def announce(monkeypatch: pytest.MonkeyPatch, filename: str, size: int) -> None:
    entry = releases.RELEASES["alfworld"]
    file = dataclasses.replace(entry.files[0], size=size, filename=filename)
    monkeypatch.setitem(releases.RELEASES, "alfworld", dataclasses.replace(entry, files=(file,)))


def test_download_of_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("json_2.1.1/train/readme.txt", "no games here")
    server, url = serve(memory.getvalue())
    with server:
        announce(monkeypatch, "games.zip", len(memory.getvalue()))
        assert main(["data", "download", "alfworld", "--url", url]) == 1
        announce(monkeypatch, "games.zip", len(memory.getvalue()) + 1)
        assert main(["data", "download", "alfworld", "--url", url]) == 1
        server.shutdown()
    assert "stopped after" in capsys.readouterr().err


def folder_server(folder: Path) -> tuple[http.server.ThreadingHTTPServer, str]:
    handler = functools.partial(QuietFolder, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


class QuietFolder(http.server.SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, *args: Any) -> None:
        pass


def test_a_release_of_several_files_is_fetched_imported_cleared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The import is somebody else's; here counts what it is given, what is left afterwards."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in ("items_shuffle_1000.json", "items_human_ins.json"):
        (mirror / name).write_text(f"[{name!r}]")
    (mirror / "items_ins_v2_1000.json").write_bytes(b"x" * 147_099)
    seen: list[list[str]] = []

    def importer(path: Path, *, progress: Any) -> str:
        seen.append(sorted(file.name for file in path.iterdir()))
        return "the data folder"

    official = dataclasses.replace(OFFICIAL["webshop"], importer="here:importer", env_id="none")
    monkeypatch.setitem(OFFICIAL, "webshop", official)  # type: ignore[arg-type]
    monkeypatch.setattr(data_command, "load_place", lambda place: importer)
    server, url = folder_server(mirror)
    with server:
        assert main(["data", "download", "webshop", "--url", url]) == 0
        assert main(["data", "download", "webshop", "--url", f"{url}/nowhere"]) == 1
        server.shutdown()
    assert seen == [["items_human_ins.json", "items_ins_v2_1000.json", "items_shuffle_1000.json"]]
    captured = capsys.readouterr()
    assert "imported into the data folder" in captured.out and "answered 404" in captured.err
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert main(["data", "import", "webshop", str(mirror), "--allow-partial"]) == 2
    assert main(["data", "download", "webshopp"]) == 2


def test_questions_of_ones_own_need_not_be_those_of_the_panels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seven published sets are a whole import; a panel's set that is there must be the panel's."""
    given = tmp_path / "given"
    (given / "nq").mkdir(parents=True)
    line = json.dumps({"id": "1", "question": "who wrote Emma", "golden_answers": ["Jane Austen"]})
    (given / "nq" / "test.jsonl").write_text(line)
    for step, (file, text) in enumerate(
        [
            ("nq/dev.jsonl", line),
            ("corpus.jsonl", '{"id": "0", "contents": "Emma\\nA novel."}'),
            ("hotpot500.qa.jsonl", line),
        ]
    ):
        (given / file).write_text(text)
        monkeypatch.setenv("CRAFT_DATA", str(tmp_path / f"data{step}"))
        assert main(["data", "import", "searchqa", str(given)]) == int(step == 2)
        captured = capsys.readouterr()
        if step < 2:
            assert "without the sets of the frozen panels searchqa-official-" in captured.out
    assert "do not hold the tasks of the frozen panels: searchqa-official-hotpot500" in captured.err


@pytest.mark.slow
def test_download_of_the_official_games(
    monkeypatch: pytest.MonkeyPatch, craft_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over a loopback server: fetched, imported, compared with the frozen panels, then evaluated from."""
    (archive,) = (craft_data / "alfworld").glob("json_2.1.1*")
    body = archive.read_bytes()
    server, url = serve(body)
    with server:
        announce(monkeypatch, archive.name, len(body))
        assert main(["data", "download", "alfworld", "--url", url]) == 0
        server.shutdown()
    assert "the frozen panels fit" in capsys.readouterr().out
    assert not list((tmp_path / "data").rglob(archive.name))
    assert main(["data", "list"]) == 0
    assert "official.games" in capsys.readouterr().out
