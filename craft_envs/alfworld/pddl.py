"""Reader of the official game files, ``game.tw-pddl`` to ``GameFacts``."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from sys import intern
from typing import Any, Final, cast

from craft_envs.alfworld.facts import GameFacts, Goal, Receptacle, TaskType, Thing
from craft_envs.errors import DataMismatch, shown

Expression = list[Any]
"""A parsed PDDL expression: strings mixed with nested expressions."""

KNOWN_GRAMMARS: Final = frozenset(
    {
        # the released games
        "8ccb165808cdb9ad7a3cbf7b47d41be8f56e5c55af947de8e574d72cfd6bd90b",
        # games made with alfworld-generate 0.4.2; only the layout of the help rule differs
        "67561ba4096cf4de14ecb4ca1c78973e0a6ae466d31e28d04c468aac0ed247ab",
    }
)
"""Digests of the text grammar of alfworld 0.4.2, task line and white space taken out."""

_TOKEN = re.compile(r"[()]|[^\s()]+")
_COMMENT = re.compile(r";[^\n]*")
_TASK = re.compile(r'"rhs"\s*:\s*("Your task is to: (?:[^"\\]|\\.)*")')
_PREFIX = "Your task is to: "

# Facts that change nothing a player can see or do: bookkeeping of the planner.
_IGNORED: Final = frozenset(
    "= wasinreceptacle checked examined full moveable ison isreceptacleobjectfull distance total-cost".split()
)
_FLAGS: Final[dict[str, str]] = {
    "pickupable": "pickupable",
    "isreceptacleobject": "receptacle_object",
    "toggleable": "toggleable",
    "istoggled": "toggled",
    "cleanable": "cleanable",
    "heatable": "heatable",
    "coolable": "coolable",
    "sliceable": "sliceable",
    "isclean": "clean",
    "ishot": "hot",
    "iscool": "cool",
    "issliced": "sliced",
}
# Predicates of a goal without its "not (= ...)", in alphabetical order, for each task type.
_PLACE = ("inreceptacle", "objecttype", "receptacletype")
_CLEAN = ("cleanable", "inreceptacle", "isclean", "objecttype", "receptacletype")
_HEAT = ("heatable", "inreceptacle", "ishot", "objecttype", "receptacletype")
_COOL = ("coolable", "inreceptacle", "iscool", "objecttype", "receptacletype")
_GOAL_FORMS: Final[dict[tuple[str, ...], TaskType]] = {
    _PLACE: "pick_and_place_simple",
    _CLEAN: "pick_clean_then_place_in_recep",
    _HEAT: "pick_heat_then_place_in_recep",
    _COOL: "pick_cool_then_place_in_recep",
    ("=", *sorted(_PLACE * 2)): "pick_two_obj_and_place",
    (
        "atlocation",
        "holds",
        "inreceptacle",
        "istoggled",
        "objecttype",
        "objecttype",
        "receptacleatlocation",
        "toggleable",
    ): "look_at_obj_in_light",
}


class GameFile:
    """The content of one ``game.tw-pddl``, opened but not yet read as a game.

    Args:
        data: the bytes of the file.
        where: name of the file for error messages.

    Raises:
        DataMismatch: not JSON (a file cut in half, for instance), or without the parts of a game.
    """

    __slots__ = ("grammar", "problem", "solvable", "walkthrough", "where")

    def __init__(self, data: bytes, where: str) -> None:
        """See the class."""
        self.where = where
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _mismatch(f"the game file is not complete JSON ({error})", where) from None
        if not isinstance(content, dict):
            raise _mismatch("the game file holds no JSON object", where)
        for key in ("grammar", "pddl_problem"):
            if not isinstance(content.get(key), str):
                raise _mismatch(f"the game file has no text under {key!r}", where)
        walkthrough = content.get("walkthrough") or []
        if not isinstance(walkthrough, list) or not all(isinstance(line, str) for line in walkthrough):
            raise _mismatch("the walkthrough is no list of commands", where)
        self.grammar: str = content["grammar"]
        self.problem: str = content["pddl_problem"]
        self.walkthrough: list[str] = walkthrough
        solvable = content.get("solvable")
        self.solvable: bool | None = solvable if isinstance(solvable, bool) else None
        """What the file says of itself; ``None`` when it says nothing."""

    def same_language(self) -> bool:
        """The file's own text grammar is that of alfworld 0.4.2, which the native engine speaks."""
        text = "".join(_TASK.sub("", self.grammar).split())
        return hashlib.sha256(text.encode()).hexdigest() in KNOWN_GRAMMARS

    def read(self, task_id: str, split: str) -> GameFacts:
        """The game's facts.

        Raises:
            DataMismatch: the problem is incomplete, or says something that ALFWorld games never say.
        """
        match = _TASK.search(self.grammar)
        if match is None:
            raise _mismatch(f"the grammar has no line {_PREFIX!r}", self.where)
        task = json.loads(match[1]).removeprefix(_PREFIX)
        problem = parse_expression(self.problem, self.where)
        sections = {part[0].lower(): part for part in problem if isinstance(part, list) and part and part[0]}
        for name in (":objects", ":init", ":goal"):
            if name not in sections:
                raise _mismatch(f"the problem has no section ({name} ...)", self.where)
        return _Collector(sections, self.where).facts(task_id, split, task, tuple(self.walkthrough))


