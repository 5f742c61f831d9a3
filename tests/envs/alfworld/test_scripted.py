"""The scripted agent wins from the texts alone, by rules that depend on nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import gymnasium as gym
import pytest

import craft_envs  # noqa: F401 (registers the environments)
from craft_envs.agents import make_agent, run_episode
from craft_envs.alfworld.scripted import ScriptedAgent
from craft_envs.alfworld.world import AlfWorld, load_world
from craft_envs.errors import ConfigError
from craft_envs.types import StepInfo

ROOM = (
    "You are in the middle of a room. Looking quickly around you, you see a desk 1, a drawer 1, and a bed 1."
)


def told(instruction: str, actions: list[str]) -> StepInfo:
    """All that the agent may read of ``info``: anything else raises ``KeyError``."""
    return cast(StepInfo, {"task_id": "t", "instruction": instruction, "admissible_actions": actions})


def episode(
    world: AlfWorld,
    task_id: str,
    agent: ScriptedAgent,
    limit: int,
    disturb: Callable[[list[str]], str | None],
) -> Iterator[tuple[str, str, bool]]:
    """Play; yields (scripted choice, played action, won) of each step."""
    session = world.open(task_id, 0)
    observation = session.start()
    instruction = session.task.instruction
    agent.reset(told(instruction, session.admissible_actions()))
    for _ in range(limit):
        actions = session.admissible_actions()
        choice = agent.act(observation, told(instruction, actions))
        assert choice in actions
        action = disturb(actions) or choice
        observation = session.act(action).observation
        yield choice, action, session.success
        if session.success:
            return


def noise(key: str, rate: float) -> Callable[[list[str]], str | None]:
    """Now and then another action than the scripted one, drawn from a generator of the key."""
    draw = random.Random(key)
    return lambda actions: draw.choice(actions) if draw.random() < rate else None


def success(world: AlfWorld, split: str, limit: int, rate: float = 0.0, every: int = 1) -> float:
    """Share of a split's tasks that are won."""
    won = []
    for task_id in world.tasks.task_ids(split)[::every]:
        steps = list(episode(world, task_id, ScriptedAgent(), limit, noise(task_id, rate)))
        won.append(steps[-1][2])
    return sum(won) / len(won)


@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
def test_small_panels_are_won_in_few_steps(split: str) -> None:
    world = load_world(size="small")
    assert success(world, split, limit=20) == 1.0
    assert success(world, split, limit=12) > 0.95


def test_small_train_is_won() -> None:
    assert success(load_world(size="small"), "train", limit=20) == 1.0


@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
def test_full_panels_are_won(split: str) -> None:
    assert success(load_world(size="full"), split, limit=50) == 1.0


def test_full_train_is_won() -> None:
    assert success(load_world(size="full"), "train", limit=50, every=6) > 0.99


@pytest.mark.parametrize("split", ["valid_seen", "valid_unseen"])
def test_official_panels_are_won(craft_data: Path, split: str) -> None:
    assert success(load_world(data="official", data_dir=craft_data), split, limit=50) == 1.0


@pytest.mark.parametrize("size", ["small", "full"])
def test_foreign_actions_do_not_stop_it(size: str) -> None:
    assert success(load_world(size=size), "valid_unseen", limit=60, rate=0.25) > 0.95


def test_choices_depend_on_the_history_alone() -> None:
    """Replaying a disturbed history gives the same choices, with a used agent or a new one."""
    world = load_world(size="small")
    used = ScriptedAgent()
    for task_id in world.tasks.task_ids("train")[::200]:
        first = list(episode(world, task_id, used, 25, noise(task_id, 0.3)))
        played = iter([action for _, action, _ in first])
        again = list(episode(world, task_id, ScriptedAgent(), 25, lambda _, played=played: next(played)))  # type: ignore[misc]
        assert again == first


def test_it_plays_through_the_environment() -> None:
    env = gym.make("craft/ALFWorld-v0", size="small", split="train")
    agent = make_agent("scripted", env)
    for seed in range(5):
        result = run_episode(env, agent, seed=seed)
        assert result.success
        assert all(result.actions_valid)


@pytest.mark.parametrize(
    ("instruction", "first"),
    [
        ("put some pen on desk.", "go to desk 1"),
        ("find two pillow, then move both to the desk.", "go to bed 1"),
        ("examine the book with the desklamp.", "go to desk 1"),
        ("look at laptop under the desklamp.", "go to desk 1"),
        ("heat some mug and put it in desk.", "go to desk 1"),
    ],
)
def test_official_or_own_words_are_understood(instruction: str, first: str) -> None:
    agent = ScriptedAgent()
    actions = ["go to bed 1", "go to desk 1", "go to drawer 1", "help", "inventory", "look"]
    agent.reset(told(instruction, actions))
    assert agent.act(ROOM, told(instruction, actions)) == first


def test_doors_come_last_and_impossible_places_never() -> None:
    """A pen is never in bed: the desk, then the drawer, then all once more."""
    agent = ScriptedAgent()
    goto = ["go to bed 1", "go to desk 1", "go to drawer 1", "look"]
    agent.reset(told("put some pen on bed.", goto))
    assert agent.act(ROOM, told("", goto)) == "go to desk 1"
    reply = "You arrive at desk 1. On the desk 1, you see a mug 1."
    assert agent.act(reply, told("", goto)) == "go to drawer 1"
    at_drawer = ["go to bed 1", "go to desk 1", "open drawer 1", "look"]
    assert (
        agent.act("You arrive at drawer 1. The drawer 1 is closed.", told("", at_drawer)) == "open drawer 1"
    )
    reply = "You open the drawer 1. The drawer 1 is open. In it, you see nothing."
    assert agent.act(reply, told("", ["close drawer 1", *goto])) == "go to desk 1"


@pytest.mark.parametrize("bad", ["", "do something nice.", "put some pen on cloud.", "\x00" * 1000])
def test_an_unreadable_instruction_is_an_error(bad: str) -> None:
    with pytest.raises(ConfigError, match="instruction") as caught:
        ScriptedAgent().reset(told(bad, ["look"]))
    assert len(str(caught.value)) < 1000


def test_nothing_but_look_is_left_when_the_world_says_nothing() -> None:
    agent = ScriptedAgent()
    agent.reset(told("put some pen on bed.", ["look"]))
    assert {agent.act("", told("", ["look"])) for _ in range(20)} == {"look"}
