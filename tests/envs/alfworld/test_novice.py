"""The novice: acts when it can, walks at random, repeats exactly."""

from __future__ import annotations

from collections import Counter

import pytest

from craft_envs.agents import Seat, make_agent
from craft_envs.alfworld.novice import NoviceAgent
from craft_envs.core import session_info
from craft_envs.registration import load_world

STEPS = 15


@pytest.fixture(scope="module")
def world():
    return load_world("craft/ALFWorld-v0", size="small")


def play(world, task_id, agent_name="novice", seed=0):
    session = world.open(task_id, 0)
    seat = Seat(world, split=session.task.split)
    seat.take(session)
    agent = NoviceAgent(seat, seed=seed) if agent_name == "novice" else make_agent(agent_name, seat)
    observation, actions = session.start(), []
    for step in range(STEPS):
        info = session_info(session, True, step)
        if step == 0:
            agent.reset(info)
        action = agent.act(observation, info)
        assert action in info["admissible_actions"]
        actions.append(action)
        outcome = session.act(action)
        observation = outcome.observation
        if outcome.terminated:
            break
    return actions, session.success


def test_it_solves_fewer_tasks_than_the_scripted_player_but_not_none(world):
    tasks = world.tasks.task_ids("valid_unseen")[::4]
    novice = sum(play(world, task)[1] for task in tasks) / len(tasks)
    scripted = sum(play(world, task, "scripted")[1] for task in tasks) / len(tasks)
    assert scripted == 1.0 and 0.4 < novice < 0.85


def test_it_repeats_by_seed_with_task(world):
    first, *others = world.tasks.task_ids("valid_unseen")[:6]
    assert play(world, first) == play(world, first)
    assert any(play(world, task) != play(world, task, seed=1) for task in (first, *others))
    assert isinstance(make_agent("novice", Seat(world, split="valid_unseen")), NoviceAgent)


def test_it_walks_anywhere_yet_acts_as_the_scripted_player_does(world):
    walks: Counter[str] = Counter()
    for task in world.tasks.task_ids("valid_unseen")[::6]:
        actions, _ = play(world, task)
        places = [action for action in actions if action.startswith("go to ")]
        walks["again"] += len(places) - len(set(places))
        for action in actions:
            walks[action.split()[0]] += 1
    assert walks["again"] > 20, "it never came back to a place: it does not walk at random"
    assert walks["take"] > 10 and walks["open"] > 5 and not walks["look"]
