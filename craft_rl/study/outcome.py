"""What a study has found so far: one JSON file that holds all that tables, plots, intervals need."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch

from craft_envs.data import atomic_write, finite
from craft_envs.errors import DataMismatch, DataNotFound
from craft_rl.evaluate import task_scores
from craft_rl.quickstart_outcome import AFTER, BEFORE, report_place
from craft_rl.report.evaluation import load_report
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.metrics import is_wall_clock
from craft_rl.report.plots import TRAIN_PANELS
from craft_rl.study.cell import BROKEN, DONE, SPENT, Job, seconds_spent
from craft_rl.study.settings import StudyConfig, resolved
from craft_rl.worlds import open_panels

FORMAT = "craft-study/1"
RESULT = "study.json"
State = Literal["done", "broken", "open"]
Scores = dict[str, list[float | None]]
"""Panel -> mean score over the evaluation seeds of each of its tasks, in its order; null: none counts."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One start, or one cell."""

    seed: int
    variant: str | None
    """Label; none for a start."""
    state: State
    error: str = ""
    attempts: int = 0
    """Failed attempts."""
    scores: Scores = field(default_factory=dict)
    failures: int = 0
    """Evaluation episodes that broke; they are left out of the scores."""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Both over all attempts, whatever an interruption threw away included."""
    response_tokens: float = 0.0
    """Tokens sampled by the policy that training learned from."""
    teacher_tokens: float = 0.0
    """Tokens that went forward for the teacher."""
    weights: str = ""
    """SHA-256 of the policy."""
    craft: str = ""
    """Version that it came from."""
    curve: dict[str, list[float | None]] = field(default_factory=dict)
    """Metric -> value of each update."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    """Further metric -> mean over the updates that have it."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """The results of a study, complete or not."""

    name: str
    recipe: str
    baseline: str
    command: str
    settings: Mapping[str, Any]
    """Everything that decides results, down to each variant's training."""
    machine: Mapping[str, Any]
    panels: Mapping[str, Mapping[str, Any]]
    """Panel -> env_id, hash, tasks; the first is the headline."""
    starts: tuple[Outcome, ...]
    cells: tuple[Outcome, ...]

    @property
    def variants(self) -> list[str]:
        """Labels in configured order."""
        return list(dict.fromkeys(str(cell.variant) for cell in self.cells))

    @property
    def seeds(self) -> list[int]:
        """In configured order."""
        return [start.seed for start in self.starts]

    def cell(self, variant: str | None, seed: int) -> Outcome:
        """One cell; the seed's start for no variant."""
        every = self.starts if variant is None else self.cells
        return next(cell for cell in every if cell.variant == variant and cell.seed == seed)

    def count(self, state: State) -> int:
        """Cells in this state."""
        return sum(cell.state == state for cell in self.cells)


def collect(config: StudyConfig, *, command: str = "") -> Study:
    """Read what lies in a study's folder.

    Raises:
        DataMismatch: a finished cell is damaged.
    """
    start = config.start
    panels = open_panels(start.panels, start.train.world)
    tasks = {panel.name: list(panel.task_ids) for panel in panels}
    starts = tuple(_outcome(config, Job(seed=seed), tasks) for seed in config.seeds)
    cells = tuple(
        _outcome(config, Job(seed=seed, label=variant.label), tasks)
        for seed in config.seeds
        for variant in config.parsed
    )
    return Study(
        name=config.name,
        recipe=config.recipe,
        baseline=config.baseline,
        command=command or f"craft study run {config.name} --recipe {config.recipe}",
        settings=json.loads(json.dumps(resolved(config))),
        machine={
            "cpus": os.cpu_count(),
            "jobs": config.jobs,
            "threads_per_job": 1,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "system": f"{platform.system()} {platform.machine()}",
        },
        panels={
            panel.name: {"env_id": panel.env_id, "hash": panel.hash, "tasks": tasks[panel.name]}
            for panel in panels
        },
        starts=starts,
        cells=cells,
    )


