"""The scripted engine replays what it was given."""

from __future__ import annotations

import numpy as np
import pytest

from craft_envs.errors import EngineFailure
from craft_rl.engine.scripted import ScriptedEngine
from tests.rl.tiny_policy import request, tokenizer

PROMPT = np.array([5, 6], dtype=np.int32)


def test_sessions_follow_their_own_lists():
    engine = ScriptedEngine({"a": ["go to desk 1", [7, 8]], "b": [[9, 1]]}, tokenizer())
    first = engine.generate(
        [request("b", PROMPT, seed=0, stops=(1,)), request("a", PROMPT, seed=0, stops=(1,), tokens=30)]
    )
    assert first[0].token_ids.tolist() == [9, 1]
    assert tokenizer().decode(first[1].token_ids[:-1]) == "go to desk 1"
    assert [c.finish for c in first] == ["stop", "stop"]
    (second,) = engine.generate([request("a", PROMPT, seed=1, stops=(1,))])
    assert (second.token_ids.tolist(), second.finish) == ([7, 8], "length")
    with pytest.raises(EngineFailure, match="script of 1"):
        engine.generate([request("b", PROMPT, seed=1)])
    engine.release("b")
    assert engine.generate([request("b", PROMPT, seed=1)])[0].token_ids.tolist() == [9, 1]


def test_answers_are_cut_at_the_limit():
    engine = ScriptedEngine(lambda r, step: [3] * 20 + [1])
    (answer,) = engine.generate([request("a", PROMPT, seed=0, tokens=5, stops=(1,))])
    assert (len(answer.token_ids), answer.finish) == (5, "length")


def test_text_needs_a_tokenizer():
    with pytest.raises(EngineFailure, match="no tokenizer"):
        ScriptedEngine({"a": ["look"]}).generate([request("a", PROMPT, seed=0)])
