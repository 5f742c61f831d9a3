"""Reading game files: what is understood, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from craft_envs.alfworld.facts import TASK_TYPES, GameFacts, Goal
from craft_envs.alfworld.fingerprint import content_hash
from craft_envs.alfworld.game import compile_game
from craft_envs.alfworld.pddl import GameFile, parse_expression
from craft_envs.alfworld.problem import problem_text
from craft_envs.alfworld.world import load_world
from craft_envs.errors import DataMismatch


def _content(facts: GameFacts, **changes: object) -> bytes:
    content = {
        "grammar": '{"task": [{"rhs": ' + json.dumps(f"Your task is to: {facts.task}") + "}]}",
        "pddl_problem": problem_text(facts),
        "solvable": True,
        "walkthrough": list(facts.walkthrough),
    }
    return json.dumps(content | changes).encode()


def _read(content: bytes) -> GameFacts:
    return GameFile(content, "a/game.tw-pddl").read("train/odd/house", "train")


@pytest.fixture
def house(make_odd_house: Callable[..., GameFacts]) -> GameFacts:
    return make_odd_house()


def test_a_written_game_is_read_back(house: GameFacts) -> None:
    read = _read(_content(house))
    assert content_hash(read) == content_hash(house)
    assert (read.task_id, read.split, read.task, read.goal) == (
        "train/odd/house",
        "train",
        house.task,
        house.goal,
    )


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_every_goal_is_read(task_type: str, make_odd_house: Callable[..., GameFacts]) -> None:
    target = "DeskLamp" if task_type == "look_at_obj_in_light" else "Shelf"
    goal = Goal(task_type=task_type, object_type="Apple", target_type=target)  # type: ignore[arg-type]
    assert _read(_content(make_odd_house(goal))).goal == goal


def test_bundled_houses_survive_the_way_through_a_file() -> None:
    tasks = load_world(size="small").tasks
    for task_id in list(tasks.task_ids("train"))[::400]:
        facts = tasks.facts(task_id)
        assert content_hash(_read(_content(facts))) == content_hash(facts)


def test_case_does_not_matter(house: GameFacts) -> None:
    text = problem_text(house)
    upper = text.replace("(inReceptacle ", "(INRECEPTACLE ").replace("(:init", "(:INIT")
    assert content_hash(_read(_content(house, pddl_problem=upper))) == content_hash(house)


def test_a_mentioned_id_takes_part_in_the_numbering(house: GameFacts) -> None:
    text = problem_text(house)
    more = text.replace(
        "agent1 - agent", "agent1 - agent Knife_bar_0 - object Desk_bar_0 - receptacle Knife - object"
    ).replace("(:init", "(:init (wasInReceptacle Knife_bar_0 Desk_bar_0) ; a comment )\n")
    game = compile_game(_read(_content(house, pddl_problem=more)))
    assert {"knife 1", "knife 2"} <= set(game.item_index)
    assert {"desk 1", "desk 2"} <= set(game.holder_index)
    assert "desk 2" not in game.intro, "it has no location"
    assert "desk 1" in game.intro


@pytest.mark.parametrize("half", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_named(house: GameFacts, half: float) -> None:
    content = _content(house)
    with pytest.raises(DataMismatch, match=r"not complete JSON.*a/game\.tw-pddl"):
        GameFile(content[: int(len(content) * half)], "a/game.tw-pddl")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("(:goal", "(:gaol", "no section"),
        ("(:init", "(:inti", "no section"),
        ("(and", "(or", "none of ALFWorld's six forms"),
        ("(isHot ?o)", "(isHot ?o) (isCool ?o)", "none of ALFWorld's six forms"),
        ("(atLocation agent1 loc_bar_9)", "", "where the agent starts"),
        ("(:init", "(:init (atLocation agent1 loc_bar_2)", "two locations"),
        ("(:init", "(:init (objectType Knife_bar_1 PanType)", "contradicts"),
        ("(:init", "(:init (receptacleAtLocation Desk_bar_1 loc_bar_2)", "contradicts"),
        ("(:init", "(:init (holds agent1 Knife_bar_1)", "unknown to ALFWorld"),
        ("(:init", "(:init (openable Knife_bar_1)", "object as well as a receptacle|receptacle as well"),
        ("(:init", "(:init (pickupable)", "number of arguments"),
        ("(:init", "(:init stray", "stray text"),
        ("(:init", "(:init (pickupable APPLE_bar_1)", "share the id"),
        ("(:init", "(:init (", "parentheses"),
    ],
)
def test_a_problem_that_says_something_else_is_refused(
    house: GameFacts, old: str, new: str, what: str
) -> None:
    text = problem_text(house)
    assert old in text
    with pytest.raises(DataMismatch, match=what) as caught:
        _read(_content(house, pddl_problem=text.replace(old, new, 1)))
    assert caught.value.where == "a/game.tw-pddl"
    assert caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"grammar": 1}',
        b'{"grammar": "", "pddl_problem": "()"}',
        b"\xff\xfe",
        b"[" * 99999,
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(DataMismatch):
        _read(content)


def test_deep_nesting_is_read_without_recursion() -> None:
    depth = 100_000
    part = parse_expression("(" * depth + ")" * depth, "a")
    for _ in range(depth - 1):
        part = part[0]
    assert part == []
