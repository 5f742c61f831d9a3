"""Intervals over seeds crossed with tasks: their coverage, their power, hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from craft_rl.study import crossed as room
from craft_rl.study.crossed import crossed, detectable, holm, power, seeds_needed, tasks_needed


def made(seeds: int, tasks: int, *, mean: float, sd: tuple[float, float, float], key: int) -> np.ndarray:
    """Differences with known effects of seed, task, rest."""
    rng = np.random.Generator(np.random.Philox(key=key))
    of_seed, of_task = rng.normal(0, sd[0], (seeds, 1)), rng.normal(0, sd[1], (1, tasks))
    return mean + of_seed + of_task + rng.normal(0, sd[2], (seeds, tasks))


@pytest.fixture
def without_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of resamples would be drawn for nothing."""
    monkeypatch.setattr(room, "pigeonhole", lambda table: (math.nan, math.nan))


def test_components_are_found():
    found = crossed(made(60, 400, mean=0.1, sd=(0.05, 0.2, 0.4), key=1))
    assert found.difference == pytest.approx(0.1, abs=0.05)
    assert math.sqrt(found.seed_variance) == pytest.approx(0.05, rel=0.25)
    assert math.sqrt(found.task_variance) == pytest.approx(0.2, rel=0.1)
    assert math.sqrt(found.rest_variance) == pytest.approx(0.4, rel=0.02)
    assert np.mean(found.per_seed) == pytest.approx(found.difference)


@pytest.mark.parametrize("sd", [(0.06, 0.1, 0.4), (0.0, 0.2, 0.4), (0.2, 0.0, 0.1), (0.0, 0.0, 0.4)])
def test_the_t_interval_covers_with_three_seeds(
    sd: tuple[float, float, float], without_bootstrap: None
) -> None:
    held = 0
    for key in range(400):
        low, high = crossed(made(3, 60, mean=0.03, sd=sd, key=key)).interval
        held += low <= 0.03 <= high
    assert held / 400 > 0.93  # 0.95 with a standard error of 0.011


def test_three_seeds_are_not_six_hundred_episodes():
    """All three seeds are above 0 by chance of the seeds alone: no number of tasks makes that sure."""
    table = np.array([[0.02], [0.09], [0.05]]) + np.zeros((3, 400))
    found = crossed(table)
    assert found.bootstrap[0] > 0 > found.interval[0]
    assert not found.shown


def test_one_seed_shows_nothing():
    found = crossed(made(1, 300, mean=0.5, sd=(0.0, 0.1, 0.0), key=3))
    assert found.interval[0] > 0 and not found.shown and math.isnan(found.seed_variance)
    assert math.isnan(detectable(found)) and math.isnan(power(found, 0.5, seeds=3, tasks=300))


def test_a_clear_difference_is_shown():
    assert crossed(made(3, 200, mean=0.3, sd=(0.01, 0.1, 0.3), key=4)).shown
    assert crossed(-made(3, 200, mean=0.3, sd=(0.01, 0.1, 0.3), key=4)).shown


def test_no_difference_at_all():
    found = crossed(np.zeros((3, 20)))
    assert found.interval == found.bootstrap == (0.0, 0.0) and math.isnan(found.p) and not found.shown


def test_a_single_value_knows_no_error():
    found = crossed([[0.4]])
    assert all(map(math.isnan, (*found.interval, *found.bootstrap, found.p)))


@pytest.mark.parametrize("table", [[], [[]], [0.1, 0.2]])
def test_what_is_no_table(table):
    with pytest.raises(ValueError, match="wanted"):
        crossed(table)


def test_power_agrees_with_simulation(without_bootstrap: None):
    sd = (0.05, 0.15, 0.4)
    found = crossed(made(300, 300, mean=0.0, sd=sd, key=5))
    seen = 0
    for key in range(400):
        low, high = crossed(made(6, 80, mean=0.1, sd=sd, key=10_000 + key)).interval
        seen += not low <= 0 <= high
    assert seen / 400 == pytest.approx(power(found, 0.1, seeds=6, tasks=80), abs=0.08)


def test_what_would_be_needed():
    found = crossed(made(3, 200, mean=0.02, sd=(0.03, 0.1, 0.4), key=6))
    seeds = seeds_needed(found, 0.05)
    assert seeds is not None
    assert power(found, 0.05, seeds=seeds, tasks=200) >= 0.8 > power(found, 0.05, seeds=seeds - 1, tasks=200)
    tasks = tasks_needed(found, 0.2)
    assert tasks is not None
    assert power(found, 0.2, seeds=3, tasks=tasks) >= 0.8
    assert tasks == 2 or power(found, 0.2, seeds=3, tasks=tasks - 1) < 0.8
    # What the seeds vary cannot be averaged away over tasks, nor the other way round.
    wide = crossed(made(3, 200, mean=0.0, sd=(0.3, 0.0, 0.1), key=7))
    assert tasks_needed(wide, 0.05) is None
    assert seeds_needed(wide, 0.0001) is None
    assert power(found, detectable(found), seeds=3, tasks=200) == pytest.approx(0.8, abs=1e-3)


def test_holm():
    assert holm([0.01, math.nan, 0.04, 0.03]) == pytest.approx([0.03, math.nan, 0.06, 0.06], nan_ok=True)
