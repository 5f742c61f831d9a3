"""The driver's half of CRAFT or CRINGE: credit of an update's tokens, the controller between updates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from craft_rl.config import TrainConfig
from craft_rl.credit.controller import ControllerState
from craft_rl.credit.counterfactual import Credit, counterfactual_credit
from craft_rl.credit.siblings import Alignment, integer_slots
from craft_rl.loss.cringe import disapproved, undesired
from craft_rl.rollout.seeds import named_seed
from craft_rl.teacher_terms import GapStatistics
from craft_rl.tokens.pack import trajectory_id
from craft_rl.types import TokenBatch, Trajectory

CREDIT_EDGES = (-0.9, -0.5, -0.1, 0.0, 0.1, 0.5, 0.9)
"""Borders of the credit's histogram; the first and last bin are open, an exact 0 is counted apart."""


class Weights(NamedTuple):
    """Of one update's terms, from the controller's state before it."""

    lam: float
    """lambda of the credit, or of CRINGE."""
    mu: float
    """Of the KL; 0 for none."""


class CreditDriver:
    """What is computed once per update, before the first gradient, with what is carried to the next."""

    def __init__(self, config: TrainConfig) -> None:
        """Start the controller.

        Args:
            config: of a method with credit, ``config.credited``.
        """
        self.config = config
        self.state = ControllerState.start(config.controller)
        """Of the controller, before the coming update."""
        self.controlled = config.craft.controller if config.method == "craft" else _adaptive(config)
        self._rho = 0.0

    @property
    def weights(self) -> Weights:
        """Of the coming update."""
        config = self.config
        if not self.controlled:
            return Weights(
                config.craft.coef if config.method == "craft" else config.cringe.coef, config.kl_coef
            )
        lam, mu = self.state.weights(config.controller)
        return Weights(lam, mu if config.kl_coef > 0 else 0.0)

    def assess(
        self, batch: TokenBatch, trajectories: Sequence[Trajectory], update: int
    ) -> tuple[TokenBatch, dict[str, float]]:
        """Credit of every token under the mask, from the teacher's gap to the sampler's log-probs.

        Args:
            batch: of the update, with teacher log-probs where the method reads any.
            trajectories: those that it was packed from.
            update: number of updates before this one; decides the draws of a control.

        Returns:
            The batch, with ``credit`` for CRAFT; metrics.
        """
        started = time.perf_counter()
        gap = torch.from_numpy(token_gap(batch)[batch.loss_mask]).double()
        if self.config.craft.control == "no_gap":
            gap = torch.zeros_like(gap)  # SDAR's term, if kept, may have asked a teacher
        if self.config.method == "craft":
            batch, metrics = self._credit(batch, gap, trajectories, update)
        else:
            theta = self.config.cringe.theta
            self._rho = float(disapproved(gap, theta).double().sum() / max(len(gap), 1))
            metrics = {"cringe/undesired": float(undesired(gap).double().sum() / max(len(gap), 1))}
        if batch.teacher_logprobs is not None and self.config.distillation == "none":
            statistics = GapStatistics()
            statistics.add(gap, None)
            metrics |= statistics.metrics()
        return batch, metrics | self._weights() | {"seconds_credit": time.perf_counter() - started}

    def skip(self) -> dict[str, float]:
        """Metrics of an update without a single token: no activity."""
        self._rho = 0.0
        return self._weights()

    def advance(self) -> None:
        """The update is done: its activity enters the controller."""
        if self.controlled:
            self.state = self.state.after(self._rho, self.config.controller)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return self.state.to_mapping()

    def restore(self, values: Mapping[str, Any]) -> None:
        """Continue from ``values``."""
        self.state = ControllerState(**values)

    def _credit(
        self, batch: TokenBatch, gap: Tensor, trajectories: Sequence[Trajectory], update: int
    ) -> tuple[TokenBatch, dict[str, float]]:
        craft = self.config.craft
        dealt = None
        if craft.control == "shuffled_siblings":
            key = named_seed("siblings", self.config.seed, update)
            dealt = np.random.Generator(np.random.Philox(key))
        slots, owner = batch_slots(batch, trajectories, craft.align, dealt=dealt)
        advantages = torch.from_numpy(batch.advantages[batch.loss_mask]).double()
        credit = counterfactual_credit(gap, advantages, slots, owner, craft.settings)
        self._rho = float(credit.rho_gate)
        values = np.zeros(len(batch.token_ids), batch.advantages.dtype)
        values[batch.loss_mask] = credit.c.numpy()
        return replace(batch, credit=values), credit_metrics(credit, advantages)

    def _weights(self) -> dict[str, float]:
        name = "craft" if self.config.method == "craft" else "cringe"
        metrics = {f"{name}/rho_gate": self._rho}
        if self.controlled:
            metrics[f"{name}/rho_ema"] = self.state.rho_ema
        weights = self.weights
        if name == "cringe" or self.config.craft.credit:
            metrics[f"{name}/lambda"] = weights.lam
        if self.config.kl_coef > 0:
            metrics[f"{name}/mu"] = weights.mu
        return metrics


