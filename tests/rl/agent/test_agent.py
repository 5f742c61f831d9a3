"""ModelAgent plays through Gymnasium exactly what collect plays in batches."""

from __future__ import annotations

import pytest

from craft_envs.agents import run_episode
from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError
from craft_rl.agent.agent import ModelAgent
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.rollout.episode import EpisodeSpec
from craft_rl.rollout.scheduler import collect
from craft_rl.rollout.seeds import named_seed
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld


def policy_io(history: str) -> PolicyIO:
    return PolicyIO(
        codec=ToyCodec(),
        prompt=PromptSettings(template="compact/1", history=history),
        sampling=Sampling(max_new_tokens=64),
    )


@pytest.mark.parametrize("history", ["full", "window"])
def test_same_actions_as_collect(history: str):
    world, engine = ToyWorld(), ToyEngine()
    # The weather in the first observation comes from the session's seed; the rule of the toy ignores it.
    env = TextEnv(world, split="train")
    agent = ModelAgent(engine, policy_io(history), seed=5)
    for task_id in ("train/1", "train/7", "train/1"):
        episode = run_episode(env, agent, task_id=task_id, seed=0)
        spec = EpisodeSpec(task_id=task_id, seed=named_seed("agent", 5, task_id), group_id="g")
        (trajectory,) = collect([spec], world, engine, policy_io(history), num_envs=1)
        assert list(episode.actions) == [s.action for s in trajectory.steps]
        assert list(episode.actions_valid) == [s.action_valid for s in trajectory.steps]
    assert len(engine.open_sessions) == 1


def test_acting_before_reset_and_full_contexts_are_explained():
    world = ToyWorld()
    env = TextEnv(world, split="train")
    agent = ModelAgent(ToyEngine(max_context=90), policy_io("full"))
    observation, info = env.reset(seed=0)
    with pytest.raises(ConfigError, match="before reset"):
        agent.act(observation, info)
    agent.reset(info)
    with pytest.raises(ConfigError, match="context"):
        agent.act(observation, info)
