"""Log-probs that a model gives to tokens it is shown."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from craft_rl.tokens.pack import MicroBatch

_CHUNK = 1 << 22
"""Most logits (tokens times vocabulary) that are held in float32 at once."""


def token_logprobs(
    model: Any,
    batch: MicroBatch,
    temperature: float = 1.0,
    with_entropy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-prob of each masked token given the tokens before it in its sequence.

    The output layer runs on positions under the loss mask alone, in chunks, so that no [B, T, V] tensor exists;
    with gradients, chunks are computed again on the way back instead of being kept.

    Args:
        model: a causal language model.
        batch: on the model's device.
        temperature: the distribution is softmax(logits / temperature); 0 means 1, as for greedy completions.
        with_entropy: also the entropy of that distribution at each position.

    Returns:
        float32 [B, T] log-probs, entry t belonging to token t, 0 outside the mask; entropies likewise, or None.

    Raises:
        ValueError: a sequence's first token is under the loss mask; nothing precedes it.
    """
    mask = batch.loss_mask
    if bool(mask[:, 0].any()):
        raise ValueError("token_logprobs: the first token of a sequence is under the loss mask; nothing predicts it.")
    scale = 1.0 / temperature if temperature > 0 else 1.0
    rows, columns = mask.nonzero(as_tuple=True)
    targets = batch.token_ids[rows, columns]
    body, head = _split(model)
    if head is None:
        source = model(input_ids=batch.token_ids, use_cache=False).logits[rows, columns - 1]
        vocabulary = source.shape[-1]
    else:
        # Right padding and causal attention: no mask is needed, and the fast attention kernels stay available.
        source = body(input_ids=batch.token_ids, use_cache=False).last_hidden_state[rows, columns - 1]
        vocabulary = head.weight.shape[0]
    logprobs, entropies = [], []
    size = max(1, _CHUNK // vocabulary)
    total = len(targets)

    def run(part: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = part if head is None else head(part)
        logp = torch.log_softmax(scores.float() * scale, dim=-1)
        entropy = -(logp.exp() * logp).sum(-1) if with_entropy else logp.new_zeros(0)
        return logp.gather(1, ids.unsqueeze(1)).squeeze(1), entropy

    for start in range(0, total, size):
        part, ids = source[start : start + size], targets[start : start + size]
        if total > size and torch.is_grad_enabled():
            picked, entropy = checkpoint(run, part, ids, use_reentrant=False)
        else:
            picked, entropy = run(part, ids)
        logprobs.append(picked)
        entropies.append(entropy)
    flat = rows * mask.shape[1] + columns

    def laid(parts: list[torch.Tensor]) -> torch.Tensor:
        out = torch.zeros(mask.numel(), dtype=torch.float32, device=mask.device)
        if parts:
            out = out.index_put((flat,), torch.cat(parts))
        return out.view(mask.shape)

    return laid(logprobs), laid(entropies) if with_entropy else None


_PROVEN: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
"""Model -> whether its body and head together reproduce its logits."""


def _split(model: Any) -> tuple[Any, Any | None]:
    """(body, head) where head(body(ids)) gives the model's logits; head None where that is not so."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model  # under LoRA
    body = getattr(causal, getattr(causal, "base_model_prefix", "") or "-", None)
    head = causal.get_output_embeddings() if hasattr(causal, "get_output_embeddings") else None
    if body is None or head is None:
        return model, None
    if model not in _PROVEN:
        _PROVEN[model] = _agree(model, body, head)
    return (body, head) if _PROVEN[model] else (model, None)


@torch.no_grad()
def _agree(model: Any, body: Any, head: Any) -> bool:
    """Some models scale or cap their logits, and sharded ones gather weights only in their outermost call."""
    if any(isinstance(weight, DTensor) for weight in model.parameters()):
        return False
    training = model.training
    model.eval()
    ids = torch.arange(4, device=head.weight.device).unsqueeze(0) % head.weight.shape[0]
    try:
        whole = model(input_ids=ids, use_cache=False).logits
        parts = head(body(input_ids=ids, use_cache=False).last_hidden_state)
    except (AttributeError, TypeError, RuntimeError):
        return False
    finally:
        model.train(training)
    return whole.shape == parts.shape and torch.allclose(whole, parts, rtol=1e-5, atol=1e-5)
