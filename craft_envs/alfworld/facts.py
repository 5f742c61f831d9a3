"""The neutral description of one ALFWorld game, before any engine compiles it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskType = Literal[
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
]
"""The six ALFWorld task types, named as in the official folders."""

TASK_TYPES: tuple[TaskType, ...] = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What must hold at the end.

    Example: ``Goal(task_type="pick_heat_then_place_in_recep", object_type="Potato",
    target_type="CounterTop")``.
    """

    task_type: TaskType
    object_type: str
    """Type of the object to place or to hold, as in the data without the suffix ``Type``: ``Potato``."""
    target_type: str
    """Receptacle type to place into; for ``look_at_obj_in_light`` the type of the lamp: ``DeskLamp``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receptacle:
    """One place that holds objects.

    Example: ``Receptacle(id="Drawer_bar__minus_00_dot_51...", type="Drawer", location="loc_bar_2...",
    openable=True)``.
    """

    id: str
    """Encoded id as in the problem file; its lower-case form decides order, hence display numbers."""
    type: str
    """Receptacle type without the suffix ``Type``: ``Drawer``. Empty when the data mention the id but never
    type it; such an id still takes part in the numbering."""
    location: str
    """Id of the location it is reached from; receptacles may share one. Empty when it cannot be reached."""
    openable: bool = False
    opened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object of the game, movable or not.

    Example: ``Thing(id="Mug_bar__minus_01...", type="Mug", receptacles=("Desk_bar...",), pickupable=True)``.
    """

    id: str
    """Encoded id as in the problem file; its lower-case form decides order, hence display numbers."""
    type: str
    """Object type without the suffix ``Type``: ``Mug``. Empty as for receptacles."""
    receptacles: tuple[str, ...] = ()
    """Ids of the receptacles it is recorded in; mostly one, sometimes none, rarely two."""
    locations: tuple[str, ...] = ()
    """Ids of the locations it is recorded at (``objectAtLocation``); may differ from its receptacle's."""
    inside: tuple[str, ...] = ()
    """Ids of the receptacle objects (pan, bowl, ...) that it is recorded inside of (``inReceptacleObject``).
    """
    pickupable: bool = False
    receptacle_object: bool = False
    """``isReceptacleObject``: bowl, box, cup, mug, pan, plate, pot."""
    toggleable: bool = False
    toggled: bool = False
    cleanable: bool = False
    heatable: bool = False
    coolable: bool = False
    sliceable: bool = False
    clean: bool = False
    hot: bool = False
    cool: bool = False
    sliced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GameFacts:
    """Everything an engine needs to play one game, equal for official files and generated houses."""

    task_id: str
    """``split/task_folder/trial_folder``."""
    split: str
    task: str
    """The task line without the intro's prefix ``Your task is to: ``: ``heat some potato ... .``"""
    goal: Goal
    start: str
    """Id of the location where the agent begins."""
    receptacles: tuple[Receptacle, ...]
    things: tuple[Thing, ...]
    can_contain: frozenset[tuple[str, str]]
    """Pairs (receptacle type, object type) without the suffix ``Type``."""
    walkthrough: tuple[str, ...] = ()
    """A known solution in display names; empty when none is recorded."""
