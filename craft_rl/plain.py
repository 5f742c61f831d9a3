"""Configurations as plain data: dictionaries for JSON, then back."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from craft_envs.errors import ConfigError, did_you_mean

Config = TypeVar("Config")


def to_mapping(config: Any) -> dict[str, Any]:
    """A configuration as plain data, ready for JSON."""
    return json.loads(json.dumps(_plain(config)))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        kept = [f for f in dataclasses.fields(value) if not _untouched(f, getattr(value, f.name))]
        return {f.name: _plain(getattr(value, f.name)) for f in kept}
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _untouched(f: dataclasses.Field[Any], value: Any) -> bool:
    return bool(f.metadata.get("later")) and value == f.default


def from_mapping(cls: type[Config], values: Mapping[str, Any], *, where: str = "") -> Config:
    """A configuration from plain data.

    Raises:
        ConfigError: unknown setting, or one that the configuration itself refuses.
    """
    kinds = typing.get_type_hints(cls)
    known = {f.name: kinds[f.name] for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    settings: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            remedy = did_you_mean(name, known) or f"use one of {', '.join(known)}"
            raise ConfigError(f"{cls.__name__} has no setting {name!r}", where=where, remedy=remedy)
        kind = known[name]
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            value = from_mapping(kind, value, where=where)  # type: ignore[arg-type]
        elif isinstance(value, list):
            value = tuple(value)
        settings[name] = value
    return cls(**settings)
