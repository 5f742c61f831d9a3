"""Differences measured on seeds crossed with tasks: how sure their mean is, what would make it surer.

Model: ``d[s, i] = mean + a[s] + b[i] + e[s, i]`` with independent effects of the training seed, of the task,
and a rest. The components come from the two-way analysis of variance (one observation a cell); with mean
squares ``A`` over seeds, ``B`` over tasks, ``E`` of the rest, ``(A + B - E) / (S N)`` estimates the variance
of the mean; a negative component counts as 0. Satterthwaite's approximation (Biometrics Bulletin 2, 1946)
gives its degrees of freedom, so that three seeds count as three, not as six hundred episodes. The bootstrap
resamples seeds as well as tasks (A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics,
2007); with few seeds it is too narrow, so a difference counts as shown only where both intervals exclude 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from craft_rl.statistics import LEVEL, RESAMPLES

POWER = 0.8
"""Share of studies that should show a true difference."""
MOST_SEEDS = 200
MOST_TASKS = 1_000_000
_SEED = 30_000
"""Fixed, so that the same scores always give the same interval."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """The mean of a table of differences, with what is known about its error.

    Example: three seeds with 204 tasks: ``difference=0.06, bootstrap=(0.01, 0.11), interval=(-0.05, 0.17)``.
    """

    seeds: int
    tasks: int
    difference: float
    """Mean over seeds and tasks."""
    per_seed: tuple[float, ...]
    """Mean over tasks, a seed."""
    bootstrap: tuple[float, float]
    """95 % percentile bootstrap interval, clustered over seeds and tasks; over tasks alone for one seed."""
    interval: tuple[float, float]
    """95 % interval by Student's t with Satterthwaite's degrees of freedom."""
    p: float
    """Two-sided p value to that interval; nan where nothing varies."""
    seed_variance: float
    """Variance of the seeds' effects, at least 0; nan for one seed, which tells nothing about it."""
    task_variance: float
    """Variance of the tasks' effects, at least 0."""
    rest_variance: float
    """Variance of what neither explains; for one seed it is part of ``task_variance``."""

    @property
    def shown(self) -> bool:
        """Both intervals exclude 0 on the same side, over at least two seeds."""
        lows, highs = zip(self.bootstrap, self.interval, strict=True)
        return self.seeds > 1 and (min(lows) > 0 or max(highs) < 0)


def crossed(differences: Sequence[Sequence[float]] | Matrix) -> Crossed:
    """Mean and intervals of ``differences`` [S, N], a row a seed, a column a task.

    Raises:
        ValueError: no seed, no task, or rows of unequal length.
    """
    table = np.asarray(differences, np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"differences have shape {table.shape}, wanted is [seeds, tasks]")
    seeds, tasks = table.shape
    mean = float(table.mean())
    by_seed, by_task = table.mean(axis=1), table.mean(axis=0)
    square_seed = tasks * _spread(by_seed)
    square_task = seeds * _spread(by_task)
    if seeds == 1:
        rest, seed_variance, task_variance = 0.0, math.nan, square_task
    elif tasks == 1:
        rest, seed_variance, task_variance = 0.0, square_seed, math.nan
    else:
        left = table - by_seed[:, None] - by_task[None, :] + mean
        rest = float((left**2).sum() / ((seeds - 1) * (tasks - 1)))
        seed_variance = max(0.0, (square_seed - rest) / tasks)
        task_variance = max(0.0, (square_task - rest) / seeds)
    error, freedom = _error(seed_variance, task_variance, rest, seeds, tasks)
    interval, p = _student(mean, error, freedom)
    return Crossed(
        seeds=seeds,
        tasks=tasks,
        difference=mean,
        per_seed=tuple(by_seed.tolist()),
        bootstrap=pigeonhole(table),
        interval=interval,
        p=p,
        seed_variance=seed_variance,
        task_variance=task_variance,
        rest_variance=rest,
    )


