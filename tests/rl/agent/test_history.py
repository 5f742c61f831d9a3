"""Dialogue: what the ids of a prompt are, step after step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from craft_rl.agent.history import Dialogue, IdBuffer
from craft_rl.agent.parse import Parsed
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.agent.prompt import PromptSettings
from craft_rl.types import ParseOutcome as O
from tests.rl.toy_rollout import ToyCodec


def play(history: str, steps: int, window: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    io = PolicyIO(
        codec=ToyCodec(), prompt=PromptSettings(template="compact/1", history=history, window=window)
    )
    dialogue = Dialogue(io, "the task")
    seen = []
    for step in range(steps):
        prompt = dialogue.ask(f"saw {step};", ["look"])
        completion = ToyCodec().respond(f"<action>did {step};</action>")
        dialogue.answer(completion, Parsed(f"did {step};", O.ok))
        seen.append((prompt, completion))
    return seen


def test_full_history_only_grows():
    seen = play("full", 40)
    for (prompt, completion), (later, _) in itertools.pairwise(seen):
        together = np.concatenate([prompt, completion])
        assert np.array_equal(later[: len(together)], together)
    text = ToyCodec().decode(seen[-1][0])
    assert all(f"saw {i};" in text for i in range(40)) and text.count("the task") == 1


def test_full_history_is_kept_once():
    prompts = [prompt for prompt, _ in play("full", 60)]
    arrays = {id(prompt.base): prompt.base.nbytes for prompt in prompts}
    # Doubling keeps all buffers together below four times the final length; copies would be quadratic.
    assert sum(arrays.values()) < 4 * max(prompts[-1].nbytes, 4 * 1024)
    assert not prompts[0].flags.writeable


@pytest.mark.parametrize("window", [0, 1, 3])
def test_window_shows_exactly_the_last_exchanges(window: int):
    text = ToyCodec().decode(play("window", 6, window)[-1][0])
    shown = [i for i in range(6) if f"saw {i};" in text]
    assert shown == list(range(5 - window, 6))
    assert [i for i in range(6) if f"did {i};" in text] == shown[:-1]
    assert "the task" in text


def test_old_views_survive_growth():
    buffer = IdBuffer()
    first = buffer.begin(np.arange(1000, dtype=np.int32))
    later = buffer.grow(np.arange(5000, dtype=np.int32))
    assert np.array_equal(first, np.arange(1000)) and np.array_equal(later, np.arange(5000))
