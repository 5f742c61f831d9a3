"""The error family of craft: what happened, where, what to do.

* Settings, data and files: ``ConfigError``, ``DataNotFound``, ``DataMismatch``, ``CheckpointMismatch``.
* Infrastructure during an episode: ``EnvFailure`` with its three kinds, ``EngineFailure``. Exactly one
  place turns an ``EnvFailure`` into a trajectory's status (``craft_rl.rollout.episode``); everywhere else
  these travel as ordinary exceptions.
* Privileged text in the wrong place: ``LeakError``.

Misuse of the Gymnasium interface keeps Gymnasium's own vocabulary: a step without a reset raises
``gymnasium.error.ResetNeeded``, an action that is not a string raises ``TypeError``.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class CraftError(Exception):
    """Parent of every error that craft raises on purpose.

    Example: ``DataNotFound("no ALFWorld archive", where="/data/alfworld", remedy="set CRAFT_DATA")`` reads
    ``no ALFWorld archive. Where: /data/alfworld. What to do: set CRAFT_DATA.``
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        """Keep the three parts; only ``what`` is obligatory."""
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [_sentence(self.what)]
        if self.where:
            parts.append(_sentence(f"Where: {self.where}"))
        if self.remedy:
            parts.append(_sentence(f"What to do: {self.remedy}"))
        return " ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own reduce would hand the keyword-only parts over by position.
        return _rebuild, (type(self), self.what, self.where, self.remedy)


class DataNotFound(CraftError):
    """Raised when files that were asked for are not there."""


class DataMismatch(CraftError):
    """Raised when files are there but are not what they should be: cut, altered, another version."""


class ConfigError(CraftError):
    """Raised when a setting is unknown, out of range, or contradicts another one."""


class EnvFailure(CraftError):
    """Raised when a world breaks during an episode; says nothing about the policy."""


class EnvTimeout(EnvFailure):
    """Raised when a world does not answer within its time limit."""


class EnvCrash(EnvFailure):
    """Raised when a world ends unexpectedly."""


class RetrieverUnavailable(EnvFailure):
    """Raised when the search service behind a world cannot be reached."""


class EngineFailure(CraftError):
    """Raised when a model engine cannot complete a request."""


class OutputNotFinite(EngineFailure):
    """Raised when a model's output is nan or infinite: weights or dtype are at fault, not the request."""


class CheckpointMismatch(CraftError):
    """Raised when a checkpoint does not belong to the run that opens it, or is incomplete."""


class LeakError(CraftError):
    """Raised when privileged text is about to reach a student's prompt or an evaluation."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known words as a remedy, or the empty string when nothing is near.

    Example: ``did_you_mean("valid_unsen", ["train", "valid_unseen"])`` gives ``did you mean 'valid_unseen'?``
    """
    near = difflib.get_close_matches(word[:200], list(known), n=3, cutoff=0.75)
    return f"did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


def one_of(value: object, known: Collection[str]) -> str:
    """The remedy for a name that is not known: the nearest ones, then all.

    Example: ``one_of("trian", ["train", "test"])`` gives ``did you mean 'train'? use one of train, test``
    """
    return f"{did_you_mean(str(value), known)} use one of {', '.join(known)}".strip()


def check_one_of(name: str, value: object, known: Collection[str], *, where: str = "") -> None:
    """Refuse a value that is none of ``known``.

    Args:
        name: of the setting.
        value: as it was given.
        known: what it may be.
        where: see ``CraftError``.

    Raises:
        ConfigError: it is another.
    """
    if value not in known:
        raise ConfigError(f"{name} is {shown(value)}", where=where, remedy=one_of(value, known))


def shown(value: object, limit: int = 120) -> str:
    """A short, printable form of anything for an error text: escapes kept, long values cut."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]!a}... ({len(value)} characters)"
    text = ascii(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else text + "."


def _rebuild(kind: type[CraftError], what: str, where: str, remedy: str) -> CraftError:
    return kind(what, where=where, remedy=remedy)
