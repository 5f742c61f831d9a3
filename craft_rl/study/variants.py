"""Variants of a study as text: a method with changes to its settings."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from craft_envs.errors import ConfigError
from craft_rl.config import from_mapping, to_mapping
from craft_rl.methods import method as method_row

Config = TypeVar("Config")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A method with changes to its settings, under a name of its own.

    Example: ``Variant.parse("sdar-irrelevant: method=sdar teacher.control=irrelevant")``.
    """

    label: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Field of ``TrainConfig``, dots between levels -> value."""
    frozen: str | None = None
    """Label of the variant whose controller's weights, averaged over its updates, this one holds constant."""

    @classmethod
    def parse(cls, text: str) -> Variant:
        """A method's name, or ``LABEL: method=NAME FIELD=VALUE ...``, or ``LABEL: frozen=LABEL``.

        Values are JSON or plain text.

        Raises:
            ConfigError: another form, or no such method.
        """
        label, colon, rest = (part.strip() for part in text.partition(":"))
        if not _LABEL.fullmatch(label):
            raise ConfigError(
                f"variant {text!r} has no usable label", remedy="give letters, digits, points, dashes"
            )
        if not colon:
            return cls(label=label, method=method_row(label).name)
        changes = settings_from(shlex.split(rest), where=f"variant {label}")
        if (frozen := changes.pop("frozen", None)) is not None:
            if changes or not isinstance(frozen, str):
                raise ConfigError(
                    f"variant {label!r} takes everything from the one whose weights it holds",
                    remedy=f"give {label}: frozen=LABEL",
                )
            return cls(label=label, method="craft", frozen=frozen)
        if not isinstance(name := changes.pop("method", None), str):
            raise ConfigError(f"variant {label!r} names no method", remedy=f"give {label}: method=NAME")
        return cls(label=label, method=method_row(name).name, changes=changes)


def settings_from(words: Iterable[str], *, where: str) -> dict[str, Any]:
    """``FIELD=VALUE`` words as a mapping; values are JSON where they can be, text otherwise.

    Raises:
        ConfigError: another form, or a name twice.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (sign and all(part.isidentifier() for part in name.split("."))):
            raise ConfigError(f"{word!r} is no setting", where=where, remedy="give FIELD=VALUE")
        if name in values:
            raise ConfigError(f"{name} is set twice", where=where, remedy="give each once")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def changed_settings(config: Config, changes: Mapping[str, Any], *, where: str) -> Config:
    """``config`` with some fields changed, dots between levels.

    Raises:
        ConfigError: no such field, or a value that the configuration refuses.
    """
    return built(type(config), with_changes(to_mapping(config), changes), where=where)


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested plain values with some changed; the given ones stay as they are."""
    out = copy.deepcopy(dict(values))
    for name, value in changes.items():
        *way, last = name.split(".")
        here = out
        for part in way:
            if not isinstance(here.get(part), dict):
                here[part] = {}
            here = here[part]
        here[last] = list(value) if isinstance(value, tuple) else value
    return out


def built(cls: type[Config], values: Mapping[str, Any], *, where: str) -> Config:
    """A configuration from plain values, its complaints with ``where`` they come from.

    Raises:
        ConfigError: unknown setting, a value that is refused, or of another type.
    """
    try:
        return from_mapping(cls, values)
    except ConfigError as error:
        place = "; ".join(filter(None, (where, error.where)))
        raise ConfigError(error.what, where=place, remedy=error.remedy) from error
    except (TypeError, AttributeError) as error:
        raise ConfigError(
            f"a setting has a value of another type ({error})",
            where=where,
            remedy="give numbers where numbers are meant, true or false where a switch is",
        ) from error


def variants_text(variants: Sequence[str]) -> str:
    """The labels of variants, for one line."""
    return ", ".join(Variant.parse(text).label for text in variants)
