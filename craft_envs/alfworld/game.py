"""One ALFWorld game compiled into immutable tables that any number of episodes share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from craft_envs.alfworld.facts import GameFacts, Goal, TaskType

WELCOME: Final = "-= Welcome to TextWorld, ALFRED! =-"
KNIVES: Final = frozenset({"knife", "butterknife"})

HOT: Final = 1
COOL: Final = 2
CLEAN: Final = 4
SLICED: Final = 8
TOGGLED: Final = 16
"""Bits of a thing's state."""

_NEEDED: Final[dict[TaskType, int]] = {
    "pick_clean_then_place_in_recep": CLEAN,
    "pick_heat_then_place_in_recep": HOT,
    "pick_cool_then_place_in_recep": COOL,
}
_NAMES: dict[str, str] = {}


class Holder(NamedTuple):
    """A receptacle, in display form.

    Example: ``Holder(name="drawer 2", type="drawer", place=4, openable=True, opened=False)``.
    """

    name: str
    type: str
    """Type in lower case."""
    place: int
    """Index into ``Game.places``; -1 when no location is known, so that it can never be reached."""
    openable: bool
    opened: bool


class Item(NamedTuple):
    """An object, in display form.

    Example: ``Item(name="mug 1", type="mug", state=0, inside=(), pickupable=True, ...)``.
    """

    name: str
    type: str
    """Type in lower case."""
    state: int
    """The bits ``HOT``, ``COOL``, ``CLEAN``, ``SLICED``, ``TOGGLED`` at the start."""
    contents: tuple[int, ...]
    """Items recorded inside it, itself left out as in the original."""
    pickupable: bool
    receptacle_object: bool
    toggleable: bool
    cleanable: bool
    heatable: bool
    coolable: bool
    sliceable: bool
    knife: bool


class Place(NamedTuple):
    """A location of the agent, with everything about it that never changes.

    Example: ``Place(holders=(3, 4), commands=("examine drawer 1", ...), facing="You are facing the ...")``.
    """

    holders: tuple[int, ...]
    """Receptacles reached from here, in the order of the texts."""
    openable: tuple[int, ...]
    commands: tuple[str, ...]
    """Commands that are admissible here whatever the state, sorted."""
    facing: str
    """First sentence of ``look``; empty where no receptacle is."""
    microwaves: tuple[int, ...]
    fridges: tuple[int, ...]
    sinks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Game:
    """Names, numbering, places, goal of one game; built by ``compile_game``.

    Items as well as holders are numbered in the order of their lower-case ids, which is the order of all
    texts, so that sorting indices sorts names the way the original does.
    """

    task: str
    intro: str
    goal: Goal
    holders: tuple[Holder, ...]
    items: tuple[Item, ...]
    places: tuple[Place, ...]
    """Locations that have receptacles, then, unless it is one of them, the start."""
    start: int
    """Index of the start in ``places``."""
    contents: tuple[tuple[int, ...], ...]
    """Items in each holder at the start, ascending. [holders]"""
    at: tuple[frozenset[int], ...]
    """Places at which each item is recorded at the start; -1 for a place without receptacles. [items]"""
    accepts: frozenset[tuple[str, str]]
    """Pairs (holder type, item type) in lower case."""
    lamps: tuple[int, ...]
    """Items that can be toggled."""
    sliceables: tuple[int, ...]
    holder_index: dict[str, int]
    """Display name of each holder to its index; do not change."""
    item_index: dict[str, int]
    """Display name of each item to its index; do not change."""
    goal_items: frozenset[int]
    """Items of the goal's object type that have the affordance the goal asks for."""
    goal_targets: tuple[int, ...]
    """Holders of the goal's type; for ``look_at_obj_in_light`` the lamps, as item indices."""
    goal_state: int
    """State bit that the goal asks for; 0 for none."""
    walkthrough: tuple[str, ...]
    """A known solution; may be empty."""


def display_names(ids: Iterable[str]) -> dict[str, str]:
    """Lower-case id to display name: within a class, numbers run downwards in the order of the ids.

    The class is the part before the first ``_bar_``, plus ``basin`` when the id contains that word.
    Example: ids ``mug_bar_1``, ``mug_bar_2`` become ``mug 2``, ``mug 1``.
    """
    ordered = sorted({name.lower() for name in ids})
    classes = {name: _class(name) for name in ordered}
    left = Counter(classes.values())
    names: dict[str, str] = {}
    for name in ordered:
        label = classes[name]
        if "_bar_" in name:
            text = f"{label} {left[label]}"
            left[label] -= 1
        else:
            # The original leaves the separating blank behind when there is no number.
            text = f"{label} "
        names[name] = _shared(text)
    return names


