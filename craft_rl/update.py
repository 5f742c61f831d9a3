"""The maths of one update: from a packed batch with advantages to optimiser steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from craft_envs.errors import CraftError
from craft_rl.config import TrainConfig
from craft_rl.craft_terms import CraftTerms, CringeTerms
from craft_rl.credit_driver import Weights, token_gap
from craft_rl.loss.aggregate import token_mean_weights, unit_mean_weights
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss_terms import Columns, Student, token_terms
from craft_rl.optim import build_optimizer, clip_gradients, rate_at, set_rate
from craft_rl.rollout.seeds import named_seed
from craft_rl.teacher_terms import Gates, TeacherTerms
from craft_rl.token_weights import Evidence, gather, needs_second_look, weigh
from craft_rl.tokens.pack import MicroBatch, micro_batches, token_units
from craft_rl.tokens.score import Scored, token_logprobs
from craft_rl.types import TokenBatch


@dataclass(slots=True)
class Learned:
    """What one update did; sums over its optimiser steps, weighted like the loss."""

    terms: dict[str, float] = field(default_factory=dict)
    """Loss terms before their coefficients, mean over optimiser steps."""
    weighted: dict[str, float] = field(default_factory=dict)
    """Loss terms times their coefficients; they add up to the loss."""
    clip_share: float = 0.0
    """Share of tokens at which the clip decided."""
    clip_dual_share: float = 0.0
    """Share of tokens at which the dual clip decided."""
    moved: float = 0.0
    """Mean of log pi_old - log pi over tokens."""
    grad_norm: float = 0.0
    """Mean norm before clipping."""
    learning_rate: float = 0.0
    """Rate of the last optimiser step."""
    tokens: int = 0
    """Tokens under the loss mask, those of level groups included."""
    forward_tokens: int = 0
    """Tokens that went forward and backward, all optimiser steps together, padding left out."""
    teacher: dict[str, float] = field(default_factory=dict)
    """Metrics of the teacher's gap, of gates, of credit; empty without a teacher."""
    reference_kl: float | None = None
    """KL to the reference by ``kl_kind``, weighted like the loss; None without a reference."""
    weights: dict[str, float] = field(default_factory=dict)
    """Metrics of the token weights; empty without them."""


