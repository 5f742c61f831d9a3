"""The quickstart in miniature: every phase, every file, nothing half done."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from craft_envs.errors import ConfigError, DataMismatch
from craft_envs.panels import Panel
from craft_rl import phases, worlds
from craft_rl.commands.quickstart import print_result
from craft_rl.compare import compare
from craft_rl.config import SFTConfig
from craft_rl.models.load import load_policy
from craft_rl.quickstart import quickstart
from craft_rl.quickstart_outcome import QuickstartResult, result_to_json
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.quickstart import DEFAULT, quickstart_recipe
from craft_rl.report.evaluation import interval_text, load_report, points
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.page import WITHOUT_SKILLS
from craft_rl.rollout.demonstrate import demonstrate
from craft_rl.rollout.record import load_trajectories

SEEN, UNSEEN = "alfworld-bundled-small-valid_seen", "alfworld-bundled-small-valid_unseen"


@pytest.fixture
def small_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve tasks instead of all, two of each type."""

    class Short(Panel):
        @classmethod
        def load(cls, name: str) -> Panel:
            whole = Panel.load(name)
            return dataclasses.replace(whole, entries=whole.entries[::17])

    monkeypatch.setattr(worlds, "Panel", Short)


def tiny(out: Path, recipe: str = "small", **changes: Any) -> QuickstartConfig:
    base = quickstart_recipe(recipe)
    train = dataclasses.replace(
        base.train,
        updates=2,
        tasks_per_update=3,
        group_size=2,
        num_envs=6,
        world=dataclasses.replace(base.train.world, max_steps=4),
        **changes.pop("train", {}),
    )
    settings: dict[str, Any] = {
        "demonstrations": 40,
        "tokenizer_tasks": 20,
        "sft": SFTConfig(epochs=1.0),
        "eval_seeds": (0,),
    }
    return dataclasses.replace(base, out=out, train=train, **{**settings, **changes})


def run(config: QuickstartConfig) -> QuickstartResult:
    return quickstart(config, command="craft quickstart <test>", console=Console(file=io.StringIO()))


def test_all_phases_leave_their_results(tmp_path: Path, small_panel: None):
    out = tmp_path / "runs" / "q"
    result = run(tiny(out, panels=(UNSEEN, SEEN)))
    assert result.folder == out and result.updates == 2
    assert [p.name for p in out.parent.iterdir()] == ["q"]
    assert [outcome.panel for outcome in result.panels] == [UNSEEN, SEEN]
    for outcome in result.panels:
        agents = ["random", "scripted", "oracle", "cloned", "trained"]
        assert [report.agent for report in outcome.reports] == agents
        for report in outcome.reports:
            assert load_report(out / "evaluation" / outcome.panel / f"{report.agent}.json") == report
            assert report.scored == 12 and report.panel_hash == outcome.comparison.panel_hash
        assert outcome.comparison == compare(outcome.before, outcome.after)
        for name in ("cloned", "trained"):
            played = out / "evaluation" / outcome.panel / f"{name}.trajectories.jsonl"
            assert len(list(load_trajectories(played))) == 12
    assert len(read_metrics(out / "training" / "metrics.jsonl")) == 2
    for folder in (out / "model", out / "cloned" / "model"):
        assert load_policy(folder).tokenizer is not None

    page = (out / "index.html").read_text()
    assert result.page == out / "index.html"
    assert "craft quickstart &lt;test&gt;" in page and page.count("data:image/png;base64,") == 2
    assert page.index(f"<h2>{UNSEEN}</h2>") < page.index(f"<h2>{SEEN}</h2>") and WITHOUT_SKILLS in page
    # Self-contained: nothing is fetched, nothing runs.
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|<script|<link|https?://", page)

    told = io.StringIO()
    print_result(result, Console(file=told, width=80))
    text = told.getvalue()
    for outcome in result.panels:
        assert f"{outcome.panel}, recipe small" in text and points(outcome.comparison.difference) in text
        assert all(interval_text(report.interval) in text for report in outcome.reports)
    assert WITHOUT_SKILLS in " ".join(text.split()) and "2 of 2 updates" in text


