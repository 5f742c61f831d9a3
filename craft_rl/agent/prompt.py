"""Prompt templates: a table from name/version to wording, rendered into messages.

A version that has appeared in a report never changes; another wording is another version. The test of this
file holds the content hash of every published version.

Each template serves both histories:

* ``full``: the dialogue only grows. ``opening`` is the first user message, ``turn`` each later one.
* ``window``: each step is a fresh prompt, ``window``, that shows the last k exchanges.

Slots: ``{task}`` the instruction, ``{observation}`` the world's text, ``{actions}`` the block of admissible
actions or nothing, ``{answer}`` how to answer, ``{note}`` what was wrong with the last response or nothing,
``{past}`` the exchanges shown, ``{steps}`` the number of steps taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

from craft_envs.errors import ConfigError, did_you_mean
from craft_rl.agent.parse import FORMS, THINKS, Form, Think
from craft_rl.types import Message, ParseOutcome

HistoryKind = Literal["window", "full"]
HISTORIES: tuple[HistoryKind, ...] = ("window", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """One published wording.

    Example: ``TEMPLATES["compact/1"].turn`` is ``"{note}{observation}{actions}"``.
    """

    opening: str
    """First user message of a full history."""
    turn: str
    """Later user messages of a full history."""
    window: str
    """The user message of a windowed history."""
    exchange: str
    """One past exchange inside ``{past}``; slots ``{number}``, ``{observation}``, ``{action}``."""
    past: str
    """Block around the past exchanges, left out when there are none; slots ``{exchanges}``, ``{shown}``."""
    actions: str
    """Block around the admissible actions; slot ``{list}``."""
    bullet: str
    """What stands before each admissible action."""
    answers: tuple[tuple[Think, str], ...]
    """How to answer, for each setting of thinking."""
    notes: tuple[tuple[ParseOutcome, str], ...]
    """What to say after a response that could not be read; an outcome that is not listed says nothing."""
    unreadable: str
    """Stands for the action of such a response among past exchanges."""

    @property
    def content_hash(self) -> str:
        """Hex digest over every word of the template."""
        text = "\x1f".join(repr(getattr(self, f.name)) for f in fields(self))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


_INSTRUCT_ANSWERS: tuple[tuple[Think, str], ...] = (
    (
        "optional",
        "Reply with exactly one action, written between <action> and </action>. Before it you may reason "
        "between <think> and </think>.",
    ),
    (
        "required",
        "Reason first, between <think> and </think>: what is known, what is still missing, what to do about "
        "it. Then give exactly one action, written between <action> and </action>.",
    ),
    ("off", "Reply with exactly one action, written between <action> and </action>, without anything else."),
)

_INSTRUCT = PromptTemplate(
    opening=(
        "You are playing a world made of text. In each step you read what happened and decide on one action."
        "\n\nYour goal: {task}\n\n{observation}\n{actions}\n{answer}"
    ),
    turn="{note}{observation}\n{actions}\n{answer}",
    window=(
        "You are playing a world made of text. In each step you read what happened and decide on one action."
        "\n\nYour goal: {task}\n\n{past}{note}Now, after {steps} steps:\n{observation}\n{actions}\n{answer}"
    ),
    exchange="Step {number}. You read: {observation}\nYou did: {action}\n",
    past="Your last {shown} steps:\n{exchanges}\n",
    actions="\nActions that work now:\n{list}\n",
    bullet="- ",
    answers=_INSTRUCT_ANSWERS,
    notes=(
        (ParseOutcome.no_action, "(Your last reply held no action between <action> and </action>.)\n"),
        (ParseOutcome.many_actions, "(Your last reply held more than one action; give one.)\n"),
        (ParseOutcome.empty_action, "(The action in your last reply was empty.)\n"),
        (ParseOutcome.no_think, "(Your last reply lacked the reasoning between <think> and </think>.)\n"),
        (ParseOutcome.cut_off, "(Your last reply was too long and ended before its action.)\n"),
    ),
    unreadable="(no readable action)",
)

_COMPACT = PromptTemplate(
    opening="{task}\n{observation}{actions}",
    turn="{note}{observation}{actions}",
    window="{task}\n{past}{note}{observation}{actions}",
    exchange="{observation}\n> {action}\n",
    past="{exchanges}",
    actions="\n{list}",
    bullet="",
    answers=(("optional", ""), ("required", ""), ("off", "")),
    notes=(
        (ParseOutcome.no_action, "?\n"),
        (ParseOutcome.many_actions, "?\n"),
        (ParseOutcome.empty_action, "?\n"),
        (ParseOutcome.no_think, "?\n"),
        (ParseOutcome.cut_off, "?\n"),
    ),
    unreadable="?",
)

TEMPLATES: Mapping[str, PromptTemplate] = MappingProxyType({"instruct/1": _INSTRUCT, "compact/1": _COMPACT})
"""Every published version: ``instruct`` in full words for instruction-tuned models, ``compact`` with as few
tokens as carry the same facts, for a small policy that learns the format from demonstrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """Everything that decides the bytes of a prompt, except the world.

    Example: ``PromptSettings(template="compact/1", history="full", think="off").version`` is
    ``compact/1 history=full admissible=on think=off form=tags``.

    Raises:
        ConfigError: unknown template, unknown choice, negative window.
    """

    template: str = "instruct/1"
    """Key of ``TEMPLATES``."""
    history: HistoryKind = "window"
    """``window``: the last exchanges in a fresh prompt; ``full``: the whole dialogue, which only grows."""
    window: int = 2
    """Past exchanges shown when ``history="window"``."""
    admissible: bool = True
    """List the admissible actions."""
    hidden: tuple[str, ...] = ()
    """Admissible actions that are left out of the list, such as ``help`` in the published protocol."""
    think: Think = "optional"
    form: Form = "tags"
    """How responses are read, see ``craft_rl.agent.parse``."""

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        if self.template not in TEMPLATES:
            raise ConfigError(
                f"no prompt template {self.template!r}",
                remedy=f"{did_you_mean(self.template, TEMPLATES)} use one of {', '.join(TEMPLATES)}".strip(),
            )
        for name, value, known in (
            ("history", self.history, HISTORIES),
            ("think", self.think, THINKS),
            ("form", self.form, FORMS),
        ):
            if value not in known:
                raise ConfigError(
                    f"prompt setting {name} is {value!r}", remedy=f"use one of {', '.join(known)}"
                )
        if not isinstance(self.window, int) or self.window < 0:
            raise ConfigError(
                f"prompt setting window is {self.window!r}", remedy="give a whole number from 0"
            )

    @property
    def version(self) -> str:
        """The name that reports carry; equal iff the prompts are equal."""
        history = f"window:{self.window}" if self.history == "window" else "full"
        admissible = "on" if self.admissible else "off"
        if self.admissible and self.hidden:
            admissible += "-without:" + ",".join(self.hidden)
        return (
            f"{self.template} history={history} admissible={admissible} think={self.think} form={self.form}"
        )


