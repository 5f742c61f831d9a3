"""Trajectories to training sequences, by the one merge rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from craft_rl.types import FloatArray, IntArray, Step, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenSequence:
    """Consecutive steps of one trajectory that share one growing context.

    Example, two steps: prompt ``[7, 8]``, completion ``[3, 2]``, next prompt ``[7, 8, 3, 2, 9]``, completion ``[4]``
    give ``token_ids=[7, 8, 3, 2, 9, 4]``, ``step_starts=[2, 5]``, ``step_stops=[4, 6]``, ``step_ids=(0, 1)``.
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
    imitate: tuple[bool, ...]
    """[K] False for steps that behaviour cloning must not learn from."""

    def mask(self, *, imitation: bool = False) -> npt.NDArray[np.bool_]:
        """[L] True on sampled tokens; with ``imitation``, only on those of steps to be imitated."""
        mask = np.zeros(len(self.token_ids), dtype=np.bool_)
        for start, stop, wanted in zip(self.step_starts, self.step_stops, self.imitate, strict=True):
            mask[start:stop] = wanted or not imitation
        return mask


def sequences(trajectory: Trajectory) -> list[TokenSequence]:
    """Merge a step into the sequence before it where its prompt begins with all of that sequence's tokens.

    An append-only dialogue gives one sequence; fresh prompts each step give one sequence per step. Steps without any
    sampled token are left out.
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
    starts = np.asarray([len(step.prompt_ids) for _, step in run], dtype=np.int32)
    stops = np.asarray([len(step.prompt_ids) + len(step.completion_ids) for _, step in run], dtype=np.int32)
    for (_, step), start, stop in zip(run, starts, stops, strict=True):
        logprobs[start:stop] = step.completion_logprobs
    return TokenSequence(
        token_ids=tokens,
        behaviour_logprobs=logprobs,
        step_starts=starts,
        step_stops=stops,
        step_ids=tuple(index for index, _ in run),
        imitate=tuple(step.imitate for _, step in run),
    )
