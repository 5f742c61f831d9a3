"""CRAFT trains in each of the three worlds, with the skills that ship for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from craft_rl.agent.parse import tags_of
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.hf import open_engine
from craft_rl.models.small import build_small
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.report.jsonl import read_metrics
from craft_rl.rollout.demonstrate import demonstration_specs, play_agent
from craft_rl.rollout.texts import texts_of
from craft_rl.skilled import bank_texts
from craft_rl.teacher import open_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.trainer import Trainer
from craft_rl.worlds import open_world


@pytest.mark.parametrize("name", ["small-craft", "webshop-small-craft", "searchqa-small-craft"])
def test_an_update_in_every_world(name: str, tmp_path: Path) -> None:
    config = quickstart_recipe(name)
    train = dataclasses.replace(
        config.train,
        updates=1,
        minibatches=1,
        tasks_per_update=2,
        group_size=3,
        num_envs=6,
        world=dataclasses.replace(config.train.world, max_steps=2),
        tensorboard=False,
    )
    world = open_world(train.world)
    sample = demonstration_specs(world.tasks.task_ids(train.world.split)[::100][:8])
    texts = texts_of(play_agent(sample, world, "scripted", form=train.prompt.form), world)
    assert train.skills == config.skill_mix.bank is not None
    policy = build_small(
        [*texts, *bank_texts(train.skills, train.world.env)],
        layers=1,
        width=16,
        heads=1,
        vocab_size=600,
        tags=tags_of(train.prompt.form),
        max_context=config.max_context,
    )
    io = PolicyIO(codec=ChatCodec(policy.tokenizer), prompt=train.prompt, sampling=train.sampling)
    engine = open_engine(policy.model, slots=train.num_envs, max_context=config.max_context)
    teacher = open_teacher(train, policy, ChatCodec(policy.tokenizer), world.tasks)
    trainer = Trainer(train, policy, world, engine, io, tmp_path, teacher=teacher)
    trainer.run()
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    assert row["loss_tokens"] > 0 and row["teacher/tokens"] > 0
    assert row["craft/siblings"] > 0 and row["craft/fallback"] < 1
    assert row["craft/lambda"] == pytest.approx(0.0125)
    assert trainer.credit is not None and trainer.credit.state.updates == 1
