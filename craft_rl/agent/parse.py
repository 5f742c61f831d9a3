"""Reading the model's response: one action out of free text, with a typed outcome.

A world has its own action language; a *form* is how a response wraps it, in reading as well as in writing.

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
without thinking tags, or with a CJK character, is played but counted as invalid. ``form="legacy_webshop"`` is
the same for WebShop, where 20 characters are sent.

``form="search_tags"`` is for worlds whose actions are ``search[...]`` and ``answer[...]``. The model writes
``<search>...</search>`` or ``<answer>...</answer>``; thought as above. What is left outside of thought is
read as Search-R1 does: the first complete block is the action, whatever follows. An empty answer is an
answer, an empty search is none. Brackets inside belong to the text.

``form="search_legacy"`` is verl-agent's rule for the same tags: everything after the first ``</search>``
(where there is none, after the first ``</answer>``) is dropped; of the rest the first search block is played,
else the first answer block, tags in any case, thought or not. A response that holds both kinds of tag, or one
of them twice, is played but counted as invalid.

No rule uses a backtracking pattern: the time is linear in the length of the response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from craft_rl.types import ParseOutcome

Form = Literal["tags", "legacy", "legacy_webshop", "search_tags", "search_legacy"]
Think = Literal["optional", "required", "off"]
FORMS: tuple[Form, ...] = ("tags", "legacy", "legacy_webshop", "search_tags", "search_legacy")
SEARCH_FORMS: frozenset[Form] = frozenset({"search_tags", "search_legacy"})
"""Forms that know searches and answers only."""
THINKS: tuple[Think, ...] = ("optional", "required", "off")

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ACTION_OPEN, ACTION_CLOSE = "<action>", "</action>"
SEARCH_OPEN, SEARCH_CLOSE = "<search>", "</search>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
LEGACY_TAILS: Mapping[Form, int] = MappingProxyType({"legacy": 30, "legacy_webshop": 20})
"""Characters that the published rules send when the tags are missing."""

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
        form: one of ``FORMS``, see the file's head.
        cut: the response ended at the token limit, which names the reason when its action is incomplete.
    """
    if form in LEGACY_TAILS:
        return _parse_legacy(response, cut, LEGACY_TAILS[form])
    if form == "search_legacy":
        return _parse_search_legacy(response, cut)
    outside, thought = without_thought(response)
    if form == "search_tags":
        return _first_block(outside, cut, lacks_thought=think == "required" and not thought)
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


def write_response(action: str, *, thought: str | None = None, form: Form = "tags") -> str:
    """The response that ``parse`` reads back as this action; ``thought=None`` leaves the thinking tags out.

    Text that holds the form's own tags is not read back. In the search forms an action that is neither a
    search nor an answer is written as it is, which nobody can read either.

    Example: ``write_response("look", thought="Where am I?")`` gives
    ``<think>Where am I?</think><action>look</action>``;
    ``write_response("search[Rome]", form="search_tags")`` gives ``<search>Rome</search>``.
    """
    head = "" if thought is None else f"{THINK_OPEN}{thought}{THINK_CLOSE}"
    if form not in SEARCH_FORMS:
        return f"{head}{ACTION_OPEN}{action}{ACTION_CLOSE}"
    if action.endswith("]"):
        for word, opening, closing in _BLOCKS:
            if action.startswith(f"{word}["):
                return f"{head}{opening}{action[len(word) + 1 : -1]}{closing}"
    return head + action


def tags_of(form: Form) -> tuple[str, ...]:
    """The tags that a model writes in a form, thinking included."""
    action = (ACTION_OPEN, ACTION_CLOSE)
    search = (SEARCH_OPEN, SEARCH_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)
    return (THINK_OPEN, THINK_CLOSE, *(search if form in SEARCH_FORMS else action))


_BLOCKS = (("search", SEARCH_OPEN, SEARCH_CLOSE), ("answer", ANSWER_OPEN, ANSWER_CLOSE))


def _first_block(outside: str, cut: bool, *, lacks_thought: bool) -> Parsed:
    found: list[tuple[int, str, str]] = []
    for word, opening, closing in _BLOCKS:
        start = outside.find(opening)
        # When the first opening is never closed, no later one of its kind is.
        end = outside.find(closing, start + len(opening)) if start >= 0 else -1
        if end >= 0:
            found.append((start, word, outside[start + len(opening) : end].strip()))
    if not found:
        return Parsed("", ParseOutcome.cut_off if cut else ParseOutcome.no_action)
    if lacks_thought:
        return Parsed("", ParseOutcome.no_think)
    _, word, text = min(found)
    if word == "search" and not text:
        return Parsed("", ParseOutcome.empty_action)
    return Parsed(f"{word}[{text}]", ParseOutcome.ok)


_OPENINGS = {word: re.compile(opening, re.IGNORECASE) for word, opening, _ in _BLOCKS}
_CLOSINGS = {word: re.compile(closing, re.IGNORECASE) for word, _, closing in _BLOCKS}


def _parse_search_legacy(response: str, cut: bool) -> Parsed:
    kept = response
    for _, _, closing in _BLOCKS:
        end = response.find(closing)
        if end >= 0:
            kept = response[: end + len(closing)]
            break
    counts = [sum(1 for _ in pattern.finditer(response)) for pattern in _OPENINGS.values()]
    outcome = ParseOutcome.many_actions if sum(counts) > 1 else ParseOutcome.ok
    for word, pattern in _OPENINGS.items():
        opened = pattern.search(kept)
        closed = _CLOSINGS[word].search(kept, opened.end()) if opened else None
        if opened and closed:
            return Parsed(f"{word}[{kept[opened.end() : closed.start()].strip()}]", outcome)
    return Parsed("", ParseOutcome.cut_off if cut else ParseOutcome.no_action)


def without_thought(text: str) -> tuple[str, bool]:
    """The text outside of thought (rule 1), with whether there was a complete thought."""
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


def _parse_legacy(response: str, cut: bool, tail: int) -> Parsed:
    lower = response.lower()
    opening, closing = lower.find(ACTION_OPEN), lower.find(ACTION_CLOSE)
    if opening < 0 or closing < 0:
        return Parsed(lower[-tail:], ParseOutcome.cut_off if cut else ParseOutcome.no_action)
    action = lower[opening + len(ACTION_OPEN) : closing].strip()
    if THINK_OPEN not in response or THINK_CLOSE not in response:
        return Parsed(action, ParseOutcome.no_think)
    if _CJK.search(response):
        return Parsed(action, ParseOutcome.foreign_script)
    return Parsed(action, ParseOutcome.ok)
