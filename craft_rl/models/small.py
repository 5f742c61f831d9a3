"""The embedded policy: a small Qwen2 with a tokenizer trained on the worlds' own text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from craft_envs.errors import ConfigError
from craft_rl.models.load import Policy

SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
"""Ids 0 to 4. ``<|end|>`` closes an answer."""

WHOLE = ("<think>", "</think>", "<action>", "</action>")
"""Tags of the usual answer format: ordinary text, but one token each, because every token costs a decoding
pass."""

NUMBERED = tuple(f" {number}" for number in range(1, 41))
"""The numbers behind names (``drawer 12``) with their space, one token each: Qwen2's pre-tokeniser would make
them two or three, yet a name is what a policy copies most."""

_LOOK = 2.5
"""Score of a head that looks back, per pair of rotary dimensions: sharp enough to prefer the token meant,
small enough to be unlearned."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""One token a turn, none between turns but the ``<|end|>`` that the policy itself samples."""


@dataclass(frozen=True, slots=True)
class Size:
    """Shape of a small policy."""

    layers: int
    width: int
    heads: int
    inner: int
    """Width of the feed-forward layer."""


SIZES = {
    "0.3M": Size(layers=3, width=96, heads=6, inner=256),
    "1M": Size(layers=4, width=128, heads=8, inner=352),
    "3M": Size(layers=6, width=192, heads=12, inner=512),
    "5M": Size(layers=6, width=256, heads=16, inner=688),
}
"""Parameters without the embedding: 0.33, 0.80, 2.7 and 4.7 million. Heads of 16: more of
them learned to find the wanted object in fewer steps than fewer, wider ones."""


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 1024, *, tags: Sequence[str] = WHOLE
) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer for these texts; any Unicode survives encoding and decoding (after NFC).

    Normaliser, pre-tokeniser and class are exactly Qwen2's: ``AutoTokenizer`` builds those for every folder
    whose model is a Qwen2, whatever the tokenizer file says, so anything else would be read back differently.

    Args:
        texts: what is to be written in few tokens.
        vocab_size: tokens altogether.
        tags: of the answer format, one token each.

    Raises:
        ConfigError: ``vocab_size`` has no room for the 256 bytes and the special tokens.
    """
    whole = (*tags, *NUMBERED)
    least = 256 + len(SPECIAL_TOKENS) + len(whole)
    if vocab_size < least:
        raise ConfigError(
            f"vocab_size is {vocab_size}; bytes and special tokens alone need {least}.",
            where="train_tokenizer",
            remedy=f"Use at least {least}; 1024 suits the bundled worlds.",
        )
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(whole),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # Where a whole token ends, the next piece begins without it; merges must be learned on such pieces.
    cut = re.compile("|".join(map(re.escape, sorted(SPECIAL_TOKENS + whole, key=len, reverse=True))))
    core.train_from_iterator((piece for text in texts for piece in cut.split(text)), trainer)
    learned: dict[str, Any] = _bpe_state(core)
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=learned["merges"],
        unk_token=None,
        bos_token=None,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(SPECIAL_TOKENS[2:]),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in whole])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_small(
    texts_or_tokenizer: Iterable[str] | PreTrainedTokenizerBase,
    *,
    size: str = "0.3M",
    layers: int | None = None,
    width: int | None = None,
    heads: int | None = None,
    vocab_size: int = 1024,
    tags: Sequence[str] = WHOLE,
    max_context: int = 2048,
    lookback: Sequence[int] = (),
    seed: int = 0,
    name: str = "",
) -> Policy:
    """A fresh policy with random weights.

    Args:
        texts_or_tokenizer: texts to train a tokenizer on, or a tokenizer.
        size: a row of ``SIZES``; ``layers``, ``width`` and ``heads`` replace its numbers.
        vocab_size: of the tokenizer, when texts are given.
        tags: as in ``train_tokenizer``.
        max_context: positions of the model.
        lookback: distances in tokens; one head of the first layer for each begins by looking that far back.
            Copying what followed an earlier occurrence needs to know each token's predecessor, which a policy
            of this size is slow to find by itself.
        seed: of the weights' private generator; the global generators are left as they were.
        name: of the policy; by default the size.

    Raises:
        ConfigError: unknown size, a width that the heads do not divide into even parts, or more distances
            than heads.
    """
    if size not in SIZES:
        raise ConfigError(
            f"No size {size!r}.", where="build_small", remedy=f"Choose one of {', '.join(SIZES)}."
        )
    preset = SIZES[size]
    width_, heads_ = width or preset.width, heads or preset.heads
    if width_ % (2 * heads_):
        raise ConfigError(
            f"Width {width_} does not split into {heads_} heads of even size.",
            where="build_small",
            remedy=f"Use a width that is a multiple of {2 * heads_}.",
        )
    if len(lookback) > heads_ or any(distance < 1 for distance in lookback):
        raise ConfigError(
            f"lookback is {tuple(lookback)}",
            where="build_small",
            remedy=f"Give at most {heads_} distances, one for each head, each from 1.",
        )
    if isinstance(texts_or_tokenizer, PreTrainedTokenizerBase):
        tokenizer = texts_or_tokenizer
    else:
        tokenizer = train_tokenizer(texts_or_tokenizer, vocab_size, tags=tags)
    # Eight thirds of the width give SwiGLU the parameters of a plain four-fold layer; a multiple of 16 is
    # fast.
    inner = preset.inner if width is None else -(-8 * width_ // 48) * 16
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width_,
        intermediate_size=inner,
        num_hidden_layers=layers or preset.layers,
        num_attention_heads=heads_,
        num_key_value_heads=heads_,
        max_position_embeddings=max_context,
        tie_word_embeddings=True,
        use_sliding_window=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="sdpa",
    )
    # The constructor draws from the global generator; the fork hides that, the private generator then
    # overwrites.
    with torch.random.fork_rng(devices=[]):
        model = Qwen2ForCausalLM(config)
    _initialise(model, seed)
    for head, distance in enumerate(lookback):
        _look_back(model, head, distance)
    model.eval()
    return Policy(model=model, tokenizer=tokenizer, name=name or f"small-{size}")


@torch.no_grad()
def _initialise(model: torch.nn.Module, seed: int) -> None:
    """Normal weights of scale 1 / sqrt(fan in), smaller where layers add to the residual stream."""
    generator = torch.Generator().manual_seed(seed)
    layers: int = model.config.num_hidden_layers  # type: ignore[union-attr,assignment]
    for name, weight in sorted(model.named_parameters()):
        if weight.dim() < 2:
            weight.fill_(1.0 if "norm" in name else 0.0)
            continue
        scale = 0.02 if "embed" in name else 1.0 / math.sqrt(weight.shape[1])
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            scale /= math.sqrt(2 * layers)
        weight.copy_(torch.randn(weight.shape, generator=generator) * scale)


@torch.no_grad()
def _look_back(model: Qwen2ForCausalLM, head: int, distance: int) -> None:
    """Biases by which a head of the first layer attends ``distance`` tokens back, whatever they are.

    Rotary positions turn queries with keys by their places; a key bias u with a query bias that is u turned
    back by ``distance`` scores ``_LOOK * sum_f cos((lag - distance) theta_f)``, whose peak is at lag =
    ``distance``.
    """
    attention, config = model.model.layers[0].self_attn, model.config
    width = config.hidden_size // config.num_attention_heads
    base: float = config.rope_parameters["rope_theta"]
    angles = distance * base ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    rows = slice(head * width, (head + 1) * width)
    length = math.sqrt(_LOOK * math.sqrt(width))
    for layer in (attention.q_proj, attention.k_proj):
        layer.weight[rows] *= 0.1  # what a token is shall decide little at first
    attention.k_proj.bias[rows] = length * torch.cat([torch.ones_like(angles), torch.zeros_like(angles)])
    attention.q_proj.bias[rows] = length * torch.cat([torch.cos(angles), -torch.sin(angles)])


def _bpe_state(core: Tokenizer) -> dict[str, Any]:
    """``vocab`` and ``merges`` of a trained BPE tokenizer."""
    model = json.loads(core.to_str())["model"]
    merges: Sequence[Any] = model["merges"]
    return {"vocab": model["vocab"], "merges": [tuple(m) if not isinstance(m, str) else m for m in merges]}