class Learner:
    """Owns the optimiser; turns batches into weight changes.

    Everything that depends on tokens is a sum over tokens with weights fixed for the whole optimiser step
    (``loss/aggregate.py``), so the order of sequences or the size of micro-batches cannot matter beyond
    rounding.

    The model stays in evaluation mode: dropout would make the trained log-probs differ from the sampled ones.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, *, temperature: float, reference: nn.Module | None = None
    ) -> None:
        """Build the optimiser.

        Args:
            model: causal language model, trained in place.
            config: loss, optimiser, number of updates.
            temperature: that of the sampler; log-probs are taken at the same.
            reference: frozen model of the KL, on the model's device; must be given iff
                ``config.has_reference``, never to a LoRA policy: its reference lies below the adapter.
        """
        self._adapter_off = getattr(model, "disable_adapter", None)
        if (reference is not None) != (config.has_reference and self._adapter_off is None):
            raise ValueError("A reference model must be given exactly when the settings ask for its KL.")
        self.model = model.eval()
        self.reference = reference.eval().requires_grad_(False) if reference is not None else None
        self.config = config
        self.temperature = temperature
        self.optimizer = build_optimizer(model, config.optim)
        parameter = next(model.parameters())
        self._device, self._dtype = parameter.device, parameter.dtype
        if self._dtype in (torch.bfloat16, torch.float16):
            self._dtype = torch.float32

    def learn(self, batch: TokenBatch, *, update: int, weights: Weights | None = None) -> Learned:
        """All optimiser steps of one update.

        Args:
            batch: every trainable trajectory of the update, level groups included.
            update: number of updates before this one; decides minibatches with the learning rate.
            weights: of the credit's term with that of the KL; must be given iff ``config.credited``.

        Raises:
            CraftError: a gradient is not finite; the weights are left as they were before that step.
            ValueError: the method needs teacher log-probs or credit at this update, the batch has none.
        """
        config = self.config
        columns = self.columns(batch, update=update, weights=weights)
        learned = Learned(tokens=int(batch.loss_mask.sum()), weights=columns.weighing)
        needed = needed_sequences(batch, config)
        old = self._old_logprobs(batch, columns, needed)
        if columns.reference is not None and not config.kl_coef:
            learned.reference_kl = self._reference_kl(batch, columns.reference)
        steps = config.passes * config.minibatches
        for number, rows in enumerate(minibatch_rows(batch, config, update)):
            progress = (update * steps + number + 0.5) / (config.updates * steps)
            learned.learning_rate = rate_at(config.optim, progress)
            set_rate(self.optimizer, learned.learning_rate)
            self.optimizer.zero_grad(set_to_none=True)
            spread = loss_weights(batch, rows, config.aggregation).to(self._device, self._dtype)
            active = [row for row in rows if needed[row]]
            gates = self._gates(batch, columns, active, spread, number)
            if columns.cringe is not None:
                columns.cringe.draw(number)
            self.accumulate(batch, columns, active, spread, old, learned, gates=gates, share=1.0 / steps)
            norm = clip_gradients(self.model.parameters(), config.optim.grad_clip)
            if not np.isfinite(norm):
                self.optimizer.zero_grad(set_to_none=True)
                raise CraftError(
                    f"the gradient of update {update} is not finite",
                    where=f"optimiser step {number + 1} of {steps}",
                    remedy="lower optim.learning_rate, or use autocast=none; the last checkpoint is intact",
                )
            learned.grad_norm += norm / steps
            if active:
                self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if columns.teacher is not None:
            learned.teacher = columns.teacher.statistics.metrics()
        if config.kl_coef and learned.reference_kl is None:
            learned.reference_kl = learned.terms.get("kl")
        return learned

    def accumulate(
        self,
        batch: TokenBatch,
        columns: Columns,
        rows: Sequence[int],
        weights: Tensor,
        old: Tensor | None,
        learned: Learned,
        *,
        gates: Gates | None = None,
        share: float = 1.0,
    ) -> None:
        """Add the gradient of one optimiser step's loss, micro-batch by micro-batch.

        Args:
            batch: packed sequences.
            columns: its per-token tensors, from ``columns()``.
            rows: sequences to run.
            weights: [N] of the aggregation.
            old: [N] denominators of the ratio; None where the current log-probs are their own.
            learned: sums are added to it.
            gates: of the whole optimiser step, where the teacher's term needs them.
            share: weight of this optimiser step in ``learned``.
        """
        config, teacher = self.config, columns.teacher
        total = max(float((weights > 0).sum()), 1.0)
        spread = config.entropy_coef > 0 or (teacher is not None and teacher.needs_entropy)
        for micro in micro_batches(batch, config.micro_batch_tokens, rows):
            index, student = self._score(self.model, micro, entropy=spread, cringe=columns.cringe)
            logprobs, w = student.logprobs, weights[index]
            before = logprobs.detach() if old is None else old[index]
            policy, terms = token_terms(config, columns, index, student, before, gates)
            if columns.reference is not None and columns.craft is not None and columns.craft.polarised:
                # the polarised term is no distance
                k3 = kl_estimate(logprobs.detach(), columns.reference[index], "k3")
                learned.reference_kl = (learned.reference_kl or 0.0) + float((k3 * w).sum()) * share
            loss = logprobs.new_zeros(())
            for name, values, coefficient in terms:
                term = (values * w).sum()
                _add(learned, name, term, coefficient, share)
                if coefficient:
                    loss = loss + coefficient * term
            loss.backward()
            learned.clip_share += float(policy.clipped.sum()) / total * share
            learned.clip_dual_share += float(policy.clipped_lower.sum()) / total * share
            learned.moved -= float(policy.log_ratio.sum()) / total * share
            learned.forward_tokens += micro.tokens

    @torch.no_grad()
    def score_batch(self, model: nn.Module, batch: TokenBatch, rows: Sequence[int]) -> Tensor:
        """[N] log-probs of the tokens under the mask of ``rows`` by the training code, 0 elsewhere."""
        out = torch.zeros(len(batch.token_ids), dtype=self._dtype, device=self._device)
        for micro in micro_batches(batch, self.config.micro_batch_tokens, rows):
            index, student = self._score(model, micro, entropy=False)
            out[index] = student.logprobs
        return out

    def columns(self, batch: TokenBatch, *, update: int = 0, weights: Weights | None = None) -> Columns:
        """The per-token tensors of ``batch``; reference, teacher or credit only where a term needs them.

        Raises:
            ValueError: the method needs teacher log-probs or credit at this update, the batch has none.
        """
        if (weights is not None) != self.config.credited:
            raise ValueError("Weights of the credit must be given exactly when the method has credit.")

        def column(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(self._device, self._dtype)

        reference = None
        advantages, told = column(batch.advantages), dict[str, float]()
        seen = None
        if self.config.weighs_tokens:
            rows = [row for row, wanted in enumerate(needed_sequences(batch, self.config)) if wanted]
            seen = self.look(batch, rows)
            advantages, told = weigh(batch, rows, seen, advantages, self.config.arca)
        if self.reference is not None:
            reference = self.score_batch(self.reference, batch, range(len(batch)))
        elif self._adapter_off is not None and self.config.has_reference:
            reference = seen.reference if seen is not None and self.config.kl_coef > 0 else None
            if reference is None:
                with self._adapter_off():
                    reference = self.score_batch(self.model, batch, range(len(batch)))
        teacher = None
        if self.config.teacher_weight(update) > 0:
            if batch.teacher_logprobs is None:
                raise ValueError(f"Method {self.config.method} needs teacher log-probs in the batch.")
            vocabulary = getattr(getattr(self.model, "config", None), "vocab_size", None)
            teacher = TeacherTerms(
                self.config, column(batch.teacher_logprobs), update=update, vocab_size=vocabulary
            )
        craft = cringe = None
        if weights is not None and self.config.method == "craft":
            if batch.credit is None:
                raise ValueError("Method craft needs credit in the batch.")
            craft = CraftTerms(self.config, column(batch.credit), weights)
        elif weights is not None:
            if batch.teacher_logprobs is None:
                raise ValueError(f"Method {self.config.method} needs teacher log-probs in the batch.")
            cringe = CringeTerms(self.config, column(token_gap(batch)), weights, update=update)
        return Columns(
            advantages=advantages,
            behaviour=column(batch.behaviour_logprobs),
            reference=reference,
            teacher=teacher,
            seen=seen,
            weighing=told,
            craft=craft,
            cringe=cringe,
        )

    def look(self, batch: TokenBatch, rows: Sequence[int]) -> Evidence:
        """What the token weights are made of, by the weights before the first optimiser step."""
        twice = needs_second_look(self.config.arca.scheme)
        return gather(
            batch,
            rows,
            lambda micro: self._scored(self.model, micro, entropy=True, hidden=True),
            self._adapter_off if twice else None,
            micro_batch_tokens=self.config.micro_batch_tokens,
            like=torch.zeros(len(batch.token_ids), dtype=self._dtype, device=self._device),
        )

    @torch.no_grad()
    def _gates(
        self, batch: TokenBatch, columns: Columns, rows: Sequence[int], weights: Tensor, step: int
    ) -> Gates | None:
        """One pass ahead of the gradient, only where gates of the whole optimiser step are needed."""
        teacher = columns.teacher
        if teacher is None or not teacher.needs_gates:
            return None
        gates = torch.zeros_like(weights)
        for micro in micro_batches(batch, self.config.micro_batch_tokens, rows):
            index, student = self._score(self.model, micro, entropy=teacher.needs_entropy)
            gates[index] = teacher.gate(index, student.logprobs, student.entropy)
        return teacher.whole(gates, weights, step)

    def _reference_kl(self, batch: TokenBatch, reference: Tensor) -> float:
        """KL of the weights of now to the reference over the whole batch, level groups included."""
        rows = range(len(batch))
        weights = loss_weights(batch, rows, self.config.aggregation).to(self._device, self._dtype)
        own = self.score_batch(self.model, batch, rows)
        return float((kl_estimate(own, reference, self.config.kl_kind) * weights).sum())

    def _old_logprobs(self, batch: TokenBatch, columns: Columns, needed: Sequence[bool]) -> Tensor | None:
        if self.config.old_logprobs == "sampler":
            return columns.behaviour
        if self.config.always_on_policy:
            return None
        if columns.seen is not None:
            return columns.seen.logprobs
        return self.score_batch(self.model, batch, [row for row, wanted in enumerate(needed) if wanted])

    def _score(
        self, model: nn.Module, micro: MicroBatch, *, entropy: bool, cringe: CringeTerms | None = None
    ) -> tuple[Tensor, Student]:
        """[M] places on the batch's axis, what the model says about these tokens under the mask."""
        index, scored = self._scored(model, micro, entropy=entropy, cringe=cringe)
        return index, Student(scored.logprobs, scored.entropy, scored.of_logits)

    def _scored(
        self,
        model: nn.Module,
        micro: MicroBatch,
        *,
        entropy: bool,
        hidden: bool = False,
        cringe: CringeTerms | None = None,
    ) -> tuple[Tensor, Scored]:
        mask = torch.from_numpy(micro.loss_mask).to(self._device)
        ids = torch.from_numpy(micro.token_ids).to(self._device)
        index = torch.from_numpy(micro.index[micro.loss_mask]).to(self._device)
        of_logits = None
        if cringe is not None:

            def of_logits(logits: Tensor, tokens: Tensor, where: Tensor) -> Tensor:
                return cringe.margin(logits, tokens, index[where])

        with self._autocast():
            scored = token_logprobs(
                model,
                ids,
                mask,
                temperature=self.temperature,
                entropy=entropy,
                hidden=hidden,
                of_logits=of_logits,
            )
        return index, scored

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.config.autocast == "bf16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()


