"""A house that has every oddity of the data at once, for the engine's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import GameFacts, Goal, Receptacle, Thing
from craft_envs.alfworld.game import compile_game
from craft_envs.types import Task

_CAN = {
    "Desk": ("Mug", "Apple", "Knife", "Pan", "DeskLamp", "Book"),
    "Shelf": ("Mug", "Apple", "Knife", "Pan", "DeskLamp", "Book"),
    "Drawer": ("Knife", "Book", "DeskLamp"),
    "Fridge": ("Apple", "Mug", "Pan"),
    "Microwave": ("Apple", "Mug"),
    "SinkBasin": ("Apple", "Mug", "Pan", "Knife"),
}


def odd_house(goal: Goal | None = None, start: str = "loc_bar_9") -> GameFacts:
    """Shared locations, objects in two receptacles, stale facts, a pan in itself, a portable lamp."""
    food = {"pickupable": True, "cleanable": True, "heatable": True, "coolable": True}
    return GameFacts(
        task_id="train/odd/house",
        split="train",
        task="put a hot apple in desk.",
        goal=goal or Goal(task_type="pick_heat_then_place_in_recep", object_type="Apple", target_type="Desk"),
        start=start,
        receptacles=(
            Receptacle(id="Desk_bar_1", type="Desk", location="loc_bar_1"),
            Receptacle(id="Shelf_bar_1", type="Shelf", location="loc_bar_1"),
            Receptacle(id="Shelf_bar_2", type="Shelf", location="loc_bar_2"),
            Receptacle(id="Drawer_bar_1", type="Drawer", location="loc_bar_1", openable=True),
            Receptacle(id="Drawer_bar_2", type="Drawer", location="loc_bar_3", openable=True, opened=True),
            Receptacle(id="Fridge_bar_1", type="Fridge", location="loc_bar_4", openable=True),
            Receptacle(id="Microwave_bar_1", type="Microwave", location="loc_bar_4", openable=True),
            Receptacle(id="Sink_bar_1_bar_SinkBasin", type="SinkBasin", location="loc_bar_5"),
        ),
        things=(
            Thing(
                id="Apple_bar_1",
                type="Apple",
                receptacles=("Desk_bar_1", "Shelf_bar_1"),
                locations=("loc_bar_1",),
                sliceable=True,
                **food,
            ),
            Thing(
                id="Apple_bar_2",
                type="Apple",
                receptacles=("Fridge_bar_1",),
                locations=("loc_bar_4", "loc_bar_2"),
                sliceable=True,
                cool=True,
                **food,
            ),
            Thing(id="Apple_bar_0_bar_Slice", type="", pickupable=True),
            Thing(
                id="Knife_bar_1",
                type="Knife",
                receptacles=("Drawer_bar_1",),
                locations=("loc_bar_3",),
                pickupable=True,
                cleanable=True,
            ),
            Thing(
                id="Pan_bar_1",
                type="Pan",
                receptacles=("Shelf_bar_2",),
                locations=("loc_bar_2",),
                inside=("Pan_bar_1",),
                receptacle_object=True,
                pickupable=True,
                cleanable=True,
                coolable=True,
            ),
            Thing(
                id="Book_bar_1",
                type="Book",
                receptacles=("Shelf_bar_2",),
                locations=("loc_bar_2",),
                inside=("Pan_bar_1",),
                pickupable=True,
            ),
            Thing(
                id="DeskLamp_bar_1",
                type="DeskLamp",
                receptacles=("Drawer_bar_1", "Desk_bar_1"),
                locations=("loc_bar_1",),
                toggleable=True,
                pickupable=True,
            ),
            Thing(id="FloorLamp_bar_1", type="FloorLamp", locations=("loc_bar_7",), toggleable=True),
        ),
        can_contain=frozenset((receptacle, thing) for receptacle, names in _CAN.items() for thing in names),
    )


def session_of(facts: GameFacts) -> AlfSession:
    """An episode of these facts in the native engine."""
    task = Task(
        task_id=facts.task_id,
        env_id="craft/ALFWorld-v0",
        split=facts.split,
        task_type=facts.goal.task_type,
        instruction=facts.task,
        content_hash="",
    )
    return AlfSession(compile_game(facts), task)


@pytest.fixture
def make_odd_house() -> Callable[..., GameFacts]:
    return odd_house


@pytest.fixture
def make_session() -> Callable[[GameFacts], AlfSession]:
    return session_of


@pytest.fixture
def odd_session() -> AlfSession:
    return session_of(odd_house())
