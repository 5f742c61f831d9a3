"""Reading the model's response: one action out of free text, with a typed outcome.

The rule of ``form="tags"``:

1. Thought is what stands between ``<think>`` and the next ``</think>``; where a ``</think>`` comes with no
   ``<think>`` before it, the prompt had opened the thought and everything up to the tag is thought.
   Actions inside thought do not count. A ``<think>`` that is never closed makes all that follows thought.
2. What is left must hold exactly one ``<action>`` whose ``</action>`` follows it. Other text is ignored.
3. Space around the action is dropped; nothing else is changed, case included.

A response that breaks the rule gives the empty action, which every world answers in its usual way for text
that it cannot use; the step counts.

``form="legacy"`` is the rule of the published ALFWorld baselines (SDAR, SkillRL): text in lower case; the
first ``<action>`` to the first ``</action>``; without the tags the last 30 characters are sent; a response
without thinking tags, or with a CJK character, is played but counted as invalid.

No rule uses a backtracking pattern: the time is linear in the length of the response.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from craft_rl.types import ParseOutcome

Form = Literal["tags", "legacy"]
Think = Literal["optional", "required", "off"]
FORMS: tuple[Form, ...] = ("tags", "legacy")
THINKS: tuple[Think, ...] = ("optional", "required", "off")

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ACTION_OPEN, ACTION_CLOSE = "<action>", "</action>"
LEGACY_TAIL = 30
"""Characters that the published rule sends when the tags are missing."""

_CJK = re.compile("[\u4e00-\u9fff]")


class Parsed(NamedTuple):
    """The action found in a response.

    Example: ``Parsed("go to desk 1", ParseOutcome.ok)``.
    """

    action: str
    """What is sent to the world; empty when nothing usable was found."""
    outcome: ParseOutcome


def parse(response: str, *, think: Think = "optional", form: Form = "tags", cut: bool = False) -> Parsed:
    """Read one response; never raises for any text.

    Args:
        response: the model's text.
        think: ``"required"`` refuses a response without a complete thought; the other two accept both.
        form: ``"tags"`` or ``"legacy"``, see the file's head.
        cut: the response ended at the token limit, which names the reason when its action is incomplete.
    """
    if form == "legacy":
        return _parse_legacy(response, cut)
    outside, thought = _without_thought(response)
    opening = outside.find(ACTION_OPEN)
    if opening < 0:
        return Parsed("", ParseOutcome.cut_off if cut else ParseOutcome.no_action)
    start = opening + len(ACTION_OPEN)
    closing = outside.find(ACTION_CLOSE, start)
    if closing < 0:
        return Parsed("", ParseOutcome.cut_off if cut else ParseOutcome.no_action)
    if outside.find(ACTION_OPEN, start) >= 0:
        return Parsed("", ParseOutcome.many_actions)
    if think == "required" and not thought:
        return Parsed("", ParseOutcome.no_think)
    action = outside[start:closing].strip()
    return Parsed(action, ParseOutcome.ok if action else ParseOutcome.empty_action)


def write_response(action: str, *, thought: str | None = None) -> str:
    """The response that ``parse`` reads back as this action; ``thought=None`` leaves the thinking tags out.

    Example: ``write_response("look", thought="Where am I?")`` gives
    ``<think>Where am I?</think><action>look</action>``.
    """
    head = "" if thought is None else f"{THINK_OPEN}{thought}{THINK_CLOSE}"
    return f"{head}{ACTION_OPEN}{action}{ACTION_CLOSE}"


def _without_thought(text: str) -> tuple[str, bool]:
    """The text outside of thought, with whether there was a complete thought."""
    opening, closing = text.find(THINK_OPEN), text.find(THINK_CLOSE)
    if opening < 0 and closing < 0:
        return text, False
    kept: list[str] = []
    complete = False
    position = 0
    if 0 <= closing and (opening < 0 or closing < opening):
        complete = True
        position = closing + len(THINK_CLOSE)
    while True:
        opening = text.find(THINK_OPEN, position)
        if opening < 0:
            kept.append(text[position:])
            break
        kept.append(text[position:opening])
        closing = text.find(THINK_CLOSE, opening + len(THINK_OPEN))
        if closing < 0:
            break
        complete = True
        position = closing + len(THINK_CLOSE)
    # A line break keeps tags on both sides of a thought from growing together into a new tag.
    return "\n".join(kept), complete


def _parse_legacy(response: str, cut: bool) -> Parsed:
    lower = response.lower()
    opening, closing = lower.find(ACTION_OPEN), lower.find(ACTION_CLOSE)
    if opening < 0 or closing < 0:
        return Parsed(lower[-LEGACY_TAIL:], ParseOutcome.cut_off if cut else ParseOutcome.no_action)
    action = lower[opening + len(ACTION_OPEN) : closing].strip()
    if THINK_OPEN not in response or THINK_CLOSE not in response:
        return Parsed(action, ParseOutcome.no_think)
    if _CJK.search(response):
        return Parsed(action, ParseOutcome.foreign_script)
    return Parsed(action, ParseOutcome.ok)
