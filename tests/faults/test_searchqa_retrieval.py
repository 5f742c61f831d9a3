"""Retrievers that are down or talk nonsense: a typed failure, never a score of zero in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from craft_envs.core import TextEnv
from craft_envs.errors import EnvFailure, RetrieverUnavailable
from craft_envs.searchqa.retrievers.http import HttpRetriever
from craft_envs.searchqa.retrievers.protocol import Retrieved
from craft_envs.searchqa.world import load_world
from craft_envs.vector import TextVectorEnv
from tests.envs.searchqa.toy_questions import DownRetriever, toy_world

PASSAGE = Retrieved("0", "A", "text", 1.0)


class Talker:
    """Answers whatever it is told to."""

    def __init__(self, answer: Callable[[Sequence[str], int], Any]) -> None:
        self.answer = answer

    def retrieve(self, queries: Sequence[str], k: int) -> list[list[Retrieved]]:
        return self.answer(queries, k)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "answer",
    [
        lambda queries, k: [],
        lambda queries, k: [[PASSAGE]] * (len(queries) + 1),
        lambda queries, k: [[PASSAGE] * (k + 1) for _ in queries],
        lambda queries, k: [["text"] for _ in queries],
        lambda queries, k: [[None] for _ in queries],
        lambda queries, k: [[("0", "A", "text", 1.0)] for _ in queries],
        lambda queries, k: [[Retrieved("0", None, "text", 1.0)] for _ in queries],  # type: ignore[arg-type]
        lambda queries, k: [[Retrieved("0", "A", ["text"], 1.0)] for _ in queries],  # type: ignore[arg-type]
        lambda queries, k: None,
        lambda queries, k: 5,
        lambda queries, k: [None for _ in queries],
        lambda queries, k: {"result": []},
        lambda queries, k: ([PASSAGE] for _ in queries),
        lambda queries, k: [][k],
        lambda queries, k: (_ for _ in ()).throw(TimeoutError("slow")),
    ],
)
def test_nonsense_is_a_failure(answer: Callable[[Sequence[str], int], Any]) -> None:
    session = toy_world(Talker(answer)).open("train/toy/q/1", 0)
    with pytest.raises(RetrieverUnavailable) as caught:
        session.act("search[corvo]")
    assert isinstance(caught.value, EnvFailure) and len(str(caught.value)) < 500
    assert session.searches == [] and session.score == 0.0 and not session.success


def test_a_single_environment_raises_and_goes_on() -> None:
    env = TextEnv(toy_world(DownRetriever()), split="train")
    env.reset(options={"task_id": "train/toy/q/1"})
    for _ in range(10):
        with pytest.raises(RetrieverUnavailable):
            env.step("search[corvo]")
    assert env.step("answer[Esk]")[1:3] == (1.0, True), "failed steps have not been counted"


def test_a_batch_raises() -> None:
    envs = TextVectorEnv(toy_world(DownRetriever()), num_envs=3, split="train")
    envs.reset(seed=0)
    with pytest.raises(RetrieverUnavailable):
        envs.step(["search[corvo]", "answer[Esk]", "search[x]"])


def test_a_service_that_is_not_there() -> None:
    # Nothing listens on the discard port of this machine.
    service = HttpRetriever("http://127.0.0.1:9/retrieve", attempts=1)
    world = load_world(size="small", retriever=service)
    session = world.open(world.tasks.task_ids("test")[0], 0)
    with pytest.raises(RetrieverUnavailable):
        session.act("search[anything]")
    named = load_world(size="small", retriever="http", retriever_url="http://127.0.0.1:9/retrieve")
    assert isinstance(named.rules.retriever, HttpRetriever) and not named.rules.match_ids
