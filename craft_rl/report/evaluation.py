"""Evaluation reports on disk as well as on the terminal."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from craft_envs.data import finite, write_json
from craft_envs.errors import DataMismatch, DataNotFound
from craft_rl.evaluate import task_scores
from craft_rl.report.rows import result_from_row, result_to_row
from craft_rl.types import EvalReport, TaskResult

FORMAT = "craft-eval/1"


def save_report(report: EvalReport, path: str | os.PathLike[str]) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
        OSError: the disk is full or the place cannot be written.
    """
    write_json(path, to_json(report))


def load_report(path: str | os.PathLike[str]) -> EvalReport:
    """Read what ``save_report`` wrote.

    Raises:
        DataNotFound: no such file.
        DataMismatch: it is not a report of this format.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        return from_json(values)
    except FileNotFoundError as error:
        raise DataNotFound(
            "no such evaluation report", where=str(path), remedy="write one with `craft eval`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataMismatch(
            f"not an evaluation report of {FORMAT}: {type(error).__name__} {error}",
            where=str(path),
            remedy="name the report.json that `craft eval` wrote",
        ) from error


def score_so_far(rows: Sequence[TaskResult]) -> dict[str, float]:
    """``score``, the mean of the scored rows, with ``broken``, the number of the others; none of none."""
    scores = [row.score for row in rows if row.status.is_scored]
    told = {"score": sum(scores) / len(scores)} if scores else {}
    return told if len(scores) == len(rows) else told | {"broken": len(rows) - len(scores)}


def to_json(report: EvalReport) -> dict[str, Any]:
    """Plain values; numbers that do not exist are ``None``."""
    values = {
        "format": FORMAT,
        "env_id": report.env_id,
        "panel": report.panel,
        "panel_hash": report.panel_hash,
        "data_hash": report.data_hash,
        "prompt_version": report.prompt_version,
        "agent": report.agent,
        "decoding": dict(report.decoding),
        "commit": report.commit,
        "scored": report.scored,
        "errors": report.errors,
        "mean": report.mean,
        "interval": list(report.interval),
        "success": report.success,
        "macro": report.macro,
        "per_type": {name: list(value) for name, value in report.per_type.items()},
        **({"world_options": dict(report.world_options)} if report.world_options else {}),
        **({"skills": dict(report.skills)} if report.skills else {}),
        "results": [result_to_row(row) for row in report.results],
    }
    return dict(finite(values))


def from_json(values: Mapping[str, Any]) -> EvalReport:
    """The inverse of ``to_json``.

    Raises:
        ValueError: another format.
        KeyError: an entry is missing.
    """
    if values.get("format") != FORMAT:
        raise ValueError(f"format is {values.get('format')!r}")
    low, high = values["interval"]
    return EvalReport(
        env_id=values["env_id"],
        panel=values["panel"],
        panel_hash=values["panel_hash"],
        data_hash=values["data_hash"],
        prompt_version=values["prompt_version"],
        agent=values["agent"],
        decoding=values["decoding"],
        commit=values["commit"],
        scored=values["scored"],
        errors=values["errors"],
        mean=_nan(values["mean"]),
        interval=(_nan(low), _nan(high)),
        per_type={name: (float(mean), int(tasks)) for name, (mean, tasks) in values["per_type"].items()},
        results=tuple(result_from_row(row) for row in values["results"]),
        world_options=dict(values.get("world_options", {})),
        skills=dict(values.get("skills", {})),
    )


def print_report(report: EvalReport, console: Console) -> None:
    """A table with the score, its interval, the task types, failures beside it."""
    told = ", WITH SKILLS in its prompts" if report.skills else ""
    table = Table(title=f"{report.agent} on {report.panel}{told}", title_justify="left")
    table.add_column("tasks")
    table.add_column("n", justify="right")
    table.add_column("score", justify="right")
    table.add_column("95 % interval", justify="right")
    tasks = len(task_scores(report.results))
    table.add_row("all", str(tasks), percent(report.mean), interval_text(report.interval), style="bold")
    for name, (mean, count) in report.per_type.items():
        table.add_row(name, str(count), percent(mean), "")
    console.print(table)
    for line in notes(report):
        console.print(line, highlight=False)


def notes(report: EvalReport) -> list[str]:
    """What belongs beside the score: failures, endings, validity of actions, identity."""
    total = report.scored + report.errors
    failures = f", {report.errors} infrastructure failures" if report.errors else ""
    lines = [f"{report.scored}/{total} episodes scored{failures}"]
    endings = Counter(row.status.value for row in report.results)
    lines.append("endings: " + ", ".join(f"{name} {count}" for name, count in endings.most_common()))
    macro = f", mean over {len(report.per_type)} types {percent(report.macro)}" if report.per_type else ""
    lines.append(f"solved {percent(report.success)} of tasks{macro}")
    scored = [row for row in report.results if row.status.is_scored]
    steps = sum(row.steps for row in scored)
    if steps:
        valid = sum(row.valid_actions for row in scored) / steps
        lines.append(f"steps per episode {steps / len(scored):.1f}, valid actions {percent(valid)}")
    tasks = len(task_scores(report.results))
    low, high = report.interval
    if tasks and low == high:
        lines.append(
            f"all {tasks} tasks scored the same, so the bootstrap sees no spread; by the rule of three the "
            f"true rate may still differ by up to {percent(min(1.0, 3 / tasks))}"
        )
    if report.errors:
        broken = next(row for row in report.results if not row.status.is_scored)
        lines.append(f"first failure: {broken.task_id}: {broken.failure}")
    settings = " ".join(f"{name}={value}" for name, value in report.decoding.items())
    lines.append(f"prompt {report.prompt_version or 'none'}; {settings}")
    if report.skills:
        told = " ".join(f"{name}={value}" for name, value in report.skills.items())
        lines.append(f"with skills in the prompts, not to be compared with scores without: {told}")
    if report.world_options:
        lines.append("world: " + " ".join(f"{name}={value}" for name, value in report.world_options.items()))
    lines.append(
        f"panel hash {report.panel_hash[:16]}, data hash {report.data_hash[:16]}, craft {report.commit}"
    )
    return lines


def percent(value: float) -> str:
    """Example: ``61.2 %``."""
    return "n/a" if math.isnan(value) else f"{100 * value:.1f} %"


def interval_text(interval: tuple[float, float]) -> str:
    """Example: ``53.0 to 69.4 %``."""
    low, high = interval
    return "n/a" if math.isnan(low) or math.isnan(high) else f"{100 * low:.1f} to {100 * high:.1f} %"


def points(value: float) -> str:
    """Example: ``+12.3 points``."""
    return "n/a" if math.isnan(value) else f"{100 * value:+.1f} points"


def points_interval(interval: tuple[float, float]) -> str:
    """Example: ``+5.1 to +19.4``."""
    low, high = interval
    return "n/a" if math.isnan(low) or math.isnan(high) else f"{100 * low:+.1f} to {100 * high:+.1f}"


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
