"""The oracle wins from any state that can be won, whatever was done before."""

from __future__ import annotations

import random
from dataclasses import replace

import gymnasium as gym
import pytest

import craft_envs  # noqa: F401 (registers the environments)
from craft_envs.agents import make_agent, run_episode
from craft_envs.alfworld.bundled import bundled_source
from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import GameFacts, Goal, Receptacle, TaskType, Thing
from craft_envs.alfworld.game import compile_game
from craft_envs.alfworld.oracle import OracleAgent, Unsolvable, solve
from craft_envs.alfworld.rooms import Size
from craft_envs.errors import ConfigError
from craft_envs.types import Task

CAN = frozenset(
    {
        ("CounterTop", "Mug"),
        ("Cabinet", "Mug"),
        ("Fridge", "Mug"),
        ("CounterTop", "Apple"),
        ("Fridge", "Apple"),
        ("CounterTop", "Knife"),
    }
)


def place(kind: str, number: int, location: str, *, door: bool = False) -> Receptacle:
    return Receptacle(id=f"{kind}_bar_{number}", type=kind, location=location, openable=door)


def thing(
    kind: str,
    number: int,
    where: Receptacle,
    *,
    heatable: bool = False,
    coolable: bool = False,
    toggleable: bool = False,
) -> Thing:
    return Thing(
        id=f"{kind}_bar_{number}",
        type=kind,
        receptacles=(where.id,),
        locations=(where.location,),
        pickupable=not toggleable,
        heatable=heatable,
        coolable=coolable,
        toggleable=toggleable,
    )


TOP = place("CounterTop", 1, "loc_bar_1")
CABINET = place("Cabinet", 1, "loc_bar_2", door=True)
CABINET_2 = place("Cabinet", 2, "loc_bar_4", door=True)
MICROWAVE = place("Microwave", 1, "loc_bar_1", door=True)
FRIDGE = place("Fridge", 1, "loc_bar_3", door=True)


def session(
    task_type: TaskType, object_type: str, target_type: str, things: list[Thing], *places: Receptacle
) -> AlfSession:
    facts = GameFacts(
        task_id="train/x/y",
        split="train",
        task="do it.",
        goal=Goal(task_type=task_type, object_type=object_type, target_type=target_type),
        start="loc_bar_0",
        receptacles=places,
        things=tuple(things),
        can_contain=CAN,
    )
    task = Task(
        task_id=facts.task_id,
        env_id="craft/ALFWorld-v0",
        split="train",
        task_type=task_type,
        instruction=facts.task,
        content_hash="",
    )
    return AlfSession(compile_game(facts), task)


def wins(played: AlfSession, *before: str) -> list[str]:
    """Play some commands, then the oracle's plan, which must win; the plan."""
    for command in before:
        assert played.act(command).action_valid, command
    anchor = played.anchor()
    plan = solve(played)
    assert played.anchor() == anchor, "planning changed the episode"
    for command in plan:
        assert not played.success
        assert played.act(command).action_valid, command
    assert played.success
    return plan


def test_doors_are_opened_only_where_needed() -> None:
    game = session("pick_and_place_simple", "Mug", "Cabinet", [thing("Mug", 1, FRIDGE)], TOP, CABINET, FRIDGE)
    assert wins(game) == [
        "go to fridge 1",
        "open fridge 1",
        "take mug 1 from fridge 1",
        "go to cabinet 1",
        "open cabinet 1",
        "move mug 1 to cabinet 1",
    ]


def test_the_object_outside_is_preferred_to_the_one_behind_a_door() -> None:
    things = [thing("Mug", 1, FRIDGE), thing("Mug", 2, TOP)]
    assert len(wins(session("pick_and_place_simple", "Mug", "Cabinet", things, TOP, CABINET, FRIDGE))) == 5


def test_receptacles_of_one_location_are_not_gone_to_from_each_other() -> None:
    game = session(
        "pick_heat_then_place_in_recep",
        "Mug",
        "CounterTop",
        [thing("Mug", 1, TOP, heatable=True)],
        TOP,
        MICROWAVE,
    )
    assert wins(game) == [
        "go to countertop 1",
        "take mug 1 from countertop 1",
        "heat mug 1 with microwave 1",
        "move mug 1 to countertop 1",
    ]


def test_a_thing_of_no_use_is_put_away_first() -> None:
    things = [thing("Apple", 1, FRIDGE), thing("Mug", 1, FRIDGE)]
    game = session("pick_and_place_simple", "Mug", "CounterTop", things, TOP, FRIDGE)
    plan = wins(game, "go to fridge 1", "open fridge 1", "take apple 1 from fridge 1")
    assert plan[0] == "move apple 1 to fridge 1"
    assert len(plan) == 4


def test_what_fits_nowhere_here_is_carried_to_where_it_fits() -> None:
    things = [thing("Knife", 1, TOP), thing("Mug", 1, FRIDGE)]
    game = session("pick_and_place_simple", "Mug", "Cabinet", things, TOP, FRIDGE, CABINET)
    before = ["go to countertop 1", "take knife 1 from countertop 1", "go to cabinet 1", "open cabinet 1"]
    assert wins(game, *before)[:2] == ["go to countertop 1", "move knife 1 to countertop 1"]


