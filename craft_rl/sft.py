"""Behaviour cloning: cross-entropy on the responses of recorded trajectories."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from craft_envs.errors import ConfigError, CraftError
from craft_rl.config import SFTConfig
from craft_rl.models.load import Policy
from craft_rl.optim import build_optimizer, clip_gradients, rate_at, set_rate
from craft_rl.rollout.seeds import named_seed
from craft_rl.tokens.pack import MicroBatch, micro_batches, pack
from craft_rl.tokens.score import token_logprobs
from craft_rl.types import IntArray, TokenBatch, Trajectory

_BUCKET = 16
"""Batches whose sequences are sorted together by length: little padding, yet batches stay random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTReport:
    """What a cloning run did."""

    steps: int
    """Optimiser steps, copy task included."""
    epochs: float
    """Passes over the demonstrations."""
    tokens: int
    """Tokens that went through the model, padding left out."""
    seconds: float
    loss: float
    """Mean training loss over the last rows of metrics, nats per response token."""
    accuracy: float
    """Share of response tokens that are the most probable ones, over the same rows."""
    holdout_loss: float | None
    """Loss on held-out tasks; None when nothing was held out."""
    holdout_accuracy: float | None
    """Share of their response tokens that are the most probable ones."""
    history: tuple[Mapping[str, Any], ...]
    """Rows of metrics."""

    @property
    def tokens_per_second(self) -> float:
        """Training speed."""
        return self.tokens / max(self.seconds, 1e-9)


def sft(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    config: SFTConfig,
    *,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
) -> SFTReport:
    """Train ``policy`` in place on the responses of ``trajectories``.

    Prompts, and steps marked ``imitate=False``, carry no loss. The same seed gives the same weights, unless
    the budget is given in minutes.

    Args:
        policy: model with tokenizer.
        trajectories: demonstrations; broken episodes are left out.
        config: budget, optimiser, copy task.
        on_row: called with each row of metrics.

    Raises:
        ConfigError: nothing to imitate, or a sequence is longer than ``batch_tokens``.
        CraftError: the loss is not finite.
    """
    train, held = split_by_task(trajectories, config)
    batch = pack(train, imitation=True)
    rows = rows_with_loss(batch)
    if not rows:
        raise ConfigError(
            f"{len(trajectories)} trajectories hold nothing to imitate",
            remedy="record more demonstrations, or lower holdout",
        )
    longest = int(np.diff(batch.sequence_starts)[rows].max())
    if longest > config.batch_tokens:
        raise ConfigError(
            f"a demonstration has {longest} tokens, a batch {config.batch_tokens}",
            remedy=f"raise batch_tokens to at least {longest}",
        )
    return _Cloning(policy, config, on_row).run(batch, rows, pack(held, imitation=True))


def split_by_task(
    trajectories: Sequence[Trajectory], config: SFTConfig
) -> tuple[list[Trajectory], list[Trajectory]]:
    """Training with held-out trajectories; whole tasks are held out, chosen by hashing their ids."""
    train: list[Trajectory] = []
    held: list[Trajectory] = []
    for trajectory in trajectories:
        if trajectory.status.is_trainable:
            draw = named_seed("holdout", config.seed, trajectory.task_id) / 2**63
            (held if draw < config.holdout else train).append(trajectory)
    return train, held


def rows_with_loss(batch: TokenBatch) -> list[int]:
    """Sequences with at least one token under the loss mask."""
    starts = batch.sequence_starts
    return [row for row in range(len(batch)) if batch.loss_mask[starts[row] : starts[row + 1]].any()]


