"""Choice of the next token, by inverse transform from each request's private generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from craft_rl.engine.protocol import Request


def uniforms(request: Request) -> np.ndarray:
    """All numbers in [0, 1) that a request can consume, one per token: float64 [max_new_tokens].

    They are drawn from a Philox generator keyed by the request's seed, so token t depends on the seed, t, and
    the model alone.
    """
    return np.random.Generator(np.random.Philox(key=request.seed)).random(request.max_new_tokens)


class Sampler:
    """Samples one token per row; the rows keep their settings until ``keep`` reorders them."""

    def __init__(self, requests: Sequence[Request], device: torch.device) -> None:
        width = max(r.max_new_tokens for r in requests)
        numbers = np.zeros((len(requests), width))
        for i, r in enumerate(requests):
            numbers[i, : r.max_new_tokens] = uniforms(r)
        self._uniform = torch.from_numpy(numbers).to(device)
        temperature = torch.tensor([r.temperature for r in requests], dtype=torch.float32, device=device)
        # Greedy rows report log-probs at temperature 1 and ignore their uniform numbers.
        self._greedy = temperature == 0
        self._scale = torch.where(self._greedy, 1.0, 1.0 / temperature.clamp_min(1e-6)).unsqueeze(1)
        self._top_k = torch.tensor([r.top_k for r in requests], device=device)
        self._top_p = torch.tensor([r.top_p for r in requests], dtype=torch.float64, device=device)
        self._any_greedy = bool(self._greedy.any())
        self._all_greedy = bool(self._greedy.all())
        self._plain_scale = bool((self._scale == 1).all())
        self._cut = bool(((self._top_k > 0) | (self._top_p < 1)).logical_and(~self._greedy).any())
        self._token = 0

    def keep(self, rows: torch.Tensor) -> None:
        """From now on row i is what row ``rows[i]`` was."""
        self._uniform = self._uniform[rows]
        self._greedy = self._greedy[rows]
        self._scale = self._scale[rows]
        self._top_k = self._top_k[rows]
        self._top_p = self._top_p[rows]

    def __call__(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token of every row.

        Args:
            logits: [n, V] of the next position, any float type.

        Returns:
            ids int64 [n], their log-probs float32 [n].
        """
        logits = logits.float()
        if not self._plain_scale:
            logits = logits * self._scale
        logprobs = torch.log_softmax(logits, dim=-1)
        if self._all_greedy:
            ids = logprobs.argmax(-1)
        else:
            if self._cut:
                logprobs = self._truncate(logprobs)
            # The sum runs in float64: in float32 the tail of a large vocabulary is lost to rounding.
            cdf = logprobs.double().exp_().cumsum_(-1)
            total = cdf[:, -1:]
            target = self._uniform[:, self._token : self._token + 1] * total
            ids = torch.searchsorted(cdf, target, right=True)
            # Rounding can lift the target to the total itself, past the last token that has any mass.
            ids = torch.minimum(ids, torch.searchsorted(cdf, total.contiguous())).squeeze(1)
            # Only where the logits are not numbers; the caller sees that in the log-prob.
            ids = ids.clamp_max(logits.shape[1] - 1)
            if self._any_greedy:
                ids = torch.where(self._greedy, logprobs.argmax(-1), ids)
        self._token += 1
        return ids, logprobs.gather(1, ids.unsqueeze(1)).squeeze(1)

    def _truncate(self, logprobs: torch.Tensor) -> torch.Tensor:
        """Log-probs renormalised over the tokens that top_k and top_p leave; -inf elsewhere."""
        # A stable sort gives equal log-probs the order of their ids.
        ordered, order = torch.sort(logprobs, dim=-1, descending=True, stable=True)
        probs = ordered.double().exp()
        before = probs.cumsum(-1) - probs
        rank = torch.arange(logprobs.shape[1], device=logprobs.device)
        limit = torch.where(self._top_k > 0, self._top_k, logprobs.shape[1]).unsqueeze(1)
        kept = (rank < limit) & (before < self._top_p.unsqueeze(1))
        kept |= self._greedy.unsqueeze(1)
        kept[:, 0] = True
        keep = torch.zeros_like(kept).scatter_(1, order, kept)
        return torch.log_softmax(logprobs.masked_fill(~keep, float("-inf")), dim=-1)
