"""Bootstrap intervals over tasks, for one agent or for a paired difference of two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 10_000
_SEED = 20_000
"""Fixed, so that the same scores always give the same interval."""
_POWER_FACTOR = 1.959964 + 0.841621
"""Normal quantiles for a two-sided test at 5 % with a power of 80 %."""

Values = npt.NDArray[np.float64]


def bootstrap_interval(
    values: Sequence[float], *, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of independent values.

    Tasks are what is resampled: with several seeds per task pass each task's mean over its seeds, so that
    the dependence of repeated episodes of one task does not narrow the interval.

    Returns:
        (low, high); nan for fewer than two values, which tell nothing about their spread.
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    data: Values = np.asarray(values, np.float64)
    rng = np.random.Generator(np.random.Philox(key=_SEED))
    means = np.empty(resamples)
    block = max(1, 2_000_000 // n)
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        means[start:stop] = data[rng.integers(n, size=(stop - start, n))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def detectable_difference(differences: Sequence[float]) -> float:
    """The smallest true mean difference that this many pairs would show with 80 % power at level 95 %.

    Normal approximation from the spread of the observed differences; nan for fewer than two pairs.
    """
    n = len(differences)
    if n < 2:
        return math.nan
    return float(_POWER_FACTOR * np.std(np.asarray(differences, np.float64), ddof=1) / math.sqrt(n))
