"""PolicyIO: all that lies between a world's text, on one side, a model's token ids on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from craft_envs.errors import ConfigError
from craft_rl.agent.parse import Parsed, parse, write_response
from craft_rl.agent.prompt import PromptSettings, PromptWriter
from craft_rl.types import IntArray, Message


class Codec(Protocol):
    """Text to ids and back for one tokenizer and its chat template: ``craft_rl.tokens.encode.ChatCodec``."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end a response."""
        ...

    def open(self, messages: Sequence[Message]) -> IntArray:
        """[P] the messages followed by the generation prompt."""
        ...

    def extend(self, prompt_ids: IntArray, completion_ids: IntArray, user_text: str) -> IntArray:
        """[P'] prompt and completion unchanged, then the new user turn with its generation prompt."""
        ...

    def respond(self, text: str) -> IntArray:
        """[C] the ids of a response that nobody sampled, with its end: for demonstrations."""
        ...

    def decode(self, ids: IntArray) -> str:
        """The text of a response, without special tokens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How responses are sampled.

    Raises:
        ConfigError: a value is out of range.
    """

    temperature: float = 1.0
    """0 takes the most likely token."""
    top_p: float = 1.0
    top_k: int = 0
    """0 means no limit."""
    max_new_tokens: int = 512

    def __post_init__(self) -> None:
        """Refuse what no engine can do."""
        for name, good, wanted in (
            ("temperature", self.temperature >= 0, "a number from 0"),
            ("top_p", 0 < self.top_p <= 1, "a number above 0, at most 1"),
            ("top_k", self.top_k >= 0, "a whole number from 0"),
            ("max_new_tokens", self.max_new_tokens >= 1, "a whole number from 1"),
        ):
            if not good:
                raise ConfigError(
                    f"sampling setting {name} is {getattr(self, name)!r}", remedy=f"give {wanted}"
                )

    def as_dict(self) -> dict[str, Any]:
        """The entries that a report carries under ``decoding``."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "max_new_tokens": self.max_new_tokens,
        }


class Preface(Protocol):
    """Text that a declared run puts into the prompts of its policy: ``craft_rl.skilled.SkillPreface``.

    Nothing in this room makes one. Whoever hands one over says so in what it reports, by ``facts``.
    """

    @property
    def facts(self) -> Mapping[str, str]:
        """What the text is made of, for reports; never empty."""
        ...

    def told(self, task_id: str, prompt_ids: IntArray) -> IntArray:
        """[P'] a dialogue's first prompt with the text for this task in it."""
        ...

    def metrics(self, task_ids: Sequence[str]) -> Mapping[str, float]:
        """What training logs about the text of these tasks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyIO:
    """Prompt wording, tokenizer, parser, sampling: fixed for a whole run, shared by all episodes.

    Example: ``PolicyIO(codec=ChatCodec(tokenizer), prompt=PromptSettings(history="full"))``.
    """

    codec: Codec
    prompt: PromptSettings = field(default_factory=PromptSettings)
    sampling: Sampling = field(default_factory=Sampling)
    preface: Preface | None = None
    """Skill text in the prompts of this run; ``None`` everywhere but in runs that declare it."""
    writer: PromptWriter = field(init=False, repr=False)
    """Renders ``prompt``."""

    def __post_init__(self) -> None:
        """Prepare the template once."""
        object.__setattr__(self, "writer", PromptWriter(self.prompt))

    def read(self, response: str, *, cut: bool) -> Parsed:
        """Parse a response under these settings; ``cut`` when it ended at the token limit."""
        return parse(response, think=self.prompt.think, form=self.prompt.form, cut=cut)

    def write(self, action: str, *, thought: str | None = None) -> str:
        """The response in this form that ``read`` reads back as the action."""
        return write_response(action, thought=thought, form=self.prompt.form)
