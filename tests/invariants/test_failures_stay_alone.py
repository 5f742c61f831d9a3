"""Invariant 7: a failed sibling changes nothing but the documented statistics of its group."""

from __future__ import annotations

import numpy as np

from craft_rl.grading import grade
from craft_rl.types import Group, TrajectoryStatus
from tests.rl.tiny_training import made_group, made_trajectory, tiny_config


def with_failure(group: Group, sibling: int) -> Group:
    """The same group, one sibling broken."""
    broken = made_trajectory(group.group_id, sibling, 1.0, status=TrajectoryStatus.error_env)
    return Group(
        group_id=group.group_id,
        trajectories=tuple(broken if t.sibling == sibling else t for t in group.trajectories),
    )


def test_the_failure_is_as_if_it_had_not_been_played():
    a, b = made_group("a", [1, 0, 0, 1, 0]), made_group("b", [0, 0, 1, 0])
    config = tiny_config()
    broken = grade([with_failure(a, 4), b], config)
    without = grade([Group(group_id="a", trajectories=a.trajectories[:4]), b], config)
    assert broken.excluded_failures == 1
    assert "a/4" not in broken.advantages
    assert broken.advantages.keys() == without.advantages.keys()
    for name, values in without.advantages.items():
        assert np.array_equal(broken.advantages[name], values)


def test_other_groups_do_not_notice():
    a, b = made_group("a", [1, 0, 0, 1]), made_group("b", [0, 0, 1, 0])
    whole, broken = grade([a, b], tiny_config()), grade([with_failure(a, 0), b], tiny_config())
    for sibling in range(4):
        assert np.array_equal(whole.advantages[f"b/{sibling}"], broken.advantages[f"b/{sibling}"])


def test_a_last_survivor_gets_no_advantage():
    group = made_group("a", [1, 0])
    graded = grade([with_failure(group, 1)], tiny_config())
    assert not graded.advantages["a/0"].any()
    assert graded.level_groups == {"a"}


def test_nothing_but_failures():
    group = with_failure(with_failure(made_group("a", [1, 0]), 0), 1)
    graded = grade([group], tiny_config())
    assert graded.trajectories == ()
    assert graded.excluded_failures == 2