class PromptWriter:
    """Renders one template under one setting; stateless, shared by all episodes."""

    def __init__(self, settings: PromptSettings) -> None:
        """Look the template up once."""
        self.settings = settings
        self.template = TEMPLATES[settings.template]
        self._answer = dict(self.template.answers)[settings.think]
        self._notes = dict(self.template.notes)
        self._hidden = frozenset(settings.hidden)

    def opening(self, task: str, observation: str, admissible: Sequence[str]) -> list[Message]:
        """The first messages of a full history."""
        text = self.template.opening.format(
            task=task, observation=observation, actions=self._actions(admissible), answer=self._answer
        )
        return [{"role": "user", "content": text}]

    def turn(self, observation: str, admissible: Sequence[str], last: ParseOutcome) -> str:
        """The next user message of a full history; ``last`` is how the response before it was read."""
        return self.template.turn.format(
            note=self._notes.get(last, ""),
            observation=observation,
            actions=self._actions(admissible),
            answer=self._answer,
        )

    def window(
        self,
        task: str,
        past: Sequence[tuple[str, str, ParseOutcome]],
        steps: int,
        observation: str,
        admissible: Sequence[str],
    ) -> list[Message]:
        """The whole prompt of one step of a windowed history.

        Args:
            task: the instruction.
            past: the exchanges shown, oldest first: observation, action, how the response was read.
            steps: steps taken so far, shown or not.
            observation: what the world says now.
            admissible: the actions possible now.
        """
        template = self.template
        block = ""
        if past:
            first = steps - len(past) + 1
            exchanges = "".join(
                template.exchange.format(
                    number=first + i,
                    observation=seen,
                    # The legacy form plays some responses that it counts as invalid; those did act.
                    action=action or template.unreadable,
                )
                for i, (seen, action, _) in enumerate(past)
            )
            block = template.past.format(exchanges=exchanges, shown=len(past))
        text = template.window.format(
            task=task,
            past=block,
            note=self._notes.get(past[-1][2], "") if past else "",
            steps=steps,
            observation=observation,
            actions=self._actions(admissible),
            answer=self._answer,
        )
        return [{"role": "user", "content": text}]

    def _actions(self, admissible: Sequence[str]) -> str:
        if not self.settings.admissible:
            return ""
        bullet = self.template.bullet
        shown = [a for a in admissible if a not in self._hidden] if self._hidden else admissible
        return self.template.actions.format(list="\n".join([bullet + a for a in shown]))
