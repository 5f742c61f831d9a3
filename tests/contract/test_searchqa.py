"""craft/SearchQA-v0 keeps the contract of a text environment, on bundled as well as official data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import craft_envs
from craft_envs.conformance import TextEnvConformance
from craft_envs.errors import ConfigError
from craft_envs.searchqa.env import SearchQAVectorEnv

ID = "craft_envs:craft/SearchQA-v0"


class TestSmallWorld(TextEnvConformance):
    """Bundled data, small, the layout of verl-agent."""

    def make_env(self, **kwargs: Any) -> Any:
        return gym.make(ID, size="small", obs_format="verl_agent", **kwargs)


class TestFullWorld(TextEnvConformance):
    """Bundled data, full size, an evaluation split, Search-R1's form of an episode."""

    def make_env(self, **kwargs: Any) -> Any:
        return gym.make(ID, protocol="search_r1", **{"split": "test", **kwargs})


class TestOfficialQuestions(TextEnvConformance):
    """HotpotQA questions over the official corpus, when it is here."""

    @pytest.fixture(autouse=True)
    def _official(self, craft_data: Path) -> None:
        self.data_dir = craft_data

    def make_env(self, **kwargs: Any) -> Any:
        return gym.make(ID, **{"data": "official", "data_dir": self.data_dir, "split": "hotpot500", **kwargs})


def test_the_id_is_registered_by_the_import() -> None:
    env = gym.make("craft/SearchQA-v0", size="small")
    assert env.unwrapped.max_steps == 4
    assert gym.make("craft/SearchQA-v0", size="small", protocol="search_r1").unwrapped.max_steps == 5


def test_make_vec_is_our_own_batch() -> None:
    envs = gym.make_vec("craft/SearchQA-v0", num_envs=4, size="small", split="test")
    assert isinstance(envs.unwrapped, SearchQAVectorEnv)
    observations, infos = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert infos["data_source"].shape == (4,)
    observations, *_, infos = envs.step([f"search[{text}]" for text in observations])
    assert all("<information>Doc 1" in text for text in observations)
    assert all(len(ids) == 3 for ids in infos["retrieved_ids"])
    envs.close()


def test_one_world_serves_every_environment_of_the_process() -> None:
    first, second = (gym.make(ID, size="small").unwrapped for _ in range(2))
    assert first.world is second.world
    assert first.world is gym.make_vec(ID, num_envs=2, size="small").unwrapped.world
    other = gym.make(ID, size="small", topk=5).unwrapped.world
    assert other is not first.world and other.corpus is first.world.corpus


def test_ladder_of_agents() -> None:
    env = gym.make(ID, size="small", split="test")
    ids = env.unwrapped.task_ids[::10]
    solved = {}
    for name in ("oracle", "scripted", "random"):
        agent = craft_envs.make_agent(name, env)
        solved[name] = sum(craft_envs.run_episode(env, agent, task_id=i, seed=0).success for i in ids)
    assert solved["random"] < solved["scripted"] <= solved["oracle"] == len(ids)


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "offical"},
        {"size": "tiny"},
        {"split": "dev"},
        {"retriever": "bm52"},
        {"retriever": "http"},
        {"retriever_url": "http://127.0.0.1:8000/retrieve"},
        {"topk": 0},
        {"topk": "three"},
        {"topk": True},
        {"encoder": "minilm"},
        {"retriever": "http", "retriever_url": "http://127.0.0.1:1/retrieve", "encoder": "minilm"},
        {"retriever": "dense", "encoder": "e5-smal"},
        {"obs_format": "search-r1"},
        {"protocol": "search"},
        {"scoring": "lenient"},
        {"reward": "em_format"},
        {"on_retrieval_error": "ignore"},
        {"data_dir": "somewhere"},
        {"questions": "answerable"},
        {"corpus": "wiki.jsonl"},
        {"data": "official", "size": "small"},
        {"data": "official", "questions": "all"},
    ],
)
def test_contradictory_or_unknown_settings_stop(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="What to do"):
        gym.make(ID, **settings)


def test_unknown_keyword_stops() -> None:
    with pytest.raises(TypeError, match="retreiver"):
        gym.make(ID, retreiver="bm25")