def parse_expression(text: str, where: str) -> Expression:
    """Read one parenthesised expression; comments are dropped.

    Raises:
        DataMismatch: unbalanced parentheses.
    """
    stack: list[Expression] = [[]]
    for token in _TOKEN.findall(_COMMENT.sub("", text)):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            if not stack:
                break
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1 or not stack[0] or not isinstance(stack[0][0], list):
        raise _mismatch("the problem's parentheses do not match", where)
    return stack[0][0]


class _Collector:
    """Sorts the facts of one problem by the entity that they are about."""

    def __init__(self, sections: dict[str, Expression], where: str) -> None:
        self.where = where
        self.kinds = dict(_declared(sections[":objects"][1:]))
        self.goal = _goal(sections[":goal"][1:], where)
        self.receptacles: dict[str, dict[str, Any]] = {}
        self.things: dict[str, dict[str, Any]] = {}
        self.can_contain: set[tuple[str, str]] = set()
        self.start = ""
        for fact in sections[":init"][1:]:
            self._add(fact)

    def _add(self, fact: Any) -> None:
        if not isinstance(fact, list) or not fact or not isinstance(fact[0], str):
            raise _mismatch(f"stray text {shown(fact)} among the initial facts", self.where)
        predicate = fact[0].lower()
        args = [intern(arg) if isinstance(arg, str) else "" for arg in fact[1:]]
        if predicate in _IGNORED:
            for arg in args:
                self._mention(arg)
            return
        flag = _FLAGS.get(predicate)
        if len(args) != (1 if flag or predicate in ("openable", "opened") else 2) or "" in args:
            raise _mismatch(f"the fact {shown(fact)} has another number of arguments", self.where)
        if flag:
            self._thing(args[0])[flag] = True
        elif predicate in ("openable", "opened"):
            self._receptacle(args[0])[predicate] = True
        elif predicate == "objecttype":
            self._once(self._thing(args[0]), "type", _type(args[1]), fact)
        elif predicate == "receptacletype":
            self._once(self._receptacle(args[0]), "type", _type(args[1]), fact)
        elif predicate == "receptacleatlocation":
            self._once(self._receptacle(args[0]), "location", args[1], fact)
        elif predicate == "inreceptacle":
            self._receptacle(args[1])
            self._several(self._thing(args[0]), "receptacles", args[1])
        elif predicate == "objectatlocation":
            self._several(self._thing(args[0]), "locations", args[1])
        elif predicate == "inreceptacleobject":
            self._thing(args[1])
            self._several(self._thing(args[0]), "inside", args[1])
        elif predicate == "cancontain":
            self.can_contain.add((_type(args[0]), _type(args[1])))
        elif predicate == "atlocation":
            if self.start not in ("", args[1]):
                raise _mismatch("the agent starts at two locations", self.where)
            self.start = args[1]
        else:
            raise _mismatch(f"the initial fact {shown(fact)} is unknown to ALFWorld's games", self.where)

    def _thing(self, name: str) -> dict[str, Any]:
        if name in self.receptacles:
            raise _mismatch(f"{name} is a receptacle as well as an object", self.where)
        return self.things.setdefault(name, {"id": name, "type": ""})

    def _receptacle(self, name: str) -> dict[str, Any]:
        if name in self.things:
            raise _mismatch(f"{name} is an object as well as a receptacle", self.where)
        return self.receptacles.setdefault(name, {"id": name, "type": "", "location": ""})

    def _mention(self, name: str) -> None:
        # Whatever a fact mentions takes part in the numbering of its class.
        kind = self.kinds.get(name)
        if kind == "object":
            self._thing(name)
        elif kind == "receptacle":
            self._receptacle(name)

    def _once(self, entry: dict[str, Any], key: str, value: str, fact: Expression) -> None:
        if entry.get(key, "") not in ("", value):
            raise _mismatch(f"{shown(fact)} contradicts {entry[key]!r}", self.where)
        entry[key] = value

    @staticmethod
    def _several(entry: dict[str, Any], key: str, value: str) -> None:
        values = entry.get(key, ())
        if value not in values:
            entry[key] = (*values, value)

    def facts(self, task_id: str, split: str, task: str, walkthrough: tuple[str, ...]) -> GameFacts:
        if not self.start:
            raise _mismatch("no fact says where the agent starts", self.where)
        if not any(entry["location"] for entry in self.receptacles.values()):
            raise _mismatch("the game has no receptacle that can be reached", self.where)
        lower = [name.lower() for name in (*self.receptacles, *self.things)]
        if len(set(lower)) != len(lower):
            twice = Counter(lower).most_common(1)[0][0]
            raise _mismatch(f"two entities share the id {twice}", self.where)
        return GameFacts(
            task_id=task_id,
            split=split,
            task=task,
            goal=self.goal,
            start=self.start,
            receptacles=tuple(Receptacle(**entry) for entry in self.receptacles.values()),
            things=tuple(Thing(**entry) for entry in self.things.values()),
            can_contain=frozenset(self.can_contain),
            walkthrough=walkthrough,
        )


