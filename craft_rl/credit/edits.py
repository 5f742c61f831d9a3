"""Credit from corrections of failed siblings (IBPO): shaped rewards, the tokens that a correction edits.

Only the abstract of "Implicit Behavior Policy Optimization" (arXiv 2605.16302) with secondary notes is
public: the operator, its reward with rho, the shaping before centring, the Levenshtein mask are theirs; the
map of several corrections to one number, the choice among them, the clamp are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Operation = Literal["keep", "sub", "del", "ins"]


class Edit(NamedTuple):
    """One column of an alignment."""

    operation: Operation
    at: int
    """Index in the attempt; for an insertion that of the token before it, -1 at the start."""
    of: int
    """Index in the correction; -1 for a deletion."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """A shortest edit of an attempt into its correction.

    Example: ``align([1, 2], [2, 1]).distance`` is 2.
    """

    length: int
    """Tokens of the attempt."""
    edits: tuple[Edit, ...]
    """From front to back."""

    @property
    def distance(self) -> int:
        """Number of substitutions, deletions, insertions."""
        return sum(edit.operation != "keep" for edit in self.edits)

    def edited(self, *, attach_insertions: bool = False) -> list[bool]:
        """[length] tokens of the attempt that are substituted or deleted.

        Args:
            attach_insertions: also mark the token before an insertion; one before the first token marks none.
        """
        mask = [False] * self.length
        for operation, at, _ in self.edits:
            if operation in ("sub", "del") or (operation == "ins" and attach_insertions and at >= 0):
                mask[at] = True
        return mask


def align(attempt: Sequence[Hashable], correction: Sequence[Hashable]) -> Alignment:
    """Levenshtein alignment with unit costs; ties, from the end: keep, substitute, delete, insert.

    Args:
        attempt: the failed sequence, tokens or steps.
        correction: the sequence it is turned into.

    Returns:
        The alignment; memory grows with the product of the lengths, an equal end left out.
    """
    n, m = len(attempt), len(correction)
    tail: list[Edit] = []
    while n and m and attempt[n - 1] == correction[m - 1]:
        n, m = n - 1, m - 1
        tail.append(Edit("keep", n, m))
    cost = np.zeros((n + 1, m + 1), dtype=np.int32)
    cost[:, 0], cost[0, :] = np.arange(n + 1), np.arange(m + 1)
    numbers: dict[Hashable, int] = {}
    wanted = np.array([numbers.setdefault(t, len(numbers)) for t in correction[:m]], dtype=np.int64)
    columns = np.arange(1, m + 1)
    for i in range(1, n + 1):
        differs = wanted != numbers.get(attempt[i - 1], -1)
        best = np.minimum(cost[i - 1, :-1] + differs, cost[i - 1, 1:] + 1)
        # an insertion costs 1 a column: a running minimum of cost - column
        cost[i, 1:] = np.minimum(np.minimum.accumulate(best - columns), i) + columns
    i, j = n, m
    while i or j:
        here = int(cost[i, j])
        if i and j and attempt[i - 1] == correction[j - 1] and cost[i - 1, j - 1] == here:
            i, j = i - 1, j - 1
            tail.append(Edit("keep", i, j))
        elif i and j and cost[i - 1, j - 1] + 1 == here:
            i, j = i - 1, j - 1
            tail.append(Edit("sub", i, j))
        elif i and cost[i - 1, j] + 1 == here:
            i -= 1
            tail.append(Edit("del", i, -1))
        else:
            j -= 1
            tail.append(Edit("ins", i - 1, j))
    return Alignment(len(attempt), tuple(reversed(tail)))


class Turn(NamedTuple):
    """One step as an alignment sees it."""

    action: str
    tokens: Sequence[int]
    """Ids of the response."""


def align_steps(attempt: Sequence[Turn], correction: Sequence[Turn]) -> Alignment:
    """Align steps by their actions first, then the tokens of each substituted step.

    All tokens of a step with a kept action are kept, however the correction worded it; all tokens of a
    dropped step are deleted, all of a new one inserted. With one step on either side and different actions
    this is ``align`` of their tokens.

    Args:
        attempt: steps of the failed trajectory.
        correction: steps of the trajectory it is turned into.

    Returns:
        An alignment of the responses' tokens, one after another; its distance counts tokens.
    """
    before = [*itertools.accumulate((len(turn.tokens) for turn in attempt), initial=0)]
    after = [*itertools.accumulate((len(turn.tokens) for turn in correction), initial=0)]
    edits: list[Edit] = []
    for operation, i, j in align([t.action for t in attempt], [t.action for t in correction]).edits:
        if operation == "ins":
            edits += [Edit("ins", before[i + 1] - 1, k) for k in range(after[j], after[j + 1])]
            continue
        own = range(before[i], before[i + 1])
        if operation == "keep":
            # the other side's ids may differ, so there is no counterpart to name beyond the common length
            edits += [Edit("keep", k, min(after[j] + k - own.start, after[j + 1] - 1)) for k in own]
        elif operation == "del":
            edits += [Edit("del", k, -1) for k in own]
        else:
            inner = align(list(attempt[i].tokens), list(correction[j].tokens)).edits
            edits += [
                # before its first token stands none of this step, and the step before may be kept
                Edit(op, -1 if at < 0 else own.start + at, -1 if of < 0 else after[j] + of)
                for op, at, of in inner
            ]
    return Alignment(before[-1], tuple(edits))


class Correction(NamedTuple):
    """One correction of a failed attempt."""

    success: bool
    alignment: Alignment


def correction_share(corrections: Sequence[Correction], *, rho: float = 0.5) -> float:
    """s in [0, rho]: mean of rho * success over the corrections of an attempt; 0 without any."""
    return rho * sum(c.success for c in corrections) / len(corrections) if corrections else 0.0


def kept_correction(corrections: Sequence[Correction]) -> int:
    """Index of the successful correction with the smallest distance, the first of equals; -1 without any."""
    good = [(c.alignment.distance, k) for k, c in enumerate(corrections) if c.success]
    return min(good)[1] if good else -1


def shaped_rewards(
    rewards: Sequence[float], shares: Sequence[float], correct: Sequence[bool], *, weight: float
) -> list[float]:
    """R' = R + lambda * s for failed attempts, R for correct ones; before the group statistics.

    Args:
        rewards: [G] in {0, 1}; a trainer that pays more for success must scale afterwards.
        shares: [G] s, from ``correction_share``.
        correct: [G] whether the attempt succeeded.
        weight: lambda; lambda * rho must stay below 1, so that a correct attempt outranks every failed one.

    Raises:
        ValueError: a shaped failure would reach a success's reward, or lambda is negative.
    """
    if weight < 0:
        raise ValueError(f"IBPO's lambda must not be negative, got {weight}.")
    highest = weight * max(shares, default=0.0)
    if highest >= 1:
        raise ValueError(f"IBPO's lambda * rho must stay below 1, got {highest}.")
    return [
        r if ok or not weight else r + weight * s for r, s, ok in zip(rewards, shares, correct, strict=True)
    ]


def edit_advantages(
    advantage: float, edited: Sequence[bool], *, clamp: bool = True
) -> tuple[list[float], list[bool], bool]:
    """Advantages with the loss mask of a failed attempt that has a kept correction.

    Args:
        advantage: A' of the attempt, from shaped rewards.
        edited: [T] tokens that the correction edits; only they stay in the loss.
        clamp: on edited tokens use min(A', 0): a correctable failure must not reinforce its wrong tokens.

    Returns:
        [T] advantages; [T] loss mask; whether the clamp changed anything.
    """
    bites = clamp and advantage > 0 and any(edited)
    values = [0.0 if bites and e else advantage for e in edited]
    return values, list(edited), bites