def compile_game(facts: GameFacts) -> Game:
    """Compile one game; takes well under a millisecond. The facts are not kept."""
    holder_facts = sorted(facts.receptacles, key=lambda r: r.id.lower())
    item_facts = sorted(facts.things, key=lambda t: t.id.lower())
    names = display_names([*(r.id for r in holder_facts), *(t.id for t in item_facts)])
    holder_of = {r.id.lower(): i for i, r in enumerate(holder_facts)}
    item_of = {t.id.lower(): i for i, t in enumerate(item_facts)}

    place_of: dict[str, int] = {}
    for r in holder_facts:
        if r.location:
            place_of.setdefault(r.location.lower(), len(place_of))
    start = place_of.setdefault(facts.start.lower(), len(place_of))

    holders = tuple(
        Holder(
            names[r.id.lower()],
            _shared(r.type.lower()),
            place_of[r.location.lower()] if r.location else -1,
            r.openable,
            r.opened,
        )
        for r in holder_facts
    )
    contents: list[list[int]] = [[] for _ in holders]
    inside: list[list[int]] = [[] for _ in item_facts]
    for i, t in enumerate(item_facts):
        for r_id in t.receptacles:
            contents[holder_of[r_id.lower()]].append(i)
        for outer in t.inside:
            if item_of[outer.lower()] != i:
                inside[item_of[outer.lower()]].append(i)
    items = tuple(
        Item(
            name=names[t.id.lower()],
            type=_shared(t.type.lower()),
            state=HOT * t.hot + COOL * t.cool + CLEAN * t.clean + SLICED * t.sliced + TOGGLED * t.toggled,
            contents=tuple(inside[i]),
            pickupable=t.pickupable,
            receptacle_object=t.receptacle_object,
            toggleable=t.toggleable,
            cleanable=t.cleanable,
            heatable=t.heatable,
            coolable=t.coolable,
            sliceable=t.sliceable,
            knife=t.type.lower() in KNIVES,
        )
        for i, t in enumerate(item_facts)
    )
    places = _places(holders, len(place_of))
    kind = facts.goal.task_type
    target = facts.goal.target_type.lower()
    lamps = tuple(i for i, item in enumerate(items) if item.toggleable)
    needed = _NEEDED.get(kind, 0)
    if kind == "look_at_obj_in_light":
        targets = tuple(i for i in lamps if items[i].type == target)
    else:
        targets = tuple(i for i, holder in enumerate(holders) if holder.type == target)
    first = places[start].facing
    if first:
        view = f"{first}. Next to it, you see nothing."
    else:
        reachable = [holder.name for holder in holders if holder.place >= 0]
        view = f"You are in the middle of a room. Looking quickly around you, you see {listed(reachable)}."
    return Game(
        task=facts.task,
        intro=f"{WELCOME}\n\n{view}\n\nYour task is to: {facts.task}",
        goal=facts.goal,
        holders=holders,
        items=items,
        places=places,
        start=start,
        contents=tuple(map(tuple, contents)),
        at=tuple(frozenset(place_of.get(place.lower(), -1) for place in t.locations) for t in item_facts),
        accepts=_lowered(facts.can_contain),
        lamps=lamps,
        sliceables=tuple(i for i, item in enumerate(items) if item.sliceable),
        holder_index={holder.name: i for i, holder in enumerate(holders)},
        item_index={item.name: i for i, item in enumerate(items)},
        goal_items=frozenset(
            i
            for i, item in enumerate(items)
            if item.type == facts.goal.object_type.lower() and _affords(item, needed)
        ),
        goal_targets=targets,
        goal_state=needed,
        walkthrough=facts.walkthrough,
    )


def listed(names: list[str]) -> str:
    """The names as the texts list them: ``a x``, ``a x, and a y``, ``a x, a y, and a z``, ``nothing``."""
    if not names:
        return "nothing"
    if len(names) == 1:
        return f"a {names[0]}"
    return f"a {', a '.join(names[:-1])}, and a {names[-1]}"


def _places(holders: tuple[Holder, ...], count: int) -> tuple[Place, ...]:
    here: list[list[int]] = [[] for _ in range(count)]
    for i, holder in enumerate(holders):
        if holder.place >= 0:
            here[holder.place].append(i)
    goto = sorted((_shared(f"go to {holder.name}"), holder.place) for holder in holders if holder.place >= 0)
    always = ["help", "inventory", "look"]
    places = []
    for index, found in enumerate(here):
        names = [holders[i].name for i in found]
        examine = sorted(_shared(f"examine {name}") for name in names)
        places.append(
            Place(
                holders=tuple(found),
                openable=tuple(i for i in found if holders[i].openable),
                commands=(*examine, *(text for text, place in goto if place != index), *always),
                facing=_facing(names),
                microwaves=tuple(i for i in found if holders[i].type == "microwave"),
                fridges=tuple(i for i in found if holders[i].type == "fridge"),
                sinks=tuple(i for i in found if holders[i].type in ("sink", "sinkbasin")),
            )
        )
    return tuple(places)


def _facing(names: list[str]) -> str:
    if len(names) < 2:
        return f"You are facing the {names[0]}" if names else ""
    return f"You are facing the {', '.join(names[:-1])}, and {names[-1]}"


def _affords(item: Item, needed: int) -> bool:
    if needed == CLEAN:
        return item.cleanable
    if needed == HOT:
        return item.heatable
    if needed == COOL:
        return item.coolable
    return True


@lru_cache(maxsize=1024)
def _lowered(pairs: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    # Many games share one table of what may hold what; it is the largest part of a game.
    return frozenset((_shared(r.lower()), _shared(t.lower())) for r, t in pairs)


def _class(name: str) -> str:
    label, bar, _ = name.partition("_bar_")
    return f"{label}basin" if bar and "basin" in name else label


def _shared(text: str) -> str:
    """One copy of each text for all games of the process."""
    return _NAMES.setdefault(text, text)
