"""Goals as tasks: their ids, splits by product, the original's own split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from craft_envs.errors import ConfigError, one_of, shown
from craft_envs.types import Task
from craft_envs.webshop.product import Catalogue, Goal

ENV_ID: Final = "craft/WebShop-v0"
TEST_GOALS: Final = 500
VALID_GOALS: Final = 200
LEGACY_TEST: Final = 500
"""Goals that the published code tests on: the first ones of its numbering."""
_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_TEST_SHARE: Final = 0.25
_VALID_SHARE: Final = 0.10


class ShopTasks:
    """The tasks of one shop; read-only, shared by the whole process, safe between threads.

    A task id reads ``split/goal_id``.

    Args:
        catalogue: the products.
        parts: split -> its goals in their fixed order.
        numbers: goal id -> number in the original, where it has one.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        parts: Mapping[str, Sequence[Goal]],
        numbers: Mapping[str, int] | None = None,
    ) -> None:
        """See the class."""
        self.catalogue = catalogue
        self._numbers = numbers or {}
        self._goals = {f"{split}/{goal.goal_id}": goal for split, goals in parts.items() for goal in goals}
        self._ids = {
            split: tuple(f"{split}/{goal.goal_id}" for goal in goals) for split, goals in parts.items()
        }
        self._tasks: dict[str, Task] = {}

    @property
    def env_id(self) -> str:
        """Gymnasium id of the environment that plays these tasks."""
        return ENV_ID

    @cached_property
    def data_hash(self) -> str:
        """Hex digest over the ids with the content hashes of all tasks."""
        digest = hashlib.sha256()
        for ids in self._ids.values():
            for task_id in ids:
                digest.update(f"{task_id} {self.task(task_id).content_hash}\n".encode())
        return digest.hexdigest()

    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._ids)

    def task_ids(self, split: str) -> Sequence[str]:
        """All ids of a split in their fixed order; for ``legacy`` that of the original's numbers.

        Raises:
            ConfigError: there is no such split.
        """
        if split not in self._ids:
            raise ConfigError(
                f"unknown split {shown(split)}",
                where="WebShop data",
                remedy=one_of(split, self._ids),
            )
        return self._ids[split]

    def task(self, task_id: str) -> Task:
        """The task of this id.

        Raises:
            ConfigError: there is no such task.
        """
        known = self._tasks.get(task_id)
        if known is None:
            goal = self.goal(task_id)
            known = Task(
                task_id=task_id,
                env_id=ENV_ID,
                split=task_id.partition("/")[0],
                task_type=goal.category,
                instruction=goal.instruction,
                content_hash=self.content_hash(goal),
            )
            self._tasks[task_id] = known
        return known

    def goal(self, task_id: str) -> Goal:
        """What is to be bought; never shown to an agent.

        Raises:
            ConfigError: there is no such task.
        """
        try:
            return self._goals[task_id]
        except (KeyError, TypeError):
            raise ConfigError(
                f"unknown task id {shown(task_id)}",
                where="WebShop data",
                remedy="take an id from task_ids(split); it reads split/goal_id",
            ) from None

    def number(self, goal: Goal) -> int | None:
        """The goal's number in the original, which its sessions are named by."""
        return self._numbers.get(goal.goal_id)

    def content_hash(self, goal: Goal) -> str:
        """Hex digest over the goal with the whole catalogue: pages, prices, attributes, nouns."""
        options = list(goal.options.items()) if isinstance(goal.options, Mapping) else list(goal.options)
        values = [
            self.catalogue.content_hash,
            goal.asin,
            goal.instruction,
            goal.attributes,
            options,
            goal.price_upper,
            goal.query,
            goal.product_category,
        ]
        text = _json(values)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def official_parts(goals: Sequence[Goal]) -> dict[str, Sequence[Goal]]:
    """Splits of a real catalogue's goals.

    ``test``, ``valid``, ``train`` share no product: which one a product is in depends on its asin alone. A
    panel takes few goals of each product, because one product may have hundreds of them. ``legacy`` with
    ``legacy_train`` are those of the published code, which do share products; human goals, of which a small
    catalogue has few, also come as ``all``.

    Args:
        goals: all of one kind, in the original's numbering.
    """
    sides: dict[str, list[Goal]] = {"train": [], "valid": [], "test": []}
    for goal in goals:
        sides[side_of(goal.asin)].append(goal)
    # Different products may be asked for in the same words; a panel's words are in no other split.
    test = spread(_by_product(sides["test"]), TEST_GOALS, set())
    said = {goal.instruction for goal in test}
    valid = spread(_by_product(sides["valid"]), VALID_GOALS, said)
    said |= {goal.instruction for goal in valid}
    parts: dict[str, Sequence[Goal]] = {
        "train": [goal for goal in sides["train"] if goal.instruction not in said],
        "valid": valid,
        "test": test,
        "legacy": goals[:LEGACY_TEST],
        "legacy_train": goals[LEGACY_TEST:],
    }
    if any(goal.human for goal in goals):
        parts["all"] = goals
    return {split: part for split, part in parts.items() if len(part)}


def side_of(asin: str) -> str:
    """The split that may ask for a product: ``train``, ``valid`` or ``test``."""
    place = _fraction("product", asin)
    if place < _TEST_SHARE:
        return "test"
    return "valid" if place < _TEST_SHARE + _VALID_SHARE else "train"


def spread(families: Iterable[Iterable[Goal]], limit: int, said: Collection[str]) -> list[Goal]:
    """At most ``limit`` goals: a first one of every product, a second one, ..., which ones by their ids.

    Args:
        families: the goals of one product after another; memory holds a few times ``limit`` of them.
        limit: how many.
        said: instructions of other splits, to leave out.
    """
    ranked: list[tuple[int, float, Goal]] = []
    for family in families:
        own = [(_fraction("goal", goal.goal_id), goal) for goal in family if goal.instruction not in said]
        own.sort(key=lambda entry: entry[0])
        ranked += [(rank, place, goal) for rank, (place, goal) in enumerate(own[:limit])]
        if len(ranked) > 4 * limit + 10_000:
            ranked = sorted(ranked, key=lambda entry: entry[:2])[:limit]
    ranked.sort(key=lambda entry: entry[:2])
    return [goal for _, _, goal in ranked[:limit]]


def _by_product(goals: Iterable[Goal]) -> Iterable[list[Goal]]:
    found: dict[str, list[Goal]] = {}
    for goal in goals:
        found.setdefault(goal.asin, []).append(goal)
    return found.values()


def _fraction(kind: str, name: str) -> float:
    digest = hashlib.blake2b(f"webshop/{kind}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
