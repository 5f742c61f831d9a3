"""The native text engine of ALFWorld, equal to the original character for character."""

from __future__ import annotations

from typing import Any, Final

from craft_envs.alfworld.game import CLEAN, COOL, HOT, SLICED, TOGGLED, Game, listed
from craft_envs.core import Outcome
from craft_envs.types import Task

NOTHING: Final = "Nothing happens."
HELP: Final = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


def state_words(state: int) -> str:
    """Adjectives of an examined object, empty when there is nothing special about it.

    The original's order of rules: combinations say ``cool``, the state alone says ``cold``.
    """
    words = "hot" if state & HOT else "cool" if state & COOL else ""
    if state & SLICED and state & CLEAN:
        return f"{words} and clean sliced" if words else "clean sliced"
    if state & SLICED and words:
        return f"{words} sliced"
    if state & CLEAN:
        return f"{words} and clean" if words else "clean"
    if words:
        return "hot" if state & HOT else "cold"
    return ""


class AlfSession:
    """One running episode.

    Everything public may be read, by an oracle for instance, but only ``act`` may change it.

    Args:
        game: the compiled game, shared by all its episodes.
        task: the task that the game belongs to.
    """

    __slots__ = (
        "_actions",
        "_anchor",
        "at",
        "contents",
        "game",
        "held",
        "opened",
        "place",
        "state",
        "success",
        "taken_out",
        "task",
    )

    def __init__(self, game: Game, task: Task) -> None:
        """See the class."""
        self.game = game
        self.task = task
        self.place = game.start
        """Index of the agent's place."""
        self.held = -1
        """Index of the item in hand, -1 for none."""
        self.contents = list(game.contents)
        """Items in each holder, ascending. [holders]"""
        self.opened = [holder.opened for holder in game.holders]
        """Which holders are open; means nothing for one that cannot be opened. [holders]"""
        self.state = [item.state for item in game.items]
        """State bits of each item. [items]"""
        self.at = list(game.at)
        """Places at which each item is recorded. [items]"""
        self.taken_out: set[tuple[int, int]] = set()
        """Pairs (item, holder): taken out, not put back."""
        self._actions: list[str] | None = None
        self._anchor: str | None = None
        self.success = self._solved()
        """The goal holds now; as in the original, it may hold no longer after further steps."""

    @property
    def score(self) -> float:
        """1.0 while the goal holds, else 0.0."""
        return 1.0 if self.success else 0.0

    def start(self) -> str:
        """The intro: welcome, the room, the task."""
        return self.game.intro

    def copy(self) -> AlfSession:
        """An independent episode in the same state, to try things out on."""
        twin = object.__new__(AlfSession)
        twin.game, twin.task, twin.place, twin.held = self.game, self.task, self.place, self.held
        twin.contents, twin.opened, twin.state = self.contents[:], self.opened[:], self.state[:]
        twin.at, twin.taken_out, twin.success = self.at[:], set(self.taken_out), self.success
        twin._actions, twin._anchor = self._actions, self._anchor
        return twin

    def extras(self) -> dict[str, Any]:
        """No entries of its own."""
        return {}

    def act(self, action: str) -> Outcome:
        """Play one command; anything that is not admissible answers ``Nothing happens.``"""
        command = action.strip()
        if command not in (self._actions or self.admissible_actions()):
            won = self.success
            return Outcome(NOTHING, 1.0 if won else 0.0, won, False)
        verb, _, rest = command.partition(" ")
        text = _VERBS[verb](self, rest)
        won = self.success
        return Outcome(text, 1.0 if won else 0.0, won, True)

    def admissible_actions(self) -> list[str]:
        """Every command accepted now, sorted by code point; one list per state, read-only."""
        if self._actions is None:
            self._actions = self._admissible()
        return self._actions

    def anchor(self) -> str:
        """Key of the agent-visible state.

        Equal, for two states of one game, iff ``look``, ``inventory``, ``examine`` of everything examinable
        answer the same and the same commands are admissible. What only a memory could know (a lamp that was
        turned on, the inside of a closed drawer) is not part of it.
        """
        if self._anchor is None:
            self._anchor = self._visible()
        return self._anchor

    # -- what is possible -------------------------------------------------------------------------------

    def _admissible(self) -> list[str]:
        game, held, contents, opened = self.game, self.held, self.contents, self.opened
        holders, items = game.holders, game.items
        place = game.places[self.place]
        actions = list(place.commands)
        for h in place.openable:
            actions.append(f"close {holders[h].name}" if opened[h] else f"open {holders[h].name}")
        for lamp in self._lamps_here():
            actions.append(f"use {items[lamp].name}")
        if held < 0:
            for h in place.holders:
                holder = holders[h]
                if opened[h] or not holder.openable:
                    end = f" from {holder.name}"
                    for i in contents[h]:
                        item = items[i]
                        if item.pickupable:
                            actions.append(f"take {item.name}{end}")
        else:
            item = items[held]
            name = item.name
            actions.append(f"examine {name}")
            accepts = game.accepts
            for h in place.holders:
                holder = holders[h]
                if (opened[h] or not holder.openable) and (holder.type, item.type) in accepts:
                    actions.append(f"move {name} to {holder.name}")
            if item.heatable:
                actions.extend([f"heat {name} with {holders[h].name}" for h in place.microwaves])
            if item.coolable:
                actions.extend([f"cool {name} with {holders[h].name}" for h in place.fridges])
            if item.cleanable:
                actions.extend([f"clean {name} with {holders[h].name}" for h in place.sinks])
            if item.knife:
                actions.extend([f"slice {items[i].name} with {name}" for i in self._sliceables_here()])
        actions.sort()
        return actions

    def _lamps_here(self) -> list[int]:
        """Toggleable items in a holder of this place, closed ones too."""
        contents, holders = self.contents, self.game.places[self.place].holders
        return [lamp for lamp in self.game.lamps if any(lamp in contents[h] for h in holders)]

    def _sliceables_here(self) -> list[int]:
        """Sliceable items recorded at this place, whether visible or not."""
        return [i for i in self.game.sliceables if self.place in self.at[i]]

    # -- what is seen -----------------------------------------------------------------------------------

    def _describe_holder(self, h: int) -> str:
        holder = self.game.holders[h]
        if not holder.openable:
            return f"On the {holder.name}, you see {self._names(self.contents[h])}."
        if self.opened[h]:
            return f"The {holder.name} is open. In it, you see {self._names(self.contents[h])}."
        return f"The {holder.name} is closed."

    def _describe_item(self, i: int) -> str:
        item = self.game.items[i]
        name = item.name
        if item.receptacle_object:
            return f"This is a normal {name}. In it, you see {self._names(item.contents)}."
        state = self.state[i]
        words = state_words(state)
        if words:
            return f"This is a {words} {name}."
        if item.toggleable and state & TOGGLED:
            return f"This {name} is on."
        if state & SLICED and item.sliceable:
            return f"This is a sliced {name}."
        return f"There's nothing special about {name}."

    def _names(self, indices: tuple[int, ...] | list[int]) -> str:
        items = self.game.items
        return listed([items[i].name for i in indices])

    def _beside(self) -> list[int]:
        """Items of this place that were taken out of its holders; one entry for each such holder."""
        if not self.taken_out:
            return []
        place, holders = self.place, self.game.places[self.place].holders
        return [i for i, h in sorted(self.taken_out) if h in holders and place in self.at[i]]

    def _visible(self) -> str:
        game, held, opened = self.game, self.held, self.opened
        place = game.places[self.place]
        parts = [str(self.place)]
        for h in place.holders:
            shut = game.holders[h].openable and not opened[h]
            parts.append("shut" if shut else ",".join(map(str, self.contents[h])))
        if game.lamps:
            parts.append(f"lamps {self._lamps_here()}")
        beside = self._beside()
        if beside:
            parts.append(f"beside {beside}")
        if held >= 0:
            parts.append(self._describe_item(held))
            if game.items[held].knife:
                parts.append(f"cuts {self._sliceables_here()}")
        return "|".join(parts)

    # -- what commands do: each is called only when admissible, takes the words after the verb ----------

    def _changed(self) -> None:
        self._actions = None
        self._anchor = None
        self.success = self._solved()

    def _solved(self) -> bool:
        game, state = self.game, self.state
        if game.goal.task_type == "look_at_obj_in_light":
            if self.held not in game.goal_items:
                return False
            here = self._lamps_here()
            return any(lamp in here and state[lamp] & TOGGLED for lamp in game.goal_targets)
        needed, items = game.goal_state, game.goal_items
        wanted = 2 if game.goal.task_type == "pick_two_obj_and_place" else 1
        for h in game.goal_targets:
            count = 0
            for i in self.contents[h]:
                if i in items and state[i] & needed == needed:
                    count += 1
            if count >= wanted:
                return True
        return False

    def _help(self, _: str) -> str:
        return HELP

    def _inventory(self, _: str) -> str:
        if self.held < 0:
            return "You are not carrying anything."
        return f"You are carrying: a {self.game.items[self.held].name}."

    def _look(self, _: str) -> str:
        facing = self.game.places[self.place].facing
        if not facing:
            return "You are in the middle of a room. Looking quickly around you, you see nothing."
        return f"{facing}. Next to it, you see {self._names(self._beside())}."

    def _examine(self, rest: str) -> str:
        h = self.game.holder_index.get(rest, -1)
        return self._describe_holder(h) if h >= 0 else self._describe_item(self.held)

    def _go(self, rest: str) -> str:
        h = self.game.holder_index[rest[3:]]
        self.place = self.game.holders[h].place
        self._changed()
        return f"You arrive at {rest[3:]}. {self._describe_holder(h)}"

    def _open(self, rest: str) -> str:
        h = self.game.holder_index[rest]
        self.opened[h] = True
        self._changed()
        return f"You open the {rest}. {self._describe_holder(h)}"

    def _close(self, rest: str) -> str:
        self.opened[self.game.holder_index[rest]] = False
        self._changed()
        return f"You close the {rest}."

    def _take(self, rest: str) -> str:
        name, _, source = rest.partition(" from ")
        i, h = self.game.item_index[name], self.game.holder_index[source]
        self.contents[h] = tuple(k for k in self.contents[h] if k != i)
        self.at[i] = self.at[i] - {self.place}
        self.taken_out.add((i, h))
        self.held = i
        self._changed()
        return f"You pick up the {name} from the {source}."

    def _move(self, rest: str) -> str:
        name, _, target = rest.partition(" to ")
        i, h = self.held, self.game.holder_index[target]
        self.contents[h] = tuple(sorted({*self.contents[h], i}))
        self.at[i] = self.at[i] | {self.place}
        self.taken_out.discard((i, h))
        self.held = -1
        self._changed()
        return f"You move the {name} to the {target}."

    def _heat(self, rest: str) -> str:
        return self._treat("heat", rest, set_bits=HOT, clear_bits=COOL)

    def _cool(self, rest: str) -> str:
        return self._treat("cool", rest, set_bits=COOL, clear_bits=HOT)

    def _clean(self, rest: str) -> str:
        return self._treat("clean", rest, set_bits=CLEAN, clear_bits=0)

    def _treat(self, verb: str, rest: str, *, set_bits: int, clear_bits: int) -> str:
        name, _, appliance = rest.partition(" with ")
        self.state[self.held] = self.state[self.held] & ~clear_bits | set_bits
        self._changed()
        return f"You {verb} the {name} using the {appliance}."

    def _use(self, rest: str) -> str:
        self.state[self.game.item_index[rest]] |= TOGGLED
        self._changed()
        return f"You turn on the {rest}."

    def _slice(self, rest: str) -> str:
        name, _, knife = rest.partition(" with ")
        self.state[self.game.item_index[name]] |= SLICED
        self._changed()
        return f"You sliced the {name} with the {knife}."


_VERBS: Final = {
    "clean": AlfSession._clean,
    "close": AlfSession._close,
    "cool": AlfSession._cool,
    "examine": AlfSession._examine,
    "go": AlfSession._go,
    "heat": AlfSession._heat,
    "help": AlfSession._help,
    "inventory": AlfSession._inventory,
    "look": AlfSession._look,
    "move": AlfSession._move,
    "open": AlfSession._open,
    "slice": AlfSession._slice,
    "take": AlfSession._take,
    "use": AlfSession._use,
}
