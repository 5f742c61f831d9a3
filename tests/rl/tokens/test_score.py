"""Log-probs of given tokens against the full softmax."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CohereConfig, CohereForCausalLM

from craft_rl.tokens import score
from craft_rl.tokens.score import token_logprobs
from tests.rl.tiny_policy import policy


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 390, (4, 23), generator=generator)
    mask = torch.rand(4, 23, generator=generator) < 0.4
    mask[:, 0] = False
    ids[2, 15:] = 0
    mask[2, 15:] = False
    return ids, mask


def whole(model, ids, mask, temperature):
    logp = torch.log_softmax(model(input_ids=ids).logits / temperature, -1)
    picked = logp[:, :-1].gather(2, ids[:, 1:, None]).squeeze(2)
    entropy = -(logp.exp() * logp).sum(-1)[:, :-1]
    greedy = logp[:, :-1].argmax(-1) == ids[:, 1:]
    return picked[mask[:, 1:]], entropy[mask[:, 1:]], greedy[mask[:, 1:]]


@pytest.mark.parametrize("chunk", [1 << 22, 3000])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_equals_the_full_softmax(rows, temperature, chunk, monkeypatch):
    monkeypatch.setattr(score, "_CHUNK", chunk)
    ids, mask = rows
    model = policy().model
    found = token_logprobs(model, ids, mask, temperature=temperature, entropy=True, greedy=True)
    logprobs, entropy, greedy = whole(model, ids, mask, temperature)
    torch.testing.assert_close(found.logprobs, logprobs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.entropy, entropy, atol=1e-5, rtol=1e-5)
    assert torch.equal(found.greedy, greedy)


def test_chunks_give_the_same_gradient(rows, monkeypatch):
    ids, mask = rows
    model = policy().model
    gradients = []
    for chunk in (1 << 22, 3000):
        monkeypatch.setattr(score, "_CHUNK", chunk)
        model.zero_grad()
        found = token_logprobs(model, ids, mask, entropy=True)
        (found.logprobs.sum() + found.entropy.sum()).backward()
        gradients.append([w.grad.clone() for w in model.parameters()])
    model.zero_grad(set_to_none=True)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_nothing_asked_nothing_returned(rows):
    ids, mask = rows
    found = token_logprobs(policy().model, ids, torch.zeros_like(mask))
    assert found.logprobs.shape == (0,)
    assert found.entropy is None
    assert found.greedy is None


def test_first_tokens_cannot_be_scored(rows):
    ids, mask = rows
    with pytest.raises(ValueError, match="first token"):
        token_logprobs(policy().model, ids, torch.ones_like(mask))


def test_models_that_scale_their_logits_take_the_whole_path(rows):
    ids, mask = rows
    torch.manual_seed(0)
    config = CohereConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, logit_scale=0.25, max_position_embeddings=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=1,
    )  # fmt: skip
    model = CohereForCausalLM(config).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(50)
        found = token_logprobs(model, ids, mask)
        np.testing.assert_allclose(found.logprobs, whole(model, ids, mask, 1.0)[0], atol=1e-5)
    assert score._split(model)[1] is None
    assert score._split(policy().model)[1] is not None


def test_float64_models_are_scored_in_float64(rows):
    ids, mask = rows
    model = policy(seed=21).model.double()
    assert token_logprobs(model, ids, mask).logprobs.dtype == torch.float64