def save_study(study: Study, folder: Path) -> Path:
    """Write ``study.json`` into a folder, whole or not at all; its path."""
    values = {"format": FORMAT, **asdict(study)}
    text = json.dumps(finite(values), indent=1, allow_nan=False)
    # A list of numbers or names is one line, so that people can read and compare versions of the file.
    text = re.sub(r"\[\s[^][{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found.group()), text)
    with atomic_write(folder / RESULT, "w") as file:
        file.write(text + "\n")
    return folder / RESULT


def load_study(path: Path) -> Study:
    """Read ``study.json``, or the one in a folder.

    Raises:
        DataNotFound: no such file.
        DataMismatch: it is none of this format.
    """
    place = path / RESULT if path.is_dir() else path
    try:
        values = json.loads(place.read_text("utf-8"))
        if (found := values.pop("format", None)) != FORMAT:
            raise ValueError(f"format is {found!r}")
        for name in ("starts", "cells"):
            values[name] = tuple(Outcome(**entry) for entry in values[name])
        return Study(**{f.name: values[f.name] for f in fields(Study)})
    except FileNotFoundError as error:
        raise DataNotFound(
            "no results of a study", where=str(place), remedy="run one with `craft study run`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataMismatch(
            f"not the results of a study, {FORMAT}: {type(error).__name__} {error}",
            where=str(place),
            remedy="name the study.json that `craft study run` wrote",
        ) from error


def _outcome(config: StudyConfig, job: Job, tasks: Mapping[str, list[str]]) -> Outcome:
    folder = job.folder(config.folder)
    spent = seconds_spent(folder / SPENT)
    values: dict[str, Any] = {
        "seed": job.seed,
        "variant": job.label,
        "wall_seconds": sum(entry["wall"] for entry in spent.values()),
        "cpu_seconds": sum(entry["cpu"] for entry in spent.values()),
    }
    if (metrics := folder / "training" / "metrics.jsonl").is_file():
        values |= _training(read_metrics(metrics))
    broken = _json(folder / BROKEN)
    if broken is not None:
        values |= {"error": broken["error"], "attempts": broken["attempts"]}
    done = _json(folder / DONE)
    if done is None:
        for needed in job.needs(config) if broken is None else ():
            above = _json(needed.folder(config.folder) / BROKEN)
            if above is not None and not needed.is_done(config.folder):
                values |= {"error": f"{needed.name} broke: {above['error']}"}
        return Outcome(state="broken" if values.get("error") else "open", **values)
    agent = BEFORE if job.label is None else AFTER
    scores: Scores = {}
    failures = 0
    for panel, ids in tasks.items():
        report = load_report(folder / report_place(panel, agent))
        held = task_scores(report.results)
        scores[panel] = [held.get(task) for task in ids]
        failures += report.errors
    return Outcome(
        state="done",
        scores=scores,
        failures=failures,
        weights=done["weights"],
        craft=done["craft"],
        **values,
    )


def _training(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Curves, diagnostics, tokens out of the rows of metrics."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    curves = ("update", *TRAIN_PANELS)
    further = [
        name
        for name in names
        if name not in curves and not is_wall_clock(name) and not name.startswith(("success/", "parse/"))
    ]
    return {
        "response_tokens": sum(row.get("loss_tokens") or 0 for row in rows),
        "teacher_tokens": sum(row.get("teacher/tokens") or 0 for row in rows),
        "curve": {name: [_rounded(row.get(name)) for row in rows] for name in curves if name in names},
        "diagnostics": {name: mean for name in further if (mean := _mean(rows, name)) is not None},
    }


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    held = [row[name] for row in rows if isinstance(row.get(name), int | float)]
    return _rounded(sum(held) / len(held)) if held else None


def _rounded(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise DataMismatch(
            f"the file is damaged: {error}", where=str(path), remedy="delete the folder it lies in, run again"
        ) from error