def open_credit(config: TrainConfig) -> CreditDriver | None:
    """The driver of a method with credit; None for all others, or with every pillar off."""
    return CreditDriver(config) if config.credited else None


def token_gap(batch: TokenBatch) -> np.ndarray:
    """[N] Delta = log pi_T - log pi_behaviour, nats; 0 outside the mask, or where no teacher was asked."""
    if batch.teacher_logprobs is None:
        return np.zeros_like(batch.behaviour_logprobs)
    return batch.teacher_logprobs - batch.behaviour_logprobs


def batch_slots(
    batch: TokenBatch,
    trajectories: Sequence[Trajectory],
    align: Alignment,
    *,
    dealt: np.random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Slot with trajectory of every token under the mask.

    Args:
        batch: packed sequences.
        trajectories: those that it was packed from; read for ``anchor`` alone.
        align: which tokens are compared.
        dealt: deal the trajectories out to the groups by chance first, keeping the groups' sizes. Groups
            whose advantages are all 0 stay as they are: they have no credit to give or to get.

    Returns:
        [M] slots, [M] indices of trajectories, int64.
    """
    positions = np.flatnonzero(batch.loss_mask)
    counts = [len(steps) for steps in batch.step_ids]
    starts = np.concatenate([np.zeros(0, np.int64), *batch.step_starts])
    starts = starts + np.repeat(batch.sequence_starts[:-1].astype(np.int64), counts)
    of = np.searchsorted(starts, positions, side="right") - 1
    names = {name: i for i, name in enumerate(dict.fromkeys(batch.trajectory_ids))}
    rows = np.array([names[name] for name in batch.trajectory_ids], dtype=np.int64)
    groups = {name: i for i, name in enumerate(dict.fromkeys(batch.group_ids))}
    group_of = np.zeros(len(names), dtype=np.int64)
    group_of[rows] = [groups[name] for name in batch.group_ids]
    owner = np.repeat(rows, counts)
    if dealt is not None:
        uneven = np.unique(group_of[owner[of[batch.advantages[positions] != 0]]])
        dealing = np.flatnonzero(np.isin(group_of, uneven))
        group_of[dealing] = group_of[dealt.permutation(dealing)]
    steps = np.array([step for ids in batch.step_ids for step in ids], dtype=np.int64)
    anchor = np.zeros_like(steps)
    if align == "anchor":
        by_name = {trajectory_id(t): t for t in trajectories}
        seen: dict[str, int] = {}
        order = [
            by_name[name].steps[k].anchor
            for name, ids in zip(batch.trajectory_ids, batch.step_ids, strict=True)
            for k in ids
        ]
        anchor = np.array([seen.setdefault(text, len(seen)) for text in order], dtype=np.int64)
    columns = {
        "group": group_of[owner][of],
        "trajectory": owner[of],
        "step": steps[of],
        "place": positions - starts[of],
        "anchor": anchor[of],
    }
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    return integer_slots(align, **tensors), tensors["trajectory"]


def credit_metrics(credit: Credit, advantages: Tensor) -> dict[str, float]:
    """Diagnostics over the tokens of an update.

    Args:
        credit: of these tokens.
        advantages: [M] theirs.

    Returns:
        ``craft/ess`` mean effective number of siblings where some were compared, ``craft/siblings`` mean
        number of them, ``craft/fallback`` share of tokens without a comparison, ``craft/sign_correlation``
        of sign(c) with sign(A) over tokens that have both (0 where one never changes), ``craft/credit_zero``
        share of exact zeros, ``craft/credit_bin_to_x`` histogram of the others; all shares are of all tokens.
    """
    count = max(len(advantages), 1)
    compared = credit.ess > 0
    out = {
        "craft/ess": float(credit.ess[compared].mean()) if bool(compared.any()) else 0.0,
        "craft/siblings": float(credit.siblings.sum()) / count,
        "craft/fallback": float(credit.fallback.sum()) / count,
        "craft/sign_correlation": sign_correlation(credit.c, advantages),
        "craft/credit_zero": float((credit.c == 0).sum()) / count,
    }
    edges = torch.tensor(CREDIT_EDGES, dtype=credit.c.dtype)
    kept = credit.c[credit.c != 0]
    bins = torch.bincount(torch.bucketize(kept, edges, right=True), minlength=len(CREDIT_EDGES) + 1)
    for border, number in zip((*CREDIT_EDGES, 1.0), bins.tolist(), strict=True):
        out[f"craft/credit_bin_to_{border:g}"] = number / count
    return out


def sign_correlation(credit: Tensor, advantages: Tensor) -> float:
    """Pearson correlation of the signs over tokens where neither is 0; 0 where it is undefined."""
    both = (credit != 0) & (advantages != 0)
    if not bool(both.any()):
        return 0.0
    a, b = credit[both].sign().double(), advantages[both].sign().double()
    a, b = a - a.mean(), b - b.mean()
    scale = float(a.square().sum() * b.square().sum()) ** 0.5
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _adaptive(config: TrainConfig) -> bool:
    return config.method == "adaptive_cringe"
