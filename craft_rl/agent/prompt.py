"""Prompts: a template under settings, rendered into messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from craft_envs.errors import ConfigError, one_of
from craft_rl.agent.parse import FORMS, SEARCH_FORMS, THINKS, Form, Think
from craft_rl.agent.templates import SPEAKS_SEARCH, TEMPLATES
from craft_rl.types import Message, ParseOutcome

HistoryKind = Literal["window", "full"]
HISTORIES: tuple[HistoryKind, ...] = ("window", "full")


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
                remedy=one_of(self.template, TEMPLATES),
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
        speaks = SPEAKS_SEARCH.get(self.template)
        if speaks is not None and speaks != (self.form in SEARCH_FORMS):
            raise ConfigError(
                f"the template {self.template!r} asks for other tags than form={self.form!r} reads",
                remedy="use search/1 with form=search_tags or search_legacy, the others with the other forms",
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
            task=task,
            observation=_unless_told(observation, task),
            actions=self._actions(admissible),
            answer=self._answer,
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
            observation=_unless_told(observation, task),
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


def _unless_told(observation: str, task: str) -> str:
    """The observation, except where it only repeats the instruction that stands above it."""
    return "" if observation == task else observation
