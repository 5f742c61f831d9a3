"""A player of ALFWorld that knows the whole state: short plans, each a proof that the game can be won."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any, Final

import gymnasium as gym

from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import TaskType
from craft_envs.alfworld.game import TOGGLED
from craft_envs.errors import ConfigError, CraftError
from craft_envs.types import StepInfo

_VERBS: Final[dict[TaskType, str]] = {
    "pick_clean_then_place_in_recep": "clean",
    "pick_heat_then_place_in_recep": "heat",
    "pick_cool_then_place_in_recep": "cool",
}


class Unsolvable(CraftError):
    """Raised when no plan of the oracle wins from a state: the thing in hand fits nowhere, for instance."""


class _DeadEnd(Exception):
    """Raised inside a trial whose next command is not possible."""


def solve(session: AlfSession) -> list[str]:
    """Commands that win from the state of the session, which stays as it is.

    Every plan of the few kinds that can be shortest is played in a copy, the shortest that wins is returned:
    of equally short ones the first in the order of the game's texts. Empty when the goal holds already.

    Raises:
        Unsolvable: no such plan wins.
    """
    if session.success:
        return []
    best: list[str] | None = None
    for trial in _trials(session):
        if trial.session.success and (best is None or len(trial.commands) < len(best)):
            best = trial.commands
    if best is None:
        raise Unsolvable(
            "the oracle finds no way to win from here",
            where=f"task {session.task.task_id}",
            remedy="check the game file; a state reached by putting things away can always be won",
        )
    return best


class OracleAgent:
    """Plays by ``solve``, planning anew in every step, so that it also recovers from foreign actions.

    It reads the running session of its environment, nothing of what it is shown; the ceiling in tables,
    never a source of demonstrations.

    Args:
        env: an ALFWorld environment of craft with the native engine, wrapped or not.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        """See the class."""
        self._env = env

    def act(self, observation: str, info: StepInfo) -> str:
        """The first command of a plan from the present state.

        Raises:
            ConfigError: the environment does not run the native engine.
            Unsolvable: there is no plan.
        """
        session = getattr(self._env.unwrapped, "session", None)
        if not isinstance(session, AlfSession):
            raise ConfigError(
                "the oracle reads the state of the native engine, which is not running here",
                where=type(self._env.unwrapped).__name__,
                remedy='use an ALFWorld environment with backend="native"',
            )
        plan = solve(session)
        return plan[0] if plan else "look"


class _Trial:
    """A copy of an episode in which a plan is tried; keeps the commands that were needed."""

    __slots__ = ("commands", "session")

    def __init__(self, session: AlfSession, commands: list[str]) -> None:
        self.session = session.copy()
        self.commands = commands

    def fork(self) -> _Trial:
        return _Trial(self.session, self.commands[:])

    def do(self, command: str) -> None:
        """Play one command, unless the goal holds already.

        Raises:
            _DeadEnd: the command is not admissible.
        """
        if self.session.success:
            return
        if not self.session.act(command).action_valid:
            raise _DeadEnd
        self.commands.append(command)

    def reach(self, holder: int, *, inside: bool = True) -> None:
        """Stand where the holder is, with its door open when ``inside`` matters."""
        there = self.session.game.holders[holder]
        # Receptacles of one location are used from wherever one stands there: no going between them.
        if there.place != self.session.place:
            self.do(f"go to {there.name}")
        if inside and there.openable and not self.session.opened[holder]:
            self.do(f"open {there.name}")

    def take(self, item: int, holder: int) -> None:
        game = self.session.game
        self.reach(holder)
        self.do(f"take {game.items[item].name} from {game.holders[holder].name}")

    def put(self, holder: int) -> None:
        game = self.session.game
        self.reach(holder)
        self.do(f"move {game.items[self.session.held].name} to {game.holders[holder].name}")

    def treat(self, verb: str, holder: int) -> None:
        game = self.session.game
        self.reach(holder, inside=False)
        self.do(f"{verb} {game.items[self.session.held].name} with {game.holders[holder].name}")


def _trials(session: AlfSession) -> Iterator[_Trial]:
    """All plans worth comparing, played to their ends or to a dead end."""
    for start in _with_useful_hand(session):
        kind = session.game.goal.task_type
        if kind == "look_at_obj_in_light":
            yield from _light(start)
        elif kind == "pick_two_obj_and_place":
            yield from _gather(start)
        else:
            yield from _place(start, _VERBS.get(kind, ""))


