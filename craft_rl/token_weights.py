"""Token weights of one update: what two looks at the policy say, turned into advantages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from craft_rl.adapter_settings import ArcaConfig
from craft_rl.credit.adapter_residual import (
    Scheme,
    adapter_residual,
    concentration,
    divergence,
    entropy_reduction,
    salience_weights,
    surprisal,
    weighted_advantages,
)
from craft_rl.tokens.pack import MicroBatch, micro_batches, token_units
from craft_rl.tokens.score import Scored
from craft_rl.types import TokenBatch

Score = Callable[[MicroBatch], tuple[Tensor, Scored]]
"""[M] places on the batch's axis, with what the model says about the tokens there, hidden states included."""


class Evidence(NamedTuple):
    """What the schemes look at: [N] each, 0 outside the rows that were asked for."""

    logprobs: Tensor
    """By the policy at the start of the update, nats."""
    entropy: Tensor
    """Of the distributions that the tokens were drawn from, nats."""
    reference: Tensor | None
    """Log-probs with the adapter off; None when nobody looked."""
    residual: Tensor | None
    """Norm of what the adapter adds to the last hidden state; None when nobody looked."""


class Weighed(NamedTuple):
    """What becomes of the advantages."""

    advantages: Tensor
    """[N] A T w."""
    metrics: dict[str, float]
    """How uneven the weights are, how far the adapter moves the hidden states."""


@torch.no_grad()
def gather(
    batch: TokenBatch,
    rows: Sequence[int],
    score: Score,
    adapter_off: Callable[[], AbstractContextManager[object]] | None,
    *,
    micro_batch_tokens: int,
    like: Tensor,
) -> Evidence:
    """One pass over ``rows``, a second one with the adapter off where it is asked for.

    Args:
        batch: packed sequences.
        rows: sequences to look at.
        score: by the policy, in evaluation mode.
        adapter_off: switches the adapter off inside its block; None looks once only.
        micro_batch_tokens: tokens of one forward pass.
        like: [N] floating tensor that names device with precision.
    """
    logprobs, entropy, reference, residual = (torch.zeros_like(like) for _ in range(4))
    for micro in micro_batches(batch, micro_batch_tokens, rows):
        index, on = score(micro)
        assert on.entropy is not None and on.hidden is not None
        logprobs[index], entropy[index] = on.logprobs, on.entropy
        if adapter_off is None:
            continue
        with adapter_off():
            _, off = score(micro)
        assert off.hidden is not None
        reference[index] = off.logprobs
        residual[index] = adapter_residual(on.hidden, off.hidden).to(residual.dtype)
    if adapter_off is None:
        return Evidence(logprobs, entropy, None, None)
    return Evidence(logprobs, entropy, reference, residual)


def needs_second_look(scheme: Scheme) -> bool:
    """The scheme compares with the model below the adapter."""
    return scheme in ("divergence", "arca")


def salience(scheme: Scheme, evidence: Evidence, chosen: Tensor, step: Tensor) -> Tensor:
    """[M] alpha of the tokens at ``chosen``.

    Args:
        scheme: row of the table in credit/adapter_residual.py.
        evidence: with the second look where the scheme needs it.
        chosen: [M] int, places of the tokens in the order of the batch.
        step: [M] int, step of each.

    Raises:
        ValueError: the evidence lacks the second look.
    """
    if scheme == "uniform":
        return torch.zeros_like(evidence.logprobs[chosen])
    if scheme == "surprisal":
        return surprisal(evidence.logprobs[chosen])
    if scheme == "entropy_reduction":
        return entropy_reduction(evidence.entropy[chosen], step)
    if evidence.reference is None or evidence.residual is None:
        raise ValueError(f"Scheme {scheme} needs a look with the adapter off.")
    if scheme == "divergence":
        return divergence(evidence.logprobs[chosen], evidence.reference[chosen])
    return evidence.residual[chosen]


def weigh(
    batch: TokenBatch, rows: Sequence[int], evidence: Evidence, advantages: Tensor, settings: ArcaConfig
) -> Weighed:
    """A_t T w_t for the tokens under the mask of ``rows``; the advantages of all others stay.

    Args:
        batch: packed sequences.
        rows: those that the evidence covers.
        evidence: from ``gather``.
        advantages: [N].
        settings: scheme with its unit.
    """
    chosen, weights, unit = token_weights(batch, rows, evidence, settings)
    out = advantages.clone()
    metrics: dict[str, float] = {}
    if len(chosen):
        out[chosen] = weighted_advantages(advantages[chosen], weights, unit)
        spread = concentration(weights, unit, int(unit.max()) + 1)
        metrics["arca/gini"] = float(spread.gini.mean())
        metrics["arca/effective_tokens"] = float(spread.effective_ratio.mean())
        if evidence.residual is not None:
            metrics["arca/residual_mean"] = float(evidence.residual[chosen].mean())
            metrics["arca/residual_max"] = float(evidence.residual[chosen].max())
    return Weighed(out, metrics)


def token_weights(
    batch: TokenBatch, rows: Sequence[int], evidence: Evidence, settings: ArcaConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """[M] places of the tokens under the mask of ``rows``, [M] weights, [M] unit of each from 0 on."""
    device = evidence.logprobs.device
    steps, mask = token_units(batch, rows, "step")
    places = np.flatnonzero(mask)
    chosen, step = torch.from_numpy(places).to(device), torch.from_numpy(steps[places]).to(device)
    unit = step
    if settings.per == "trajectory":
        unit = torch.from_numpy(token_units(batch, rows, "trajectory")[0][places]).to(device)
    unit = torch.unique(unit, return_inverse=True)[1]
    alpha = salience(settings.scheme, evidence, chosen, step)
    return chosen, salience_weights(alpha, unit, epsilon=settings.eps), unit
