"""The novice: acts when it can, walks at random, repeats exactly."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from craft_envs.agents import Seat, make_agent
from craft_envs.alfworld.novice import NoviceAgent
from craft_envs.registration import load_world
from tests.envs.played import played

STEPS = 15


@pytest.fixture(scope="module")
def world():
    return load_world("craft/ALFWorld-v0", size="small")


def play(world, task_id, agent="novice"):
    one = played(world, task_id, agent, STEPS)
    assert all(one.admissible)
    return one


def test_it_solves_fewer_tasks_than_the_scripted_player_but_not_none(world):
    tasks = world.tasks.task_ids("valid_unseen")[::4]
    novice = sum(play(world, task).score for task in tasks) / len(tasks)
    scripted = sum(play(world, task, "scripted").score for task in tasks) / len(tasks)
    assert scripted == 1.0 and 0.4 < novice < 0.85


def test_it_repeats_by_seed_with_task(world):
    first, *others = world.tasks.task_ids("valid_unseen")[:6]
    assert play(world, first) == play(world, first)
    other_seed = partial(NoviceAgent, seed=1)
    assert any(play(world, task) != play(world, task, other_seed) for task in (first, *others))
    assert isinstance(make_agent("novice", Seat(world, split="valid_unseen")), NoviceAgent)


def test_it_walks_anywhere_yet_acts_as_the_scripted_player_does(world):
    walks: Counter[str] = Counter()
    for task in world.tasks.task_ids("valid_unseen")[::6]:
        actions = play(world, task).actions
        places = [action for action in actions if action.startswith("go to ")]
        walks["again"] += len(places) - len(set(places))
        for action in actions:
            walks[action.split()[0]] += 1
    assert walks["again"] > 20, "it never came back to a place: it does not walk at random"
    assert walks["take"] > 10 and walks["open"] > 5 and not walks["look"]