def pigeonhole(table: Matrix, *, level: float = LEVEL, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Percentile interval of the mean of ``table`` [S, N] when seeds and tasks are drawn anew, independently.

    Returns:
        (low, high); nan for a single value.
    """
    seeds, tasks = table.shape
    if table.size < 2:
        return math.nan, math.nan
    rng = np.random.Generator(np.random.Philox(key=_SEED))
    means = np.empty(resamples)
    block = max(1, 2_000_000 // tasks)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        of_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds
        of_task = rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=count) / tasks
        means[start : start + count] = np.einsum("rs,rs->r", of_seed, of_task @ table.T)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def power(found: Crossed, difference: float, *, seeds: int, tasks: int) -> float:
    """Chance that ``interval`` excludes 0 when the true mean is ``difference``, with the spread of ``found``.

    Args:
        found: what the variances are taken from; a study of one seed knows no variance of seeds.
        difference: true mean, in the scores' own unit.
        seeds: of the imagined study.
        tasks: of the imagined study.

    Returns:
        A share from noncentral t; nan where ``found`` has one seed.
    """
    from scipy import special

    if math.isnan(found.seed_variance) or math.isnan(found.task_variance):
        return math.nan
    error, freedom = _error(found.seed_variance, found.task_variance, found.rest_variance, seeds, tasks)
    if error == 0:
        return float(difference != 0)
    bound = special.stdtrit(freedom, (1 + LEVEL) / 2)
    away = abs(difference) / error
    if away > 30:  # beyond this the noncentral distribution underflows; the chance is 1
        return 1.0
    above = 1 - special.nctdtr(freedom, away, bound)
    return float(above + special.nctdtr(freedom, away, -bound))


def seeds_needed(found: Crossed, difference: float) -> int | None:
    """Fewest seeds on these tasks that show ``difference`` with 80 % power; None beyond ``MOST_SEEDS``."""
    return _fewest(lambda n: power(found, difference, seeds=n, tasks=found.tasks), MOST_SEEDS, least=2)


def tasks_needed(found: Crossed, difference: float) -> int | None:
    """Fewest tasks with these seeds that show ``difference`` with 80 % power; None beyond ``MOST_TASKS``."""
    return _fewest(lambda n: power(found, difference, seeds=found.seeds, tasks=n), MOST_TASKS, least=2)


def detectable(found: Crossed) -> float:
    """The true difference that this very design would show with 80 % power; nan for one seed."""
    low, high = 0.0, 1e-3
    if math.isnan(power(found, high, seeds=found.seeds, tasks=found.tasks)):
        return math.nan
    while power(found, high, seeds=found.seeds, tasks=found.tasks) < POWER and high < 1e3:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        if power(found, middle, seeds=found.seeds, tasks=found.tasks) < POWER:
            low = middle
        else:
            high = middle
    return high


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for being several (S. Holm, 1979); nan stays, and does not count."""
    known = sorted((value, index) for index, value in enumerate(values) if not math.isnan(value))
    out, largest = list(values), 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        out[index] = largest
    return out


def _error(
    seed_variance: float, task_variance: float, rest: float, seeds: int, tasks: int
) -> tuple[float, float]:
    """Standard error of the mean, its degrees of freedom, from components as expected mean squares."""
    if seeds == 1 or tasks == 1:
        count, variance = (tasks, task_variance) if seeds == 1 else (seeds, seed_variance)
        return (math.sqrt(variance / count), count - 1.0) if count > 1 else (math.nan, math.nan)
    a, b = rest + tasks * seed_variance, rest + seeds * task_variance
    total = a + b - rest
    if total == 0:
        return 0.0, seeds - 1.0
    parts = a**2 / (seeds - 1) + b**2 / (tasks - 1) + rest**2 / ((seeds - 1) * (tasks - 1))
    return math.sqrt(total / (seeds * tasks)), max(1.0, total**2 / parts)


def _student(mean: float, error: float, freedom: float) -> tuple[tuple[float, float], float]:
    from scipy import special

    if math.isnan(error):
        return (math.nan, math.nan), math.nan
    if error == 0:
        return (mean, mean), math.nan
    reach = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return (mean - reach, mean + reach), float(2 * special.stdtr(freedom, -abs(mean) / error))


def _spread(values: Matrix) -> float:
    return float(np.var(values, ddof=1)) if len(values) > 1 else 0.0


def _fewest(chance: object, most: int, *, least: int) -> int | None:
    """The smallest number from ``least`` to ``most`` at which a rising chance reaches ``POWER``."""
    assert callable(chance)
    if not chance(most) >= POWER:
        return None
    low, high = least - 1, least
    while chance(high) < POWER:
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= POWER else (middle, high)
    return high