def length_bucketed(lengths: Sequence[int], budget: int, generator: np.random.Generator) -> list[list[int]]:
    """Batches of one epoch, in random order, similar lengths together.

    Args:
        lengths: [S] tokens of each sequence.
        budget: most tokens of a batch, counted as sequences times longest.
        generator: shuffles.

    Returns:
        Indices of each batch; every sequence is in exactly one.
    """
    order = generator.permutation(len(lengths))
    chunk = max(1, _BUCKET * budget // max(int(np.mean(lengths)), 1))
    batches: list[list[int]] = []
    for low in range(0, len(order), chunk):
        batch: list[int] = []
        for index in sorted(order[low : low + chunk].tolist(), key=lambda i: lengths[i]):
            if batch and (len(batch) + 1) * lengths[index] > budget:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    return [batches[i] for i in generator.permutation(len(batches))]


def copy_lengths(steps: int, longest: int, stages: int) -> list[int]:
    """Longest sequence of each copy step: doubles up to ``longest`` in stages of equal time.

    Example: ``copy_lengths(4, 64, 2)`` is ``[32, 32, 64, 64]``.
    """
    return [longest >> (stages - 1 - step * stages // steps) for step in range(steps)]


def copy_batch(
    count: int, *, vocabulary: IntArray, longest: int, generator: np.random.Generator
) -> TokenBatch:
    """Random sequences followed by themselves, loss on the repetition: what makes attention learn to copy.

    Args:
        count: sequences S.
        vocabulary: [V'] ids to draw from.
        longest: most tokens before the repetition.
        generator: draws lengths with ids.
    """
    lengths = generator.integers(2, longest + 1, size=count)
    ids, masks = [], []
    for length in lengths:
        once = generator.choice(vocabulary, size=length)
        ids += [once, once]
        masks.append(np.arange(2 * length) >= length)
    mask = np.concatenate(masks)
    zeros = np.zeros(len(mask), np.float32)
    return TokenBatch(
        token_ids=np.concatenate(ids).astype(np.int32),
        loss_mask=mask,
        behaviour_logprobs=zeros,
        advantages=zeros,
        sequence_starts=np.cumsum([0, *(2 * lengths)], dtype=np.int32),
        step_starts=tuple(np.array([length], np.int32) for length in lengths),
        group_ids=("copy",) * count,
        trajectory_ids=tuple(f"copy/{i}" for i in range(count)),
        step_ids=((0,),) * count,
    )


class _Cloning:
    """One run: optimiser, clock, metrics."""

    def __init__(
        self, policy: Policy, config: SFTConfig, on_row: Callable[[Mapping[str, Any]], None] | None
    ) -> None:
        self.model: nn.Module = policy.model.eval()
        self.tokenizer = policy.tokenizer
        self.config, self.on_row = config, on_row
        self.optimizer = build_optimizer(self.model, config.optim)
        self.device = next(self.model.parameters()).device
        self.history: list[dict[str, Any]] = []
        self.steps = self.tokens = 0
        self.sums = np.zeros(3)
        """Loss, hits, tokens since the last row."""
        self.started = time.perf_counter()

    def run(self, batch: TokenBatch, rows: list[int], held: TokenBatch) -> SFTReport:
        config = self.config
        self._copy_task()
        self.sums[:] = 0
        lengths = np.diff(batch.sequence_starts)[rows].tolist()
        total = self._steps_planned(lengths)
        done, budget_started = 0, time.perf_counter()
        finished, epoch, inside = False, 0, 0.0
        while not finished:
            batches = length_bucketed(lengths, config.batch_tokens, self._generator("epoch", epoch))
            for number, chosen in enumerate(batches):
                if config.minutes is not None:
                    progress = (time.perf_counter() - budget_started) / (60 * config.minutes)
                    finished = progress >= 1 and done > 0
                else:
                    progress = (done + 0.5) / total
                    finished = done >= total
                if finished:
                    break
                self._step(batch, [rows[i] for i in chosen], progress)
                done += 1
                inside = (number + 1) / len(batches)
                if self.steps % config.log_every == 0:
                    self._row("clone", epoch + inside)
            else:
                epoch, inside = epoch + 1, 0.0
        if self.sums[2]:
            self._row("clone", epoch + inside)
        seconds = time.perf_counter() - self.started
        held_rows = rows_with_loss(held)
        loss, accuracy = self.evaluate(held, held_rows) if held_rows else (None, None)
        last = [row for row in self.history if row["phase"] == "clone"][-5:]
        return SFTReport(
            steps=self.steps,
            epochs=epoch + inside,
            tokens=self.tokens,
            seconds=seconds,
            loss=float(np.mean([row["loss"] for row in last])),
            accuracy=float(np.mean([row["accuracy"] for row in last])),
            holdout_loss=loss,
            holdout_accuracy=accuracy,
            history=tuple(self.history),
        )

    @torch.no_grad()
    def evaluate(self, held: TokenBatch, rows: list[int]) -> tuple[float, float]:
        """Mean loss per response token with the accuracy."""
        sums = np.zeros(3)
        for micro in micro_batches(held, self._budget, rows):
            sums += self._forward(micro)[1]
        return float(sums[0] / sums[2]), float(sums[1] / sums[2])

    def _copy_task(self) -> None:
        config = self.config
        if not config.copy_steps:
            return
        generator = self._generator("copy", 0)
        special = set(self.tokenizer.all_special_ids)
        ids = np.array([i for i in range(len(self.tokenizer)) if i not in special], dtype=np.int32)
        lengths = copy_lengths(config.copy_steps, config.copy_length, config.copy_stages)
        for step, longest in enumerate(lengths):
            # the longest sequence has 2 * longest tokens, the mean one half of that
            count = max(1, config.batch_tokens // (2 * longest))
            batch = copy_batch(count, vocabulary=ids, longest=longest, generator=generator)
            # rises over the first tenth, then holds the peak: the cloning schedule starts afresh
            self._step(batch, list(range(count)), rate=min(1.0, 10 * (step + 0.5) / config.copy_steps))
            if self.steps % config.log_every == 0:
                self._row("copy", 0.0)
        self.optimizer = build_optimizer(self.model, config.optim)

    def _steps_planned(self, lengths: list[int]) -> int:
        whole, part = divmod(self.config.epochs or 1.0, 1.0)
        count = 0
        for epoch in range(int(whole) + (1 if part else 0)):
            batches = len(length_bucketed(lengths, self.config.batch_tokens, self._generator("epoch", epoch)))
            count += batches if epoch < whole else max(1, round(batches * part))
        return max(count, 1)

    def _step(
        self, batch: TokenBatch, rows: list[int], progress: float = 0.0, *, rate: float | None = None
    ) -> None:
        """One optimiser step; ``rate`` as a share of the peak replaces the schedule's."""
        optim = self.config.optim
        set_rate(self.optimizer, rate_at(optim, progress) if rate is None else rate * optim.learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        starts = batch.sequence_starts
        count = sum(int(batch.loss_mask[starts[row] : starts[row + 1]].sum()) for row in rows)
        for micro in micro_batches(batch, self._budget, rows):
            loss, sums = self._forward(micro)
            (loss / count).backward()
            self.sums += sums
            self.tokens += micro.tokens
        norm = clip_gradients(self.model.parameters(), optim.grad_clip)
        if not np.isfinite(norm):
            raise CraftError(
                f"the gradient of cloning step {self.steps} is not finite",
                where="sft",
                remedy="lower optim.learning_rate, or use autocast=none",
            )
        self.optimizer.step()
        self.steps += 1

    def _forward(self, micro: MicroBatch) -> tuple[Tensor, np.ndarray]:
        """Summed loss; sums of loss, hits, tokens."""
        ids = torch.from_numpy(micro.token_ids).to(self.device)
        mask = torch.from_numpy(micro.loss_mask).to(self.device)
        with self._autocast():
            scored = token_logprobs(self.model, ids, mask, greedy=True)
        assert scored.greedy is not None
        loss = -scored.logprobs.sum()
        return loss, np.array([float(loss.detach()), float(scored.greedy.sum()), float(len(scored.greedy))])

    def _row(self, phase: str, epoch: float) -> None:
        loss, hits, tokens = self.sums.tolist()
        seconds = time.perf_counter() - self.started
        row = {
            "phase": phase,
            "step": self.steps,
            "epoch": epoch,
            "loss": loss / max(tokens, 1),
            "accuracy": hits / max(tokens, 1),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "tokens": self.tokens,
            "seconds": seconds,
            "tokens_per_second": self.tokens / max(seconds, 1e-9),
        }
        self.sums[:] = 0
        self.history.append(row)
        if self.on_row is not None:
            self.on_row(row)

    @property
    def _budget(self) -> int:
        return self.config.micro_batch_tokens or self.config.batch_tokens

    def _generator(self, purpose: str, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(named_seed("sft", purpose, self.config.seed, number)))

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.config.autocast == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()
