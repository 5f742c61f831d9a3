"""craft bench webshop against its committed baseline, as ratios to a fixed workload of the same run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft_rl.cli import main

BASELINES = Path(__file__).parent / "baselines"


@pytest.mark.bench
def test_bench_webshop_against_the_committed_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = BASELINES / "webshop-bundled-full.json"
    out = tmp_path / "report.json"
    assert main(["bench", "webshop", "--out", str(out), "--baseline", str(baseline)]) == 0
    assert "speed / baseline" in capsys.readouterr().out
    report, stored = (json.loads(path.read_text()) for path in (out, baseline))
    for name, value in report["relative"].items():
        assert value > 0.6 * stored["relative"][name], f"{name} is slower than the baseline"
    assert report["sessions_megabytes"] < 200
