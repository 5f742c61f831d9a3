"""Training curves as PNG files."""

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


def trailing_mean(values: np.ndarray, width: int) -> np.ndarray:
    """[N] mean of each value with up to ``width - 1`` values before it."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
