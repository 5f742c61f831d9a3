"""The shared ALFWorld of a process: tasks, compiled games, sessions."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from craft_envs.alfworld.engine import AlfSession
from craft_envs.alfworld.facts import GameFacts
from craft_envs.alfworld.game import Game, compile_game
from craft_envs.core import Session
from craft_envs.errors import ConfigError, check_one_of, shown
from craft_envs.types import Task, TaskSource

MAX_STEPS = 50
"""Step limit of the papers."""

_DATA = ("bundled", "official")
_BACKENDS = ("native", "textworld")


class GameSource(TaskSource, Protocol):
    """Tasks that come with the facts of their games."""

    def facts(self, task_id: str) -> GameFacts:
        """The game of this id.

        Raises:
            ConfigError: the source has no such task.
        """
        ...


class AlfWorld:
    """ALFWorld over one source of games; read-only, safe between threads.

    A game is compiled when it is first opened, then kept.

    Args:
        source: where tasks with their facts come from.
        opener: makes a session of a game's facts instead of the native engine; for the original engine.
    """

    def __init__(
        self, source: GameSource, opener: Callable[[GameFacts, Task], Session] | None = None
    ) -> None:
        """See the class."""
        self._source = source
        self._opener = opener
        self._games: dict[str, Game] = {}

    @property
    def env_id(self) -> str:
        """``craft/ALFWorld-v0``."""
        return self._source.env_id

    @property
    def tasks(self) -> GameSource:
        """The tasks that ``open`` accepts."""
        return self._source

    @property
    def max_steps(self) -> int:
        """50, the limit of the papers."""
        return MAX_STEPS

    def game(self, task_id: str) -> Game:
        """The compiled game of a task.

        Raises:
            ConfigError: there is no such task.
        """
        game = self._games.get(task_id)
        if game is None:
            game = self._games.setdefault(task_id, compile_game(self._source.facts(task_id)))
        return game

    def open(self, task_id: str, seed: int) -> Session:
        """Start an episode; nothing in ALFWorld is random, so the seed changes nothing.

        Raises:
            ConfigError: there is no such task.
        """
        if self._opener is not None:
            return self._opener(self._source.facts(task_id), self._source.task(task_id))
        return AlfSession(self.game(task_id), self._source.task(task_id))


def load_world(
    *,
    data: str = "bundled",
    size: str = "full",
    data_dir: str | os.PathLike[str] | None = None,
    backend: str = "native",
) -> AlfWorld:
    """The world of this configuration, one per process.

    Args:
        data: ``"bundled"`` or ``"official"``, never one for the other.
        size: ``"full"`` or ``"small"`` houses, for bundled data only.
        data_dir: official data only: its folder or archive; else ``CRAFT_DATA``, else the user's data folder.
        backend: ``"native"``, or ``"textworld"`` for the original engine (extra ``alfworld``).

    Raises:
        ConfigError: a value is unknown or contradicts another one; the backend is not installed.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged or incomplete.
    """
    check_one_of("data", data, _DATA)
    check_one_of("backend", backend, _BACKENDS)
    if data == "bundled" and data_dir is not None:
        raise ConfigError(
            "data_dir is given for bundled data, which needs no files", remedy='use data="official"'
        )
    if data == "official" and size != "full":
        raise ConfigError(
            f"official houses come in one size, size is {shown(size)}",
            remedy='leave size out, or use data="bundled"',
        )
    return _load(data, size, None if data == "bundled" else _folder(data_dir), backend)


def _folder(data_dir: str | os.PathLike[str] | None) -> Path:
    from craft_envs.data import data_root

    return data_root(data_dir).absolute()


@cache
def _load(data: str, size: str, folder: Path | None, backend: str) -> AlfWorld:
    opener = None
    if backend == "textworld":
        from craft_envs.alfworld.textworld_backend import opener as original

        opener = original()
    return AlfWorld(_source(data, size, folder), opener)


def _source(data: str, size: str, folder: Path | None) -> GameSource:
    if data == "official":
        from craft_envs.alfworld.official import official_source

        return official_source(folder)
    from craft_envs.alfworld.bundled import bundled_source
    from craft_envs.alfworld.rooms import Size

    return bundled_source(cast(Size, size))
