"""The original ALFWorld engine behind the same session interface, as an oracle for the native one."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from craft_envs.alfworld.facts import GameFacts
from craft_envs.alfworld.problem import problem_text
from craft_envs.core import Outcome
from craft_envs.data import cache_root
from craft_envs.errors import ConfigError, EnvCrash
from craft_envs.types import Task

_UNKNOWN_GOAL: Final = "UNKNOWN GOAL."
"""Placeholder of the task line in the packages' own grammar."""

# The planner behind the original swaps sys.stdout and overwrites sys.argv, so that only one may run.
_lock = threading.RLock()


def opener() -> Callable[[GameFacts, Task], TextworldSession]:
    """What opens sessions of the original engine (alfworld 0.4.2, textworld 1.7.0).

    Raises:
        ConfigError: the packages are not installed.
    """
    with _undisturbed():
        try:
            classes = importlib.import_module("alfworld.agents.environment.alfred_tw_env")
            engine = importlib.import_module("textworld.envs.pddl.pddl")
            info = importlib.import_module("alfworld.info")
        except ImportError as error:
            raise ConfigError(
                f'backend="textworld" needs the original packages ({error})',
                remedy='pip install "craft-agents[alfworld]" (compiles two packages); or backend="native"',
            ) from error
    domain = Path(info.ALFRED_PDDL_PATH).read_text(encoding="utf-8")
    grammar = Path(info.ALFRED_TWL2_PATH).read_text(encoding="utf-8")

    # Each engine maps its own copy of a 34 MB library, and unloading one crashes: engines are used again.
    idle: list[Any] = []

    def build(facts: GameFacts) -> Any:
        env = idle.pop() if idle else classes.AlfredDemangler(engine.PddlEnv(), shuffle=False)
        env.load(
            {
                "pddl_domain": domain,
                "grammar": grammar.replace(_UNKNOWN_GOAL, json.dumps(facts.task)[1:-1]),
                "pddl_problem": problem_text(facts),
                "walkthrough": list(facts.walkthrough),
            }
        )
        return env

    def open_session(facts: GameFacts, task: Task) -> TextworldSession:
        session = TextworldSession(build, facts, task)
        weakref.finalize(session, idle.append, session.env).atexit = False
        return session

    return open_session


class TextworldSession:
    """One episode in the original engine: seconds to open, tens of milliseconds a step, one at a time.

    The original remembers every entity of every game for ever, about 1 MB for each distinct game.

    Args:
        build: makes the loaded original environment of a game.
        facts: the game.
        task: the task that the game belongs to.

    Raises:
        EnvCrash: the original engine failed.
    """

    def __init__(self, build: Callable[[GameFacts], Any], facts: GameFacts, task: Task) -> None:
        """See the class."""
        self.task = task
        with self._guarded():
            self.env = build(facts)
            """The original environment."""
            self._state = self.env.reset()
        self.success = bool(self._state["won"])
        """The goal holds now."""

    @property
    def score(self) -> float:
        """1.0 while the goal holds, else 0.0."""
        return 1.0 if self.success else 0.0

    def start(self) -> str:
        """The intro: welcome, the room, the task."""
        return str(self._state.feedback)

    def act(self, action: str) -> Outcome:
        """Play one command.

        Raises:
            EnvCrash: the original engine failed.
        """
        valid = action.strip() in self._state["admissible_commands"]
        with self._guarded():
            self._state, score, done = self.env.step(action)
        self.success = bool(self._state["won"])
        return Outcome(str(self._state.feedback), float(score), bool(done), valid)

    def admissible_actions(self) -> list[str]:
        """Every command accepted now, sorted by code point."""
        return list(self._state["admissible_commands"])

    def anchor(self) -> str:
        """Key of the agent-visible state, splitting states as the native engine's anchor does."""
        facts = [(fact.name, tuple(v.name for v in fact.arguments)) for fact in self._state["_facts"]]
        of: dict[str, set[tuple[str, ...]]] = {}
        for name, arguments in facts:
            of.setdefault(name, set()).add(arguments)
        here = next(iter(of["atlocation"]))[1]
        holders = {r for r, place in of.get("receptacleatlocation", ()) if place == here}
        shut = {r for (r,) in of.get("openable", set()) - of.get("opened", set())}
        held = {thing for _, thing in of.get("holds", ())}
        normal = {thing for (thing,) in of.get("isreceptacleobject", ())}
        words = ("ishot", "iscool", "isclean", "issliced", "istoggled")
        near = {thing for thing, place in of.get("objectatlocation", ()) if place == here}
        parts = (
            here,
            sorted((r, r in shut) for r in holders),
            sorted((o, r) for o, r in of.get("inreceptacle", ()) if r in holders - shut),
            sorted(o for o, r in of.get("not_inreceptacle", ()) if r in holders and o in near),
            sorted(held),
            sorted(word for word in words if held - normal & {thing for (thing,) in of.get(word, ())}),
            self._state["admissible_commands"],
        )
        return repr(parts)

    def extras(self) -> dict[str, Any]:
        """No entries of its own."""
        return {}

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with _undisturbed():
            try:
                yield
            except (Exception, SystemExit) as error:  # its planner exits on a problem it does not like
                raise EnvCrash(
                    f"the original engine failed ({type(error).__name__}: {error})",
                    where=f"task {self.task.task_id}",
                    remedy='compare with backend="native"',
                ) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep what the original overwrites: ``sys.argv``, ``sys.stdout``, the variable of its data folder."""
    with _lock:
        argv, stdout, folder = sys.argv, sys.stdout, os.environ.get("ALFWORLD_DATA")
        if folder is None:
            # Importing the package makes this folder; by default one in the user's home.
            os.environ["ALFWORLD_DATA"] = str(cache_root() / "alfworld")
        try:
            yield
        finally:
            sys.argv, sys.stdout = argv, stdout
            if folder is None:
                os.environ.pop("ALFWORLD_DATA", None)
