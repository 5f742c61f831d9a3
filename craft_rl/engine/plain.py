"""The slow, obvious engine: each token is sampled from a fresh forward pass over one whole sequence."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from craft_envs.errors import EngineFailure, OutputNotFinite
from craft_rl.engine.protocol import Completion, EngineCounters, Request
from craft_rl.engine.sampling import Sampler


class PlainEngine:
    """Works with every causal model, caches nothing; the oracle that faster engines are tested against."""

    def __init__(self, model: Any, *, max_context: int) -> None:
        self.model = model
        self.max_context = max_context
        self.policy_version = 0
        self.counters = EngineCounters()

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in order; see ``Engine.generate``."""
        check_requests(requests, self.max_context)
        training = self.model.training
        self.model.eval()
        try:
            return [self._one(request) for request in requests]
        finally:
            self.model.train(training)

    def release(self, session_id: str) -> None:
        """Nothing is cached."""

    def set_policy_version(self, version: int) -> None:
        """Nothing is cached."""
        self.policy_version = version

    def _one(self, request: Request) -> Completion:
        started = time.perf_counter()
        device = next(self.model.parameters()).device
        sampler = Sampler([request], device)
        ids = torch.as_tensor(request.prompt_ids, dtype=torch.long, device=device)
        tokens: list[int] = []
        logprobs: list[float] = []
        finish: Literal["stop", "length"] = "length"
        for _ in range(min(request.max_new_tokens, self.max_context - len(request.prompt_ids))):
            logits = self.model(input_ids=ids.unsqueeze(0), use_cache=False).logits[:, -1]
            self.counters.prompt_tokens_encoded += len(ids)
            token, logprob = sampler(logits)
            tokens.append(int(token))
            logprobs.append(float(logprob))
            check_logprob(logprobs[-1], request, len(tokens))
            if tokens[-1] in request.stop_ids:
                finish = "stop"
                break
            ids = torch.cat([ids, token])
        self.counters.prompt_tokens_given += len(request.prompt_ids)
        self.counters.tokens_sampled += len(tokens)
        self.counters.seconds_decode += time.perf_counter() - started
        return Completion(
            request_id=request.request_id,
            token_ids=np.asarray(tokens, dtype=np.int32),
            logprobs=np.asarray(logprobs, dtype=np.float32),
            finish=finish,
        )


def check_logprob(logprob: float, request: Request, number: int) -> None:
    """Raise where a model is broken.

    Args:
        logprob: of a token that was sampled.
        request: whose token.
        number: of the token in the completion, from 1.

    Raises:
        OutputNotFinite: nan or infinity.
    """
    if not math.isfinite(logprob):
        raise OutputNotFinite(
            f"the model gave log-prob {logprob} to a sampled token",
            where=f"request {request.request_id!r}, token {number}",
            remedy="check the weights for nan; try another dtype, or a lower learning rate",
        )


def check_requests(requests: Sequence[Request], max_context: int) -> None:
    """Raise where a call to ``Engine.generate`` cannot be served."""
    seen: set[str] = set()
    for request in requests:
        if request.session_id in seen:
            raise ValueError(
                f"Two requests of one call belong to session {request.session_id!r}; give each its own."
            )
        seen.add(request.session_id)
        length = len(request.prompt_ids)
        if length >= max_context:
            raise EngineFailure(
                f"The prompt has {length} tokens, the context {max_context}: no room for an answer.",
                where=f"request {request.request_id!r}",
                remedy="End the episode before its prompt fills the context, or use a longer context.",
            )
