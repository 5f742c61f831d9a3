"""The novice searcher: one search of the whole question, then a guess."""

from __future__ import annotations

import numpy as np

from craft_envs.agents import Seat, make_agent
from craft_envs.core import session_info
from craft_envs.registration import load_world


def play(world, task_id, name):
    session = world.open(task_id, 0)
    seat = Seat(world, split=session.task.split)
    seat.take(session)
    agent = make_agent(name, seat)
    observation, actions = session.start(), []
    for step in range(4):
        info = session_info(session, True, step)
        if step == 0:
            agent.reset(info)
        actions.append(agent.act(observation, info))
        outcome = session.act(actions[-1])
        observation = outcome.observation
        if outcome.terminated:
            break
    return actions, session.score


def test_it_searches_the_question_once_then_answers():
    world = load_world("craft/SearchQA-v0", size="small")
    tasks = world.tasks.task_ids("test")[:60]
    novice = [play(world, task, "novice") for task in tasks]
    scripted = [play(world, task, "scripted") for task in tasks]
    for task, (actions, _) in zip(tasks, novice, strict=True):
        question = world.open(task, 0).task.instruction
        assert len(actions) == 2
        assert actions[0] == f"search[{question}]" and actions[1].startswith("answer[")
    low, high = (np.mean([score for _, score in played]) for played in (novice, scripted))
    assert 0.1 < low < 0.6 < high
