"""What the intervals of a study support, in numbers as well as in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from craft_rl.study.crossed import Crossed, crossed, detectable, holm, seeds_needed, tasks_needed
from craft_rl.study.outcome import Outcome, Study

ASKED = 0.05
"""Difference whose price in seeds and tasks is always told: five points."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One variant on one panel."""

    panel: str
    variant: str
    seeds: tuple[int, ...]
    """Seeds that it finished."""
    before: float
    """Mean score of their starts."""
    after: float
    """Mean score over seeds and tasks."""
    per_seed: tuple[float, ...]
    gain: Crossed | None
    """Against its own starts."""
    paired: Crossed | None
    """Against the baseline, task by task with the same seed; none for the baseline, or without a pair."""
    left_out: int
    """Tasks without a score on either side for some seed."""
    p_holm: float
    """p value of ``paired`` corrected for the number of variants; nan where there is none."""
    wall_seconds: float
    """Mean of a cell."""
    cpu_seconds: float
    response_tokens: float

    @property
    def shown(self) -> bool:
        """The intervals support a difference from the baseline."""
        return self.paired is not None and self.paired.shown


def findings(study: Study, panel: str) -> list[Finding]:
    """One entry a variant that has finished some seed, in configured order."""
    rows = []
    for variant in study.variants:
        seeds = [s for s in study.seeds if study.cell(variant, s).state == "done"]
        if not seeds:
            continue
        cells = [study.cell(variant, seed) for seed in seeds]
        gain, _ = _paired(panel, [(study.cell(None, c.seed), c) for c in cells])
        pairs = [(study.cell(study.baseline, c.seed), c) for c in cells]
        pairs = [(a, b) for a, b in pairs if a.state == "done"]
        paired, left_out = (None, 0) if variant == study.baseline else _paired(panel, pairs)
        per_seed = tuple(mean_score(cell, panel) for cell in cells)
        rows.append(
            Finding(
                panel=panel,
                variant=variant,
                seeds=tuple(seeds),
                before=float(np.mean([mean_score(study.cell(None, seed), panel) for seed in seeds])),
                after=float(np.mean(per_seed)),
                per_seed=per_seed,
                gain=gain,
                paired=paired,
                left_out=left_out,
                p_holm=math.nan,
                wall_seconds=float(np.mean([cell.wall_seconds for cell in cells])),
                cpu_seconds=float(np.mean([cell.cpu_seconds for cell in cells])),
                response_tokens=float(np.mean([cell.response_tokens for cell in cells])),
            )
        )
    return _corrected(rows)


def conclusion(study: Study, panel: str, rows: Sequence[Finding] | None = None) -> list[str]:
    """Sentences that claim no more than the intervals do."""
    rows = findings(study, panel) if rows is None else rows
    lines = []
    broken, left = study.count("broken"), study.count("open")
    if broken or left:
        lines.append(
            f"Incomplete: {study.count('done')} of {len(study.cells)} cells are done, {broken} broke, {left} "
            "have not run. Each comparison uses the seeds that both sides have finished."
        )
    paired = [row for row in rows if row.paired is not None]
    if not paired:
        return [*lines, f"Nothing can be compared with {study.baseline} yet."]
    if max(len(_known(row).per_seed) for row in paired) < 2:
        lines.append("One seed says nothing about how much training varies: no difference counts as shown.")
    for up, word in ((True, "better"), (False, "worse")):
        shown = [row for row in paired if row.shown and (_known(row).difference > 0) == up]
        if shown:
            lines.append(f"Intervals support {word} than {study.baseline}: {', '.join(map(_told, shown))}.")
    weak = [row.variant for row in paired if row.shown and not row.p_holm < 0.05]
    if weak:
        lines.append(f"Not after Holm's correction for {len(paired)} comparisons: {', '.join(weak)}.")
    rest = [row for row in paired if not row.shown]
    if rest:
        lines.append(
            f"Undecided against {study.baseline}: {', '.join(map(_told, rest))}. These intervals include 0, "
            "which is no proof of equality."
        )
    if len(rest) == len(paired):
        lines.append(f"No variant separates from {study.baseline} on {panel}.")
    lines += [line for row in rest if (line := power_line(row))]
    return lines


def power_line(row: Finding) -> str:
    """What it would take to tell this variant from the baseline; empty where one seed cannot say."""
    found = _known(row)
    least = detectable(found)
    if math.isnan(least) or found.rest_variance == found.seed_variance == found.task_variance == 0:
        return ""
    text = (
        f"{row.variant}: {found.seeds} seeds x {found.tasks} tasks of this spread show a true difference of "
        f"{100 * least:.1f} points four times out of five; {_price(found, ASKED)}"
    )
    observed = abs(found.difference)
    return text + (f"; {_price(found, observed)}, were it the true one." if observed >= 0.005 else ".")


def _price(found: Crossed, difference: float) -> str:
    seeds, tasks = seeds_needed(found, difference), tasks_needed(found, difference)
    by_seeds = f"{seeds} seeds on these tasks" if seeds else "no number of seeds up to 200 on these tasks"
    by_tasks = f"{tasks:,} tasks with these seeds" if tasks else "no number of tasks with these seeds"
    return f"{100 * difference:.1f} points would take {by_seeds}, or {by_tasks}"


def _told(row: Finding) -> str:
    found = _known(row)
    low, high = found.interval
    text = f"{row.variant} {100 * found.difference:+.1f} points"
    if math.isnan(low):
        return text
    return f"{text} ({100 * low:+.1f} to {100 * high:+.1f})"


def _known(row: Finding) -> Crossed:
    assert row.paired is not None
    return row.paired


def _paired(panel: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> tuple[Crossed | None, int]:
    """B minus A over the tasks that all of them have scored, with the number of the others."""
    if not pairs:
        return None, 0
    table = np.array([_scores(b, panel) - _scores(a, panel) for a, b in pairs])
    whole = ~np.isnan(table).any(axis=0)
    if not whole.any():
        return None, len(whole)
    return crossed(table[:, whole]), int((~whole).sum())


def _scores(cell: Outcome, panel: str) -> np.ndarray:
    return np.array([math.nan if s is None else s for s in cell.scores[panel]], np.float64)


def mean_score(cell: Outcome, panel: str) -> float:
    """Mean over the panel's tasks that have a score; nan where none has."""
    scores = _scores(cell, panel)
    held = scores[~np.isnan(scores)]
    return float(held.mean()) if len(held) else math.nan


def _corrected(rows: list[Finding]) -> list[Finding]:
    corrected = holm([row.paired.p if row.paired else math.nan for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]
