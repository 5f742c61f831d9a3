"""CRAFT with CRINGE inside one update's loss: the credit term, the polarised KL, the rival's term."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from craft_rl.config import TrainConfig
from craft_rl.credit.polarity import polarised_kl
from craft_rl.credit_driver import Weights
from craft_rl.loss.cringe import cringe_loss, rival_at, rivals, undesired
from craft_rl.loss.kl import kl_estimate
from craft_rl.rollout.seeds import named_seed


class CraftTerms:
    """The pillars of CRAFT that are on."""

    def __init__(self, config: TrainConfig, credit: Tensor, weights: Weights) -> None:
        """Bind one update's values.

        Args:
            config: with ``craft``.
            credit: [N] c of the batch.
            weights: lambda with mu of the update.
        """
        self.weights = weights
        self.polarised = config.craft.polarised
        self._credit, self._craft, self._kind = credit, config.craft, config.kl_kind

    def kl(self, logprobs: Tensor, reference: Tensor, index: Tensor) -> Tensor:
        """[M] KL of the tokens at ``index``; the ordinary one unless it is polarised."""
        if not self._craft.polarised:
            return kl_estimate(logprobs, reference, self._kind)
        return polarised_kl(
            logprobs, reference, self._credit[index], form=self._craft.form, theta=self._craft.theta_kl
        )

    def loss(self, logprobs: Tensor, index: Tensor) -> Tensor | None:
        """[M] -c log pi, eq. (10) before weighting; None when pillar 1 is off."""
        return -self._credit[index] * logprobs if self._craft.credit else None


class CringeTerms:
    """The term of CRINGE."""

    def __init__(self, config: TrainConfig, gap: Tensor, weights: Weights, *, update: int) -> None:
        """Bind one update's values.

        Args:
            config: with ``cringe``.
            gap: [N] of the batch.
            weights: lambda with mu of the update.
            update: number of updates before this one; decides the draws together with the seed.
        """
        self.weights = weights
        self._undesired, self._k = undesired(gap), config.cringe.k
        self._seed, self._update = config.seed, update
        self._uniform = gap.new_zeros(0)

    def draw(self, step: int) -> None:
        """New rivals for an optimiser step: one uniform number a token, whatever the micro-batches are."""
        key = named_seed("cringe", self._seed, self._update, step)
        drawn = np.random.Generator(np.random.Philox(key)).random(len(self._undesired))
        self._uniform = torch.from_numpy(drawn).to(self._undesired.device)

    def margin(self, logits: Tensor, tokens: Tensor, index: Tensor) -> Tensor:
        """[M] loss of each token against its rival, before the indicator.

        Args:
            logits: [M, V] of the current weights, with gradient.
            tokens: [M] sampled ids.
            index: [M] places in the batch.
        """
        chosen = rival_at(rivals(logits, tokens, self._k), self._uniform[index])
        return cringe_loss(logits, tokens, chosen)

    def loss(self, margins: Tensor, index: Tensor) -> Tensor:
        """[M] margins of undesired tokens, exactly 0 at the others."""
        return torch.where(self._undesired[index], margins, torch.zeros_like(margins))
