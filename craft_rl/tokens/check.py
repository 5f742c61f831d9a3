"""Proof that what is trained on is what was sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from craft_envs.errors import CraftError
from craft_rl.tokens.pack import micro_batches, trajectory_id
from craft_rl.tokens.score import token_logprobs
from craft_rl.types import FloatArray, TokenBatch, Trajectory


def check_tokens(batch: TokenBatch, trajectories: Sequence[Trajectory]) -> None:
    """Compare every masked token of a batch, with the context before it, to the steps it came from.

    Raises:
        CraftError: a step is missing or there twice; its prompt, sampled ids, or log-probs differ from the
        record.
    """
    steps = {(trajectory_id(t), i): step for t in trajectories for i, step in enumerate(t.steps)}
    seen: set[tuple[str, int]] = set()
    covered = np.zeros(len(batch.token_ids), dtype=np.bool_)
    for row, name in enumerate(batch.trajectory_ids):
        first, last = int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1])
        tokens = batch.token_ids[first:last]
        for number, offset in zip(batch.step_ids[row], batch.step_starts[row].tolist(), strict=True):
            where = f"step {number} of trajectory {name!r}"
            step = steps.get((name, number))
            if step is None or (name, number) in seen:
                raise _mismatch("The batch holds a step that was not recorded or is there twice.", where)
            seen.add((name, number))
            stop = offset + len(step.completion_ids)
            if not np.array_equal(tokens[:offset], step.prompt_ids):
                raise _mismatch("The trained context is not the prompt that the policy saw.", where)
            if not np.array_equal(tokens[offset:stop], step.completion_ids):
                raise _mismatch("The trained tokens are not the sampled ones.", where)
            place = slice(first + offset, first + stop)
            covered[place] = True
            mask = batch.loss_mask[place]
            if not np.array_equal(batch.behaviour_logprobs[place][mask], step.completion_logprobs[mask]):
                raise _mismatch("The log-probs are not the sampler's.", where)
    missing = sorted(key for key, step in steps.items() if key not in seen and len(step.completion_ids))
    if missing:
        name, number = missing[0]
        raise _mismatch(f"{len(missing)} sampled steps are not in the batch.", f"step {number} of {name!r}")
    if bool(np.any(batch.loss_mask & ~covered)):
        raise _mismatch("A token that nobody sampled is under the loss mask.", "TokenBatch.loss_mask")


def logprob_gap(
    model: Any, batch: TokenBatch, *, temperature: float, max_tokens: int = 8192
) -> tuple[float, FloatArray]:
    """How far the trainer's log-probs are from the sampler's, for the weights that sampled.

    Args:
        model: a causal language model.
        batch: sampled by it without ``top_p`` or ``top_k``.
        temperature: of the sampling.
        max_tokens: micro-batch budget.

    Returns:
        The largest absolute difference in nats, then all differences [N], 0 outside the loss mask.
    """
    gap = np.zeros(len(batch.token_ids), dtype=np.float32)
    device = next(model.parameters()).device
    with torch.no_grad():
        for micro in micro_batches(batch, max_tokens):
            ids, mask = torch.from_numpy(micro.token_ids), torch.from_numpy(micro.loss_mask)
            scored = token_logprobs(model, ids.to(device), mask.to(device), temperature=temperature)
            place = micro.index[micro.loss_mask]
            gap[place] = scored.logprobs.cpu().numpy() - batch.behaviour_logprobs[place]
    return float(np.abs(gap).max(initial=0.0)), gap


def _mismatch(what: str, where: str) -> CraftError:
    return CraftError(
        what, where=where, remedy="Trajectories must be packed as recorded; re-encoding text loses ids."
    )
