"""The novice shopper: searches well, opens the first product, buys it as it is."""

from __future__ import annotations

import numpy as np

from craft_envs.registration import load_world
from tests.envs.played import played


def test_it_buys_the_first_product_as_it_lies_there():
    world = load_world("craft/WebShop-v0", size="small")
    tasks = world.tasks.task_ids("test")[:24]
    novice = [played(world, task, "novice", 15) for task in tasks]
    scripted = [played(world, task, "scripted", 15) for task in tasks]
    for one, other in zip(novice, scripted, strict=True):
        assert len(one.actions) == 3 and one.actions[-1] == "click[buy now]"
        assert one.actions[0] == other.actions[0], "it searches as the scripted shopper does"
        assert all(one.admissible[1:]), "it clicks what is not there"
    low, high = (np.mean([one.score for one in episodes]) for episodes in (novice, scripted))
    assert 0.4 < low < 0.8 < high
