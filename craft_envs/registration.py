"""The table of environments: Gymnasium id, entry points, agents, the keywords of their worlds."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, cast

import gymnasium as gym

from craft_envs.core import World
from craft_envs.errors import ConfigError, one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvEntry:
    """One environment; every place is ``module:attribute``, imported when first used.

    There is no ``max_episode_steps``: ``TextEnv`` itself sets ``truncated`` (keyword ``max_steps``), so that
    a time limit and a solved task can be told apart in the same step.
    """

    env_id: str
    """Gymnasium id; a change that can move a score gets a new version."""
    env: str
    """Class behind ``gym.make``."""
    vector_env: str
    """Class behind ``gym.make_vec``."""
    world: str
    """Function that loads the shared world from the environment's data keywords."""
    agents: tuple[tuple[str, str], ...]
    """Name -> class, built with the environment as its only argument. A class named ``random`` replaces the
    generic random agent, which only chooses among admissible actions; it is built with environment, seed."""


TABLE: tuple[EnvEntry, ...] = (
    EnvEntry(
        env_id="craft/ALFWorld-v0",
        env="craft_envs.alfworld.env:ALFWorldEnv",
        vector_env="craft_envs.alfworld.env:ALFWorldVectorEnv",
        world="craft_envs.alfworld.world:load_world",
        agents=(
            ("oracle", "craft_envs.alfworld.oracle:OracleAgent"),
            ("scripted", "craft_envs.alfworld.scripted:ScriptedAgent"),
            ("novice", "craft_envs.alfworld.novice:NoviceAgent"),
        ),
    ),
    EnvEntry(
        env_id="craft/WebShop-v0",
        env="craft_envs.webshop.env:WebShopEnv",
        vector_env="craft_envs.webshop.env:WebShopVectorEnv",
        world="craft_envs.webshop.world:load_world",
        agents=(
            ("oracle", "craft_envs.webshop.oracle:OracleAgent"),
            ("scripted", "craft_envs.webshop.scripted:ScriptedAgent"),
            ("novice", "craft_envs.webshop.novice:NoviceShopper"),
            ("random", "craft_envs.webshop.wanderer:RandomShopper"),
        ),
    ),
    EnvEntry(
        env_id="craft/SearchQA-v0",
        env="craft_envs.searchqa.env:SearchQAEnv",
        vector_env="craft_envs.searchqa.env:SearchQAVectorEnv",
        world="craft_envs.searchqa.world:load_world",
        agents=(
            ("oracle", "craft_envs.searchqa.oracle:OracleAgent"),
            ("scripted", "craft_envs.searchqa.scripted:ScriptedAgent"),
            ("novice", "craft_envs.searchqa.novice:NoviceSearcher"),
            ("random", "craft_envs.searchqa.wanderer:RandomSearcher"),
        ),
    ),
)


def register_all() -> None:
    """Make Gymnasium know every environment of the table; a second call changes nothing."""
    for entry in TABLE:
        if entry.env_id not in gym.registry:
            gym.register(id=entry.env_id, entry_point=entry.env, vector_entry_point=entry.vector_env)


def entry_of(env_id: str) -> EnvEntry:
    """The table's row of an id.

    Raises:
        ConfigError: the table has no such id.
    """
    for entry in TABLE:
        if entry.env_id == env_id:
            return entry
    known = [entry.env_id for entry in TABLE]
    raise ConfigError(
        f"craft has no environment {env_id!r}",
        remedy=one_of(env_id, known),
    )


def load_world(env_id: str, **kwargs: Any) -> World:
    """The shared world of an environment, without the Gymnasium layer.

    Example: ``load_world("craft/ALFWorld-v0", data="bundled", size="small")``.

    Raises:
        ConfigError: unknown id or keyword value.
        DataNotFound: its files are missing.
    """
    return cast(World, load_place(entry_of(env_id).world)(**kwargs))


def world_parameters(env_id: str) -> dict[str, Any]:
    """Keyword of an environment's ``load_world`` -> its default.

    Raises:
        ConfigError: the table has no such id.
    """
    signature = inspect.signature(load_place(entry_of(env_id).world))
    return {name: parameter.default for name, parameter in signature.parameters.items()}


def world_keywords(env_id: str, words: Mapping[str, str], *, where: str = "") -> dict[str, Any]:
    """Keywords of ``load_world`` out of text, as panels, settings, command lines hold them.

    Each value is read as the type that its parameter is annotated with: ``true`` or ``false``, ``none``,
    numbers; text stays text.

    Example: ``world_keywords("craft/SearchQA-v0", {"topk": "5"})`` is ``{"topk": 5}``.

    Args:
        env_id: which environment.
        words: keyword -> value.
        where: where they come from, for the error.

    Raises:
        ConfigError: the world knows no such keyword, or the value is not of its type.
    """
    known = world_parameters(env_id)
    kinds = typing.get_type_hints(load_place(entry_of(env_id).world))
    out = {}
    for name, word in words.items():
        if name not in known:
            remedy = one_of(name, known)
            raise ConfigError(f"{env_id} has no option {name!r}", where=where, remedy=remedy)
        choices = _alternatives(kinds.get(name, str))
        for kind in choices:
            value = _read(kind, word)
            if value is not _UNREADABLE:
                out[name] = value
                break
        else:
            wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in choices)
            raise ConfigError(f"option {name} of {env_id} is {word!r}", where=where, remedy=f"give {wanted}")
    return out


_UNREADABLE = object()
_ORDER = (types.NoneType, bool, int, float)


def _alternatives(kind: Any) -> list[Any]:
    """The types of a union, those that refuse most text first."""
    united = typing.get_origin(kind) in (typing.Union, types.UnionType)
    parts = list(typing.get_args(kind)) if united else [kind]
    return sorted(parts, key=lambda part: _ORDER.index(part) if part in _ORDER else len(_ORDER))


def _read(kind: Any, word: str) -> Any:
    if kind is types.NoneType:
        return None if word == "none" else _UNREADABLE
    if kind is bool:
        return {"true": True, "false": False}.get(word, _UNREADABLE)
    if kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            return _UNREADABLE
    if typing.get_origin(kind) is Literal:
        return next((value for value in typing.get_args(kind) if str(value) == word), _UNREADABLE)
    return word


def load_place(place: str) -> Callable[..., Any]:
    """Import ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), attribute))
