"""Sequences of many trajectories on one axis, then in padded micro-batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from craft_rl.tokens.merge import TokenSequence, sequences
from craft_rl.types import FloatArray, TokenBatch, Trajectory


def trajectory_id(trajectory: Trajectory) -> str:
    """``group_id/sibling``: a trajectory's name in a ``TokenBatch``."""
    return f"{trajectory.group_id}/{trajectory.sibling}"


def pack(
    trajectories: Sequence[Trajectory],
    advantages: Mapping[str, float | FloatArray] | None = None,
    *,
    imitation: bool = False,
) -> TokenBatch:
    """All sequences of these trajectories, in their order, one after another.

    Args:
        trajectories: those without a sampled token leave no sequence; none at all give a batch of length 0.
        advantages: trajectory id -> one number for all its tokens, or [steps], one number for the tokens of
            each step. None: 0 everywhere.
        imitation: leave steps with ``imitate=False`` out of the loss mask.

    Raises:
        ValueError: a trajectory's advantages are missing or do not fit its steps; two have the same id.
    """
    names = [trajectory_id(t) for t in trajectories]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"pack: two trajectories are called {twice!r}.")
    owners: list[Trajectory] = []
    parts: list[TokenSequence] = []
    masks: list[npt.NDArray[np.bool_]] = []
    logprobs: list[FloatArray] = []
    weights: list[FloatArray] = []
    for name, trajectory in zip(names, trajectories, strict=True):
        per_step = _per_step(name, trajectory, advantages)
        for part in sequences(trajectory):
            mask = part.imitation_mask if imitation else part.loss_mask
            weight = np.zeros(len(mask), dtype=np.float32)
            for start, stop, step in zip(part.step_starts, part.step_stops, part.step_ids, strict=True):
                weight[start:stop] = per_step[step]
            owners.append(trajectory)
            parts.append(part)
            masks.append(mask)
            logprobs.append(np.where(mask, part.behaviour_logprobs, np.float32(0)))
            weights.append(np.where(mask, weight, np.float32(0)))
    return TokenBatch(
        token_ids=_join([p.token_ids for p in parts], np.int32),
        loss_mask=_join(masks, np.bool_),
        behaviour_logprobs=_join(logprobs, np.float32),
        advantages=_join(weights, np.float32),
        sequence_starts=np.cumsum([0, *(len(p.token_ids) for p in parts)], dtype=np.int32),
        step_starts=tuple(p.step_starts for p in parts),
        group_ids=tuple(t.group_id for t in owners),
        trajectory_ids=tuple(trajectory_id(t) for t in owners),
        step_ids=tuple(p.step_ids for p in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MicroBatch:
    """Some sequences of a ``TokenBatch``, padded on the right.

    Attention is causal and positions count from 0, so padding behind a sequence touches nothing before it: no
    attention mask is needed. ``batch.advantages[micro.index]`` lays any per-token array of the batch out as
    [B, T].

    Example: sequences ``[7, 8, 3]`` with ``[7, 5]`` that start at 0 and 3 of the batch give
    ``token_ids=[[7, 8, 3], [7, 5, 0]]``, ``index=[[0, 1, 2], [3, 4, 0]]``, ``lengths=[3, 2]``.
    """

    rows: tuple[int, ...]
    """[B] which sequences of the batch."""
    token_ids: npt.NDArray[np.int64]
    """[B, T] 0 on padding."""
    loss_mask: npt.NDArray[np.bool_]
    """[B, T] False on padding."""
    index: npt.NDArray[np.int64]
    """[B, T] each token's place on the batch's axis, 0 on padding."""
    lengths: npt.NDArray[np.int64]
    """[B] tokens of each sequence."""

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return int(self.lengths.sum())


def micro_batches(
    batch: TokenBatch, max_tokens: int, rows: Sequence[int] | None = None
) -> Iterator[MicroBatch]:
    """Cut a batch into padded rectangles of at most ``max_tokens`` entries, padding included.

    Sequences go by falling length, equals in the order of the batch: little padding, the largest rectangle
    first, an order that depends on the batch alone. A sequence longer than the budget is a micro-batch of its
    own.

    Args:
        batch: packed sequences.
        max_tokens: budget of B * T.
        rows: sequences to yield, each once; None yields all.

    Raises:
        ValueError: ``max_tokens`` is below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"micro_batches: max_tokens must be at least 1, got {max_tokens}.")
    lengths = np.diff(batch.sequence_starts).tolist()
    chosen = range(len(lengths)) if rows is None else sorted(set(rows))
    ordered = sorted(chosen, key=lambda row: (-lengths[row], row))
    first = 0
    while first < len(ordered):
        count = max(1, max_tokens // lengths[ordered[first]])
        yield _rectangle(batch, ordered[first : first + count])
        first += count


def token_units(
    batch: TokenBatch, rows: Sequence[int], kind: Literal["trajectory", "step"]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """[N] which trajectory or step each token of ``rows`` belongs to, counted from 0; [N] their loss mask.

    Both are 0 outside ``rows``.
    """
    chosen = np.zeros(len(batch.token_ids), dtype=np.bool_)
    unit = np.zeros(len(batch.token_ids), dtype=np.int64)
    names: dict[object, int] = {}
    for row in rows:
        start, end = int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1])
        chosen[start:end] = batch.loss_mask[start:end]
        trajectory = batch.trajectory_ids[row]
        if kind == "trajectory":
            unit[start:end] = names.setdefault(trajectory, len(names))
            continue
        edges = [*batch.step_starts[row].tolist(), end - start]
        for step, (low, high) in zip(batch.step_ids[row], itertools.pairwise(edges), strict=True):
            unit[start + low : start + high] = names.setdefault((trajectory, step), len(names))
    return unit, chosen


def _rectangle(batch: TokenBatch, rows: Sequence[int]) -> MicroBatch:
    starts = batch.sequence_starts[list(rows)].astype(np.int64)
    lengths = batch.sequence_starts[[row + 1 for row in rows]] - starts
    offsets = np.arange(lengths.max())
    inside = offsets < lengths[:, None]
    index = np.where(inside, starts[:, None] + offsets, 0)
    return MicroBatch(
        rows=tuple(rows),
        token_ids=np.where(inside, batch.token_ids[index], 0).astype(np.int64),
        loss_mask=inside & batch.loss_mask[index],
        index=index,
        lengths=lengths,
    )


def _per_step(
    name: str, trajectory: Trajectory, advantages: Mapping[str, float | FloatArray] | None
) -> FloatArray:
    steps = len(trajectory.steps)
    if advantages is None:
        return np.zeros(steps, dtype=np.float32)
    if name not in advantages:
        raise ValueError(f"pack: trajectory {name!r} has no advantage.")
    given = np.asarray(advantages[name], dtype=np.float32)
    if given.ndim > 1 or (given.ndim == 1 and len(given) != steps):
        raise ValueError(f"pack: {name!r} has {steps} steps, its advantages have shape {given.shape}.")
    return np.broadcast_to(given, (steps,))


def _join(arrays: Sequence[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.empty(0, dtype=dtype)
