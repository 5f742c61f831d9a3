"""From groups of trajectories to one advantage per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from craft_rl.advantage.gigpo import discounted_returns, step_advantages, step_groups
from craft_rl.advantage.grpo import grpo_advantages
from craft_rl.advantage.normalise import step_scores, trajectory_scores
from craft_rl.advantage.rloo import rloo_advantages
from craft_rl.config import TrainConfig
from craft_rl.methods import method
from craft_rl.tokens.pack import trajectory_id
from craft_rl.types import FloatArray, Group, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The trajectories of one update that may enter a loss, with their advantages.

    Example with one group of two siblings of two steps, one solved: ``advantages`` is
    ``{"u0/t/0": [0.71, 0.71], "u0/t/1": [-0.71, -0.71]}``.
    """

    trajectories: tuple[Trajectory, ...]
    """In group order; broken or empty episodes are not among them."""
    advantages: Mapping[str, FloatArray]
    """Trajectory id -> [steps] advantages; equal for all steps with GRPO or RLOO per trajectory."""
    level_groups: frozenset[str]
    """Groups without a signal: all advantages are exactly 0."""
    excluded_failures: int
    """Broken episodes that were left out."""


def grade(
    groups: Sequence[Group], config: TrainConfig, returns_of: Mapping[str, float] | None = None
) -> Graded:
    """Advantages of all trainable trajectories, statistics taken inside each group.

    Broken episodes count nowhere: neither in mean nor std nor loss. A group with fewer than two whole
    siblings has no baseline; its advantages are 0 (the published code would pass the raw score on).

    Args:
        groups: siblings of each task.
        config: ``normalisation``, ``reward_scale``, ``invalid_penalty``, ``method``, ``divide_by_std``.
        returns_of: trajectory id -> return that stands for the world's own, where a method shapes it.
    """
    kept: list[Trajectory] = []
    group_of: list[int] = []
    excluded = 0
    for index, group in enumerate(groups):
        for trajectory in group.trajectories:
            if not trajectory.status.is_trainable:
                excluded += 1
            elif trajectory.steps:
                kept.append(trajectory)
                group_of.append(index)
    if not kept:
        return Graded(
            trajectories=(),
            advantages={},
            level_groups=frozenset(g.group_id for g in groups),
            excluded_failures=excluded,
        )
    siblings = np.bincount(group_of, minlength=len(groups))
    lengths = [len(t.steps) for t in kept]
    shaped = returns_of or {}
    returns = torch.tensor([shaped.get(trajectory_id(t), t.return_) for t in kept], dtype=torch.float64)
    group_index = torch.tensor(group_of, dtype=torch.int64)
    invalid = [np.array([not s.action_valid for s in t.steps]) for t in kept]
    if config.normalisation == "per_step":
        spread = torch.tensor(lengths)
        flags = torch.from_numpy(np.concatenate(invalid))
        scores = step_scores(
            returns.repeat_interleave(spread),
            flags,
            scale=config.reward_scale,
            penalty=config.invalid_penalty,
        )
        rows = _estimate(scores, group_index.repeat_interleave(spread), config)
        parts = [part.numpy() for part in rows.split(lengths)]
    else:
        share = torch.tensor([float(flags.mean()) for flags in invalid], dtype=torch.float64)
        scores = trajectory_scores(returns, share, scale=config.reward_scale, penalty=config.invalid_penalty)
        rows = _estimate(scores, group_index, config)
        parts = [np.full(n, float(a)) for n, a in zip(lengths, rows, strict=True)]
    if method(config.method).estimator == "gigpo" and config.step_weight:
        local = _step_advantages(kept, group_of, config)
        parts = [part + config.step_weight * own for part, own in zip(parts, local, strict=True)]
    advantages: dict[str, FloatArray] = {}
    signal: set[int] = set()
    for trajectory, index, part in zip(kept, group_of, parts, strict=True):
        if siblings[index] < 2:
            part = np.zeros_like(part)
        if part.any():
            signal.add(index)
        advantages[trajectory_id(trajectory)] = part.astype(np.float32)
    level = frozenset(g.group_id for i, g in enumerate(groups) if i not in signal)
    return Graded(
        trajectories=tuple(kept), advantages=advantages, level_groups=level, excluded_failures=excluded
    )


def _step_advantages(
    kept: Sequence[Trajectory], group_of: Sequence[int], config: TrainConfig
) -> list[FloatArray]:
    """GiGPO's step part of each trajectory; a step is compared with those that began in the same state."""
    steps = [step for trajectory in kept for step in trajectory.steps]
    owner = torch.tensor([i for i, trajectory in enumerate(kept) for _ in trajectory.steps])
    rewards = torch.tensor([step.reward for step in steps], dtype=torch.float64)
    invalid = torch.tensor([not step.action_valid for step in steps])
    returns = discounted_returns(rewards, owner, gamma=config.step_discount)
    scores = step_scores(returns, invalid, scale=config.reward_scale, penalty=config.invalid_penalty)
    clusters = step_groups([group_of[i] for i in owner.tolist()], [step.anchor for step in steps])
    local = step_advantages(scores, clusters, divide_by_std=_divides(config))
    return [part.numpy() for part in local.split([len(trajectory.steps) for trajectory in kept])]


def _divides(config: TrainConfig) -> bool:
    row = method(config.method)
    return row.divides_by_std if config.divide_by_std is None else config.divide_by_std


def _estimate(scores: torch.Tensor, group: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    match method(config.method).estimator:
        case "rloo":
            return rloo_advantages(scores, group)
        case "grpo" | "gigpo":
            return grpo_advantages(scores, group, divide_by_std=_divides(config))
