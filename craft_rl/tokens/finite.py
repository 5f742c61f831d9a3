"""Refusal of log-probs that are no numbers, by the name of the trajectory they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from craft_envs.errors import CraftError, OutputNotFinite
from craft_rl.types import FloatArray, TokenBatch

_REMEDY = (
    "the weights are untouched, the last checkpoint is intact: resume from it; if it comes again, use "
    "another dtype"
)


@contextmanager
def refusing(update: int) -> Iterator[None]:
    """Name the update in what an engine says about an output of nan or infinity.

    Args:
        update: number of updates before this one.

    Raises:
        OutputNotFinite: the engine did.
    """
    try:
        yield
    except OutputNotFinite as failure:
        raise OutputNotFinite(
            f"update {update} is refused: {failure.what}", where=failure.where, remedy=_REMEDY
        ) from failure


def refuse_unusable(batch: TokenBatch, logprobs: FloatArray, source: str, *, update: int) -> None:
    """Stop before a loss is made of nan or infinity.

    Args:
        batch: packed sequences.
        logprobs: [N] of its tokens.
        source: who gave them, for the message.
        update: number of updates before this one.

    Raises:
        CraftError: a log-prob under the mask is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(logprobs) & batch.loss_mask)
    if not len(wrong):
        return
    place = int(wrong[0])
    row = int(np.searchsorted(batch.sequence_starts, place, side="right")) - 1
    offset = place - int(batch.sequence_starts[row])
    part = int(np.searchsorted(batch.step_starts[row], offset, side="right")) - 1
    raise CraftError(
        f"update {update} is refused: {source} gave log-prob {logprobs[place]} to a sampled token"
        + (f", as to {len(wrong) - 1} more" if len(wrong) > 1 else ""),
        where=f"trajectory {batch.trajectory_ids[row]}, step {batch.step_ids[row][part]}, token "
        f"{offset - int(batch.step_starts[row][part])}",
        remedy=_REMEDY,
    )
