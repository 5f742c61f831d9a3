"""The quickstart in miniature: every phase, every file, nothing half done."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_rl import quickstart as rooms
from craft_rl.config import SFTConfig
from craft_rl.models.load import load_policy
from craft_rl.quickstart import quickstart
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.report.evaluation import load_report
from craft_rl.report.jsonl import read_metrics


@pytest.fixture
def small_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve tasks instead of all, two of each type."""

    class Short(Panel):
        @classmethod
        def load(cls, name: str) -> Panel:
            whole = Panel.load(name)
            return dataclasses.replace(whole, name="twelve", entries=whole.entries[::17])

    monkeypatch.setattr(rooms, "Panel", Short)


def tiny(out: Path, **changes: object) -> QuickstartConfig:
    base = QuickstartConfig()
    train = dataclasses.replace(
        base.train,
        updates=2,
        tasks_per_update=3,
        group_size=2,
        num_envs=6,
        world=dataclasses.replace(base.train.world, max_steps=4),
        **changes.pop("train", {}),
    )
    return QuickstartConfig(
        out=out,
        model_size="0.3M",
        demonstrations=40,
        tokenizer_tasks=20,
        sft=SFTConfig(epochs=1.0),
        train=train,
        **changes,
    )


def run(config: QuickstartConfig) -> rooms.QuickstartResult:
    return quickstart(config, command="craft quickstart <test>", console=Console(file=io.StringIO()))


def test_all_phases_leave_their_results(tmp_path: Path, small_panel: None):
    out = tmp_path / "runs" / "q"
    result = run(tiny(out))
    assert result.folder == out and result.updates == 2
    assert [p.name for p in out.parent.iterdir()] == ["q"]
    for name in ("before", "after"):
        report = getattr(result, name)
        assert load_report(out / "evaluation" / f"{report.agent}.json") == report
        assert report.scored == 12 and report.panel == "twelve"
    assert {r.agent for r in result.ladder} == {"random", "scripted", "oracle"}
    assert next(r for r in result.ladder if r.agent == "oracle").panel_hash == result.after.panel_hash
    assert len(read_metrics(out / "training" / "metrics.jsonl")) == 2
    for folder in (out / "model", out / "cloned" / "model"):
        assert load_policy(folder).tokenizer is not None
    assert json.loads((out / "comparison.json").read_text())["tasks"] == 12

    page = (out / "index.html").read_text()
    assert result.page == out / "index.html"
    assert "craft quickstart &lt;test&gt;" in page and page.count("data:image/png;base64,") == 2
    # Self-contained: nothing is fetched, nothing runs.
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|<script|<link|https?://", page)


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

    monkeypatch.setattr(rooms, "save_policy", breaks)
    with pytest.raises(OSError, match="No space"):
        run(tiny(out, overwrite=True))
    assert (out / "precious").exists() and not (out / "index.html").exists()


def test_the_clock_can_end_the_training_early(tmp_path: Path, small_panel: None):
    result = run(tiny(tmp_path / "q", train_minutes=1e-6, ladder=()))
    assert result.updates == 1 and "1 of 2 updates" in (tmp_path / "q" / "index.html").read_text()


def test_the_same_seed_repeats_the_same_result(tmp_path: Path, small_panel: None):
    a, b = (run(tiny(tmp_path / name, ladder=(), train_minutes=None)) for name in "ab")
    assert a.before == b.before and a.after == b.after
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("changes", [{"train": {"seed": 3}}, {"demonstrations": 0}, {"train_minutes": 0.0}])
def test_settings_that_would_be_ignored_are_refused(tmp_path: Path, changes: dict[str, object]):
    with pytest.raises(ConfigError):
        dataclasses.replace(QuickstartConfig(), **changes) if "train" not in changes else tiny(
            tmp_path, **changes
        )
