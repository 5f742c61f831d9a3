"""The table of a study, as Markdown: the same for the terminal, a file, a README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from craft_envs.data import atomic_write
from craft_rl.report.evaluation import percent, points, points_interval
from craft_rl.study.findings import Finding, conclusion, findings, mean_score
from craft_rl.study.outcome import Outcome, Study

TABLE = "table.md"
HEADINGS = (
    "variant",
    "seeds",
    "score",
    "gain over the start",
    "difference",
    "95 % interval (t)",
    "95 % interval (bootstrap)",
    "p",
    "p (Holm)",
    "s a cell",
    "CPU s",
)

DIAGNOSTICS = {
    "mixed groups": "mixed_groups",
    "invalid steps": "invalid",
    "entropy": "entropy",
    "response tokens": "response_tokens",
    "KL to the start": "reference_kl",
    "gap": "teacher/gap_mean",
    "gate": "teacher/gate_mean",
    "active": "teacher/gate_active",
    "sign c, sign A": "craft/sign_correlation",
    "effective siblings": "craft/ess",
    "lambda": "craft/lambda",
    "undesired": "cringe/undesired",
    "Gini": "arca/gini",
    "corrected": "ibpo/correction_rate",
    "extra tokens": "ibpo/tokens_per_rollout_token",
}
"""Heading -> metric, see the card of metrics; each where some variant has it."""


def study_text(study: Study) -> str:
    """Everything that a reader should know, in Markdown."""
    settings = study.settings["start"]
    train = settings["train"]
    lines = [f"# Study {study.name}, recipe {study.recipe}", "", f"`{study.command}`", ""]
    lines += [
        f"Seeds {', '.join(map(str, study.seeds))}; each has one start that all its variants are trained "
        f"from: {train['updates']} updates of {train['tasks_per_update']} tasks x {train['group_size']} "
        "siblings. All policies are evaluated without skills.",
        "",
    ]
    for panel, about in study.panels.items():
        rows = findings(study, panel)
        lines += [f"## {panel}", "", f"{len(about['tasks'])} tasks, hash `{about['hash']}`.", ""]
        lines += [_line(HEADINGS), _line(["---"] * len(HEADINGS))]
        lines += [_line(_start_row(study, panel)), *(_line(_row(row)) for row in rows)]
        lines += ["", *(f"- {line}" for line in conclusion(study, panel, rows)), ""]
    lines += _diagnostics(study)
    lines += [
        f"Differences are against {study.baseline} in percentage points, paired by task with the same seed. "
        "The t interval treats seeds and tasks as samples (Satterthwaite's degrees of freedom); the "
        "bootstrap resamples both, and is too narrow with few seeds. A difference counts as shown only where "
        "both exclude 0. p values belong to the t interval.",
        "",
    ]
    lines += [_broken(cell) for cell in (*study.starts, *study.cells) if cell.state == "broken"]
    machine = ", ".join(f"{name} {value}" for name, value in study.machine.items())
    total = sum(cell.wall_seconds for cell in (*study.starts, *study.cells))
    cpu = sum(cell.cpu_seconds for cell in (*study.starts, *study.cells))
    lines += [f"{total:,.0f} s of wall time in all jobs together, {cpu:,.0f} CPU s; {machine}.", ""]
    return "\n".join(lines)


def save_table(study: Study, path: Path) -> Path:
    """Write the table; its path."""
    with atomic_write(path, "w") as file:
        file.write(study_text(study))
    return path


def _diagnostics(study: Study) -> list[str]:
    """Means over updates, then over seeds; nothing before any variant has been trained."""
    held = {
        variant: {name: mean for name in DIAGNOSTICS.values() if (mean := _seeds_mean(study, variant, name))}
        for variant in study.variants
    }
    names = [head for head, name in DIAGNOSTICS.items() if any(name in values for values in held.values())]
    if not names:
        return []
    rows = [
        _line([variant, *(values.get(DIAGNOSTICS[name], "") for name in names)])
        for variant, values in held.items()
        if values
    ]
    head = [_line(["variant", *names]), _line(["---"] * (1 + len(names)))]
    return ["## Training, means over updates and seeds", "", *head, *rows, ""]


def _seeds_mean(study: Study, variant: str, name: str) -> str:
    done = [cell for seed in study.seeds if (cell := study.cell(variant, seed)).state == "done"]
    held = [mean for cell in done if (mean := _updates_mean(cell, name)) is not None]
    return f"{np.mean(held):.3g}" if held else ""


def _updates_mean(cell: Outcome, name: str) -> float | None:
    values = [value for value in cell.curve.get(name, ()) if value is not None]
    return float(np.mean(values)) if values else cell.diagnostics.get(name)


def _row(row: Finding) -> list[str]:
    seeds = " ".join(f"{100 * score:.1f}" for score in row.per_seed)
    gain = "" if row.gain is None else f"{points(row.gain.difference)} {_interval(row.gain.interval)}"
    cells = [row.variant, seeds, percent(row.after), gain]
    if row.paired is None:
        cells += ["", "", "", "", ""]
    else:
        found = row.paired
        cells += [points(found.difference), _interval(found.interval), _interval(found.bootstrap)]
        cells += [_chance(found.p), _chance(row.p_holm)]
    return [*cells, f"{row.wall_seconds:,.0f}", f"{row.cpu_seconds:,.0f}"]


def _interval(interval: tuple[float, float]) -> str:
    return "" if math.isnan(interval[0]) else points_interval(interval)


def _chance(p: float) -> str:
    if math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _broken(cell: Outcome) -> str:
    what = cell.variant or "the start"
    return f"- Broken: {what} with seed {cell.seed}, attempts {cell.attempts}: {cell.error}\n"


def _start_row(study: Study, panel: str) -> list[str]:
    """The cloned policies that everything begins with."""
    done = [start for start in study.starts if start.state == "done"]
    if not done:
        return ["(cloned start)", *[""] * (len(HEADINGS) - 1)]
    means = [mean_score(start, panel) for start in done]
    seeds = " ".join(f"{100 * score:.1f}" for score in means)
    wall = float(np.mean([start.wall_seconds for start in done]))
    cpu = float(np.mean([start.cpu_seconds for start in done]))
    return ["(cloned start)", seeds, percent(float(np.mean(means))), *[""] * 6, f"{wall:,.0f}", f"{cpu:,.0f}"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
