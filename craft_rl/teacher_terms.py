"""What a teacher's log-probs do in the loss: a term of SDAR or Skill-SD, or token advantages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from craft_rl.config import TrainConfig
from craft_rl.loss.distill import divergence_pull, sdar_loss, skill_sd_loss
from craft_rl.loss.gates import gate_values, teacher_gap
from craft_rl.methods import method
from craft_rl.rollout.seeds import named_seed

GAP_EDGES = (-4.0, -2.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 4.0)
"""Borders of the gap's histogram, nats; the first and last bin are open."""


@dataclass(slots=True)
class GapStatistics:
    """Sums over the scored tokens of an update, all optimiser steps together."""

    tokens: int = 0
    gap: float = 0.0
    gate: float = 0.0
    active: int = 0
    """Tokens whose gate is above one half."""
    gated: int = 0
    """Tokens that had a gate."""
    bins: list[int] = field(default_factory=lambda: [0] * (len(GAP_EDGES) + 1))

    def add(self, gap: Tensor, gate: Tensor | None) -> None:
        """Count some tokens: [M] gaps, [M] gates where the method has them."""
        self.tokens += gap.numel()
        self.gap += float(gap.sum(dtype=torch.float64))
        edges = torch.tensor(GAP_EDGES, dtype=gap.dtype, device=gap.device)
        counts = torch.bincount(torch.bucketize(gap, edges, right=True), minlength=len(self.bins))
        self.bins = [a + b for a, b in zip(self.bins, counts.tolist(), strict=True)]
        if gate is not None:
            self.gated += gate.numel()
            self.gate += float(gate.sum(dtype=torch.float64))
            self.active += int((gate > 0.5).sum())

    def metrics(self) -> dict[str, float]:
        """Means, shares; empty when nothing was scored."""
        if not self.tokens:
            return {}
        out = {
            "teacher/gap_mean": self.gap / self.tokens,
            "teacher/gap_negative": sum(self.bins[: GAP_EDGES.index(0.0) + 1]) / self.tokens,
        }
        for border, count in zip((*GAP_EDGES, np.inf), self.bins, strict=True):
            out[f"teacher/gap_bin_to_{border:g}"] = count / self.tokens
        if self.gated:
            out["teacher/gate_mean"] = self.gate / self.gated
            out["teacher/gate_active"] = self.active / self.gated
        return out


class Gates(NamedTuple):
    """Gates of one whole optimiser step, known before its first gradient."""

    dealt: Tensor | None
    """[N] gates in another order, for the control; None: each token has its own."""
    mean: float
    """Mean with the weights of the loss."""


class TeacherTerms:
    """The part of one update's loss that looks at the teacher."""

    def __init__(
        self, config: TrainConfig, teacher_logprobs: Tensor, *, update: int, vocab_size: int | None
    ) -> None:
        """Bind one update's values.

        Args:
            config: method with its ``distill`` settings.
            teacher_logprobs: [N] of the batch.
            update: number of updates before this one.
            vocab_size: V, for the gate ``soft_or_norm``.
        """
        self.use, self._reweight = config.distillation, method(config.method).reweight
        self.weight = config.teacher_weight(update)
        self.teacher = teacher_logprobs
        self.statistics = GapStatistics()
        self._distill, self._seed, self._update, self._vocab = config.distill, config.seed, update, vocab_size

    @property
    def gated(self) -> bool:
        """Tokens have gates."""
        return self.use == "sdar" and self._distill.signal != "gap"

    @property
    def needs_entropy(self) -> bool:
        """The gate looks at the student's entropy."""
        return self.gated and self._distill.gate != "gap"

    @property
    def needs_gates(self) -> bool:
        """Gates of the whole optimiser step must be known before its first gradient."""
        return self.gated and (self._distill.shuffle or self._distill.signal == "centred_gate")

    def gate(self, index: Tensor, logprobs: Tensor, entropy: Tensor | None) -> Tensor:
        """[M] gates of the tokens at ``index``."""
        return gate_values(
            divergence_pull(teacher_gap(logprobs, self.teacher[index]), self._distill.divergence),
            gate=self._distill.gate,
            beta=self._distill.beta,
            entropy=entropy,
            vocab_size=self._vocab,
        )

    def whole(self, gates: Tensor, weights: Tensor, step: int) -> Gates:
        """What the signals need to know of a whole optimiser step.

        Args:
            gates: [N], any value where ``weights`` is 0.
            weights: [N] of the aggregation.
            step: number of the optimiser step, for the order of the control.
        """
        dealt = None
        if self._distill.shuffle:
            key = named_seed("gates", self._seed, self._update, step)
            places = (weights > 0).nonzero().squeeze(1)
            order = np.random.Generator(np.random.Philox(key)).permutation(len(places))
            dealt = gates.clone()
            dealt[places] = gates[places[torch.from_numpy(order).to(places.device)]]
            gates = dealt
        mean = float((gates * weights).sum() / weights.sum().clamp_min(1e-30))
        return Gates(dealt, mean)

    def advantages(self, advantages: Tensor, before: Tensor, index: Tensor) -> Tensor:
        """[M] advantages of the tokens at ``index``; the same tensor where no row reweights."""
        if self._reweight is None:
            return advantages
        return self._reweight(
            advantages, before, self.teacher[index], weight=self.weight, clip=self._distill.clip
        )

    def loss(
        self, logprobs: Tensor, before: Tensor, entropy: Tensor | None, index: Tensor, gates: Gates | None
    ) -> Tensor | None:
        """[M] losses of the tokens at ``index`` before weighting; None when the method has no such term.

        Args:
            logprobs: [M] of the current weights, with gradient.
            before: [M] log pi_old.
            entropy: [M], when ``needs_entropy``.
            index: [M] places in the batch.
            gates: from ``whole``, when ``needs_gates``.
        """
        teacher = self.teacher[index]
        gap = teacher_gap(logprobs, teacher)
        if not self.gated:
            self.statistics.add(gap, None)
            if self._reweight is not None:
                return None
            if self.use == "skill_sd":
                return skill_sd_loss(logprobs, teacher, before)
            return sdar_loss(logprobs, teacher, gap, signal="gap", divergence=self._distill.divergence)
        dealt = gates.dealt if gates is not None else None
        gate = self.gate(index, logprobs, entropy) if dealt is None else dealt[index]
        self.statistics.add(gap, gate)
        mean = gates.mean if gates is not None else None
        return sdar_loss(logprobs, teacher, gate, signal=self._distill.signal, mean_gate=mean)
