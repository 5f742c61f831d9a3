"""A study in miniature, for real: the same starts, kill and resume, broken cells, separate processes."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from craft_envs.errors import ConfigError, DataMismatch
from craft_envs.panels import Panel
from craft_rl import worlds
from craft_rl.models.load import load_policy
from craft_rl.report.jsonl import read_metrics
from craft_rl.study import schedule
from craft_rl.study.findings import conclusion, findings
from craft_rl.study.outcome import Study, load_study, save_study
from craft_rl.study.plots import plot_study
from craft_rl.study.schedule import run_study
from craft_rl.study.settings import StudyConfig
from craft_rl.study.table import study_text

PANEL = "alfworld-bundled-small-valid_unseen"
TOO_LONG = "long: method=sdar teacher.strategy=full teacher.too_long=error"
"""A variant that breaks when its teacher is first asked: the whole bank has no room."""
SMALL = (
    "demonstrations=40",
    "tokenizer_tasks=20",
    "train.tasks_per_update=2",
    "train.group_size=2",
    "train.num_envs=4",
    "train.world.max_steps=3",
    "train.entropy_coef=0.01",  # episodes this short all fail alike: something else must move the weights
)
SHORT_PANEL = """
import dataclasses
from craft_envs.panels import Panel
from craft_rl import worlds

class Short(Panel):
    @classmethod
    def load(cls, name):
        whole = Panel.load(name)
        return dataclasses.replace(whole, entries=whole.entries[::17])

worlds.Panel = Short
"""


@pytest.fixture(scope="module")
def small_panel() -> Iterator[None]:
    """Twelve tasks instead of all."""

    class Short(Panel):
        @classmethod
        def load(cls, name: str) -> Panel:
            whole = Panel.load(name)
            return dataclasses.replace(whole, entries=whole.entries[::17])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "Panel", Short)
        yield


def tiny(out: Path, **changes: Any) -> StudyConfig:
    usual: dict[str, Any] = {
        "name": "tiny",
        "variants": ("grpo", "sdar-empty: method=sdar teacher.control=empty"),
        "seeds": (0,),
        "updates": 3,
        "eval_seeds": (0,),
        "settings": SMALL,
        "checkpoint_every": 1,
    }
    return StudyConfig(out=out, **(usual | changes))


def run(config: StudyConfig) -> Study:
    return run_study(config, command="craft study <test>", console=Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, small_panel: None) -> tuple[Path, Study]:
    """Two sound variants, one that breaks; run once without interruption."""
    out = tmp_path_factory.mktemp("study") / "straight"
    config = tiny(out)
    return out, run(dataclasses.replace(config, variants=(*config.variants, TOO_LONG)))


def test_every_cell_begins_at_its_seeds_start(straight: tuple[Path, Study]):
    out, study = straight
    start = study.cell(None, 0)
    assert start.state == "done" and start.weights
    for variant in ("grpo", "sdar-empty"):
        cell = study.cell(variant, 0)
        assert cell.state == "done" and cell.failures == 0 and cell.weights != start.weights
        assert json.loads((out / "cells" / "0" / variant / "done.json").read_text())["start_weights"] == (
            start.weights
        )
        assert len(cell.scores[PANEL]) == 12 and None not in cell.scores[PANEL]
        assert cell.curve["update"] == [1, 2, 3] and len(cell.curve["success"]) == 3
        assert cell.cpu_seconds > 0 and cell.wall_seconds > 0 and cell.response_tokens > 0
        assert load_policy(out / "cells" / "0" / variant / "model").tokenizer is not None
    assert "teacher/skills_none" in study.cell("sdar-empty", 0).diagnostics
    assert study.panels[PANEL]["hash"] and study.settings["variants"]["sdar-empty"]["skills"] == "alfworld"


def test_a_teacher_that_is_told_nothing_changes_little(straight: tuple[Path, Study]):
    """Both variants play the same episodes of the first update: same start, same tasks, same draws."""
    _, study = straight
    first = [study.cell(variant, 0).curve["steps"][0] for variant in ("grpo", "sdar-empty")]
    assert first[0] == first[1]


def test_a_broken_cell_is_told_counted_tried_again(straight: tuple[Path, Study]):
    out, study = straight
    broken = study.cell("long", 0)
    assert broken.state == "broken" and broken.attempts == 1 and "longer than the model" in broken.error
    assert (study.count("done"), study.count("broken"), study.count("open")) == (2, 1, 0)
    assert "2 of 3 cells are done, 1 broke" in conclusion(study, PANEL)[0]
    assert "Broken: long with seed 0" in study_text(study)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.safetensors")}
    again = run(dataclasses.replace(tiny(out), variants=(*tiny(out).variants, TOO_LONG)))
    assert again.cell("long", 0).attempts == 2
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.safetensors")} == before
    assert again.cell("grpo", 0) == study.cell("grpo", 0)


def test_results_are_one_file(straight: tuple[Path, Study], tmp_path: Path):
    _, study = straight
    place = save_study(study, tmp_path)
    assert load_study(tmp_path) == load_study(place)
    again = load_study(place)
    assert study_text(again) == study_text(study)
    text = place.read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert str(tmp_path.parent) not in text and len(text.splitlines()) < 600
    assert [path.name for path in plot_study(again, tmp_path)] == ["curves.png", "differences.png"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    place.write_text("{}")
    with pytest.raises(DataMismatch, match="not the results of a study"):
        load_study(place)


def test_one_seed_supports_nothing(straight: tuple[Path, Study]):
    _, study = straight
    (row,) = [row for row in findings(study, PANEL) if row.variant == "sdar-empty"]
    assert row.paired is not None and row.paired.tasks == 12 and not row.shown
    assert any("One seed says nothing" in line for line in conclusion(study, PANEL))


def killed(out: Path, when: Path) -> None:
    """Run the tiny study in a process of its own, which is killed as soon as a file is there."""
    program = f"""{SHORT_PANEL}
