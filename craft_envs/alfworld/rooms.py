"""How the rooms of generated houses are furnished: four kinds of room in two sizes, as tables.

The full rooms follow the counts of the official games (means over the official scenes and games); the small
ones keep the same life in four to seven receptacles with a short vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from craft_envs.alfworld.facts import TaskType

Size = Literal["full", "small"]
"""Size of a generated house: ``full`` as ALFWorld's, ``small`` to be learnt in minutes."""

RoomKind = Literal["kitchen", "living", "bedroom", "bathroom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTable:
    """What may be found in one kind of room.

    Example: ``RoomTable(first_scene=2001, furniture={"Desk": (70, 1, 1)}, objects={"Pen": 60}, ...)``.
    """

    first_scene: int
    """Number of the first scene of this kind; numbers never meet those of the official data (1 to 430)."""
    furniture: dict[str, tuple[int, int, int]]
    """Receptacle type -> (per cent of the rooms that have it, fewest, most), all counts equally likely."""
    objects: dict[str, int]
    """Object type -> per cent of the games that have it; how many copies is in ``copies``."""
    decor: dict[str, int]
    """Fixed object type -> per cent of the games that have one."""
    copies: tuple[int, int]
    """Fewest and most copies of an object type that is present."""
    receptacles: tuple[int, int] = (0, 99)
    """Fewest and most receptacles; a room outside is drawn again."""
    things: tuple[int, int] = (0, 99)
    """Fewest and most movable objects in one game."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTable:
    """The settings of one size of house."""

    rooms: dict[RoomKind, RoomTable]
    train_scenes: int
    """Scenes per kind of room that train and valid_seen play in."""
    unseen_scenes: int
    """Scenes per kind of room that only valid_unseen plays in."""
    tasks: dict[str, int]
    """Split -> tasks of each task type."""
    task_rooms: dict[TaskType, dict[RoomKind, int]]
    """Task type -> weights of the kinds of room it is played in."""
    shared_locations: int
    """Per cent of drawers, cabinets and shelves that stand where another receptacle stands."""
    doorless: int
    """Per cent of cabinets and drawers without a door."""
    even_search: bool
    """All receptacles that can hold an object are equally likely to; otherwise ``LIKELIHOOD`` decides."""


LIKELIHOOD: Final[dict[str, int]] = {
    "ArmChair": 3,
    "BathtubBasin": 4,
    "Bed": 8,
    "Cabinet": 5,
    "Cart": 4,
    "CoffeeMachine": 4,
    "CoffeeTable": 7,
    "CounterTop": 10,
    "Desk": 8,
    "DiningTable": 8,
    "Drawer": 4,
    "Dresser": 7,
    "Fridge": 5,
    "GarbageCan": 2,
    "HandTowelHolder": 20,
    "LaundryHamper": 1,
    "Microwave": 3,
    "Ottoman": 3,
    "Safe": 2,
    "Shelf": 6,
    "SideTable": 7,
    "SinkBasin": 3,
    "Sofa": 7,
    "StoveBurner": 20,
    "TVStand": 3,
    "Toilet": 6,
    "ToiletPaperHanger": 4,
    "TowelHolder": 9,
}
"""Receptacle type -> how readily objects that it can hold are found in it, all of its type together."""

_FULL: Final[dict[RoomKind, RoomTable]] = {
    "kitchen": RoomTable(
        first_scene=1001,
        furniture={
            "Cabinet": (100, 8, 19),
            "CoffeeMachine": (100, 1, 1),
            "CounterTop": (100, 1, 4),
            "DiningTable": (55, 1, 2),
            "Drawer": (96, 2, 10),
            "Fridge": (100, 1, 1),
            "GarbageCan": (100, 1, 1),
            "Microwave": (100, 1, 1),
            "Shelf": (18, 2, 4),
            "SideTable": (12, 1, 1),
            "SinkBasin": (100, 1, 1),
            "StoveBurner": (100, 4, 4),
            "Toaster": (100, 1, 1),
        },
        objects={
            **dict.fromkeys(
                "Apple Bowl Cup DishSponge Egg Fork Mug PepperShaker Potato SaltShaker".split(), 97
            ),
            **dict.fromkeys("SoapBottle Spatula Spoon Tomato ButterKnife Knife Lettuce Plate".split(), 92),
            **{"Bread": 80, "Pan": 70, "Pot": 77, "Kettle": 43, "WineBottle": 40, "Ladle": 32},
            **{"Glassbottle": 27, "Vase": 23, "Statue": 17, "CellPhone": 14, "CreditCard": 13, "Book": 8},
            **{"SprayBottle": 6, "Pen": 6, "Pencil": 6},
        },
        decor={"HousePlant": 40},
        copies=(1, 3),
    ),
    "living": RoomTable(
        first_scene=1201,
        furniture={
            "ArmChair": (93, 1, 2),
            "Cabinet": (14, 1, 6),
            "CoffeeTable": (85, 1, 2),
            "Desk": (6, 1, 1),
            "DiningTable": (50, 1, 1),
            "Drawer": (78, 1, 9),
            "Dresser": (38, 1, 1),
            "GarbageCan": (100, 1, 1),
            "Ottoman": (14, 1, 1),
            "Safe": (8, 1, 1),
            "Shelf": (42, 1, 11),
            "SideTable": (79, 1, 3),
            "Sofa": (100, 1, 2),
            "TVStand": (43, 1, 1),
        },
        objects={
            **{"CreditCard": 95, "Statue": 94, "RemoteControl": 92, "KeyChain": 78, "Vase": 72, "Laptop": 70},
            **{"Box": 66, "Newspaper": 60, "Pillow": 60, "Watch": 53, "TissueBox": 37, "Plate": 28},
            **{"Book": 24, "CellPhone": 23, "Pen": 20, "Pencil": 17, "Candle": 12, "Bowl": 10},
            **{"WateringCan": 7},
        },
        decor={"DeskLamp": 25, "HousePlant": 62, "Television": 70},
        copies=(1, 3),
    ),
    "bedroom": RoomTable(
        first_scene=1301,
        furniture={
            "ArmChair": (22, 1, 2),
            "Bed": (100, 1, 1),
            "Cabinet": (14, 1, 3),
            "Desk": (72, 1, 2),
            "DiningTable": (14, 1, 1),
            "Drawer": (96, 2, 9),
            "Dresser": (46, 1, 1),
            "GarbageCan": (100, 1, 1),
            "LaundryHamper": (28, 1, 1),
            "Safe": (18, 1, 1),
            "Shelf": (66, 1, 8),
            "SideTable": (66, 1, 2),
        },
        objects={
            **{"Pen": 98, "CellPhone": 98, "CreditCard": 97, "Pencil": 96, "KeyChain": 94, "Book": 90},
            **{"CD": 88, "AlarmClock": 85, "Pillow": 85, "Laptop": 78, "Mug": 47, "Bowl": 38},
            **{"TissueBox": 14, "RemoteControl": 12, "Statue": 11, "Watch": 8, "Vase": 7, "Box": 4},
        },
        decor={"DeskLamp": 72, "HousePlant": 22, "Television": 5},
        copies=(1, 3),
    ),
    "bathroom": RoomTable(
        first_scene=1401,
        furniture={
            "BathtubBasin": (66, 1, 1),
            "Cabinet": (52, 2, 6),
            "Cart": (8, 1, 1),
            "CounterTop": (86, 1, 1),
            "Drawer": (54, 1, 8),
            "Dresser": (7, 1, 1),
            "GarbageCan": (100, 1, 1),
            "HandTowelHolder": (100, 1, 2),
            "Shelf": (26, 1, 4),
            "SideTable": (8, 1, 1),
            "SinkBasin": (100, 1, 2),
            "Toilet": (100, 1, 1),
            "ToiletPaperHanger": (100, 1, 1),
            "TowelHolder": (100, 1, 1),
        },
        objects={
            **{
                "SprayBottle": 98,
                "Cloth": 96,
                "ToiletPaper": 96,
                "SoapBar": 95,
                "Candle": 92,
                "SoapBottle": 90,
            },
            **{"HandTowel": 62, "Towel": 56, "DishSponge": 24, "TissueBox": 23},
        },
        decor={},
        copies=(1, 3),
    ),
}

_SMALL: Final[dict[RoomKind, RoomTable]] = {
    "kitchen": RoomTable(
        first_scene=2001,
        furniture={
            "Cabinet": (60, 1, 1),
            "CounterTop": (100, 1, 2),
            "DiningTable": (55, 1, 1),
            "Drawer": (35, 1, 1),
            "Fridge": (85, 1, 1),
            "Microwave": (85, 1, 1),
            "Shelf": (35, 1, 1),
            "SinkBasin": (85, 1, 1),
        },
        objects={"Apple": 55, "Egg": 55, "Mug": 55, "Plate": 50, "Potato": 55, "Spoon": 35, "Tomato": 50},
        decor={},
        copies=(1, 2),
        receptacles=(5, 7),
        things=(4, 8),
    ),
    "living": RoomTable(
        first_scene=2201,
        furniture={
            "ArmChair": (65, 1, 2),
            "CoffeeTable": (75, 1, 1),
            "Drawer": (60, 1, 2),
            "Shelf": (40, 1, 1),
            "SideTable": (60, 1, 1),
            "Sofa": (100, 1, 1),
        },
        objects={"Book": 55, "KeyChain": 55, "Laptop": 50, "Newspaper": 50, "RemoteControl": 55, "Watch": 45},
        decor={"DeskLamp": 30},
        copies=(1, 2),
        receptacles=(4, 6),
        things=(4, 7),
    ),
    "bedroom": RoomTable(
        first_scene=2301,
        furniture={
            "Bed": (100, 1, 1),
            "Desk": (70, 1, 1),
            "Drawer": (75, 1, 2),
            "Dresser": (45, 1, 1),
            "Shelf": (50, 1, 1),
            "SideTable": (55, 1, 1),
        },
        objects={
            "Book": 60,
            "CD": 55,
            "CellPhone": 55,
            "KeyChain": 50,
            "Laptop": 45,
            "Pen": 55,
            "Pillow": 50,
        },
        decor={"DeskLamp": 40},
        copies=(1, 2),
        receptacles=(4, 6),
        things=(4, 7),
    ),
    "bathroom": RoomTable(
        first_scene=2401,
        furniture={
            "Cabinet": (70, 1, 2),
            "CounterTop": (75, 1, 1),
            "Drawer": (45, 1, 1),
            "GarbageCan": (55, 1, 1),
            "Shelf": (50, 1, 1),
            "SinkBasin": (90, 1, 1),
            "Toilet": (80, 1, 1),
        },
        objects={"Candle": 55, "Cloth": 60, "SoapBar": 65, "SprayBottle": 55, "ToiletPaper": 55},
        decor={},
        copies=(1, 2),
        receptacles=(4, 6),
        things=(4, 7),
    ),
}

SIZES: Final[dict[Size, SizeTable]] = {
    "full": SizeTable(
        rooms=_FULL,
        train_scenes=24,
        unseen_scenes=8,
        tasks={"train": 600, "valid_seen": 34, "valid_unseen": 34},
        task_rooms={
            "pick_and_place_simple": {"kitchen": 11, "living": 27, "bedroom": 29, "bathroom": 33},
            "look_at_obj_in_light": {"living": 16, "bedroom": 84},
            "pick_clean_then_place_in_recep": {"kitchen": 76, "bathroom": 24},
            "pick_heat_then_place_in_recep": {"kitchen": 1},
            "pick_cool_then_place_in_recep": {"kitchen": 1},
            "pick_two_obj_and_place": {"kitchen": 15, "living": 27, "bedroom": 29, "bathroom": 29},
        },
        shared_locations=14,
        doorless=16,
        even_search=False,
    ),
    "small": SizeTable(
        rooms=_SMALL,
        train_scenes=20,
        unseen_scenes=8,
        tasks={"train": 600, "valid_seen": 34, "valid_unseen": 34},
        task_rooms={
            "pick_and_place_simple": {"kitchen": 1, "living": 1, "bedroom": 1, "bathroom": 1},
            "look_at_obj_in_light": {"living": 1, "bedroom": 1},
            "pick_clean_then_place_in_recep": {"kitchen": 1, "bathroom": 1},
            "pick_heat_then_place_in_recep": {"kitchen": 1},
            "pick_cool_then_place_in_recep": {"kitchen": 1},
            "pick_two_obj_and_place": {"kitchen": 1, "living": 1, "bedroom": 1, "bathroom": 1},
        },
        shared_locations=0,
        doorless=0,
        even_search=True,
    ),
}
