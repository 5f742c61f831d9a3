"""craft bench envs against its committed baseline, as ratios to a fixed workload of the same run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from craft_rl.cli import main

BASELINES = Path(__file__).parent / "baselines"


@pytest.mark.bench
def test_bench_envs_against_the_committed_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = BASELINES / "envs-alfworld-bundled-full.json"
    out = tmp_path / "report.json"
    assert main(["bench", "envs", "--out", str(out), "--baseline", str(baseline)]) == 0
    assert "speed / baseline" in capsys.readouterr().out
    report, stored = (json.loads(path.read_text()) for path in (out, baseline))
    for name, value in report["relative"].items():
        assert value > 0.6 * stored["relative"][name], f"{name} is slower than the baseline"
    assert report["session_steps_per_s"] > 50_000
    assert report["reset_warm_ms"] < 0.3
    assert report["rollout_cpu_s"] < 0.5
    assert report["megabytes"] < 300
