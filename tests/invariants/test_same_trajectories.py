"""Same seed, same trajectories token by token: with 1, 4 or 16 environments, in any order of tasks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from craft_envs.core import World
from craft_envs.registration import load_world
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.engine.hf import HFEngine
from craft_rl.models.load import Policy
from craft_rl.models.small import build_small
from craft_rl.rollout.demonstrate import demonstration_specs, play_agent
from craft_rl.rollout.episode import EpisodeSpec
from craft_rl.rollout.scheduler import collect, group_specs
from craft_rl.rollout.texts import texts_of
from craft_rl.tokens.encode import ChatCodec
from craft_rl.types import Trajectory


@cache
def world() -> World:
    return load_world("craft/ALFWorld-v0", data="bundled", size="small")


@cache
def policy() -> Policy:
    """Random weights: its answers are noise, which is the hardest case for equality of samples."""
    played = play_agent(demonstration_specs(world().tasks.task_ids("train")[:20]), world(), "scripted")
    return build_small(
        texts_of(played, world()), layers=2, width=64, heads=2, vocab_size=512, max_context=1024
    )


def play(specs: list[EpisodeSpec], history: str, num_envs: int, temperature: float = 1.0) -> list[Trajectory]:
    io = PolicyIO(
        codec=ChatCodec(policy().tokenizer),
        prompt=PromptSettings(template="compact/1", history=history, think="off"),
        sampling=Sampling(max_new_tokens=12, temperature=temperature),
    )
    engine = HFEngine(policy().model, slots=num_envs, max_context=1024)
    return collect(specs, world(), engine, io, num_envs=num_envs)


def tokens(trajectory: Trajectory) -> object:
    return (
        trajectory.group_id,
        trajectory.sibling,
        trajectory.status,
        [(s.prompt_ids.tolist(), s.completion_ids.tolist(), s.action, s.anchor) for s in trajectory.steps],
    )


@pytest.mark.parametrize("history", ["full", "window"])
def test_trajectories_do_not_depend_on_neighbours(history: str):
    task_ids = world().tasks.task_ids("train")[:9]
    specs = group_specs(task_ids, group_size=2, run_seed=7, update=3, max_steps=5)
    alone = play(specs, history, 1)
    expected = [tokens(t) for t in alone]
    assert len({tuple(s.completion_ids.tolist()) for t in alone for s in t.steps}) > 40
    order = np.random.Generator(np.random.Philox(1)).permutation(len(specs))
    for num_envs in (4, 16):
        assert [tokens(t) for t in play(specs, history, num_envs)] == expected
        shuffled = play([specs[i] for i in order], history, num_envs)
        assert [tokens(t) for t in shuffled] == [expected[i] for i in order]
    together = play(specs, history, 16)
    for a, b in zip(alone, together, strict=True):
        for x, y in zip(a.steps, b.steps, strict=True):
            # A batch of another shape sums in another order; the choice of tokens must not feel it.
            assert np.allclose(x.completion_logprobs, y.completion_logprobs, atol=1e-4)


def test_another_seed_gives_other_trajectories():
    task_ids = world().tasks.task_ids("train")[:3]
    one = play(group_specs(task_ids, group_size=2, run_seed=7, update=3, max_steps=3), "full", 4)
    two = play(group_specs(task_ids, group_size=2, run_seed=8, update=3, max_steps=3), "full", 4)
    assert all(tokens(a) != tokens(b) for a, b in zip(one, two, strict=True))
    siblings = [[s.completion_ids.tolist() for s in t.steps] for t in one[:2]]
    assert siblings[0] != siblings[1]
