"""Configurations as plain data: written, read back, compared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from craft_envs.errors import ConfigError, one_of

Config = TypeVar("Config")

SPEED_ONLY = frozenset({"num_envs", "checkpoint_every", "keep_checkpoints", "tensorboard"})
"""Fields of ``TrainConfig`` that change no result; a resumed run may change them."""


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
            remedy = one_of(name, known)
            raise ConfigError(f"{cls.__name__} has no setting {name!r}", where=where, remedy=remedy)
        kind = known[name]
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            value = from_mapping(kind, value, where=where)  # type: ignore[arg-type]
        elif isinstance(value, list):
            value = tuple(value)
        settings[name] = value
    return cls(**settings)


def fingerprint(config: Any) -> str:
    """Hex digest over the settings of a ``TrainConfig`` that can change a result."""
    text = json.dumps({k: v for k, v in to_mapping(config).items() if k not in SPEED_ONLY}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines ``name: old -> new`` for every setting in which two mappings differ, speed-only ones left out."""
    lines = []
    for name in sorted(set(a) | set(b)):
        if not prefix and name in SPEED_ONLY:
            continue
        old, new = a.get(name), b.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            lines.append(f"{prefix}{name}: {old!r} -> {new!r}")
    return lines
