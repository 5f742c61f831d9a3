"""The novice searcher: one search of the whole question, then a guess."""

from __future__ import annotations

import numpy as np

from craft_envs.registration import load_world
from tests.envs.played import played


def test_it_searches_the_question_once_then_answers():
    world = load_world("craft/SearchQA-v0", size="small")
    tasks = world.tasks.task_ids("test")[:60]
    novice = [played(world, task, "novice", 4) for task in tasks]
    scripted = [played(world, task, "scripted", 4) for task in tasks]
    for task, one in zip(tasks, novice, strict=True):
        question = world.open(task, 0).task.instruction
        assert len(one.actions) == 2
        assert one.actions[0] == f"search[{question}]" and one.actions[1].startswith("answer[")
    low, high = (np.mean([one.score for one in episodes]) for episodes in (novice, scripted))
    assert 0.1 < low < 0.6 < high
