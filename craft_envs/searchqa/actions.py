"""The two actions of Search-QA as text: ``search[...]``, ``answer[...]``."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

SEARCH_SLOT = "search[<your query>]"
"""How ``admissible_actions`` writes a search."""
ANSWER_SLOT = "answer[<your answer>]"
"""How ``admissible_actions`` writes an answer."""
TEXT_LIMIT = 4_096
"""Code points that a query or an answer may have; longer text is no action."""

_SECOND = re.compile(r"\]\s*(?:search|answer)\[", re.IGNORECASE)


class Action(NamedTuple):
    """One action, read.

    Example: ``parse_action("search[who wrote [sic] it]")`` gives ``Action("search", "who wrote [sic] it")``.
    """

    kind: Literal["search", "answer"]
    text: str
    """Between the outermost brackets, stripped; empty only for an answer."""


def parse_action(text: str) -> Action | None:
    """Read an action; ``None`` for text that is none.

    The text runs from the first bracket to the last one, so brackets inside, in pairs or not, belong to it.
    White space around the action, or upper case in its name, does not matter. No action: another word, a
    search for nothing, two actions in a row, more than ``TEXT_LIMIT`` characters.
    """
    if len(text) > TEXT_LIMIT + 64:
        return None
    bare = text.strip()
    name = bare[:7].lower()
    if bare[-1:] != "]" or name not in ("search[", "answer["):
        return None
    inner = bare[7:-1].strip()
    if len(inner) > TEXT_LIMIT or ("]" in inner and _SECOND.search(inner)):
        return None
    if not inner.isascii():  # half a surrogate pair cannot be sent anywhere
        inner = inner.encode("utf-8", "replace").decode("utf-8")
    if name == "answer[":
        return Action("answer", inner)
    return Action("search", inner) if inner else None
