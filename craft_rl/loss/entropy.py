"""Log-probs of chosen tokens with the entropy of their distributions, from logits."""

from __future__ import annotations

import torch
from torch import Tensor


def chosen_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """log softmax(logits)[token].

    Args:
        logits: [..., V].
        tokens: [...] int ids.

    Returns:
        [...] log-probs, nats.
    """
    chosen = logits.gather(-1, tokens.long().unsqueeze(-1)).squeeze(-1)
    return chosen - torch.logsumexp(logits, dim=-1)


def entropy(logits: Tensor) -> Tensor:
    """H = logsumexp(z) - sum_v softmax(z)_v z_v of each distribution.

    Args:
        logits: [..., V].

    Returns:
        [...] entropies, nats.
    """
    return torch.logsumexp(logits, dim=-1) - (torch.softmax(logits, dim=-1) * logits).sum(dim=-1)
