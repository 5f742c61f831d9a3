"""Agents without a model, the episode loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest

import craft_envs.agents as craft_agents
from craft_envs import registration
from craft_envs.agents import RandomAgent, agent_names, make_agent, run_episode
from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError
from craft_envs.types import StepInfo


class Counting:
    """Goes right; remembers what it was shown."""

    def __init__(self) -> None:
        self.resets: list[str] = []

    def reset(self, info: StepInfo) -> None:
        self.resets.append(info["task_id"])

    def act(self, observation: str, info: StepInfo) -> str:
        return "right" if info["elapsed_steps"] else "fly"


def test_episode_records_everything(toy_world: Any) -> None:
    agent = Counting()
    episode = run_episode(TextEnv(toy_world), agent, task_id="train/1", seed=4)
    assert agent.resets == ["train/1"]
    assert (episode.task_id, episode.seed, episode.task_type) == ("train/1", 4, "odd")
    assert episode.actions == ("fly", "right", "right")
    assert episode.actions_valid == (False, True, True)
    assert episode.observations[1:] == ("Nothing happens.", "You are at mark 1.", "You are at mark 2.")
    assert episode.rewards == (0.0, 0.0, 1.0)
    assert (episode.steps, episode.success, episode.score) == (3, True, 1.0)
    assert (episode.terminated, episode.truncated) == (True, False)


def test_truncated_episode(toy_world: Any) -> None:
    episode = run_episode(TextEnv(toy_world, max_steps=2), Counting(), task_id="train/3")
    assert (episode.steps, episode.success, episode.terminated, episode.truncated) == (2, False, False, True)


def test_random_agent_does_not_depend_on_earlier_episodes(toy_world: Any) -> None:
    env, agent = TextEnv(toy_world, max_steps=30), RandomAgent(seed=1)
    alone = run_episode(env, agent, task_id="train/3", seed=0)
    run_episode(env, agent, task_id="train/6", seed=0)
    assert run_episode(env, agent, task_id="train/3", seed=0) == alone
    others = {run_episode(env, RandomAgent(seed=s), task_id="train/3", seed=0).actions for s in range(8)}
    assert len(others) > 4


def test_random_agent_uses_every_action_about_equally() -> None:
    agent = RandomAgent(0)
    info: Any = {"task_id": "t", "admissible_actions": ["a", "b", "c"]}
    agent.reset(info)
    drawn = [agent.act("", info) for _ in range(3000)]
    assert all(900 < drawn.count(action) < 1100 for action in "abc")
    assert agent.act("", {"task_id": "t", "admissible_actions": []}) == ""  # type: ignore[typeddict-item]


def test_agents_by_name() -> None:
    env = gym.make("craft_envs:craft/ALFWorld-v0", size="small")
    assert agent_names("craft/ALFWorld-v0") == ("random", "oracle", "scripted", "novice")
    for name in agent_names("craft/ALFWorld-v0"):
        assert run_episode(env, make_agent(name, env), seed=0).steps > 0
    with pytest.raises(ConfigError, match="did you mean 'oracle'"):
        make_agent("orakle", env)
    with pytest.raises(ConfigError, match="no environment"):
        agent_names("craft/AlfWorld-v9")


class Wanderer:
    """An environment's own random agent: leaves a trace of what it was built with."""

    def __init__(self, env: Any, seed: int) -> None:
        self.built_with = env, seed

    def act(self, observation: str, info: StepInfo) -> str:
        return "right"


def test_an_environment_may_bring_its_own_random_agent(
    toy_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = TextEnv(toy_world)
    assert isinstance(make_agent("random", env, seed=3), RandomAgent)  # not in the table
    agents = (("oracle", "nowhere:Oracle"), ("random", f"{__name__}:Wanderer"))
    row = replace(registration.TABLE[0], env_id=toy_world.env_id, agents=agents)
    monkeypatch.setattr(registration, "TABLE", (*registration.TABLE, row))
    monkeypatch.setattr(craft_agents, "TABLE", registration.TABLE)
    monkeypatch.setattr(craft_agents, "load_place", {f"{__name__}:Wanderer": Wanderer}.__getitem__)
    agent = make_agent("random", env, seed=3)
    assert isinstance(agent, Wanderer) and agent.built_with == (env, 3)
    assert agent_names(toy_world.env_id) == ("random", "oracle")
    assert isinstance(
        make_agent("random", gym.make("craft_envs:craft/ALFWorld-v0", size="small")), RandomAgent
    )


def test_the_table_imports_nothing_before_it_is_used() -> None:
    for entry in registration.TABLE:
        assert entry.env_id in gym.registry
        places = (entry.env, entry.vector_env, entry.world, *(place for _, place in entry.agents))
        assert all(place.startswith("craft_envs.") and place.count(":") == 1 for place in places)


def test_agents_need_an_environment_of_craft() -> None:
    with pytest.raises(ConfigError, match="not an environment of craft"):
        make_agent("oracle", gym.make("CartPole-v1"))
