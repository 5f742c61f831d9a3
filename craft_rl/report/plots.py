"""Training curves, figures of the cards as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from craft_envs.errors import ConfigError

TRAIN_PANELS = ("success", "entropy", "invalid", "steps", "mixed_groups", "grad_norm")
"""Metrics of the default figure of a training run."""
SFT_PANELS = ("loss", "accuracy")
"""Metrics of the default figure of a cloning run."""


def plot_curves(
    rows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    x: str = "update",
    panels: Sequence[str] = TRAIN_PANELS,
    smooth: int = 10,
) -> None:
    """One small chart per metric: each value faint, the trailing mean over ``smooth`` rows strong.

    Args:
        rows: metrics, one mapping per update.
        path: PNG file to write.
        x: metric of the horizontal axis.
        panels: metrics to draw; those that no row carries are left out.
        smooth: rows of the trailing mean.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib is not installed", remedy="pip install matplotlib") from error
    drawn = [name for name in panels if any(row.get(name) is not None for row in rows)]
    columns = min(3, max(len(drawn), 1))
    lines = max(-(-len(drawn) // columns), 1)
    figure = Figure(figsize=(4.2 * columns, 2.8 * lines), layout="constrained")
    for index, name in enumerate(drawn):
        points = [(row[x], row[name]) for row in rows if row.get(name) is not None]
        xs, ys = (np.asarray(values, dtype=np.float64) for values in zip(*points, strict=True))
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.plot(xs, ys, color="tab:blue", alpha=0.3, linewidth=1)
        axes.plot(xs, trailing_mean(ys, smooth), color="tab:blue", linewidth=1.6)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(x, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format="png")


def plot_concentration(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Gini coefficient beside effective share of tokens over the rank, a line for each scheme, a row a unit.

    Args:
        rows: from ``craft_rl.concentration.summary``.
        path: PNG file to write.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib is not installed", remedy="pip install matplotlib") from error
    units = list(dict.fromkeys(row["per"] for row in rows))
    ranks = sorted({row["rank"] for row in rows})
    colours = {scheme: f"C{n}" for n, scheme in enumerate(dict.fromkeys(row["scheme"] for row in rows))}
    lines: dict[str, Any] = {}
    shown = {"gini": "Gini(w)", "effective_tokens": "effective tokens / T"}
    figure = Figure(figsize=(9.0, 3.2 * len(units)), layout="constrained")
    for line, per in enumerate(units):
        for column, (name, title) in enumerate(shown.items()):
            axes = figure.add_subplot(len(units), 2, 2 * line + column + 1)
            for scheme in dict.fromkeys(row["scheme"] for row in rows if row["per"] == per):
                kept = [row for row in rows if row["per"] == per and row["scheme"] == scheme]
                middle = np.array([row[name] for row in kept])
                reach = [
                    middle - [row[f"{name}_least"] for row in kept],
                    [row[f"{name}_most"] for row in kept] - middle,
                ]
                lines[scheme] = axes.errorbar(
                    [ranks.index(row["rank"]) for row in kept],
                    middle,
                    yerr=np.maximum(reach, 0.0),
                    marker="o",
                    capsize=3,
                    linewidth=2.2 if scheme == "arca" else 1.2,
                    color=colours[scheme],
                )
            axes.set_xticks(range(len(ranks)), [str(rank) for rank in ranks])
            axes.set_ylim(-0.03, 1.03)
            axes.set_title(f"{title}, per {per}", fontsize=10)
            axes.set_xlabel("rank", fontsize=8)
            axes.tick_params(labelsize=8)
            axes.grid(alpha=0.25)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=5, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format="png")


def trailing_mean(values: np.ndarray, width: int) -> np.ndarray:
    """[N] mean of each value with up to ``width - 1`` values before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