def test_the_outcome_is_one_file(tmp_path: Path, small_panel: None):
    out = tmp_path / "q"
    result = run(tiny(out, panels=(SEEN, UNSEEN), ladder=("random",), seed=5))
    told = json.loads((out / "result.json").read_text(), parse_constant=pytest.fail)
    assert told["recipe"] == "small" and told["seed"] == 5 and told["command"] == "craft quickstart <test>"
    assert told["updates"] == told["updates_planned"] == 2 and told["cloning"]["epochs"] == 1.0
    assert told["method"] == "grpo"
    assert told["seconds"] == dict(result.seconds) and "reinforcement learning" in told["seconds"]
    assert told["seconds_total"] == pytest.approx(sum(told["seconds"].values()))
    weights = (out / "model" / "model.safetensors").read_bytes()
    assert told["hashes"]["trained"] == hashlib.sha256(weights).hexdigest()
    assert told["policy"]["size"] == "0.3M" and told["machine"]["threads"] >= 1
    assert [panel["panel"] for panel in told["panels"]] == [SEEN, UNSEEN]
    for panel, outcome in zip(told["panels"], result.panels, strict=True):
        assert panel["panel_hash"] == outcome.after.panel_hash
        assert panel["data_hash"] == outcome.after.data_hash
        assert list(panel["agents"]) == ["random", "cloned", "trained"]
        for report in outcome.reports:
            values = panel["agents"][report.agent]
            assert values["mean"] == report.mean and tuple(values["interval"]) == report.interval
            assert values["scored"] == 12 and values["errors"] == 0 and values["tasks"] == 12
            assert load_report(out / values["report"]) == report
        paired = panel["paired"]
        assert paired["difference"] == outcome.comparison.difference and paired["tasks"] == 12
        assert tuple(paired["interval"]) == outcome.comparison.interval
        assert paired["conclusive"] is outcome.comparison.conclusive


def test_the_default_has_a_teacher_and_says_who_reads_what(tmp_path: Path, small_panel: None):
    out = tmp_path / "q"
    result = run(tiny(out, DEFAULT, ladder=()))
    first = read_metrics(out / "training" / "metrics.jsonl")[0]
    assert first["teacher/tokens"] > 0 and first["craft/lambda"] > 0
    told = "craft; its teacher reads the skills of alfworld, no evaluation does"
    assert json.loads((out / "result.json").read_text())["method"] == told
    assert told in (out / "index.html").read_text()
    for report in (result.headline.before, result.headline.after):
        assert report.skills == {}
    shown = io.StringIO()
    print_result(result, Console(file=shown, width=80))
    assert told in " ".join(shown.getvalue().split())


def test_numbers_that_do_not_exist_are_null(tmp_path: Path, small_panel: None):
    result = run(tiny(tmp_path / "q", ladder=()))
    (outcome,) = result.panels
    nowhere = (math.nan, math.nan)
    outcome = dataclasses.replace(
        outcome,
        after=dataclasses.replace(outcome.after, mean=math.nan, interval=nowhere),
        comparison=dataclasses.replace(outcome.comparison, interval=nowhere),
    )
    told = result_to_json(dataclasses.replace(result, panels=(outcome,)))
    json.dumps(told, allow_nan=False)
    assert told["panels"][0]["agents"]["trained"]["mean"] is None
    assert told["panels"][0]["paired"]["interval"] == [None, None]


