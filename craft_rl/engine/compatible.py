"""Whether a model can be served with the slot cache."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from craft_envs.errors import ConfigError
from craft_rl.engine.protocol import Engine, Request


class _ModelEngine(Engine, Protocol):
    """An engine that holds its model."""

    model: Any


def check_against_plain(engine: _ModelEngine) -> None:
    """Sample a few tokens over two steps, then compare their log-probs with a plain forward pass.

    Raises:
        ConfigError: they differ, or the model breaks: it needs something of its cache that this one lacks.
    """
    generator = np.random.Generator(np.random.Philox(key=0))
    # Leave the first ids alone: models put padding and other special ids there.
    high: int = engine.model.get_input_embeddings().weight.shape[0]
    low = min(8, high - 1)
    room = engine.max_context - 2
    prompts = {
        f"{i}": generator.integers(low, high, max(1, min(size, room))) for i, size in enumerate((3, 9))
    }
    weights = engine.model.get_input_embeddings().weight
    tolerance = 1e-3 if weights.dtype in (torch.float32, torch.float64) else 0.15
    for step in range(2):
        requests = [
            Request(
                request_id=name,
                session_id=name,
                prompt_ids=ids.astype(np.int32),
                max_new_tokens=2,
                temperature=1.0,
                seed=step,
                stop_ids=(),
            )
            for name, ids in prompts.items()
            if len(ids) < engine.max_context
        ]
        try:
            completions = engine.generate(requests)
        except (
            AttributeError,
            IndexError,
            NotImplementedError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            raise ConfigError(
                f"{type(engine.model).__name__} does not run with the slot cache: {error}",
                where="HFEngine",
                remedy="Use open_engine, which falls back to the plain engine for such a model.",
            ) from error
        for request, completion in zip(requests, completions, strict=True):
            ids = np.concatenate([request.prompt_ids, completion.token_ids]).astype(np.int64)
            expected = _plain_logprobs(engine.model, ids)[-len(completion.token_ids) :]
            worst = float(np.abs(expected - completion.logprobs).max())
            if not worst <= tolerance:
                raise ConfigError(
                    f"With the slot cache {type(engine.model).__name__} has log-probs off by {worst:.2g}.",
                    where="HFEngine",
                    remedy="Use open_engine, which falls back to the plain engine for such a model.",
                )
            prompts[request.request_id] = np.concatenate([ids, generator.integers(low, high, 2)])


@torch.inference_mode()
def _plain_logprobs(model: Any, ids: np.ndarray) -> np.ndarray:
    training = model.training
    model.eval()
    tokens = torch.from_numpy(ids).to(model.get_input_embeddings().weight.device)
    logits = model(input_ids=tokens.unsqueeze(0), use_cache=False).logits[0, :-1].float()
    model.train(training)
    picked = torch.log_softmax(logits, -1).gather(1, tokens[1:, None]).squeeze(1)
    return picked.cpu().numpy()


def refuse_other_caches(model: Any, max_context: int) -> None:
    """Raise ConfigError for models whose layers do not attend to the whole past."""
    config = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    problem = ""
    if getattr(config, "is_encoder_decoder", False):
        problem = "it is an encoder-decoder"
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if not kinds and window is not None and getattr(config, "use_sliding_window", True):
        kinds = {"sliding_attention"}  # Mistral and its relatives: every layer, without a list
    if kinds & {"sliding_attention", "chunked_attention"} and (window is None or window < max_context):
        problem = f"layers attend to a window of {window} tokens only"
    other = kinds - {"full_attention", "sliding_attention", "chunked_attention"}
    if other:
        problem = f"it has layers of type {', '.join(sorted(other))}"
    attention = getattr(config, "_attn_implementation", "sdpa")
    if attention not in ("sdpa", "eager"):
        problem = f"its attention is {attention!r}; only 'sdpa' and 'eager' take the masks of this engine"
    if problem:
        raise ConfigError(
            f"{type(model).__name__} cannot use the slot cache: {problem}.",
            where="HFEngine",
            remedy="Use open_engine, which falls back to the plain engine for such a model.",
        )
