"""craft bench searchqa: from the command line to the table, the service included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft_rl.cli import main

pytest.importorskip("flask")
pytest.importorskip("waitress")


def test_the_bundled_world_with_its_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.json"
    assert main(["bench", "searchqa", "--data", "bundled", "--passes", "1", "--out", str(out)]) == 0
    told = json.loads(out.read_text())
    assert told["data"] == "bundled" and told["passages"] == 5_208
    assert told["service"]["batch_per_s"] > 0 and 0 < told["service"]["start_s"] < 60
    assert "bundled, 5,208 passages" in capsys.readouterr().out


def test_official_files_are_asked_for_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "searchqa", "--data", "official", "--data-dir", str(tmp_path)]) == 1
    assert "DataNotFound" in capsys.readouterr().err
    assert main(["bench", "searchqa", "--data", "bundled", "--options", "encoder=minilm"]) == 2
    assert "would have no effect" in capsys.readouterr().err
