"""Unknown names of tasks, splits, options: a ConfigError that tells the remedy, in every door to a world."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

import craft_envs
from craft_envs.errors import ConfigError

ID = "craft_envs:craft/ALFWorld-v0"


def test_unknown_task_id_suggests_the_nearest() -> None:
    env = gym.make(ID, size="small")
    known = env.unwrapped.task_ids[17]
    with pytest.raises(ConfigError) as caught:
        env.reset(options={"task_id": known[:-1]})
    assert "did you mean" in str(caught.value) and "no task" in str(caught.value)


@pytest.mark.parametrize(
    "task_id", ["", "x" * 10**6, "\ud800", "../../etc/passwd", "train/", 0, None, b"train"]
)
def test_task_id_of_any_content(task_id: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        gym.make(ID, size="small").reset(options={"task_id": task_id})
    text = str(caught.value)
    assert len(text) < 1000 and text.isprintable()
    text.encode()


@pytest.mark.parametrize("split", ["valid_unsen", "", "test", None, 3, "x" * 10**6])
def test_split_of_any_content(split: Any) -> None:
    with pytest.raises(ConfigError, match=r"split") as caught:
        gym.make(ID, size="small", split=split)
    assert "valid_unseen" in str(caught.value) and len(str(caught.value)) < 1000


def test_task_of_the_other_size_or_split() -> None:
    small, full = gym.make(ID, size="small"), gym.make(ID, size="full", split="valid_seen")
    with pytest.raises(ConfigError, match="no task"):
        small.reset(options={"task_id": full.unwrapped.task_ids[0]})
    unseen = gym.make(ID, size="small", split="valid_unseen").unwrapped.task_ids[0]
    with pytest.raises(ConfigError, match="split='valid_unseen'"):
        small.reset(options={"task_id": unseen})


def test_world_without_gymnasium_says_the_same() -> None:
    world = craft_envs.load_world("craft/ALFWorld-v0", size="small")
    with pytest.raises(ConfigError):
        world.open("no such task", 0)
    with pytest.raises(ConfigError):
        world.tasks.task_ids("no such split")
    with pytest.raises(ConfigError, match="did you mean 'craft/ALFWorld-v0'"):
        craft_envs.load_world("craft/AlfWorld-v0")


def test_ten_thousand_hostile_actions() -> None:
    """Random Unicode, cut, doubled or recombined commands: an answer each time, a well-formed info."""
    import numpy as np

    rng = np.random.default_rng(0)
    for size in ("small", "full"):
        env = gym.make(ID, size=size, max_steps=100).unwrapped
        env.action_space.seed(1)
        _, info = env.reset(seed=2)
        for _ in range(5000):
            actions = info["admissible_actions"]
            one, two = (actions[int(i)] for i in rng.integers(len(actions), size=2))
            words = f"{one} {two}".split()
            rng.shuffle(words)
            cut = int(rng.integers(len(one) + 1))
            choices = (
                env.action_space.sample(),
                one[:cut],
                one[:cut] + chr(int(rng.integers(0xD800, 0xE000))) + one[cut:],
                " ".join(words),
                f"  {one}\t",
                one.replace(" ", "\u00a0"),
                two,
            )
            observation, reward, terminated, truncated, info = env.step(
                choices[int(rng.integers(len(choices)))]
            )
            assert isinstance(observation, str) and isinstance(info["action_valid"], bool)
            assert reward in (0.0, 1.0) and info["admissible_actions"]
            if terminated or truncated:
                _, info = env.reset()