def test_what_fits_nowhere_at_all_cannot_be_won() -> None:
    things = [thing("TeddyBear", 1, TOP), thing("Mug", 1, TOP)]
    game = session("pick_and_place_simple", "Mug", "Cabinet", things, TOP, CABINET)
    game.act("go to countertop 1")
    assert solve(game)
    game.act("take teddybear 1 from countertop 1")
    with pytest.raises(Unsolvable, match="train/x/y"):
        solve(game)


def test_two_objects_go_to_the_receptacle_that_has_one_already() -> None:
    things = [thing("Mug", 1, CABINET), thing("Mug", 2, TOP), thing("Mug", 3, CABINET_2)]
    game = session("pick_two_obj_and_place", "Mug", "Cabinet", things, TOP, CABINET, CABINET_2)
    plan = wins(game)
    assert len(plan) == 5, "one mug is there already, so one is enough"
    assert plan[-1].startswith("move mug ")


def test_two_objects_apart_do_not_win() -> None:
    things = [thing("Mug", 1, TOP), thing("Mug", 2, TOP)]
    game = session("pick_two_obj_and_place", "Mug", "Cabinet", things, TOP, CABINET, CABINET_2)
    before = ["go to countertop 1", "take mug 1 from countertop 1", "go to cabinet 1", "open cabinet 1"]
    plan = wins(game, *before, "move mug 1 to cabinet 1")
    assert plan == [
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "go to cabinet 1",
        "move mug 2 to cabinet 1",
    ]


def test_an_object_at_its_goal_but_not_treated_is_taken_out_again() -> None:
    game = session(
        "pick_cool_then_place_in_recep",
        "Apple",
        "CounterTop",
        [thing("Apple", 1, TOP, coolable=True)],
        TOP,
        FRIDGE,
    )
    assert len(wins(game)) == 6


def test_heating_undoes_cooling() -> None:
    apple = thing("Apple", 1, TOP, coolable=True, heatable=True)
    game = session("pick_cool_then_place_in_recep", "Apple", "CounterTop", [apple], TOP, FRIDGE, MICROWAVE)
    plan = wins(
        game,
        "go to countertop 1",
        "take apple 1 from countertop 1",
        "go to fridge 1",
        "cool apple 1 with fridge 1",
        "go to microwave 1",
        "heat apple 1 with microwave 1",
    )
    assert plan[:2] == ["go to fridge 1", "cool apple 1 with fridge 1"]


def test_a_lamp_that_is_on_needs_no_switching() -> None:
    things = [thing("DeskLamp", 1, TOP, toggleable=True), thing("Mug", 1, FRIDGE)]
    game = session("look_at_obj_in_light", "Mug", "DeskLamp", things, TOP, FRIDGE)
    assert wins(game.copy())[-1] == "use desklamp 1"
    assert wins(game, "go to countertop 1", "use desklamp 1")[-1] == "go to countertop 1"


def test_a_lamp_behind_a_door_is_used_without_opening() -> None:
    things = [thing("DeskLamp", 1, CABINET, toggleable=True), thing("Mug", 1, TOP)]
    plan = wins(session("look_at_obj_in_light", "Mug", "DeskLamp", things, TOP, CABINET))
    assert plan[-2:] == ["go to cabinet 1", "use desklamp 1"]


def test_a_goal_that_holds_needs_no_plan() -> None:
    game = session("pick_and_place_simple", "Mug", "CounterTop", [thing("Mug", 1, TOP)], TOP, CABINET)
    assert game.success
    assert solve(game) == []


def test_a_game_without_the_appliance_cannot_be_won() -> None:
    mug = thing("Mug", 1, TOP, heatable=True)
    with pytest.raises(Unsolvable):
        solve(session("pick_heat_then_place_in_recep", "Mug", "CounterTop", [mug], TOP, FRIDGE))
    without_affordance = [replace(mug, heatable=False)]
    with pytest.raises(Unsolvable):
        solve(
            session("pick_heat_then_place_in_recep", "Mug", "CounterTop", without_affordance, TOP, MICROWAVE)
        )


@pytest.mark.parametrize("size", ["full", "small"])
def test_bundled_games_are_won_after_any_start(size: Size) -> None:
    source = bundled_source(size)
    for task_id in source.task_ids("valid_unseen"):
        draw = random.Random(task_id)
        game = AlfSession(compile_game(source.facts(task_id)), source.task(task_id))
        for _ in range(draw.randrange(40)):
            if game.success:
                break
            game.act(draw.choice(game.admissible_actions()))
        for command in solve(game):
            assert game.act(command).action_valid
        assert game.success, task_id


def test_the_agent_recovers_from_foreign_actions() -> None:
    env = gym.make("craft/ALFWorld-v0", size="small", split="valid_seen")
    agent = make_agent("oracle", env)
    assert isinstance(agent, OracleAgent)
    draw = random.Random(0)

    class Disturbed:
        def act(self, observation: str, info: dict) -> str:  # type: ignore[type-arg]
            if draw.random() < 0.3:
                return draw.choice(info["admissible_actions"])
            return agent.act(observation, info)  # type: ignore[arg-type]

    for task_id in env.unwrapped.task_ids[::10]:  # type: ignore[attr-defined]
        assert run_episode(env, Disturbed(), task_id=task_id).success  # type: ignore[arg-type]


def test_the_agent_needs_the_native_engine() -> None:
    class Other(gym.Env[str, str]):
        session = None

    with pytest.raises(ConfigError, match="native engine"):
        OracleAgent(Other()).act("", {})  # type: ignore[typeddict-item]
