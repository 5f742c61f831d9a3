"""The bundled tasks: thousands of generated games behind the task source that every world uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, cast

from craft_envs.alfworld.facts import TASK_TYPES, GameFacts, Goal, TaskType
from craft_envs.alfworld.fingerprint import content_hash, digest
from craft_envs.alfworld.generate import build, goals
from craft_envs.alfworld.rooms import SIZES, RoomKind, Size
from craft_envs.alfworld.scenes import VERSION, Scene, scenes
from craft_envs.draw import Draw
from craft_envs.errors import ConfigError, one_of, shown
from craft_envs.types import Task

ENV_ID: Final = "craft/ALFWorld-v0"
SPLITS: Final = ("train", "valid_seen", "valid_unseen")

DATA_HASHES: Final[dict[Size, str]] = {
    "full": "3443792ad076b31c365beda5af277219",
    "small": "c7b991ebe1d3d4e8c315589c9f96fe7d",
}
"""Size -> ``data_hash`` of its source, recorded so that opening a source need not build every game.

A test builds them all and compares; a change of the generator needs a new ``scenes.VERSION`` with new hashes.
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an id stands for."""

    scene: Scene
    goal: Goal


class BundledSource:
    """The generated tasks of one size; read-only, shared by the whole process, safe between threads.

    Ids are planned at once; a game is built when it is asked for. Panels are disjoint from train by id and by
    content, even by what a player reads first: a goal of valid_seen is never set in the same room in train,
    the rooms of valid_unseen have receptacles that no room of train has.

    Example: ``bundled_source("small").task_ids("valid_unseen")[0]``.
    """

    def __init__(self, size: Size) -> None:
        """Plan the ids of a size; use ``bundled_source`` to share the result."""
        self._size = size
        self._entries = _plan(size)
        self._ids: dict[str, tuple[str, ...]] = {
            split: tuple(sorted(i for i in self._entries if i.startswith(f"{split}/"))) for split in SPLITS
        }
        self._tasks: dict[str, Task] = {}
        self._facts = lru_cache(maxsize=256)(self._build)

    @property
    def env_id(self) -> str:
        """Gymnasium id of the environment that plays these tasks."""
        return ENV_ID

    @property
    def size(self) -> Size:
        """Size of the houses."""
        return self._size

    @property
    def data_hash(self) -> str:
        """Hex digest over the ids with the content hashes of all tasks."""
        return DATA_HASHES[self._size]

    def splits(self) -> tuple[str, ...]:
        """``train``, ``valid_seen``, ``valid_unseen``."""
        return SPLITS

    def task_ids(self, split: str) -> Sequence[str]:
        """All ids of a split, sorted.

        Raises:
            ConfigError: there is no such split.
        """
        if split not in self._ids:
            raise ConfigError(
                f"unknown split {shown(split)}",
                where=f"bundled ALFWorld data, size {self._size!r}",
                remedy=one_of(split, SPLITS),
            )
        return self._ids[split]

    def task(self, task_id: str) -> Task:
        """The task of this id.

        Raises:
            ConfigError: there is no such task.
        """
        known = self._tasks.get(task_id)
        if known is None:
            facts = self.facts(task_id)
            known = Task(
                task_id=task_id,
                env_id=ENV_ID,
                split=facts.split,
                task_type=facts.goal.task_type,
                instruction=facts.task,
                content_hash=content_hash(facts),
            )
            self._tasks[task_id] = known
        return known

    def facts(self, task_id: str) -> GameFacts:
        """The game of this id, built anew when it has not been asked for lately (about 1 ms).

        Raises:
            ConfigError: there is no such task.
        """
        if task_id not in self._entries:
            raise ConfigError(
                f"unknown task id {shown(task_id)}",
                where=f"bundled ALFWorld data, size {self._size!r}",
                remedy="take an id from task_ids(split); ids of another size or of the official data differ",
            )
        return self._facts(task_id)

    def measured_hash(self) -> str:
        """``data_hash`` computed from every game; takes seconds, what a test compares with the record."""
        return digest(f"{i} {self.task(i).content_hash}" for split in SPLITS for i in self._ids[split])

    def _build(self, task_id: str) -> GameFacts:
        entry = self._entries[task_id]
        return build(task_id, size=self._size, scene=entry.scene, goal=entry.goal)


def bundled_source(size: Size) -> BundledSource:
    """The source of a size, one per process.

    Raises:
        ConfigError: the size is neither ``full`` nor ``small``.
    """
    if size not in SIZES:
        raise ConfigError(
            f"unknown size {shown(size)}",
            where="bundled ALFWorld data",
            remedy=one_of(size, SIZES),
        )
    return _source(size)


@cache
def _source(size: Size) -> BundledSource:
    return BundledSource(size)


def _plan(size: Size) -> dict[str, _Entry]:
    """Every id of a size with its room and goal; panels first, so that train avoids what they hold."""
    draw = Draw(f"{VERSION}/{size}/plan")
    table = SIZES[size]
    rooms = scenes(size)
    out: dict[str, _Entry] = {}
    trial = 0
    for task_type in TASK_TYPES:
        kinds = cast("list[RoomKind]", sorted(table.task_rooms[task_type]))
        weights = [table.task_rooms[task_type][kind] for kind in kinds]
        pools = {split: _pools(size, rooms, task_type, unseen=split == "valid_unseen") for split in SPLITS}
        pools["train"] = pools["valid_seen"]
        for split in ("valid_unseen", "valid_seen", "train"):
            for _ in range(table.tasks[split]):
                choices = pools[split][draw.weighted(kinds, weights)]
                scene, left = draw.pick([choice for choice in choices if choice[1]])
                goal = left[draw.below(len(left))]
                if split != "train":
                    left.remove(goal)
                folder = f"{task_type}-{goal.object_type}-None-{goal.target_type}-{scene.number}"
                out[f"{split}/{folder}/trial_b{trial:05d}"] = _Entry(scene, goal)
                trial += 1
    return out


def _pools(
    size: Size, rooms: Sequence[Scene], task_type: TaskType, *, unseen: bool
) -> dict[RoomKind, list[tuple[Scene, list[Goal]]]]:
    """Kind of room -> its rooms on one side of the seen/unseen line, each with the goals still free."""
    out: dict[RoomKind, list[tuple[Scene, list[Goal]]]] = {}
    for scene in rooms:
        if scene.unseen == unseen:
            out.setdefault(scene.kind, []).append((scene, list(goals(size, scene, task_type))))
    return out
