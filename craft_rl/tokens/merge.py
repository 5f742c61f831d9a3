"""Trajectories to training sequences, by the one merge rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from craft_rl.types import FloatArray, IntArray, Step, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenSequence:
    """Consecutive steps of one trajectory that share one growing context.

    Example, two steps: prompt ``[7, 8]``, completion ``[3, 2]``, next prompt ``[7, 8, 3, 2, 9]``, completion
    ``[4]`` give ``token_ids=[7, 8, 3, 2, 9, 4]``, ``step_starts=[2, 5]``, ``step_stops=[4, 6]``,
    ``step_ids=(0, 1)``.
    """

    token_ids: IntArray
    """[L]"""
    behaviour_logprobs: FloatArray
    """[L] the sampler's, 0 on tokens that were not sampled."""
    step_starts: IntArray
    """[K] offset at which each step's completion begins."""
    step_stops: IntArray
    """[K] offset at which it ends."""
    step_ids: tuple[int, ...]
    """[K] index of each step in the trajectory."""
    loss_mask: npt.NDArray[np.bool_]
    """[L] True on sampled tokens."""
    imitation_mask: npt.NDArray[np.bool_]
    """[L] the same without the steps that behaviour cloning must not learn from."""


def sequences(trajectory: Trajectory) -> list[TokenSequence]:
    """Merge a step into the sequence before it where its prompt begins with all of that sequence's tokens.

    An append-only dialogue gives one sequence; fresh prompts each step give one sequence per step. Steps
    without any sampled token are left out.
    """
    merged: list[TokenSequence] = []
    run: list[tuple[int, Step]] = []
    tokens = np.empty(0, dtype=np.int32)
    for index, step in enumerate(trajectory.steps):
        if not len(step.completion_ids):
            continue
        grows = (
            run
            and len(step.prompt_ids) >= len(tokens)
            and np.array_equal(step.prompt_ids[: len(tokens)], tokens)
        )
        if run and not grows:
            merged.append(_sequence(tokens, run))
            run = []
        run.append((index, step))
        tokens = np.concatenate([step.prompt_ids, step.completion_ids]).astype(np.int32, copy=False)
    if run:
        merged.append(_sequence(tokens, run))
    return merged


def _sequence(tokens: IntArray, run: list[tuple[int, Step]]) -> TokenSequence:
    logprobs = np.zeros(len(tokens), dtype=np.float32)
    sampled = np.zeros(len(tokens), dtype=np.bool_)
    imitated = np.zeros(len(tokens), dtype=np.bool_)
    starts, stops = [], []
    for _, step in run:
        start, stop = len(step.prompt_ids), len(step.prompt_ids) + len(step.completion_ids)
        logprobs[start:stop] = step.completion_logprobs
        sampled[start:stop] = True
        imitated[start:stop] = step.imitate
        starts.append(start)
        stops.append(stop)
    return TokenSequence(
        token_ids=tokens,
        behaviour_logprobs=logprobs,
        step_starts=np.asarray(starts, dtype=np.int32),
        step_stops=np.asarray(stops, dtype=np.int32),
        step_ids=tuple(index for index, _ in run),
        loss_mask=sampled,
        imitation_mask=imitated,
    )
