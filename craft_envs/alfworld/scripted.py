"""A scripted player for ALFWorld that knows only what the texts tell: systematic search, then delivery.

It reads the observation, the admissible actions, the instruction, never the state of the engine. Every choice
is a fixed function of what was said so far, so that a policy which reads the same texts can imitate it:

1. An object of the wanted type can be taken here: take it.
2. One was seen elsewhere: go there.
3. Otherwise the next place that was not looked into: places without doors first, in the order of the first
   observation, then those with doors; types that can never hold the object are left out.
4. With the object in hand: heat, cool or clean it, then put it into the first place of the target type; for a
   lamp task find a lamp the same way, then switch it on.

What happened is read from the replies alone, so the agent copes with actions that somebody else chose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from craft_envs.alfworld.kinds import CLEANER, COOLER, FIXED, HEATER, HOLDS, LAMPS, OPENABLE
from craft_envs.errors import ConfigError, shown
from craft_envs.types import StepInfo

_HOLDS: Final = {place.lower(): frozenset(o.lower() for o in objects) for place, objects in HOLDS.items()}
_OBJECTS: Final = frozenset(o for objects in _HOLDS.values() for o in objects)
_LAMPS: Final = frozenset(lamp.lower() for lamp in LAMPS)
_LAMP_HOSTS: Final = frozenset(host.lower() for host in FIXED["DeskLamp"])
_DOORS: Final = frozenset(kind.lower() for kind in OPENABLE)
_TREATMENTS: Final = {
    "heat": ("heat", HEATER.lower()),
    "hot": ("heat", HEATER.lower()),
    "cool": ("cool", COOLER.lower()),
    "cold": ("cool", COOLER.lower()),
    "clean": ("clean", CLEANER.lower()),
}

_NAME = r"[a-z]+ \d+"
_THING = re.compile(rf"\ba ({_NAME})")
_CONTENTS = re.compile(rf"(?:On the ({_NAME}), you see|The ({_NAME}) is open\. In it, you see) ([^.]*)\.")
_ROOM = re.compile(r"Looking quickly around you, you see ([^.]*)\.")
_TAKEN = re.compile(rf"^You pick up the ({_NAME}) from the ({_NAME})\.")
_MOVED = re.compile(rf"^You move the ({_NAME}) to the ({_NAME})\.")
_TREATED = re.compile(rf"^You (heat|cool|clean) the ({_NAME}) using the ({_NAME})\.")


class ScriptedAgent:
    """Plays any ALFWorld task from its texts; deterministic given what it has read.

    Example: ``run_episode(env, ScriptedAgent(), task_id=...)``.
    """

    def __init__(self, env: object = None) -> None:
        """Ready for ``reset``; an environment is accepted, as by every agent with a name, but never read."""
        self._wanted = ""
        self._target = ""
        self._treatment: tuple[str, str] | None = None
        self._two = False
        self._forget()

    def reset(self, task_info: StepInfo) -> None:
        """Read the instruction of a new episode.

        Raises:
            ConfigError: the instruction names no known object with a known receptacle or lamp.
        """
        words = re.findall(r"[a-z]+", task_info["instruction"].lower())
        things = [word for word in words if word in _OBJECTS]
        targets = [word for word in words if word in _HOLDS or word in _LAMPS]
        if not things or not targets:
            raise ConfigError(
                f"cannot read the instruction {shown(task_info['instruction'])}",
                where=f"scripted agent, task {task_info['task_id']}",
                remedy="use a task of the official games or of the bundled houses",
            )
        self._wanted, self._target = things[0], targets[-1]
        self._treatment = next((_TREATMENTS[word] for word in words if word in _TREATMENTS), None)
        self._two = "two" in words
        self._forget()

    def act(self, observation: str, info: StepInfo) -> str:
        """The next action, always one of the admissible ones."""
        if not self._places:
            self._read_room(observation)
        self._read(observation)
        return self._choose(info["admissible_actions"])

    def _forget(self) -> None:
        self._places: list[str] = []
        self._looked: set[str] = set()
        self._where: dict[str, str] = {}
        self._held = ""
        self._treated: set[str] = set()
        self._chosen = ""
        self._rounds = 0

    def _read_room(self, observation: str) -> None:
        found = _ROOM.search(observation)
        if found:
            self._places = _THING.findall(found.group(1))

    def _read(self, observation: str) -> None:
        """Update what is known by what the reply says happened."""
        if found := _TAKEN.match(observation):
            self._held = found.group(1)
            self._where.pop(self._held, None)
        elif found := _MOVED.match(observation):
            self._where[found.group(1)] = found.group(2)
            self._held = ""
            if _kind(found.group(2)) == self._target and _kind(found.group(1)) == self._wanted:
                self._chosen = self._chosen or found.group(2)
        elif found := _TREATED.match(observation):
            verb, thing, _ = found.groups()
            if self._treatment and verb == self._treatment[0]:
                self._treated.add(thing)
            elif self._treatment and {verb, self._treatment[0]} == {"heat", "cool"}:
                self._treated.discard(thing)
        for match in _CONTENTS.finditer(observation):
            place = match.group(1) or match.group(2)
            self._looked.add(place)
            for thing in [thing for thing, where in self._where.items() if where == place]:
                del self._where[thing]
            for thing in _THING.findall(match.group(3)):
                self._where[thing] = place

    def _choose(self, admissible: list[str]) -> str:
        can = set(admissible)
        if not self._held:
            action = self._fetch(can)
        elif _kind(self._held) == self._wanted:
            action = self._deliver(can)
        else:
            action = self._drop(can)
        return action if action in can else "look"

    def _fetch(self, can: set[str]) -> str:
        """Bring an object of the wanted type into the hand."""
        spots = [(thing, place) for thing, place in self._where.items() if self._useful(thing)]
        for thing, place in spots:
            if (take := f"take {thing} from {place}") in can:
                return take
        if spots:
            return self._approach(spots[0][1], can)
        return self._search(can, lambda place: self._wanted in _HOLDS.get(_kind(place), ()))

    def _useful(self, thing: str) -> bool:
        """An object of the wanted type that is not where it belongs."""
        if _kind(thing) != self._wanted:
            return False
        place = self._where[thing]
        if self._two:
            return place != (self._chosen or self._first_target())
        return True

    def _deliver(self, can: set[str]) -> str:
        if self._target in _LAMPS:
            return self._light(can)
        if self._treatment and self._held not in self._treated:
            verb, appliance = self._treatment
            for place in self._of_kind(appliance):
                if (treat := f"{verb} {self._held} with {place}") in can:
                    return treat
            return self._approach(next(self._of_kind(appliance), ""), can)
        if self._two:
            target = self._chosen or self._first_target()
            move = f"move {self._held} to {target}"
            return move if move in can else self._approach(target, can)
        for place in self._of_kind(self._target):
            if (move := f"move {self._held} to {place}") in can:
                return move
        return self._approach(self._first_target(), can)

    def _light(self, can: set[str]) -> str:
        """With the object in hand, switch on a lamp that stands here, or get to one."""
        lamps = sorted(action for action in can if action.startswith(f"use {self._target} "))
        if lamps:
            return lamps[0]
        for thing, place in self._where.items():
            if _kind(thing) == self._target:
                return self._approach(place, can)
        return self._search(can, lambda place: _kind(place) in _LAMP_HOSTS)

    def _drop(self, can: set[str]) -> str:
        """Put away a thing that is not wanted; only needed after somebody else's actions."""
        moves = sorted(action for action in can if action.startswith(f"move {self._held} to "))
        if moves:
            return moves[0]
        for place in self._places:
            if _kind(self._held) in _HOLDS.get(_kind(place), ()):
                return self._approach(place, can)
        return "look"

    def _search(self, can: set[str], fits: Callable[[str], bool]) -> str:
        """Look into the next place; when all are done, everything once more, unlikely places too."""
        for place in self._in_search_order():
            if place not in self._looked and (self._rounds or fits(place)):
                return self._approach(place, can)
        if self._rounds > 3:
            return "look"
        self._rounds += 1
        self._looked.clear()
        return self._search(can, fits)

    def _in_search_order(self) -> list[str]:
        return sorted(self._places, key=lambda place: _kind(place) in _DOORS)

    def _approach(self, place: str, can: set[str]) -> str:
        """One step towards having the inside of the place before one's eyes."""
        for action in (f"go to {place}", f"open {place}"):
            if action in can:
                return action
        # It shares the location of the place just visited, so that nobody can "go to" it from here.
        return f"examine {place}"

    def _of_kind(self, kind: str) -> Iterator[str]:
        return (place for place in self._places if _kind(place) == kind)

    def _first_target(self) -> str:
        return next(self._of_kind(self._target), "")


def _kind(name: str) -> str:
    """``countertop 2`` -> ``countertop``."""
    return name.rpartition(" ")[0]
