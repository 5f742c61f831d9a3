"""Goals on disk: the splits in the first line, then a goal in each line.

Goals of several splits are written once.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from craft_envs.errors import DataMismatch
from craft_envs.webshop.product import Goal


def write_goals(path: Path, parts: Mapping[str, Sequence[Goal]], numbers: Mapping[str, int]) -> None:
    """Write the goals of some splits, each once.

    Args:
        path: the file.
        parts: split -> goals in their order.
        numbers: goal id -> number in the original.
    """
    places: dict[str, int] = {}
    lines: list[str] = []
    for goal in itertools.chain.from_iterable(parts.values()):
        if goal.goal_id not in places:
            places[goal.goal_id] = len(lines)
            lines.append(json.dumps([numbers[goal.goal_id], asdict(goal)], separators=(",", ":")))
    head = json.dumps({split: [places[goal.goal_id] for goal in part] for split, part in parts.items()})
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in (head, *lines))
        file.flush()
        os.fsync(file.fileno())


def read_goals(path: Path) -> tuple[dict[str, Sequence[Goal]], dict[str, int]]:
    """What was written: split -> goals, goal id -> number.

    Raises:
        DataMismatch: the file is damaged.
    """
    try:
        with open(path, encoding="utf-8") as file:
            head = json.loads(next(file))
            rows = [json.loads(line) for line in file]
        goals = [_goal(values) for _, values in rows]
        numbers = {goal.goal_id: int(number) for goal, (number, _) in zip(goals, rows, strict=True)}
        return {split: [goals[place] for place in places] for split, places in head.items()}, numbers
    except (OSError, StopIteration, ValueError, TypeError, IndexError, KeyError) as error:
        raise DataMismatch(
            f"the goals of the compiled catalogue cannot be read ({error})",
            where=str(path),
            remedy="delete the folder; it is made again",
        ) from error


def _goal(values: dict[str, Any]) -> Goal:
    options = values.pop("options")
    attributes = tuple(values.pop("attributes"))
    return Goal(
        **values, attributes=attributes, options=tuple(options) if isinstance(options, list) else options
    )