def _with_useful_hand(session: AlfSession) -> Iterator[_Trial]:
    """The state itself, or the states after putting away a thing that the goal has no use for."""
    trial = _Trial(session, [])
    held = session.held
    if held < 0 or held in session.game.goal_items:
        yield trial
        return
    kind = session.game.items[held].type
    accepting = [
        h
        for h, holder in enumerate(session.game.holders)
        if holder.place >= 0 and (holder.type, kind) in session.game.accepts
    ]
    wanted = {h for i in session.game.goal_items for h in _holders_of(session, i)}
    for holder in _representatives(
        session, accepting, [session.game.holders[h].place for h in sorted(wanted)]
    ):
        branch = trial.fork()
        try:
            branch.put(holder)
        except _DeadEnd:
            continue
        yield branch


def _place(start: _Trial, verb: str) -> Iterator[_Trial]:
    """Fetch an object, treat it when a verb is given, put it into a receptacle of the type."""
    game = start.session.game
    for fetched in _fetched(start):
        state = fetched.session.state[fetched.session.held]
        for treated in _treated(fetched, verb if state & game.goal_state != game.goal_state else ""):
            kind = game.items[treated.session.held].type
            targets = [h for h in game.goal_targets if (game.holders[h].type, kind) in game.accepts]
            for target in _representatives(treated.session, targets, []):
                branch = treated.fork()
                try:
                    branch.put(target)
                except _DeadEnd:
                    continue
                yield branch


def _fetched(start: _Trial) -> Iterator[_Trial]:
    """The states with an object of the goal in hand."""
    if start.session.held >= 0:
        yield start
        return
    for item in sorted(start.session.game.goal_items):
        for holder in _holders_of(start.session, item):
            branch = start.fork()
            try:
                branch.take(item, holder)
            except _DeadEnd:
                continue
            yield branch


def _treated(start: _Trial, verb: str) -> Iterator[_Trial]:
    """The states after heating, cooling or cleaning what is in hand; the state itself without a verb."""
    if not verb:
        yield start
        return
    for place in start.session.game.places:
        appliances = {"heat": place.microwaves, "cool": place.fridges, "clean": place.sinks}[verb]
        for appliance in appliances[:1]:
            branch = start.fork()
            try:
                branch.treat(verb, appliance)
            except _DeadEnd:
                continue
            yield branch


def _gather(start: _Trial) -> Iterator[_Trial]:
    """Bring two objects into the same receptacle, counting those that lie in it already."""
    session, game = start.session, start.session.game
    items = sorted(game.goal_items)
    sources = {item: _holders_of(session, item) for item in items}
    busy = [h for h in game.goal_targets if any(i in game.goal_items for i in session.contents[h])]
    near = [game.holders[h].place for found in sources.values() for h in found]
    for target in dict.fromkeys([*busy, *_representatives(session, game.goal_targets, near)]):
        missing = 2 - sum(i in game.goal_items for i in session.contents[target])
        in_hand = session.held >= 0
        rest = [i for i in items if i != session.held and target not in sources[i] and sources[i]]
        for order in permutations(rest, missing - in_hand):
            branch = start.fork()
            try:
                if in_hand:
                    branch.put(target)
                for item in order:
                    branch.take(item, sources[item][0])
                    branch.put(target)
            except _DeadEnd:
                continue
            yield branch


def _light(start: _Trial) -> Iterator[_Trial]:
    """Hold an object where a lamp of the type is on."""
    game = start.session.game
    for fetched in _fetched(start):
        for lamp in game.goal_targets:
            for holder in _holders_of(fetched.session, lamp):
                branch = fetched.fork()
                try:
                    branch.reach(holder, inside=False)
                    if not branch.session.state[lamp] & TOGGLED:
                        branch.do(f"use {game.items[lamp].name}")
                except _DeadEnd:
                    continue
                yield branch


def _holders_of(session: AlfSession, item: int) -> list[int]:
    """The reachable holders that an item is listed in."""
    holders = session.game.holders
    return [h for h, found in enumerate(session.contents) if item in found and holders[h].place >= 0]


def _representatives(session: AlfSession, holders: list[int] | tuple[int, ...], near: list[int]) -> list[int]:
    """Of the holders, those that can differ in what a plan through them costs.

    A holder costs one command less where one stands already (or will stand: ``near``), one more with its door
    shut. Elsewhere all are alike, so that one of each sort is enough.
    """
    places = {session.place, *near}
    out: dict[tuple[int, bool], int] = {}
    for h in holders:
        holder = session.game.holders[h]
        if holder.place < 0:
            continue
        shut = holder.openable and not session.opened[h]
        out.setdefault((holder.place if holder.place in places else -1, shut), h)
    return list(out.values())