def test_panels_of_another_world_are_refused_before_anything_happens(tmp_path: Path):
    strange = "alfworld-bundled-full-valid_seen"
    with pytest.raises(ConfigError, match=f"{strange}.*size=full.*size=small.*{UNSEEN}"):
        run(tiny(tmp_path / "q", panels=(UNSEEN, strange)))
    with pytest.raises(ConfigError, match="alfworld-official-valid_seen"):
        run(tiny(tmp_path / "q", panels=("alfworld-official-valid_seen",)))
    assert not list(tmp_path.iterdir())


def test_panels_that_are_trained_on_are_refused_before_anything_happens(tmp_path: Path):
    config = tiny(tmp_path / "q", panels=(UNSEEN, SEEN))
    world = dataclasses.replace(config.train.world, split="valid_seen")
    with pytest.raises(DataMismatch, match=f"'valid_seen' are in panel '{SEEN}'"):
        run(dataclasses.replace(config, train=dataclasses.replace(config.train, world=world)))
    assert not list(tmp_path.iterdir())


def test_every_task_is_demonstrated_before_any_is_repeated(
    tmp_path: Path, small_panel: None, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Any] = []

    def noticed(specs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend(specs)
        return demonstrate(specs, *args, **kwargs)

    monkeypatch.setattr(phases, "demonstrate", noticed)
    world = dataclasses.replace(quickstart_recipe("small").train.world, tasks=30, max_steps=4)
    train = dataclasses.replace(tiny(tmp_path).train, world=world)
    run(dataclasses.replace(tiny(tmp_path / "q", ladder=()), train=train))
    assert len(seen) == 40 and len({spec.seed for spec in seen}) == 40
    assert len({spec.task_id for spec in seen[:30]}) == len({spec.task_id for spec in seen}) == 30


def test_evaluations_may_be_longer_than_training(tmp_path: Path, small_panel: None):
    out = tmp_path / "q"
    result = run(tiny(out, eval_max_steps=7, ladder=("random",)))
    reports = {report.agent: report for report in result.panels[0].reports}
    assert {report.decoding["max_steps"] for report in reports.values()} == {7}
    assert max(row.steps for row in reports["random"].results) == 7
    (first, *_) = read_metrics(out / "training" / "metrics.jsonl")
    assert first["steps"] <= 4


def test_an_existing_folder_is_kept_unless_told_otherwise(tmp_path: Path, small_panel: None):
    out = tmp_path / "q"
    out.mkdir()
    (out / "precious").write_text("x")
    with pytest.raises(ConfigError, match="already there"):
        run(tiny(out))
    assert (out / "precious").exists()
    run(tiny(out, overwrite=True, ladder=()))
    assert not (out / "precious").exists() and (out / "index.html").exists()


def test_a_failure_leaves_no_half_folder(tmp_path: Path, small_panel: None, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "q"
    out.mkdir()
    (out / "precious").write_text("x")

    def breaks(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(phases, "save_policy", breaks)
    with pytest.raises(OSError, match="No space"):
        run(tiny(out, overwrite=True))
    assert (out / "precious").exists() and not (out / "index.html").exists()


def test_the_clock_can_end_the_training_early(tmp_path: Path, small_panel: None):
    result = run(tiny(tmp_path / "q", train_minutes=1e-6, ladder=()))
    assert result.updates == 1 and "1 of 2 updates" in (tmp_path / "q" / "index.html").read_text()


def test_the_same_seed_repeats_the_same_result(tmp_path: Path, small_panel: None):
    a, b = (run(tiny(tmp_path / name, ladder=())) for name in "ab")
    assert a.panels == b.panels and a.facts == b.facts
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"seed": 3}},
        {"demonstrations": 0},
        {"train_minutes": 0.0},
        {"panels": ()},
        {"panels": (SEEN, SEEN)},
        {"eval_seeds": ()},
        {"eval_seeds": (0, 0)},
        {"ladder": ("random", "random")},
    ],
)
def test_settings_that_would_be_ignored_are_refused(tmp_path: Path, changes: dict[str, Any]):
    with pytest.raises(ConfigError):
        tiny(tmp_path, **changes)
