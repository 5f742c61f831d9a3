"""The prompt that asks a policy to correct an attempt, with the reading of what it writes.

The wording is ours: of IBPO (arXiv 2605.16302) only the abstract is public. It shows task, attempt, another
attempt, and asks for the smallest change. It never says which of the two succeeded, or that either did.

Attempts are shown as their actions, each written as the policy itself writes actions, so that the answer is
more of what stands in the prompt. A version that has appeared in a report never changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

from craft_rl.agent.parse import SEARCH_FORMS, Form, parse, tags_of, without_thought
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionTemplate:
    """One published wording."""

    request: str
    """The user message; slots ``{task}``, ``{attempt}``, ``{reference}``, ``{answer}``."""
    answer: str
    """How to answer with actions between their tags."""
    answer_search: str
    """How to answer with searches followed by an answer."""
    nothing: str
    """Stands for a step whose response held no readable action."""

    @property
    def content_hash(self) -> str:
        """Hex digest over every word of the template."""
        text = "\x1f".join(getattr(self, f.name) for f in fields(self))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


CORRECTIONS: Mapping[str, CorrectionTemplate] = MappingProxyType(
    {
        "correct/1": CorrectionTemplate(
            request=(
                "Below are two attempts at one task. Improve the first.\n\nThe task: {task}\n\n"
                "The attempt:\n{attempt}\n\nAnother attempt at the same task:\n{reference}\n\n"
                "Find the first step of the attempt that should have been another. Keep every step that is "
                "right, change as little as possible. Then write the whole attempt as it should have been. "
                "{answer}"
            ),
            answer=(
                "One action a line, each between <action> and </action>, in the order in which they are "
                "played, and nothing else."
            ),
            answer_search=(
                "One search a line, each between <search> and </search>, at the end the answer between "
                "<answer> and </answer>, and nothing else."
            ),
            nothing="(nothing readable)",
        ),
        "correct-compact/1": CorrectionTemplate(
            request="{task}\n{attempt}\n\n{reference}\n\n{task}",
            answer="",
            answer_search="",
            nothing="?",
        ),
    }
)
"""Every published version: ``correct`` in full words, ``correct-compact`` for a policy that knows few."""


def correction_version(io: PolicyIO) -> str:
    """The wording that goes with a policy's own prompts."""
    return "correct-compact/1" if io.prompt.template.startswith("compact/") else "correct/1"


def correction_messages(
    io: PolicyIO, task: str, attempt: Sequence[str], reference: Sequence[str]
) -> list[Message]:
    """The dialogue that asks for a correction.

    Args:
        io: decides wording and the form in which actions are written.
        task: the instruction.
        attempt: actions as played; an empty one stands for a response that could not be read.
        reference: actions of the other attempt.
    """
    template = CORRECTIONS[correction_version(io)]
    searches = io.prompt.form in SEARCH_FORMS
    text = template.request.format(
        task=task,
        attempt=_listed(io, attempt, template.nothing),
        reference=_listed(io, reference, template.nothing),
        answer=template.answer_search if searches else template.answer,
    )
    return [{"role": "user", "content": text.rstrip()}]


def corrected_actions(response: str, *, form: Form) -> list[str]:
    """Every action of a response outside of its thought, in order; empty when none can be read.

    Each tagged block is read by the form's own rule, so an action that a step could not express is none here.

    Example: ``corrected_actions("<action>look</action>\\n<action>go north</action>", form="tags")`` is
    ``["look", "go north"]``.
    """
    found = []
    outside, _ = without_thought(response)
    for match in _BLOCK[form in SEARCH_FORMS].finditer(outside):
        read = parse(match.group(), form=form)
        if read.action:
            found.append(read.action)
    return found


def _listed(io: PolicyIO, actions: Sequence[str], nothing: str) -> str:
    return "\n".join(io.write(action) if action else nothing for action in actions)


def _blocks(form: Form) -> re.Pattern[str]:
    """A tag of the form with all up to its closing one; nothing in it can begin another block."""
    names = [tag[1:-1] for tag in tags_of(form)[2::2]]
    return re.compile("|".join(f"<{name}>[^<]*(?:<(?!/?{name}>)[^<]*)*</{name}>" for name in names))


_BLOCK = {False: _blocks("tags"), True: _blocks("search_tags")}
