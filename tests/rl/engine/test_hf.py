"""The batched engine against the plain one, and against itself in other company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from craft_envs.errors import ConfigError, EngineFailure, OutputNotFinite
from craft_rl.engine.hf import HFEngine, open_engine
from craft_rl.engine.plain import PlainEngine
from tests.rl.tiny_policy import play, policy, request, same

EPISODES = list(range(16))


@pytest.fixture(scope="module")
def expected():
    """What the plain engine samples."""
    return play(PlainEngine(policy().model, max_context=512), EPISODES)


def test_samples_what_the_plain_engine_samples(expected):
    found = play(HFEngine(policy().model, slots=16, max_context=512), EPISODES)
    assert same(found, expected, bits=False)
    worst = max(np.abs(found[k].logprobs - expected[k].logprobs).max() for k in expected)
    assert worst < 1e-5
    assert len({tuple(c.token_ids) for c in found.values()}) > len(found) // 2
    assert {c.finish for c in found.values()} == {"stop", "length"}


@pytest.mark.parametrize(
    ("batch", "threads", "episodes", "steps"), [(1, 1, 16, 3), (3, 1, 16, 3), (16, 1, 16, 4), (4, 2, 8, 2)]
)
def test_neighbours_do_not_change_a_bit(batch, threads, episodes, steps):
    model = policy(layers=2, width=64, heads=2).model
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = play(
            HFEngine(model, slots=40, max_context=512), list(range(2 * episodes + 1)), steps=steps
        )
        shuffled = [int(n) for n in np.random.default_rng(batch).permutation(episodes)]
        apart = play(HFEngine(model, slots=40, max_context=512), shuffled, steps=steps, batch=batch)
    finally:
        torch.set_num_threads(before)
    assert same(together, apart, bits=True)


def test_each_token_of_a_growing_prompt_is_encoded_once():
    engine = HFEngine(policy().model, slots=8, max_context=512)
    answers = play(engine, list(range(8)), steps=5, release=False)
    counters = engine.counters
    last = dict.fromkeys(range(8), 0)
    draw = {n: np.random.default_rng(n) for n in range(8)}
    for n in range(8):
        last[n] = int(draw[n].integers(2, 70))
        draw[n].integers(10, 390, last[n])
        for step in range(4):
            new = int(draw[n].integers(1, 40))
            draw[n].integers(10, 390, new)
            last[n] += new + len(answers[n, step].token_ids)
    # Every prompt id but those that were fed back while sampling: all of an answer except its last token.
    fed_back = sum(len(c.token_ids) - 1 for (_, step), c in answers.items() if step < 4)
    assert counters.prompt_tokens_encoded == sum(last.values()) - fed_back
    assert counters.prompt_tokens_given > 3 * counters.prompt_tokens_encoded
    assert counters.tokens_sampled == sum(len(c.token_ids) for c in answers.values())


def test_prompts_that_do_not_grow_reuse_their_common_beginning(expected):
    model = policy().model
    engine = HFEngine(model, slots=16, max_context=512)
    found = play(engine, EPISODES, window=True)
    assert same(found, play(PlainEngine(model, max_context=512), EPISODES, window=True), bits=False)
    assert engine.counters.prompt_tokens_encoded < 0.75 * engine.counters.prompt_tokens_given


def test_fewer_slots_than_episodes_costs_time_only(expected):
    engine = HFEngine(policy().model, slots=3, max_context=512)
    found = play(engine, EPISODES)
    assert same(found, expected, bits=False)
    assert engine.counters.caches_evicted > 0


def test_episodes_of_other_calls_keep_their_cache(expected):
    engine = HFEngine(policy().model, slots=16, max_context=512)
    assert same(play(engine, EPISODES, batch=5), expected, bits=False)
    assert engine.counters.caches_evicted == 0
    assert engine.counters.prompt_tokens_given > 2 * engine.counters.prompt_tokens_encoded


def test_released_episodes_start_anew():
    engine = HFEngine(policy().model, slots=4, max_context=512)
    first = play(engine, [0, 1], steps=1, release=False)
    given = engine.counters.prompt_tokens_encoded
    again = play(engine, [0, 1], steps=1, release=True)
    assert engine.counters.prompt_tokens_encoded == given + 2
    play(engine, [0, 1], steps=1)
    assert engine.counters.prompt_tokens_encoded == 2 * given + 2
    assert same(first, again, bits=False)


def test_new_weights_drop_every_cache():
    made = policy(seed=11)
    model = made.model
    engine = HFEngine(model, slots=4, max_context=512)
    play(engine, [0, 1], steps=1, release=False)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    try:
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.8)
        engine.set_policy_version(1)
        assert engine.policy_version == 1
        found = play(engine, [0, 1], steps=2)
        assert same(found, play(PlainEngine(model, max_context=512), [0, 1], steps=2), bits=False)
    finally:
        model.load_state_dict(before)


def test_greedy_takes_the_most_probable_token_at_temperature_one():
    model = policy().model
    prompt = np.arange(10, 40, dtype=np.int32)
    (answer,) = HFEngine(model, slots=4, max_context=512).generate(
        [request("a", prompt, seed=1, temperature=0.0, tokens=6)]
    )
    ids = torch.from_numpy(np.concatenate([prompt, answer.token_ids]).astype(np.int64))
    logp = torch.log_softmax(model(input_ids=ids[None]).logits[0].detach(), -1)[len(prompt) - 1 : -1]
    assert answer.token_ids.tolist() == logp.argmax(-1).tolist()
    np.testing.assert_allclose(answer.logprobs, logp.max(-1).values.numpy(), atol=1e-5)


def test_answers_end_at_the_context():
    engine = HFEngine(policy().model, slots=2, max_context=64)
    (answer,) = engine.generate([request("a", np.full(60, 30, dtype=np.int32), seed=0, tokens=32)])
    assert len(answer.token_ids) == 4
    assert answer.finish == "length"
    with pytest.raises(EngineFailure, match="64 tokens, the context 64"):
        engine.generate([request("a", np.full(64, 30, dtype=np.int32), seed=0)])


def test_one_session_twice_in_a_call_is_refused():
    engine = HFEngine(policy().model, slots=2, max_context=64)
    twice = [request("a", np.full(6, 30, dtype=np.int32), seed=s) for s in (0, 1)]
    with pytest.raises(ValueError, match="session 'a'"):
        engine.generate(twice)
    assert engine.generate([]) == []


def test_weights_that_are_not_numbers_are_reported_and_nothing_stale_is_kept():
    made = policy(seed=12)
    engine = HFEngine(made.model, slots=4, max_context=512)
    good = play(engine, [0, 1], steps=1, release=False)
    norm = made.model.model.norm.weight
    kept = norm.detach().clone()
    with torch.no_grad():
        norm.fill_(float("nan"))
    with pytest.raises(OutputNotFinite, match=r"log-prob nan.*request .*dtype"):
        play(engine, [0, 1, 2], steps=1)
    with torch.no_grad():
        norm.copy_(kept)
    assert same(good, play(engine, [0, 1], steps=1), bits=False)


def test_training_mode_is_left_as_it_was():
    made = policy(seed=13)
    engine = HFEngine(made.model, slots=2, max_context=64)
    made.model.train()
    play(engine, [0], steps=1)
    assert made.model.training
    made.model.eval()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_other_families(family):
    torch.manual_seed(0)
    if family == "llama":
        config = LlamaConfig(
            vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=None, eos_token_id=1,
        )  # fmt: skip
        model = LlamaForCausalLM(config).eval()
    else:
        config = GPT2Config(
            vocab_size=400, n_embd=32, n_layer=2, n_head=2, n_positions=512, bos_token_id=1, eos_token_id=1
        )
        model = GPT2LMHeadModel(config).eval()
    engine = open_engine(model, slots=8, max_context=512)
    assert isinstance(engine, HFEngine)
    found = play(engine, EPISODES[:8])
    assert same(found, play(PlainEngine(model, max_context=512), EPISODES[:8]), bits=False)


def test_models_with_a_sliding_window_fall_back_to_the_plain_engine():
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=16, max_position_embeddings=512, bos_token_id=None,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    with pytest.raises(ConfigError, match="slot cache"):
        HFEngine(model, slots=4, max_context=128)
    with pytest.warns(UserWarning, match="without a cache"):
        engine = open_engine(model, slots=4, max_context=128)
    assert isinstance(engine, PlainEngine)


def test_impossible_settings():
    model = policy().model
    with pytest.raises(ConfigError, match="slots"):
        HFEngine(model, slots=0, max_context=128)
    with pytest.raises(ConfigError, match="max_context"):
        HFEngine(model, slots=4, max_context=4096)


def test_bfloat16_runs_and_stays_near_its_own_plain_forward():
    model = policy(seed=14).model.to(torch.bfloat16)
    engine = HFEngine(model, slots=8, max_context=256)
    found = play(engine, list(range(4)), steps=2)
    assert all(np.isfinite(c.logprobs).all() for c in found.values())


def test_models_that_ignore_the_cache_are_found_out(monkeypatch):
    model = policy(seed=15).model
    plain = type(model).forward

    def forgetful(self, *args, past_key_values=None, attention_mask=None, **kwargs):
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "forward", forgetful)
    with pytest.raises(ConfigError, match="off by"):
        HFEngine(model, slots=4, max_context=128)

    def broken(self, *args, past_key_values=None, **kwargs):
        if past_key_values is not None:
            raise TypeError("caches are tuples here")
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "forward", broken)
    with pytest.raises(ConfigError, match="caches are tuples"):
        HFEngine(model, slots=4, max_context=128)
