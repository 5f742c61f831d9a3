"""The sampler: its distribution, its cuts, its seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from craft_rl.engine.protocol import EngineCounters, Request
from craft_rl.engine.sampling import Sampler, uniforms
from tests.rl.tiny_policy import request

PROMPT = np.array([1], dtype=np.int32)


def draw(logits: list[float], count: int, **settings) -> tuple[np.ndarray, np.ndarray]:
    requests = [request(f"{i}", PROMPT, seed=i, tokens=1, **settings) for i in range(count)]
    ids, logprobs = Sampler(requests, torch.device("cpu"))(torch.tensor([logits]).repeat(count, 1))
    return ids.numpy(), logprobs.numpy()


def test_frequencies_are_the_softmax():
    logits = np.log([0.5, 0.3, 0.15, 0.05])
    ids, logprobs = draw(list(logits), 4000, temperature=1.0)
    found = np.bincount(ids, minlength=4) / 4000
    assert np.abs(found - np.exp(logits)).max() < 0.03  # four standard errors of the largest entry
    np.testing.assert_allclose(logprobs, logits[ids], atol=1e-6)


def test_temperature_sharpens():
    logits = np.log([0.5, 0.3, 0.2])
    ids, logprobs = draw(list(logits), 4000, temperature=0.5)
    sharp = np.array([0.25, 0.09, 0.04]) / 0.38
    assert np.abs(np.bincount(ids, minlength=3) / 4000 - sharp).max() < 0.03
    np.testing.assert_allclose(logprobs, np.log(sharp)[ids], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"top_k": 2}, [1, 3]),
        ({"top_p": 0.65}, [1, 3]),
        ({"top_p": 0.4}, [1]),
        ({"top_k": 3, "top_p": 0.99}, [0, 1, 3]),
    ],
)
def test_cuts_renormalise(settings, kept):
    probs = np.array([0.15, 0.5, 0.05, 0.3])
    ids, logprobs = draw(list(np.log(probs)), 600, temperature=1.0, **settings)
    assert sorted(set(ids.tolist())) == kept
    np.testing.assert_allclose(logprobs, np.log(probs / probs[kept].sum())[ids], atol=1e-6)


def test_rows_with_different_settings_do_not_mix():
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]]))
    settings = [
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 1.3, "top_k": 1},
        {"temperature": 0.4},
    ]
    requests = [request(f"{i}", PROMPT, seed=i, tokens=3, **s) for i, s in enumerate(settings)]
    together = Sampler(requests, torch.device("cpu"))
    alone = [Sampler([r], torch.device("cpu")) for r in requests]
    for _ in range(3):
        ids, logprobs = together(logits.repeat(4, 1))
        for i, sampler in enumerate(alone):
            one, logprob = sampler(logits)
            assert int(one) == int(ids[i])
            assert float(logprob) == pytest.approx(float(logprobs[i]), abs=1e-6)


def test_dropping_rows_keeps_each_rows_numbers():
    logits = torch.zeros(5, 50)
    requests = [request(f"{i}", PROMPT, seed=i, tokens=4) for i in range(5)]
    whole, cut = Sampler(requests, torch.device("cpu")), Sampler(requests, torch.device("cpu"))
    whole(logits), cut(logits)
    rows = torch.tensor([4, 1])
    cut.keep(rows)
    assert torch.equal(cut(logits[:2])[0], whole(logits)[0][rows])


def test_the_seed_alone_decides():
    a = request("a", PROMPT, seed=7, tokens=5)
    assert np.array_equal(uniforms(a), uniforms(request("b", PROMPT, seed=7, tokens=9))[:5])
    assert not np.array_equal(uniforms(a), uniforms(request("a", PROMPT, seed=8, tokens=5)))


def test_tokens_without_mass_are_never_drawn():
    logits = [-torch.inf, 0.0, -torch.inf, -60.0, -torch.inf]
    ids, _ = draw(logits, 2000, temperature=1.0)
    assert set(ids.tolist()) == {1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt_ids", np.empty(0, dtype=np.int32)),
        ("max_new_tokens", 0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_k", -1),
        ("seed", -1),
    ],
)
def test_impossible_requests_are_refused(field, value):
    good = {
        "request_id": "r", "session_id": "s", "prompt_ids": PROMPT, "max_new_tokens": 4, "temperature": 1.0,
        "seed": 0, "stop_ids": (),
    }  # fmt: skip
    Request(**good)
    with pytest.raises(ValueError, match=field):
        Request(**(good | {field: value}))


def test_counters_subtract():
    counters = EngineCounters(prompt_tokens_given=5)
    before = counters.copy()
    counters.prompt_tokens_given += 7
    assert counters.since(before) == EngineCounters(prompt_tokens_given=7)
