"""The cost of corrections beside a result: sums over a run, nothing where nothing was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from craft_rl.report.corrections import correction_cost
from craft_rl.report.jsonl import read_metrics
from tests.rl.test_corrector import RESUME, ibpo_config
from tests.rl.tiny_training import tiny_config, tiny_trainer


def row(**values: Any) -> dict[str, Any]:
    base = {"episodes": 8.0, "errors": 0.0, "steps": 5.0, "response_tokens": 10.0}
    return {**base, **{f"ibpo/{name}": float(v) for name, v in values.items()}, "seconds_corrections": 1.5}


def test_sums_over_updates() -> None:
    rows = [
        row(asked=10, generations=10, tokens=100, correction_rate=0.2, copy_rate=0.1),
        row(asked=30, generations=30, tokens=300, correction_rate=0.6, copy_rate=0.1),
    ]
    assert correction_cost(rows) == (
        "40 generations, 400 tokens (+50 % of the rollouts'), 3 s; 20 of 40 corrections (50 %) solved the "
        "task, 4 copied their reference"
    )
    assert correction_cost([{"success": 0.5}]) == correction_cost([]) == ""


@pytest.mark.parametrize("method", ["grpo", "ibpo"])
def test_metrics_of_a_run_tell_it(method: str, tmp_path: Path) -> None:
    config = ibpo_config(ibpo=RESUME, updates=1) if method == "ibpo" else tiny_config(updates=1)
    tiny_trainer(config, tmp_path).run()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert ("corrections" in correction_cost(rows)) == (method == "ibpo")
    assert any(key.startswith("ibpo/") for key in rows[0]) == (method == "ibpo")
