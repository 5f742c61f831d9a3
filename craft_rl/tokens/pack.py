"""Sequences of many trajectories on one axis, then in padded micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from craft_rl.tokens.merge import TokenSequence, sequences
from craft_rl.types import FloatArray, Group, IntArray, TokenBatch, Trajectory


def pack(
    trajectories: Sequence[Trajectory] | Sequence[Group],
    advantages: Sequence[float | FloatArray] | None = None,
    *,
    imitation: bool = False,
) -> TokenBatch:
    """All sequences of these trajectories, in their order, one after another.

    Args:
        trajectories: or groups, which stand for their trajectories in sibling order.
        advantages: one entry per trajectory: a number for all of its tokens, or an array [steps], one number for the
            tokens of each step. None: 0 everywhere.
        imitation: leave steps with ``imitate=False`` out of the loss mask.

    Returns:
        The batch. Trajectories without a sampled token leave no sequence; nothing at all gives a batch of length 0.

    Raises:
        ValueError: advantages do not fit the trajectories.
    """
    flat: list[Trajectory] = []
    for entry in trajectories:
        flat.extend(entry.trajectories if isinstance(entry, Group) else (entry,))
    if advantages is not None and len(advantages) != len(flat):
        raise ValueError(f"pack: {len(advantages)} advantages for {len(flat)} trajectories.")
    owners: list[Trajectory] = []
    parts: list[TokenSequence] = []
    weights: list[FloatArray] = []
    masks = []
    for number, trajectory in enumerate(flat):
        advantage = np.asarray(0.0 if advantages is None else advantages[number], dtype=np.float32)
        if advantage.ndim > 1 or (advantage.ndim == 1 and len(advantage) != len(trajectory.steps)):
            raise ValueError(
                f"pack: trajectory {_name(trajectory)} has {len(trajectory.steps)} steps, its advantages have shape "
                f"{advantage.shape}."
            )
        per_step = np.broadcast_to(advantage, (len(trajectory.steps),))
        for part in sequences(trajectory):
            mask = part.mask(imitation=imitation)
            weight = np.zeros(len(part.token_ids), dtype=np.float32)
            for start, stop, step in zip(part.step_starts, part.step_stops, part.step_ids, strict=True):
                weight[start:stop] = per_step[step]
            owners.append(trajectory)
            parts.append(part)
            masks.append(mask)
            weights.append(np.where(mask, weight, np.float32(0)))
    starts = np.cumsum([0, *(len(p.token_ids) for p in parts)], dtype=np.int32)
    return TokenBatch(
        token_ids=_join([p.token_ids for p in parts], np.int32),
        loss_mask=_join(masks, np.bool_),
        behaviour_logprobs=_join(
            [np.where(m, p.behaviour_logprobs, np.float32(0)) for m, p in zip(masks, parts, strict=True)], np.float32
        ),
        advantages=_join(weights, np.float32),
        sequence_starts=starts,
        step_starts=tuple(p.step_starts for p in parts),
        group_ids=tuple(t.group_id for t in owners),
        trajectory_ids=tuple(_name(t) for t in owners),
        step_ids=tuple(p.step_ids for p in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MicroBatch:
    """Some sequences of a ``TokenBatch``, padded on the right.

    Attention is causal and positions count from 0, so that the padding behind a sequence touches nothing before it:
    no attention mask is needed. All tensors are [B, T]; per-token values keep the meaning they have in
    ``TokenBatch`` and are 0 on padding.
    """

    sequence_ids: tuple[int, ...]
    """[B] which sequences of the batch."""
    token_ids: torch.Tensor
    """int64, 0 on padding."""
    lengths: torch.Tensor
    """int64 [B]"""
    index: torch.Tensor
    """int64, place of each token on the batch's axis, -1 on padding."""
    loss_mask: torch.Tensor
    """bool"""
    behaviour_logprobs: torch.Tensor
    advantages: torch.Tensor
    reference_logprobs: torch.Tensor | None = None
    teacher_logprobs: torch.Tensor | None = None
    credit: torch.Tensor | None = None

    def to(self, device: torch.device | str) -> MicroBatch:
        """The same on another device."""
        moved = {
            name: value.to(device) if isinstance(value := getattr(self, name), torch.Tensor) else value
            for name in MicroBatch.__dataclass_fields__
        }
        return MicroBatch(**moved)


def micro_batches(
    batch: TokenBatch, max_tokens: int, *, only: Sequence[int] | None = None
) -> Iterator[MicroBatch]:
    """Cut a batch into padded rectangles of at most ``max_tokens`` entries, padding included.

    Sequences go by falling length, equals in the order of the batch: little padding, largest rectangle first, and an
    order that depends on the batch alone. A sequence longer than the budget is a micro-batch of its own.

    Args:
        max_tokens: budget of B * T.
        only: ids of the sequences to yield; None yields all.
    """
    if max_tokens < 1:
        raise ValueError(f"micro_batches: max_tokens must be at least 1, got {max_tokens}.")
    lengths = np.diff(batch.sequence_starts)
    chosen = range(len(lengths)) if only is None else sorted(set(only))
    ordered = sorted(chosen, key=lambda i: (-int(lengths[i]), i))
    start = 0
    while start < len(ordered):
        rows = max(1, max_tokens // int(lengths[ordered[start]]))
        yield _rectangle(batch, ordered[start : start + rows])
        start += rows


def scatter(batch: TokenBatch, micro: MicroBatch, values: torch.Tensor, out: FloatArray) -> None:
    """Write per-token ``values`` [B, T] of a micro-batch to their places in ``out`` [N], under the loss mask only."""
    mask = micro.loss_mask
    out[micro.index[mask].cpu().numpy()] = values.detach()[mask].float().cpu().numpy()


def _rectangle(batch: TokenBatch, ids: Sequence[int]) -> MicroBatch:
    starts = batch.sequence_starts
    lengths = np.asarray([starts[i + 1] - starts[i] for i in ids], dtype=np.int64)
    offsets = np.arange(lengths.max())
    index = np.where(
        offsets < lengths[:, None], np.asarray([starts[i] for i in ids], dtype=np.int64)[:, None] + offsets, -1
    )

    def laid(values: IntArray | FloatArray | np.ndarray) -> torch.Tensor:
        rows = values[index]
        rows[index < 0] = 0
        return torch.from_numpy(rows)

    def maybe(values: FloatArray | None) -> torch.Tensor | None:
        return None if values is None else laid(values)

    return MicroBatch(
        sequence_ids=tuple(ids),
        token_ids=laid(batch.token_ids.astype(np.int64)),
        lengths=torch.from_numpy(lengths),
        index=torch.from_numpy(index),
        loss_mask=laid(batch.loss_mask),
        behaviour_logprobs=laid(batch.behaviour_logprobs),
        advantages=laid(batch.advantages),
        reference_logprobs=maybe(batch.reference_logprobs),
        teacher_logprobs=maybe(batch.teacher_logprobs),
        credit=maybe(batch.credit),
    )


def _join(arrays: Sequence[np.ndarray], dtype: type[np.generic]) -> np.ndarray:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.empty(0, dtype=dtype)


def _name(trajectory: Trajectory) -> str:
    return f"{trajectory.group_id}/{trajectory.sibling}"
