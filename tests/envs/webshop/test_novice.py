"""The novice shopper: searches well, opens the first product, buys it as it is."""

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
    for step in range(15):
        info = session_info(session, True, step)
        if step == 0:
            agent.reset(info)
        actions.append(agent.act(observation, info))
        assert step == 0 or actions[-1] in info["admissible_actions"]
        outcome = session.act(actions[-1])
        observation = outcome.observation
        if outcome.terminated:
            break
    return actions, session.score


def test_it_buys_the_first_product_as_it_lies_there():
    world = load_world("craft/WebShop-v0", size="small")
    tasks = world.tasks.task_ids("test")[:24]
    novice = [play(world, task, "novice") for task in tasks]
    scripted = [play(world, task, "scripted") for task in tasks]
    for (actions, _), (others, _) in zip(novice, scripted, strict=True):
        assert len(actions) == 3 and actions[-1] == "click[buy now]"
        assert actions[0] == others[0], "it searches as the scripted shopper does"
    low, high = (np.mean([score for _, score in played]) for played in (novice, scripted))
    assert 0.4 < low < 0.8 < high
