"""What a quickstart found: agents on panels, as objects as well as JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft_rl.compare import Comparison
from craft_rl.evaluate import task_scores
from craft_rl.report.evaluation import to_json
from craft_rl.sft import SFTReport
from craft_rl.types import EvalReport

BEFORE, AFTER = "cloned", "trained"
"""Names of the policy before the reinforcement learning, after it."""
FORMAT = "craft-quickstart/1"
RESULT_FILE = "result.json"
"""Lies in the folder of a quickstart: the whole outcome, without the single episodes."""


@dataclass(frozen=True, kw_only=True)
class PanelOutcome:
    """All agents on one panel."""

    before: EvalReport
    after: EvalReport
    ladder: tuple[EvalReport, ...]
    """Agents without a model."""
    comparison: Comparison
    """After against before, task by task."""

    @property
    def panel(self) -> str:
        """Name of the panel."""
        return self.after.panel

    @property
    def reports(self) -> tuple[EvalReport, ...]:
        """Every agent, in the order of tables."""
        return (*self.ladder, self.before, self.after)


@dataclass(frozen=True, kw_only=True)
class QuickstartResult:
    """What came out."""

    recipe: str
    seed: int
    command: str
    """What was typed."""
    folder: Path
    page: Path
    panels: tuple[PanelOutcome, ...]
    """In configured order; the first is the headline."""
    cloning: SFTReport
    updates: int
    """Updates done; fewer than planned when the time was up."""
    updates_planned: int
    seconds: tuple[tuple[str, float], ...]
    """Phase with its wall time, in order."""
    facts: Mapping[str, Any]
    """Policy, machine, hashes: plain values."""

    @property
    def headline(self) -> PanelOutcome:
        """The first panel's outcome."""
        return self.panels[0]

    @property
    def seconds_total(self) -> float:
        """Wall time of all phases."""
        return sum(seconds for _, seconds in self.seconds)


def result_to_json(result: QuickstartResult) -> dict[str, Any]:
    """Plain values for ``result.json``; numbers that do not exist are null, places are relative."""
    cloning = {f.name: getattr(result.cloning, f.name) for f in dataclasses.fields(result.cloning)}
    cloning.pop("history")
    return _plain(
        {
            "format": FORMAT,
            "recipe": result.recipe,
            "seed": result.seed,
            "command": result.command,
            "craft": result.headline.after.commit,
            "panels": [_panel_to_json(outcome) for outcome in result.panels],
            "cloning": cloning,
            "updates": result.updates,
            "updates_planned": result.updates_planned,
            "seconds": dict(result.seconds),
            "seconds_total": result.seconds_total,
            **result.facts,
        }
    )


def report_place(panel: str, agent: str) -> Path:
    """Where the report of an agent on a panel lies inside the folder of a quickstart."""
    return Path("evaluation") / panel / f"{agent}.json"


def weights_digest(model: str | os.PathLike[str]) -> str:
    """SHA-256 over the weight files of a saved model: equal for runs that repeated exactly."""
    digest = hashlib.sha256()
    for path in sorted(Path(model).glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _panel_to_json(outcome: PanelOutcome) -> dict[str, Any]:
    agents = {}
    for report in outcome.reports:
        values = to_json(report)
        for name in ("format", "env_id", "panel", "panel_hash", "data_hash", "agent", "commit", "results"):
            values.pop(name)
        episodes = [row for row in report.results if row.status.is_scored]
        agents[report.agent] = values | {
            "tasks": len(task_scores(report.results)),
            "steps_mean": sum(row.steps for row in episodes) / len(episodes) if episodes else None,
            "report": report_place(outcome.panel, report.agent).as_posix(),
        }
    paired = {f.name: getattr(outcome.comparison, f.name) for f in dataclasses.fields(outcome.comparison)}
    paired["conclusive"] = outcome.comparison.conclusive
    for name in ("panel", "panel_hash"):
        paired.pop(name)
    return {
        "panel": outcome.panel,
        "env_id": outcome.after.env_id,
        "panel_hash": outcome.after.panel_hash,
        "data_hash": outcome.after.data_hash,
        "agents": agents,
        "before": outcome.before.agent,
        "after": outcome.after.agent,
        "paired": paired,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
