"""Metrics files, curves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from craft_rl.report.console import ProgressBar
from craft_rl.report.jsonl import MetricsFile, read_metrics
from craft_rl.report.metrics import is_mixed, is_wall_clock, trajectory_metrics
from craft_rl.report.plots import plot_curves, trailing_mean
from craft_rl.report.trackers import TensorBoard
from craft_rl.types import Group, TrajectoryStatus
from tests.rl.tiny_training import made_group, made_trajectory


def test_metrics_are_cut_back_to_the_offset(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, offset=0)
    file.write({"update": 1, "x": float("nan")})
    offset = file.offset
    file.write({"update": 2})
    file.close()
    with path.open("a") as raw:
        raw.write('{"update": 3, "cut')
    assert [row["update"] for row in read_metrics(path)] == [1, 2]
    again = MetricsFile(path, offset=offset)
    again.write({"update": 2, "again": True})
    again.close()
    assert read_metrics(path) == [{"update": 1, "x": None}, {"update": 2, "again": True}]


def test_a_file_shorter_than_remembered_goes_on_with_its_whole_lines(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"update": 1}\n{"update": 2}\n{"upd')
    file = MetricsFile(path, offset=1000)
    file.write({"update": 4})
    file.close()
    assert [row["update"] for row in read_metrics(path)] == [1, 2, 4]
    assert "has 28 of 1000 bytes" in caplog.text


def test_metrics_leave_broken_episodes_out():
    group = made_group("a", [1, 0, 0])
    broken = made_trajectory("a", 3, 0.0, status=TrajectoryStatus.error_env)
    group = Group(group_id="a", trajectories=(*group.trajectories, broken))
    metrics = trajectory_metrics([group, made_group("b", [0, 0], steps=4, invalid=(1,))])
    assert metrics["episodes"] == 6
    assert metrics["errors"] == 1
    assert metrics["success"] == pytest.approx(1 / 5)
    assert metrics["steps"] == pytest.approx((3 * 2 + 2 * 4) / 5)
    assert metrics["invalid"] == pytest.approx(2 / 14)
    assert metrics["mixed_groups"] == 0.5
    assert metrics["parse/ok"] == 1.0
    assert trajectory_metrics([])["success"] == 0.0


def test_mixed_means_both_outcomes():
    assert is_mixed(made_group("a", [1, 0]))
    assert not is_mixed(made_group("a", [1, 1]))


def test_clock_metrics_are_known():
    assert is_wall_clock("seconds_engine")
    assert is_wall_clock("tokens_per_second_rollout")
    assert not is_wall_clock("success")


def test_trailing_mean_by_hand():
    assert trailing_mean(np.array([2.0, 4.0, 6.0, 8.0]), 2).tolist() == [2.0, 3.0, 5.0, 7.0]


def test_a_log_gets_lines_instead_of_a_bar():
    for seconds, expected in ((0.0, ["cloning  1/3  loss 0.5", "cloning  2/3  loss 0.25"]), (60.0, [])):
        file = io.StringIO()
        settings = {"shown": ("loss",), "console": Console(file=file), "line_every_s": seconds}
        with ProgressBar("cloning", 3, **settings) as bar:
            bar.advance({"loss": 0.5})
            bar.advance({"loss": 0.25, "other": 1.0})
        assert file.getvalue().splitlines() == expected


def test_curves_are_a_png(tmp_path):
    rows = [{"update": i, "success": i / 10, "entropy": None if i % 2 else 1.0} for i in range(10)]
    plot_curves(rows, tmp_path / "deep" / "curves.png")
    assert (tmp_path / "deep" / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_tensorboard_gets_every_number(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = TensorBoard(tmp_path)
    board.write({"success": 0.5, "phase": "copy", "update": 1}, 1)
    board.write({"success": 0.75, "update": 2}, 2)
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("success")] == [(1, 0.5), (2, 0.75)]
    assert "phase" not in events.Tags()["scalars"]
