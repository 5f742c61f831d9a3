"""TextEnv at its boundaries, its errors, its space."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import pytest

from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError, CraftError, DataNotFound, EnvCrash, EnvFailure, did_you_mean, shown
from craft_envs.spaces import TextSpace


def test_success_in_the_last_allowed_step_sets_both_flags(toy_world: Any) -> None:
    env = TextEnv(toy_world, max_steps=2)
    env.reset(options={"task_id": "train/1"})  # the goal is at mark 2
    env.step("right")
    _, reward, terminated, truncated, info = env.step("right")
    assert (reward, terminated, truncated, info["success"], info["score"]) == (1.0, True, True, True, 1.0)


def test_default_limit_is_the_worlds(toy_world: Any) -> None:
    env = TextEnv(toy_world)
    env.reset(seed=0)
    flags = [env.step("wait")[3] for _ in range(8)]
    assert flags == [False] * 7 + [True]


def test_extras_stand_beside_the_schema(toy_world: Any) -> None:
    env = TextEnv(toy_world)
    env.reset(seed=0)
    assert env.step("right")[4]["place"] == 1


def test_seeded_reset_draws_every_task(toy_world: Any) -> None:
    env = TextEnv(toy_world)
    env.reset(seed=5)
    drawn = {env.reset()[1]["task_id"] for _ in range(200)}
    assert drawn == set(toy_world.tasks.task_ids("train"))


def test_task_of_another_split_is_refused_with_the_remedy(toy_world: Any) -> None:
    with pytest.raises(ConfigError, match=r"split='test'"):
        TextEnv(toy_world).reset(options={"task_id": "test/0"})


def test_misspelt_names_get_a_suggestion(toy_world: Any) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'train'"):
        TextEnv(toy_world, split="trian")
    with pytest.raises(ConfigError, match=r"did you mean 'train/1'"):
        TextEnv(toy_world).reset(options={"task_id": "train/1 "})


def test_unknown_render_mode(toy_world: Any) -> None:
    with pytest.raises(ConfigError, match="human"):
        TextEnv(toy_world, render_mode="human")


def test_session_is_reachable_after_reset_only(toy_world: Any) -> None:
    env = TextEnv(toy_world)
    with pytest.raises(gym.error.ResetNeeded):
        _ = env.session
    env.reset(seed=0)
    assert env.session.task.split == "train"


def test_error_text_has_three_parts() -> None:
    error = DataNotFound("no archive", where="/data", remedy="set CRAFT_DATA")
    assert str(error) == "no archive. Where: /data. What to do: set CRAFT_DATA."
    assert str(ConfigError("is that so?")) == "is that so?"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (DataNotFound, str(error))
    assert issubclass(EnvCrash, EnvFailure) and issubclass(EnvFailure, CraftError)


def test_error_text_shows_any_value() -> None:
    assert shown("\ud800\n") == "'\\ud800\\n'"
    assert len(shown("x" * 10**6)) < 200 and "1000000 characters" in shown("x" * 10**6)
    assert len(shown(list(range(10**4)))) < 200
    assert did_you_mean("xyz", ["train"]) == ""


class TestTextSpace:
    def test_samples_lie_inside_and_are_encodable(self) -> None:
        space = TextSpace(20, seed=1)
        samples = [space.sample() for _ in range(300)]
        assert all(s in space and len(s) <= 20 for s in samples)
        assert any(not s.isascii() for s in samples) and any(s.isascii() and s for s in samples)
        for sample in samples:
            sample.encode()

    def test_seed_decides_samples(self) -> None:
        first, second = TextSpace(99, seed=3), TextSpace(99, seed=3)
        assert [first.sample() for _ in range(20)] == [second.sample() for _ in range(20)]

    def test_contains(self) -> None:
        space = TextSpace(3)
        assert "" in space and "\ud800" in space and "日本語" in space
        assert "four" not in space and 3 not in space and None not in space and b"abc" not in space

    def test_bad_bounds(self) -> None:
        for bound in (0, -1, 2.0, True, "3"):
            with pytest.raises(ConfigError):
                TextSpace(bound)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            TextSpace(3).sample(mask=1)

    def test_equality_follows_the_bound(self) -> None:
        assert TextSpace(3) == TextSpace(3) != TextSpace(4)
        assert hash(TextSpace(3)) == hash(TextSpace(3))