import json, sys
from pathlib import Path
from craft_rl.config import from_mapping
from craft_rl.study.schedule import run_study
from craft_rl.study.settings import StudyConfig
run_study(StudyConfig(**json.loads(sys.argv[1]), out=Path(sys.argv[2])))
"""
    words = dataclasses.asdict(tiny(out))
    plain = {name: words[name] for name in ("name", "recipe", "baseline", "updates", "checkpoint_every")}
    plain |= {name: list(words[name]) for name in ("variants", "seeds", "eval_seeds", "settings")}
    process = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(plain), str(out)],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 250
    while not when.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed, neither done nor broken"


def test_a_killed_study_goes_on_to_the_same_result(straight: tuple[Path, Study], tmp_path: Path):
    out = tmp_path / "killed"
    cell = out / "cells" / "0" / "grpo"
    killed(out, cell / "training" / "checkpoints" / "update-000001" / "manifest.json")
    assert not (cell / "done.json").exists()
    study = run(tiny(out))
    for variant in (None, "grpo", "sdar-empty"):
        ours, theirs = study.cell(variant, 0), straight[1].cell(variant, 0)
        assert ours.state == "done"
        assert (ours.weights, ours.scores) == (theirs.weights, theirs.scores)
    assert [row["update"] for row in read_metrics(cell / "training" / "metrics.jsonl")] == [1, 2, 3]


def test_other_settings_are_refused_by_name(straight: tuple[Path, Study]):
    out, _ = straight
    with pytest.raises(ConfigError, match=r"start.train.updates: 3 -> 4"):
        run(tiny(out, variants=(*tiny(out).variants, TOO_LONG), updates=4))
    with pytest.raises(ConfigError, match="long is there, not asked for"):
        run(tiny(out))


def test_a_folder_of_something_else_is_refused(tmp_path: Path, small_panel: None):
    (tmp_path / "precious").write_text("x")
    with pytest.raises(ConfigError, match="no study"):
        run(tiny(tmp_path))
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["precious"]


def test_two_processes_cannot_run_one_study(tmp_path: Path, small_panel: None):
    with (
        schedule._alone(tmp_path / "s"),
        pytest.raises(ConfigError, match="another process runs this study"),
    ):
        run(tiny(tmp_path / "s"))


def test_a_start_that_breaks_takes_its_cells_along(tmp_path: Path, small_panel: None):
    study = run(tiny(tmp_path / "s", settings=(*SMALL, "sft.batch_tokens=8")))
    assert study.cell(None, 0).state == "broken" and study.count("broken") == 2
    assert "start 0 broke: ConfigError" in study.cell("grpo", 0).error
    assert "Nothing can be compared" in conclusion(study, PANEL)[-1]


def test_a_frozen_controller_waits_for_its_model(tmp_path: Path, small_panel: None):
    out = tmp_path / "s"
    study = run(tiny(out, variants=("held: frozen=craft", "grpo", "craft"), updates=2))
    assert [study.cell(name, 0).state for name in study.variants] == ["done"] * 3
    rows = read_metrics(out / "cells" / "0" / "craft" / "training" / "metrics.jsonl")
    weights = json.loads((out / "cells" / "0" / "held" / "training" / "config.json").read_text())
    assert weights["craft"]["coef"] == pytest.approx(sum(row["craft/lambda"] for row in rows) / 2)
    assert weights["kl_coef"] == pytest.approx(sum(row["craft/mu"] for row in rows) / 2)
    assert weights["craft"]["controller"] is False


def test_time_that_is_up_begins_nothing(tmp_path: Path, small_panel: None):
    study = run(tiny(tmp_path / "s", minutes=1e-9))
    assert study.cell(None, 0).state == "open" and study.count("open") == 2


@pytest.mark.slow
def test_separate_processes_give_the_same(tmp_path: Path):
    """Without the short panel, which other processes do not know."""
    settings = (*SMALL, "eval_max_steps=1")
    a = run(tiny(tmp_path / "a", settings=settings, updates=1, jobs=2, variants=("grpo", "gigpo", TOO_LONG)))
    b = run(tiny(tmp_path / "b", settings=settings, updates=1, variants=("grpo", "gigpo")))
    for variant in (None, "grpo", "gigpo"):
        assert a.cell(variant, 0).scores == b.cell(variant, 0).scores
        assert a.cell(variant, 0).weights == b.cell(variant, 0).weights != ""
    assert "longer than the model" in a.cell("long", 0).error and a.cell("long", 0).attempts == 1


@pytest.mark.slow
def test_a_process_that_dies_is_a_failure_of_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    launch = schedule._launch

    def launch_and_kill(config: StudyConfig, job: Any) -> Any:
        worker = launch(config, job)
        worker.process.kill()
        return worker

    monkeypatch.setattr(schedule, "_launch", launch_and_kill)
    study = run(tiny(tmp_path / "s", jobs=2))
    assert "ended with signal 9" in study.cell(None, 0).error and study.count("broken") == 2
