"""compare: the difference of two evaluations on the same tasks, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from craft_envs.errors import ConfigError, shown
from craft_rl.statistics import bootstrap_interval, detectable_difference
from craft_rl.types import EvalReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Agent B minus agent A, task by task.

    Example: ``difference=0.12, interval=(0.05, 0.19)`` over 134 tasks: B is better.
    """

    agent_a: str
    agent_b: str
    panel: str
    panel_hash: str
    tasks: int
    """Tasks that both sides have scored."""
    episodes: int
    """Pairs of episodes (task, seed) behind them."""
    left_out: int
    """Pairs in which at least one side broke; they say nothing about either agent."""
    mean_a: float
    mean_b: float
    difference: float
    """Mean of B minus mean of A over the paired tasks."""
    interval: tuple[float, float]
    """95 % paired bootstrap interval over tasks."""
    better: int
    """Tasks on which B scored higher."""
    worse: int
    """Tasks on which B scored lower."""
    detectable: float
    """True difference that a panel of this size, with this spread, would show four times out of five."""
    per_type: Mapping[str, tuple[float, int]]
    """Task type -> (mean difference, tasks)."""
    differing: Mapping[str, tuple[Any, Any]]
    """Settings in which the two evaluations differ: prompt, decoding, step limit."""

    @property
    def conclusive(self) -> bool:
        """The interval excludes 0."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def verdict(self) -> str:
        """One sentence in words."""
        return self.verdict_on("B")

    def verdict_on(self, name: str) -> str:
        """The verdict with ``name`` for agent B."""
        if math.isnan(self.interval[0]):
            return f"Too small to tell: {self.tasks} paired tasks say nothing about the spread."
        if self.conclusive:
            word = "better" if self.difference > 0 else "worse"
            return f"{name} is {word}: the interval excludes 0."
        if self.better == self.worse == 0:
            return f"No difference on any of the {self.tasks} tasks."
        return (
            f"Too small to tell: the interval includes 0. With {self.tasks} tasks of this spread, a "
            f"difference of about {100 * self.detectable:.1f} points would show four times out of five."
        )


def compare(a: EvalReport, b: EvalReport, *, across_skills: bool = False) -> Comparison:
    """Pair two reports on the same panel by task and seed.

    A task's difference is the mean over the seeds that both sides scored; the bootstrap resamples tasks.

    Args:
        a: of the baseline.
        b: of the other agent.
        across_skills: allow prompts with skills on one side alone: what is compared then is text, not
            policies.

    Raises:
        ConfigError: the reports are of different panels or data, or share no scored episode; one is with
            skills in the prompts, the other without or with others.
    """
    if dict(a.skills) != dict(b.skills) and not across_skills:
        raise ConfigError(
            "one policy read skills in its prompts, the other did not read the same",
            where=f"{a.agent}: {_in_words(a.skills)}; {b.agent}: {_in_words(b.skills)}",
            remedy="evaluate both without skills; craft skills lead measures what skills change",
        )
    for name, left, right in (
        ("environment", a.env_id, b.env_id),
        ("panel hash", a.panel_hash, b.panel_hash),
        ("data hash", a.data_hash, b.data_hash),
    ):
        if left != right:
            raise ConfigError(
                f"the reports cannot be paired: {name} {shown(left)} against {shown(right)}",
                where=f"{a.agent} on {a.panel}, {b.agent} on {b.panel}",
                remedy="evaluate both agents on the same panel with the same data",
            )
    left_rows = {(row.task_id, row.seed): row for row in a.results}
    right_rows = {(row.task_id, row.seed): row for row in b.results}
    shared = [key for key in left_rows if key in right_rows]
    pairs = [k for k in shared if left_rows[k].status.is_scored and right_rows[k].status.is_scored]
    if not pairs:
        raise ConfigError(
            f"no episode is scored in both reports ({len(shared)} of {len(left_rows)} are in both)",
            where=f"{a.agent} on {a.panel}, {b.agent} on {b.panel}",
            remedy="evaluate both agents with the same --seeds",
        )
    scores: dict[str, list[tuple[float, float]]] = {}
    for key in pairs:
        scores.setdefault(key[0], []).append((left_rows[key].score, right_rows[key].score))
    means = np.array([np.mean(values, axis=0) for values in scores.values()])
    differences = means[:, 1] - means[:, 0]
    types: dict[str, list[float]] = {}
    type_of = {row.task_id: row.task_type for row in a.results}
    for task_id, difference in zip(scores, differences.tolist(), strict=True):
        types.setdefault(type_of[task_id], []).append(difference)
    return Comparison(
        agent_a=a.agent,
        agent_b=b.agent,
        panel=a.panel,
        panel_hash=a.panel_hash,
        tasks=len(scores),
        episodes=len(pairs),
        left_out=len(shared) - len(pairs),
        mean_a=float(means[:, 0].mean()),
        mean_b=float(means[:, 1].mean()),
        difference=float(differences.mean()),
        interval=bootstrap_interval(differences.tolist()),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        detectable=detectable_difference(differences.tolist()),
        per_type={name: (float(np.mean(types[name])), len(types[name])) for name in sorted(types)},
        differing=_differing(a, b),
    )


def _in_words(skills: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in skills.items()) or "no skills"


def _differing(a: EvalReport, b: EvalReport) -> dict[str, tuple[Any, Any]]:
    left: dict[str, Any] = {"prompt_version": a.prompt_version, **a.decoding}
    right: dict[str, Any] = {"prompt_version": b.prompt_version, **b.decoding}
    return {
        name: (left.get(name), right.get(name))
        for name in sorted({*left, *right})
        if left.get(name) != right.get(name)
    }
