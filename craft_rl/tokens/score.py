"""Log-probs that a model gives to tokens it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

_CHUNK = 1 << 22
"""Most logits (tokens times vocabulary) that are held in float32 at once."""
OfLogits = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits / temperature [m, V], their tokens [m], which of the M masked tokens they are [m]) -> [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """What a model says about M masked tokens, in the order of ``mask.nonzero()``: row by row, left to
    right."""

    logprobs: Tensor
    """[M] float32 (float64 for a float64 model)."""
    entropy: Tensor | None = None
    """[M] of the distribution each token was drawn from, nats; absent unless asked for."""
    greedy: Tensor | None = None
    """[M] bool, whether the token is the most probable one; absent unless asked for."""
    hidden: Tensor | None = None
    """[M, D] last hidden state, after the final norm, at the position that predicts the token; absent unless
    asked for."""
    of_logits: Tensor | None = None
    """[M] what the caller's own function made of the logits; absent without one."""


def token_logprobs(
    model: Any,
    token_ids: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    greedy: bool = False,
    hidden: bool = False,
    of_logits: OfLogits | None = None,
) -> Scored:
    """Log-prob of each masked token given the tokens before it in its row.

    The output layer runs on positions before masked tokens alone, in chunks, so that no [B, T, V] tensor
    exists; with gradients, chunks are computed again on the way back instead of being kept.

    Args:
        model: a causal language model; in training or evaluation mode, as its owner left it.
        token_ids: int64 [B, T], padded on the right.
        mask: bool [B, T], True on the tokens to score.
        temperature: the distribution is softmax(logits / temperature); 0 means 1, as for greedy completions.
        entropy: also return entropies.
        greedy: also return whether each token is the most probable one.
        hidden: also return hidden states.
        of_logits: one more number per token, with gradient; called again on the way back, so the same inputs
            must give the same numbers.

    Raises:
        ValueError: a row's first token is under the mask; nothing precedes it.
    """
    if bool(mask[:, 0].any()):
        raise ValueError("token_logprobs: the first token of a row is under the mask; nothing predicts it.")
    scale = 1.0 / temperature if temperature > 0 else 1.0
    rows, columns = mask.nonzero(as_tuple=True)
    targets = token_ids[rows, columns]
    body, head = _split(model)
    # Right padding under causal attention needs no mask; without one the fast attention kernels stay
    # available.
    if head is None:
        whole = model(input_ids=token_ids, use_cache=False, output_hidden_states=hidden)
        source = whole.logits[rows, columns - 1]
        state = whole.hidden_states[-1][rows, columns - 1] if hidden else None
        vocabulary = source.shape[-1]
    else:
        source = body(input_ids=token_ids, use_cache=False).last_hidden_state[rows, columns - 1]
        state = source if hidden else None
        vocabulary = head.weight.shape[0]

    def run(part: Tensor, ids: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scores = part if head is None else head(part)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        scores = scores * scale if scale != 1.0 else scores
        logp = torch.log_softmax(scores, dim=-1)
        spread = -(logp.exp() * logp).sum(-1) if entropy else logp.new_zeros(0)
        best = logp.detach().argmax(-1) == ids if greedy else ids.new_zeros(0, dtype=torch.bool)
        more = of_logits(scores, ids, where) if of_logits is not None else logp.new_zeros(0)
        return logp.gather(1, ids.unsqueeze(1)).squeeze(1), spread, best, more

    size = max(1, _CHUNK // vocabulary)
    pieces = []
    places = torch.arange(len(targets), device=targets.device)
    for start in range(0, max(len(targets), 1), size):
        inputs = tuple(values[start : start + size] for values in (source, targets, places))
        if len(targets) > size and torch.is_grad_enabled():
            pieces.append(checkpoint(run, *inputs, use_reentrant=False))
        else:
            pieces.append(run(*inputs))
    logprobs, spreads, bests, more = (torch.cat(kind) for kind in zip(*pieces, strict=True))
    return Scored(
        logprobs=logprobs,
        entropy=spreads if entropy else None,
        greedy=bests if greedy else None,
        hidden=state,
        of_logits=more if of_logits is not None else None,
    )


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
