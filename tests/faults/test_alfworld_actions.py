"""Hostile text as actions: never an exception, never a changed state."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import gymnasium as gym
import pytest

from craft_envs.alfworld.world import load_world

_WORDS = (
    "go to open close take from move examine use heat cool clean with slice look inventory help desk drawer"
    " mug apple 1 2 17 0 -1 put in on the {r} %s {0} \x00 \ud800 \u202e nan None [] ../.. ' \" ` $(x) ;"
    " <think> </action>"
).split(" ")


def _hostile(rng: random.Random, admissible: list[str]) -> str:
    kind = rng.randrange(8)
    real = rng.choice(admissible)
    if kind == 0:
        return "".join(chr(rng.randrange(sys.maxunicode + 1)) for _ in range(rng.randrange(40)))
    if kind == 1:
        return " ".join(rng.choices(_WORDS, k=rng.randrange(1, 9)))
    if kind == 2:
        at = rng.randrange(len(real) + 1)
        return real[:at] + chr(rng.choice([0, 7, 10, 27, 127, 0x200B, 0xFEFF, 0x1F600])) + real[at:]
    if kind == 3:
        return real[: rng.randrange(len(real))]
    if kind == 4:
        return rng.choice([real.upper(), real.replace(" ", "  "), f"{real} {real}", real[::-1]])
    if kind == 5:
        verb, first, second = real.split(" ")[0], *rng.choices(_WORDS, k=2)
        return f"{verb} {first} {rng.choice(['to', 'from', 'with'])} {second}"
    if kind == 6:
        return rng.choice(["\t", "\n", " ", "\u3000", "\x85"]) + real + rng.choice([" ", "\r\n", "\u2028"])
    return real


def _huge() -> Iterator[str]:
    yield "go to " * 170_000
    yield " " * (1 << 20) + "look"
    yield "\u0000" * (1 << 20)
    yield "\U0001f600" * (1 << 18)
    yield "look\n" * 200_000


def test_ten_thousand_random_or_hostile_actions() -> None:
    rng = random.Random(17)
    world = load_world()
    ids = list(world.tasks.task_ids("train"))
    session = world.open(rng.choice(ids), 0)
    valid = 0
    for number in range(10_000):
        if number % 100 == 0:
            session = world.open(rng.choice(ids), 0)
        before = list(session.admissible_actions()), session.anchor()
        action = _hostile(rng, before[0])
        outcome = session.act(action)
        assert outcome.action_valid == (action.strip() in before[0])
        if not outcome.action_valid:
            assert outcome.observation == "Nothing happens."
            assert (session.admissible_actions(), session.anchor()) == before
        valid += outcome.action_valid
    assert 1_000 < valid < 5_000


@pytest.mark.parametrize("number", range(5))
def test_a_megabyte_of_text(number: int) -> None:
    env = gym.make("craft_envs:craft/ALFWorld-v0", size="small")
    _, info = env.reset(seed=1)
    action = list(_huge())[number]
    observation, reward, terminated, truncated, after = env.step(action)
    assert after["action_valid"] == (action.strip() == "look")
    assert not after["action_valid"] or "you see" in observation
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert after["admissible_actions"] == info["admissible_actions"]
