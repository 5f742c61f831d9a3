"""Numbers that describe the trajectories of one update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from craft_rl.types import Group, ParseOutcome, Trajectory

WALL_CLOCK = ("seconds", "tokens_per_second")
"""Prefixes of the metrics that depend on the machine; all others repeat with the seed."""


def is_wall_clock(name: str) -> bool:
    """Whether a metric depends on the machine's speed."""
    return name.split("/")[-1].startswith(WALL_CLOCK) or name.startswith(WALL_CLOCK)


def trajectory_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Success, validity, lengths over the trajectories that did not break.

    Returns:
        ``success`` share of solved episodes, ``return`` mean sum of rewards, ``score`` mean benchmark score,
        ``steps`` mean episode length, ``invalid`` share of steps without a usable action, ``parse/<outcome>``
        shares of steps, ``response_tokens`` mean per step, ``cut_off_context`` share of episodes that outgrew
        the model, ``mixed_groups`` share of groups with both outcomes, ``errors`` number of broken episodes.
    """
    every = [t for g in groups for t in g.trajectories]
    whole = [t for t in every if t.status.is_trainable]
    steps = [s for t in whole for s in t.steps]
    metrics = {
        "episodes": float(len(every)),
        "errors": float(len(every) - len(whole)),
        "success": _mean([t.success for t in whole]),
        "return": _mean([t.return_ for t in whole]),
        "score": _mean([t.score for t in whole]),
        "steps": _mean([len(t.steps) for t in whole]),
        "invalid": _mean([not s.action_valid for s in steps]),
        "response_tokens": _mean([len(s.completion_ids) for s in steps]),
        "cut_off_context": _mean([t.status == "truncated_context" for t in whole]),
        "mixed_groups": _mean([is_mixed(g) for g in groups]),
    }
    outcomes = Counter(s.parse for s in steps)
    for outcome in ParseOutcome:
        metrics[f"parse/{outcome.value}"] = outcomes[outcome] / max(len(steps), 1)
    return metrics


def per_type_success(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """``success/<task type>`` over the trajectories that did not break."""
    by_type: dict[str, list[bool]] = {}
    for trajectory in trajectories:
        if trajectory.status.is_trainable:
            by_type.setdefault(trajectory.task_type, []).append(trajectory.success)
    return {f"success/{name}": _mean(values) for name, values in sorted(by_type.items())}


def is_mixed(group: Group) -> bool:
    """Some siblings solved the task, others did not."""
    outcomes = {t.success for t in group.trajectories if t.status.is_trainable}
    return len(outcomes) == 2


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
