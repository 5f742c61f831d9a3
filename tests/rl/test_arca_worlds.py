"""ARCA trains in each world: an oracle sibling beside a tiny policy that fails, an adapter that learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from craft_rl import worlds
from craft_rl.adapter_settings import LoraConfig
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.engine.hf import HFEngine
from craft_rl.models.lora import with_lora
from craft_rl.models.small import build_small
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.rollout.demonstrate import demonstration_specs, play_agent
from craft_rl.tokens.encode import ChatCodec
from craft_rl.trainer import Trainer
from craft_rl.types import IntArray
from tests.rl.test_ibpo_worlds import Helped

RECIPES = ("small-arca", "webshop-small-arca", "searchqa-small-arca")


@pytest.mark.parametrize("name", RECIPES)
def test_an_adapter_learns_with_token_weights(name: str, tmp_path: Path) -> None:
    recipe = quickstart_recipe(name)
    assert recipe.train.weighs_tokens and recipe.train.lora.rank == 16
    prompt = dataclasses.replace(recipe.train.prompt, admissible=False)
    train = dataclasses.replace(
        recipe.train,
        updates=2,
        tasks_per_update=1,
        group_size=3,
        num_envs=4,
        lora=LoraConfig(rank=4),
        world=dataclasses.replace(recipe.train.world, tasks=2),
        prompt=prompt,
        sampling=Sampling(max_new_tokens=60),
    )
    world = worlds.open_world(train.world)
    tasks = world.tasks.task_ids("train")
    trial = list(play_agent(demonstration_specs(tasks[:3]), world, "oracle", form=prompt.form))
    texts = [text for t in trial for s in t.steps for text in (s.observation, s.response)]
    policy = build_small(texts, layers=1, width=32, heads=1, vocab_size=700, max_context=8192)
    policy = with_lora(policy, train.lora, seed=0)
    io = PolicyIO(codec=ChatCodec(policy.tokenizer), prompt=prompt, sampling=train.sampling)
    steps: dict[str, list[IntArray]] = {}
    engine = Helped(HFEngine(policy.model, slots=4, max_context=8192), steps, {})
    trainer = Trainer(train, policy, world, engine, io, tmp_path)
    for update in range(2):
        for task in trainer.order.tasks(update):
            (told,) = play_agent(demonstration_specs([task]), world, "oracle", form=prompt.form)
            steps[task] = [io.codec.respond(s.response) for s in told.steps]
    before = {k: v.clone() for k, v in policy.model.state_dict().items()}
    first, groups = trainer.one_update()
    assert groups[0].trajectories[0].success
    assert first["arca/residual_max"] == 0.0 and first["arca/gini"] == pytest.approx(0.0, abs=1e-6)
    second, _ = trainer.one_update()
    assert 0 < second["arca/residual_mean"] < second["arca/residual_max"]
    assert 0 < second["arca/gini"] < 1 and 0 < second["arca/effective_tokens"] < 1
    moved = {k for k, v in policy.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and all(".lora_" in name for name in moved)