def _declared(tokens: Expression) -> Iterator[tuple[str, str]]:
    """Pairs (name, kind) of ``a b - kind c - kind``."""
    waiting: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "-":
            kind = str(next(words, "object")).lower()
            yield from ((name, kind) for name in waiting)
            waiting = []
        elif isinstance(word, str):
            waiting.append(word)


def _goal(expression: Expression, where: str) -> Goal:
    """The goal behind the quantifiers; its predicates must be those of one of the six forms."""
    atoms = sorted(_atoms(expression))
    task_type = _GOAL_FORMS.get(tuple(atom[0] for atom in atoms))
    if task_type is None:
        raise _mismatch(f"the goal {shown(atoms)} is none of ALFWorld's six forms", where)
    objects = {atom[1]: _type(atom[2]) for atom in atoms if atom[0] == "objecttype"}
    if task_type == "look_at_obj_in_light":
        held = next(atom[2] for atom in atoms if atom[0] == "holds")
        lamp = next(atom[1] for atom in atoms if atom[0] == "istoggled")
        if {held, lamp} != set(objects):
            raise _mismatch("the goal does not say which object is held, which is the lamp", where)
        return Goal(task_type=task_type, object_type=objects[held], target_type=objects[lamp])
    targets = {_type(atom[2]) for atom in atoms if atom[0] == "receptacletype"}
    if len(set(objects.values())) != 1 or len(targets) != 1:
        raise _mismatch("the goal mixes several types of object or receptacle", where)
    return Goal(task_type=task_type, object_type=next(iter(objects.values())), target_type=targets.pop())


def _atoms(expression: Expression) -> Iterator[tuple[str, ...]]:
    for part in expression:
        if not isinstance(part, list) or not part:
            continue
        head = part[0].lower() if isinstance(part[0], str) else ""
        if head in ("and", "not"):
            yield from _atoms(part[1:])
        elif head == "exists":
            yield from _atoms(part[2:])
        elif head and all(isinstance(arg, str) for arg in part):
            yield (head, *cast("list[str]", part[1:]))
        else:
            yield (head or "?",)


def _type(name: str) -> str:
    return intern(name.removesuffix("Type"))


def _mismatch(what: str, where: str) -> DataMismatch:
    return DataMismatch(what, where=where, remedy="fetch the ALFWorld release again, or replace this file")