def loss_weights(
    batch: TokenBatch, rows: Sequence[int], aggregation: Literal["trajectory", "step", "token"]
) -> Tensor:
    """[N] weight of every token in one optimiser step's loss; 0 outside the mask and outside ``rows``.

    Args:
        batch: packed sequences.
        rows: sequences of the optimiser step, those of level groups included: a group without a signal still
            counts in the denominators, so that leaving out its forward pass changes nothing.
        aggregation: what gets equal weight, see ``loss/aggregate.py``.
    """
    unit, chosen = token_units(batch, rows, "step" if aggregation == "step" else "trajectory")
    mask = torch.from_numpy(chosen)
    if aggregation == "token":
        return token_mean_weights(mask)
    return unit_mean_weights(mask, torch.from_numpy(unit))


def needed_sequences(batch: TokenBatch, config: TrainConfig) -> list[bool]:
    """[S] whether a sequence can change the loss: all do when a term beyond the policy's is on.

    Without such a term a sequence whose advantages are all 0 has policy loss 0 with gradient exactly 0.
    """
    if config.every_token_counts:
        return [True] * len(batch)
    starts = batch.sequence_starts
    return [bool(batch.advantages[starts[row] : starts[row + 1]].any()) for row in range(len(batch))]


def minibatch_rows(batch: TokenBatch, config: TrainConfig, update: int) -> Iterator[list[int]]:
    """Sequences of each optimiser step; whole trajectories, split by a private generator.

    Args:
        batch: packed sequences.
        config: ``passes``, ``minibatches``, ``seed``.
        update: decides the draw together with the seed.
    """
    names = list(dict.fromkeys(batch.trajectory_ids))
    rows_of: dict[str, list[int]] = {name: [] for name in names}
    for row, name in enumerate(batch.trajectory_ids):
        rows_of[name].append(row)
    if config.minibatches == 1:
        for _ in range(config.passes):
            yield list(range(len(batch)))
        return
    for number in range(config.passes):
        order = np.random.Generator(np.random.Philox(named_seed("minibatch", config.seed, update, number)))
        drawn = order.permutation(len(names))
        for part in np.array_split(drawn, min(config.minibatches, len(names))):
            yield sorted(row for i in part for row in rows_of[names[i]])


def _add(learned: Learned, name: str, term: Tensor, coefficient: float, share: float) -> None:
    value = float(term.detach()) * share
    learned.terms[name] = learned.terms.get(name, 0.0) + value
    learned.weighted[name] = learned.weighted.get(name, 0.0) + coefficient * value
