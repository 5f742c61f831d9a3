"""A very small policy with chat templates in the manner of well-known models, shared by tests."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from craft_rl.engine.protocol import Completion, Engine, Request
from craft_rl.models.load import Policy
from craft_rl.models.small import build_small, train_tokenizer
from craft_rl.types import IntArray

TEXT = (
    "You are in the middle of a room. Looking around you, you see a desk 1, a drawer 2 and a shelf 3.",
    "Your task is to: put a clean mug in the coffee machine. go to desk 1, take pen 1 from desk 1.",
    "On the shelf 3, you see a book 1. <think>I look for the mug</think><action>examine book 1</action>",
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As Qwen2.5 and SmolLM2 write it."""

THOUGHTLESS = (
    "{% set last = namespace(i=0) %}{% for m in messages %}"
    "{% if m['role'] == 'user' %}{% set last.i = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.index0 < last.i and '</think>' in m['content'] %}"
    "{{ m['content'].split('</think>')[-1].lstrip('\n') }}{% else %}{{ m['content'] }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As Qwen3 writes it: thoughts of earlier answers are dropped from the dialogue."""

TRIMMING = (
    "{{ '<|begin|>' }}{% for m in messages %}"
    "<|header|>{{ m['role'] }}<|/header|>\n\n{{ m['content'] | trim }}<|eot|>"
    "{% endfor %}{% if add_generation_prompt %}<|header|>assistant<|/header|>\n\n{% endif %}"
)
"""As Llama 3 writes it: content is trimmed, the text begins with a token of its own."""

WITHOUT_END = (
    "{% for m in messages %}{{ '\n### ' + m['role'] + ': ' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n### assistant: ' }}{% endif %}"
)
"""Plain words between turns, no special token at all."""


@cache
def tokenizer(template: str = "") -> Any:
    """A tokenizer of 400 tokens with that template; the project's own where none is given."""
    made = train_tokenizer(TEXT * 4, vocab_size=400)
    if template:
        made.add_special_tokens(
            {
                "additional_special_tokens": [
                    "<|im_start|>",
                    "<|im_end|>",
                    "<|begin|>",
                    "<|header|>",
                    "<|/header|>",
                    "<|eot|>",
                ]
            }
        )
        made.chat_template = template
    return made


@cache
def policy(template: str = "", layers: int = 2, width: int = 32, heads: int = 2, seed: int = 3) -> Policy:
    """Random weights, about 40 thousand parameters, sharpened so that sampling has favourites."""
    made = build_small(
        tokenizer(template), layers=layers, width=width, heads=heads, max_context=1024, seed=seed
    )
    made.model.get_input_embeddings().weight.data *= 12
    return made


def request(
    session: str,
    prompt: IntArray,
    *,
    seed: int,
    tokens: int = 8,
    stops: tuple[int, ...] = (),
    **settings: Any,
) -> Request:
    """A request with settings that rarely matter filled in."""
    return Request(
        request_id=f"{session}/{seed}",
        session_id=session,
        prompt_ids=prompt,
        max_new_tokens=tokens,
        temperature=settings.pop("temperature", 0.8),
        seed=seed,
        stop_ids=stops,
        **settings,
    )


def play(
    engine: Engine,
    names: list[int],
    *,
    steps: int = 4,
    batch: int | None = None,
    tokens: int = 9,
    window: bool = False,
    low: int = 10,
    high: int = 390,
    release: bool = True,
) -> dict[tuple[int, int], Completion]:
    """Pretend episodes: every step adds random ids, drawn from the episode's own generator, to the dialogue.

    Args:
        engine: what samples.
        names: numbers of the episodes, in the order in which they are handed over.
        steps: of each episode.
        batch: most requests in one call; None sends all together.
        tokens: most per answer.
        window: forget all but the first ids and the last answer, as a prompt with a short history does.
        low: least id.
        high: one above the greatest id.
        release: whether the episodes are released at the end.

    Returns:
        (episode, step) -> completion.
    """
    draw = {n: np.random.default_rng(n) for n in names}
    first = {n: draw[n].integers(low, high, draw[n].integers(2, 70)).astype(np.int32) for n in names}
    prompt = dict(first)
    out: dict[tuple[int, int], Completion] = {}
    for step in range(steps):
        for at in range(0, len(names), batch or len(names)):
            part = names[at : at + (batch or len(names))]
            asked = [
                request(f"episode {n}", prompt[n], seed=100 * n + step, tokens=tokens, stops=(1, 20, 21, 22))
                for n in part
            ]
            for n, answer in zip(part, engine.generate(asked), strict=True):
                out[n, step] = answer
        for n in names:
            new = draw[n].integers(low, high, draw[n].integers(1, 40)).astype(np.int32)
            before = first[n] if window else prompt[n]
            prompt[n] = np.concatenate([before, out[n, step].token_ids, new])
    if release:
        for n in names:
            engine.release(f"episode {n}")
    return out


def same(
    a: dict[tuple[int, int], Completion], b: dict[tuple[int, int], Completion], *, bits: bool = True
) -> bool:
    """The same tokens for every step that both have; with ``bits`` also log-probs equal to the last bit."""
    both = a.keys() & b.keys()
    assert both
    return all(
        np.array_equal(a[k].token_ids, b[k].token_ids)
        and a[k].finish == b[k].finish
        and (not bits or np.array_equal(a[k].logprobs, b[k].logprobs))
        for k in both
    )
