"""The figures of a study: training curves with the band of their seeds, differences with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from craft_envs.errors import ConfigError
from craft_rl.report.plots import trailing_mean
from craft_rl.study.findings import findings
from craft_rl.study.outcome import Study

CURVES, DIFFERENCES = "curves.png", "differences.png"


def plot_study(study: Study, folder: Path, *, smooth: int = 5) -> list[Path]:
    """Draw both figures into a folder.

    Args:
        study: at least one cell must have trained for the curves, one pair be finished for the differences; a
            figure without anything to show is not drawn.
        folder: made when absent.
        smooth: updates of the trailing mean.

    Returns:
        The files.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib is not installed", remedy="pip install matplotlib") from error
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, drawn in ((CURVES, _curves(Figure, study, smooth)), (DIFFERENCES, _forest(Figure, study))):
        if drawn is not None:
            drawn.savefig(folder / name, dpi=120, format="png")
            files.append(folder / name)
    return files


def _curves(figure_type: Any, study: Study, smooth: int) -> Any:
    """Training success: the mean over seeds strong, from the lowest to the highest seed as a band."""
    figure = figure_type(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    drawn = False
    for index, variant in enumerate(study.variants):
        runs = [study.cell(variant, seed).curve for seed in study.seeds]
        held = [run["success"] for run in runs if run.get("success")]
        if not held:
            continue
        length = min(map(len, held))
        table = np.array([trailing_mean(np.asarray(run[:length], np.float64), smooth) for run in held])
        updates = np.arange(1, length + 1)
        colour = f"C{index % 10}"
        axes.fill_between(
            updates, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.12, linewidth=0
        )
        style = "-" if index < 10 else "--"
        label = f"{variant} ({len(held)} seeds)"
        axes.plot(updates, table.mean(axis=0), style, color=colour, linewidth=1.6, label=label)
        drawn = True
    axes.set_xlabel("update")
    axes.set_ylabel(f"success in training, mean of {smooth} updates")
    axes.set_title(f"{study.name}, {study.recipe}: mean over seeds, band from lowest to highest", fontsize=10)
    axes.grid(alpha=0.25)
    if not drawn:
        return None
    axes.legend(fontsize=8)
    return figure


def _forest(figure_type: Any, study: Study) -> Any:
    """Each variant's difference from the baseline: both intervals, the single seeds as dots."""
    panels = {name: [row for row in findings(study, name) if row.paired is not None] for name in study.panels}
    most = max(map(len, panels.values()))
    if not most:
        return None
    figure = figure_type(figsize=(5.2 * len(panels) + 1.5, 1.4 + 0.45 * most), layout="constrained")
    for index, (panel, rows) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), index + 1)
        axes.axvline(0, color="0.4", linewidth=1)
        for place, row in enumerate(rows):
            found = row.paired
            assert found is not None
            y = len(rows) - place
            colour = "tab:blue" if row.shown else "0.45"
            axes.plot(100 * np.array(found.interval), [y, y], color=colour, linewidth=1.2)
            axes.plot(100 * np.array(found.bootstrap), [y, y], color=colour, linewidth=4, alpha=0.5)
            axes.plot([100 * found.difference], [y], "o", color=colour, markersize=6)
            dots = [100 * value for value in found.per_seed]
            axes.plot(dots, [y - 0.22] * len(dots), ".", color="0.3", markersize=4)
        axes.set_yticks([len(rows) - i for i in range(len(rows))], [row.variant for row in rows])
        axes.set_ylim(0.3, len(rows) + 0.7)
        axes.set_xlabel(
            f"points above {study.baseline}; thin: t interval, thick: bootstrap, dots: seeds", fontsize=8
        )
        axes.set_title(panel, fontsize=10)
        axes.grid(alpha=0.25, axis="x")
    return figure
