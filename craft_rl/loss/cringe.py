"""The CRINGE term: a token that the teacher disapproves of loses against one that was likelier.

Source: Adolphs et al. 2023, "The CRINGE Loss", ACL 2023, with the choices that CRAFT (arXiv 2606.29476)
leaves open made as follows: a token is undesired where Delta_t < 0 strictly; its rival is drawn from the
softmax over the k largest logits other than its own; gradients flow through both logits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Rivals(NamedTuple):
    """The likeliest other tokens of each position."""

    ids: Tensor
    """[..., K] int, by falling logit; ties in order of the id."""
    probabilities: Tensor
    """[..., K] softmax over their logits."""


def rivals(logits: Tensor, tokens: Tensor, k: int = 5) -> Rivals:
    """The ``min(k, V - 1)`` largest logits of each position, that of the token itself left out.

    Args:
        logits: [..., V].
        tokens: [...] int, the sampled tokens.
        k: how many, at least 1.

    Returns:
        Ids with probabilities, detached.

    Raises:
        ValueError: ``k`` is below 1, or the vocabulary has no other token.
    """
    size = logits.shape[-1]
    if k < 1 or size < 2:
        raise ValueError(f"CRINGE needs k >= 1 and a vocabulary of at least 2, got k={k}, V={size}.")
    others = logits.detach().scatter(-1, tokens.unsqueeze(-1), float("-inf"))
    count = min(k, size - 1)
    values = others.topk(count, -1).values
    # topk leaves the order of ties open: sort what reaches the last value, found in order of the id, again
    flat = others.reshape(-1, size)
    rows, columns = (~(flat < values.reshape(-1, count)[:, -1:])).nonzero(as_tuple=True)
    order = flat[rows, columns].argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]
    starts = torch.searchsorted(rows, torch.arange(len(flat), device=rows.device))
    first = order[starts.unsqueeze(1) + torch.arange(count, device=rows.device)]
    return Rivals(columns[first].reshape(values.shape), torch.softmax(values, -1))


def draw_rivals(found: Rivals, generator: torch.Generator) -> Tensor:
    """[...] int, one rival per position by its probability, from a private generator."""
    flat = found.probabilities.reshape(-1, found.probabilities.shape[-1])
    picks = torch.multinomial(flat, 1, generator=generator)
    return found.ids.reshape(-1, found.ids.shape[-1]).gather(1, picks).reshape(found.ids.shape[:-1])


def rival_at(found: Rivals, uniform: Tensor) -> Tensor:
    """One rival per position, chosen by a number that was drawn before.

    Args:
        found: candidates.
        uniform: [...] in [0, 1).

    Returns:
        [...] int, the first candidate up to which the probabilities add up to more than the number.
    """
    total = found.probabilities.to(torch.float64).cumsum(-1)
    last = found.probabilities.shape[-1] - 1
    place = (total <= uniform.to(total.dtype).unsqueeze(-1)).sum(-1).clamp_max(last)
    return found.ids.gather(-1, place.unsqueeze(-1)).squeeze(-1)


def cringe_loss(logits: Tensor, tokens: Tensor, positives: Tensor) -> Tensor:
    """l = -log[e^{s+} / (e^{s+} + e^{s_y})] = softplus(s_y - s+).

    Args:
        logits: [..., V]; gradients flow through it.
        tokens: [...] int, y.
        positives: [...] int, the rivals drawn.

    Returns:
        [...] losses before the indicator of undesired tokens.
    """
    own = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    rival = logits.gather(-1, positives.unsqueeze(-1)).squeeze(-1)
    return softplus(own - rival)


def undesired(gap: Tensor) -> Tensor:
    """[...] bool, Delta_t < 0."""
    return gap < 0


def disapproved(gap: Tensor, theta: float) -> Tensor:
    """[...] bool, 1 - exp(Delta_t) > theta: what the controller counts as active."""
    return undesired(gap) & (-torch.expm1(gap.clamp_max(0.0)) > theta)
