"""The embedded policy is an ordinary Hugging Face folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from craft_envs.errors import ConfigError
from craft_rl.models.load import load_policy, save_policy
from craft_rl.models.small import SIZES, SPECIAL_TOKENS, WHOLE, build_small, train_tokenizer
from tests.rl.tiny_policy import TEXT, policy, tokenizer

STRANGE = (
    "go to desk 12",
    "  two  spaces\n\nlines\t1234567 it's DON'T x+=1",
    "é 漢字 🦊 ß \u00a0",
    "<think>a</think><action>take mug 3</action>",
    "<|user|>x<|end|>",
    "",
)


def test_auto_classes_read_back_the_same_ids(tmp_path):
    made = policy()
    folder = save_policy(made, tmp_path / "policy")
    auto = AutoTokenizer.from_pretrained(folder)
    assert len(auto) == len(made.tokenizer) == made.model.config.vocab_size
    for text in (*STRANGE, *TEXT):
        assert auto.encode(text) == made.tokenizer.encode(text)
        assert auto.decode(auto.encode(text)) == text
    assert auto.chat_template == made.tokenizer.chat_template
    assert (auto.eos_token, auto.pad_token) == ("<|end|>", "<|pad|>")
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(10, 40)[None]
    assert torch.equal(model(input_ids=ids).logits, made.model(input_ids=ids).logits)
    assert model.config.model_type == "qwen2"


def test_special_tokens_and_tags_are_one_token_each():
    tok = tokenizer()
    assert [tok.encode(t) for t in SPECIAL_TOKENS] == [[i] for i in range(len(SPECIAL_TOKENS))]
    for tag in WHOLE:
        assert len(tok.encode(tag)) == 1
    assert tok.decode(tok.encode("<think>a</think>"), skip_special_tokens=True) == "<think>a</think>"


def test_training_the_tokenizer_is_deterministic():
    again = train_tokenizer(TEXT * 4, vocab_size=400)
    assert again.get_vocab() == tokenizer().get_vocab()
    assert len(again) <= 400


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    state = np.random.get_state()[1].copy()
    a = build_small(tokenizer(), seed=5, layers=1, width=32, heads=2).model
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], state)
    torch.manual_seed(2)
    b = build_small(tokenizer(), seed=5, layers=1, width=32, heads=2).model
    c = build_small(tokenizer(), seed=6, layers=1, width=32, heads=2).model
    pairs = list(zip(a.parameters(), b.parameters(), c.parameters(), strict=True))
    assert all(torch.equal(x, y) for x, y, _ in pairs)
    assert not all(torch.equal(x, z) for x, _, z in pairs)
    assert a.get_input_embeddings().weight is a.get_output_embeddings().weight


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_what_they_say(size):
    model = build_small(tokenizer(), size=size).model
    body = sum(w.numel() for name, w in model.named_parameters() if "embed" not in name)
    assert body / 1e6 == pytest.approx(float(size[:-1]), rel=0.25)


def test_impossible_shapes_are_refused():
    with pytest.raises(ConfigError, match="No size"):
        build_small(tokenizer(), size="7B")
    with pytest.raises(ConfigError, match="even size"):
        build_small(tokenizer(), width=30, heads=4)
    with pytest.raises(ConfigError, match="vocab_size"):
        train_tokenizer(TEXT, vocab_size=100)


def test_a_saved_policy_is_opened_by_the_same_door_as_any(tmp_path):
    folder = save_policy(policy(), tmp_path / "policy")
    opened = load_policy(folder, dtype="bfloat16")
    assert next(opened.model.parameters()).dtype == torch.bfloat16
    assert opened.name == str(folder)
    assert not opened.model.training


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_a_head_that_looks_back_prefers_that_distance(distance):
    made = build_small(tokenizer(), layers=1, width=32, heads=2, lookback=(distance,), seed=3)
    made.model.set_attn_implementation("eager")
    ids = torch.randint(5, 300, (1, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights = made.model(input_ids=ids, output_attentions=True).attentions[0][0]
    place = torch.arange(20, 40)
    assert (weights[0, 20:].argmax(1) == place - distance).float().mean() > 0.8
    assert (weights[1, 20:].argmax(1) == place - distance).float().mean() < 0.5


def test_without_lookback_the_weights_are_the_plain_ones():
    plain = build_small(tokenizer(), layers=1, width=32, heads=2, seed=3).model.state_dict()
    again = build_small(tokenizer(), layers=1, width=32, heads=2, lookback=(), seed=3).model.state_dict()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


@pytest.mark.parametrize("lookback", [(0,), (1, 2, 3)])
def test_impossible_lookback_is_refused(lookback):
    with pytest.raises(ConfigError, match="lookback"):
        build_small(tokenizer(), layers=1, width=32, heads=2, lookback=lookback)
