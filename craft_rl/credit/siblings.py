"""Which tokens of sibling trajectories are compared: the slots of counterfactual credit.

CRAFT (arXiv 2606.29476, eq. 7) compares "position t" of the siblings of one prompt, which is only defined
once an alignment is chosen:

===========  ========================================  ====================================================
alignment    slot of a token                           reason
===========  ========================================  ====================================================
turn_token   (group, step, place inside the response)  default; at step 0 all prompts are identical
flat         (group, rank inside the episode)          closest to the paper's words
anchor       (group, state, place in the response)     compares actions taken from the same state
===========  ========================================  ====================================================
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import torch
from torch import Tensor

Alignment = Literal["turn_token", "flat", "anchor"]
ALIGNMENTS: tuple[Alignment, ...] = ("turn_token", "flat", "anchor")


def token_slots(
    alignment: Alignment,
    *,
    group: Sequence[Hashable],
    trajectory: Sequence[Hashable],
    step: Sequence[int],
    place: Sequence[int],
    anchor: Sequence[Hashable] | None = None,
) -> Tensor:
    """Slot number of every token, by first appearance; tokens may come in any order.

    Args:
        alignment: a row of the table above.
        group: [N] group of each token's trajectory.
        trajectory: [N] id of that trajectory, unique over all groups.
        step: [N] number of the step inside the trajectory.
        place: [N] place of the token inside the step's response.
        anchor: [N] key of the state that the step was taken from, for ``anchor``.

    Returns:
        [N] int64.

    Raises:
        ValueError: unknown alignment, ``anchor`` without anchors, or lengths that differ.
    """
    if alignment == "turn_token":
        keys: list[Hashable] = list(zip(group, step, place, strict=True))
    elif alignment == "flat":
        order = sorted(range(len(place)), key=lambda i: (step[i], place[i]))
        ranks = [0] * len(place)
        seen: dict[Hashable, int] = {}
        for i in order:
            ranks[i] = seen.get(trajectory[i], 0)
            seen[trajectory[i]] = ranks[i] + 1
        keys = list(zip(group, ranks, strict=True))
    elif alignment == "anchor":
        if anchor is None:
            raise ValueError("The alignment 'anchor' needs the anchor of every token.")
        keys = list(zip(group, anchor, place, strict=True))
    else:
        raise ValueError(f"Unknown alignment {alignment!r}; choose one of {', '.join(ALIGNMENTS)}.")
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys], dtype=torch.int64)


def integer_slots(
    alignment: Alignment, *, group: Tensor, trajectory: Tensor, step: Tensor, place: Tensor, anchor: Tensor
) -> Tensor:
    """``token_slots`` of integer keys, without a loop over tokens; the numbers differ, the slots do not.

    Args:
        alignment: a row of the table above.
        group: [N] int64, from 0, as all the others.
        trajectory: [N] index over all groups.
        step: [N] number of the step inside the trajectory.
        place: [N] place of the token inside the step's response.
        anchor: [N] index of the state that the step was taken from; used by ``anchor`` alone.

    Returns:
        [N] int64.

    Raises:
        ValueError: unknown alignment.
    """
    if alignment == "turn_token":
        return _joined(group, step, place)
    if alignment == "anchor":
        return _joined(group, anchor, place)
    if alignment != "flat":
        raise ValueError(f"Unknown alignment {alignment!r}; choose one of {', '.join(ALIGNMENTS)}.")
    order = torch.argsort(_joined(trajectory, step, place), stable=True)
    sizes = torch.bincount(trajectory)
    first = torch.cumsum(sizes, 0) - sizes
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first[trajectory[order]]
    return _joined(group, rank)


def _joined(*keys: Tensor) -> Tensor:
    """One number per tuple of numbers, in their order."""
    out = keys[0]
    for key in keys[1:]:
        out = out * (int(key.max()) + 1 if len(key) else 1) + key
    return out
