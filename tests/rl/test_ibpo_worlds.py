"""IBPO trains in each world: oracle siblings to learn from, a tiny policy that fails, real replays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from craft_rl import worlds
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.correction_settings import IbpoConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.engine.protocol import Completion, EngineCounters, Request
from craft_rl.models.small import build_small
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.rollout.demonstrate import demonstration_specs, play_agent
from craft_rl.tokens.encode import ChatCodec
from craft_rl.trainer import Trainer
from craft_rl.types import IntArray

RECIPES = ("small-ibpo", "webshop-small-ibpo", "searchqa-small-ibpo")


class Helped:
    """The tiny policy, but the first sibling, with one rewriting, says what the oracle would."""

    def __init__(
        self, policy: HFEngine, steps: dict[str, list[IntArray]], lists: dict[str, IntArray]
    ) -> None:
        self.policy, self.steps, self.lists = policy, steps, lists
        self.max_context = policy.max_context
        self.counters: EngineCounters = policy.counters
        self.policy_version = 0

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        own = [r for r in requests if self._told(r) is None]
        sampled = {c.request_id: c for c in self.policy.generate(own)} if own else {}
        return [sampled.get(r.request_id) or self._said(r) for r in requests]

    def release(self, session_id: str) -> None:
        self.policy.release(session_id)

    def set_policy_version(self, version: int) -> None:
        self.policy_version = version
        self.policy.set_policy_version(version)

    def _told(self, request: Request) -> IntArray | None:
        attempt, correction, _ = request.session_id.partition("/correction/")
        group, _, sibling = attempt.rpartition("/")
        task = group.partition("/")[2]
        if correction:
            return self.lists[task] if sibling == "1" and "#" not in request.request_id else None
        if sibling != "0":
            return None
        return self.steps[task][int(request.request_id.rpartition("#")[2])]

    def _said(self, request: Request) -> Completion:
        ids = self._told(request)
        assert ids is not None
        return Completion(
            request_id=request.request_id,
            token_ids=ids,
            logprobs=np.full(len(ids), -1.0, np.float32),
            finish="stop",
        )


@pytest.mark.parametrize("operator", ["rewrite", "resume"])
@pytest.mark.parametrize("name", RECIPES)
def test_failures_are_corrected_and_learned_from(name: str, operator: str, tmp_path: Path) -> None:
    recipe = quickstart_recipe(name)
    assert recipe.train.method == "ibpo" and recipe.train.ibpo.on
    prompt = dataclasses.replace(recipe.train.prompt, admissible=False)
    train = dataclasses.replace(
        recipe.train,
        updates=1,
        tasks_per_update=2,
        group_size=3,
        num_envs=8,
        world=dataclasses.replace(recipe.train.world, tasks=4),
        prompt=prompt,
        sampling=Sampling(max_new_tokens=60),
        ibpo=IbpoConfig(weight=0.6, mask=True, references=1, operator=operator)  # type: ignore[arg-type]
        if operator == "resume"
        else IbpoConfig(weight=0.6, mask=True, references=1, max_new_tokens=500),
    )
    world = worlds.open_world(train.world)
    form = prompt.form
    tasks = world.tasks.task_ids("train")
    trial = list(play_agent(demonstration_specs(tasks[:3]), world, "oracle", form=form))
    texts = [text for t in trial for s in t.steps for text in (s.observation, s.response)]
    policy = build_small(texts, layers=1, width=32, heads=1, vocab_size=700, max_context=8192)
    io = PolicyIO(codec=ChatCodec(policy.tokenizer), prompt=prompt, sampling=train.sampling)
    engine = HFEngine(policy.model, slots=8, max_context=8192)
    steps: dict[str, list[IntArray]] = {}
    lists: dict[str, IntArray] = {}
    trainer = Trainer(train, policy, world, Helped(engine, steps, lists), io, tmp_path)
    for task in trainer.order.tasks(0):
        (told,) = play_agent(demonstration_specs([task]), world, "oracle", form=form)
        assert told.success
        steps[task] = [io.codec.respond(s.response) for s in told.steps]
        lists[task] = io.codec.respond("\n".join(s.response for s in told.steps))
    before = {k: v.clone() for k, v in policy.model.state_dict().items()}
    row, groups = trainer.one_update()
    assert [t.success for g in groups for t in g.trajectories] == [True, False, False] * 2
    assert row["ibpo/asked"] == 4 == row["ibpo/failures"]
    assert row["ibpo/tokens"] > 0 and row["ibpo/generations"] >= 4
    assert row["ibpo/outcome/error_world"] == row["ibpo/outcome/error_engine"] == 0
    if operator == "rewrite":
        assert row["ibpo/outcome/solved"] == 2, "the world, played from the list alone, is solved again"
        assert row["ibpo/correction_rate"] == row["ibpo/copy_rate"] == 0.5
        assert 0 < row["ibpo/edited_share"] <= 1 and row["ibpo/edit_distance"] > 0
    assert np.isfinite(row["loss"])
    assert any((v != before[k]).any() for k, v in policy.model.state_dict().items())
