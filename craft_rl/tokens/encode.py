"""Dialogue to token ids without ever encoding a sampled token again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from craft_envs.errors import ConfigError
from craft_rl.types import IntArray, Message

_ASKED, _ANSWER, _NEXT = "QfirstquestionQ", "QansweringQ", "QsecondquestionQ"
_MARKS = 0x10F000
"""First of the private code points that stand for special-token text while a template is rendered."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemTurn:
    """Ids around the text of a system turn that opens a dialogue.

    Example, ChatML: ``head`` as well as ``before`` are ``<|im_start|>system\\n``, ``after`` is
    ``<|im_end|>\\n``, ``lead`` is empty.
    """

    head: IntArray
    """[H] a dialogue with a system turn begins with these; its text follows."""
    lead: IntArray
    """[L] what precedes the turn, such as a first token; a dialogue without the turn begins with it too."""
    before: IntArray
    """[B] the opening of the turn, ``head`` without ``lead``."""
    after: IntArray
    """[A] the end of the turn."""


class ChatCodec:
    """Turns messages into prompts by a tokenizer's own chat template.

    The first prompt of an episode is rendered by the template. From then on a prompt only grows: the sampled
    ids are kept as they are, and what the template puts between an answer and the next one is cut out of a
    rendered sample dialogue once. A template that rewrites earlier turns (Qwen3 drops old thoughts) would
    otherwise make the prompt of each step disagree with the tokens that were sampled; here the policy sees
    its own earlier thoughts, and an episode stays a single sequence. To follow such a template to the letter,
    open a fresh prompt each step (``history="window"``), which gives one sequence per step.

    Observations are data: text that looks like a special token is encoded as ordinary characters.

    Args:
        tokenizer: a fast Hugging Face tokenizer with a chat template.

    Raises:
        ConfigError: there is no chat template, or its turns cannot be appended (they depend on more than
            the last answer and the new observation).
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        if not getattr(tokenizer, "chat_template", None):
            raise ConfigError(
                "The tokenizer has no chat template.",
                where="ChatCodec",
                remedy="Use an instruction-tuned model, or set tokenizer.chat_template.",
            )
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigError(
                "The tokenizer is not a fast one.",
                where="ChatCodec",
                remedy="Install the 'tokenizers' package and save the model with a tokenizer.json.",
            )
        found = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
        self._specials = sorted(found, key=lambda text: (-len(text), text))[:4000]
        self._special = re.compile("|".join(map(re.escape, self._specials)) or r"(?!)")
        self._marks = re.compile(f"([{chr(_MARKS)}-{chr(_MARKS + max(len(self._specials), 1) - 1)}])")
        self._end_text, self._header, self._footer = self._cut()
        self._strips = self._check()
        self._end_ids = self._ids(self._end_text)
        eos = tokenizer.eos_token_id
        stops = dict.fromkeys([*self._end_ids[-1:], *([] if eos is None else [int(eos)])])
        self.stop_ids: tuple[int, ...] = tuple(stops)
        """Sampling ends after any of these: the template's end of turn, the tokenizer's end of text."""

    def open(self, messages: Sequence[Message]) -> IntArray:
        """First prompt of a dialogue, with the opening of the answer: [P]."""
        marked = [{"role": m["role"], "content": self._mark(m["content"])} for m in messages]
        return np.asarray(self._ids(self._render(marked)), dtype=np.int32)

    def extend(self, prompt_ids: IntArray, completion_ids: IntArray, user_text: str) -> IntArray:
        """The next prompt: all earlier ids as they are, then the new user turn.

        Args:
            prompt_ids: [P] the last prompt.
            completion_ids: [C] what was sampled; the end of the turn is added where it was cut off.
            user_text: the new observation.

        Returns:
            [P + C + new] with ``prompt_ids`` and ``completion_ids`` as its beginning.
        """
        text = self._mark(user_text.strip() if self._strips else user_text)
        tail = self._ids(self._header + text + self._footer)
        if self._end_ids and (not len(completion_ids) or completion_ids[-1] != self._end_ids[-1]):
            tail = self._end_ids + tail
        return np.concatenate([prompt_ids, completion_ids, tail]).astype(np.int32, copy=False)

    def respond(self, text: str) -> IntArray:
        """Ids of a response that nobody sampled, closed by the end of the turn: for demonstrations. [C]"""
        return np.asarray(self._ids(self._mark(text)) + self._end_ids, dtype=np.int32)

    def decode(self, ids: IntArray | Sequence[int]) -> str:
        """Text of a completion, without the stop token at its end."""
        kept = [int(i) for i in ids]
        while kept and kept[-1] in self.stop_ids:
            kept.pop()
        return str(self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def encode(self, text: str) -> IntArray:
        """Ids of a text by itself; what looks like a special token becomes ordinary characters. [K]"""
        return np.asarray(self._ids(self._mark(text)), dtype=np.int32)

    def first_header(self) -> IntArray:
        """[H] ids that precede the text of a dialogue's first message, when that is the user's."""
        return np.asarray(
            self._ids(self._render([{"role": "user", "content": _ASKED}]).split(_ASKED)[0]), np.int32
        )

    def system_turn(self) -> SystemTurn:
        """How this template shows a system turn at the beginning of a dialogue.

        Raises:
            ConfigError: the template has no system role, or shows it elsewhere.
        """
        asked = {"role": "user", "content": _ASKED}
        told = self._render([{"role": "system", "content": _ANSWER}, asked])
        plain = self._render([asked])
        if told.count(_ANSWER) != 1 or told.count(_ASKED) != 1 or plain.count(_ASKED) != 1:
            raise self._unusable("it does not show a system turn once")
        head, rest = told.split(_ANSWER)
        bridge, start = rest.split(_ASKED)[0], plain.split(_ASKED)[0]
        # where the dialogue without a system turn continues, its beginning (a first token, if any) apart
        splits = (
            n for n in range(len(start) + 1) if head.startswith(start[:n]) and bridge.endswith(start[n:])
        )
        cut = next(splits, None)
        if cut is None or _ASKED in head:
            raise self._unusable("its system turn does not stand before the first message")
        after = bridge[: len(bridge) - len(start[cut:])]
        return SystemTurn(
            head=np.asarray(self._ids(head), dtype=np.int32),
            lead=np.asarray(self._ids(start[:cut]), dtype=np.int32),
            before=np.asarray(self._ids(head[cut:]), dtype=np.int32),
            after=np.asarray(self._ids(after), dtype=np.int32),
        )

    # ------------------------------------------------------------------ text to ids

    def _render(self, messages: Sequence[Any], *, opening: bool = True) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=opening
            )
        except Exception as error:  # whatever the template's own code raises
            roles = ", ".join(str(m["role"]) for m in messages)
            raise ConfigError(
                f"The chat template refuses a dialogue of {roles}: {error}",
                where="ChatCodec",
                remedy="Templates without a system role need that text in the first user message.",
            ) from error
        return str(text)

    def _mark(self, text: str) -> str:
        """Replace special-token text by private characters, which survive the rendering."""
        if self._marks.search(text):
            text = self._marks.sub("\ufffd", text)
        return self._special.sub(lambda match: chr(_MARKS + self._specials.index(match.group())), text)

    def _ids(self, text: str) -> list[int]:
        encode = self.tokenizer.encode
        if not self._marks.search(text):
            return list(encode(text, add_special_tokens=False))
        ids: list[int] = []
        for part in filter(None, self._marks.split(text)):
            if self._marks.fullmatch(part):
                plain = self._specials[ord(part) - _MARKS]
                # In two pieces it is not special to any tokenizer, whatever its settings.
                for piece in filter(None, (plain[:1], plain[1:])):
                    ids += encode(piece, add_special_tokens=False)
            else:
                ids += encode(part, add_special_tokens=False)
        return ids

    # ------------------------------------------------------------------ the template's joints

    def _cut(self) -> tuple[str, str, str]:
        """Text that ends an answer, text from there to an observation, text from there to the next answer."""
        answered = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _ANSWER}]
        asked = self._render([*answered, {"role": "user", "content": _NEXT}])
        closed = self._render(answered, opening=False)
        if asked.count(_ANSWER) != 1 or asked.count(_NEXT) != 1 or closed.count(_ANSWER) != 1:
            raise self._unusable("it does not show each message once")
        bridge, footer = asked.split(_ANSWER)[1].split(_NEXT)
        tail = closed.split(_ANSWER)[1]
        end = self._special.search(tail)
        if end is None or not bridge.startswith(tail[: end.end()]):
            return "", bridge, footer
        return bridge[: end.end()], bridge[end.end() :], footer

    def _check(self) -> bool:
        """Compare with whole renderings; returns whether the template strips white space around
        observations."""
        answers = ("A1", "A2 two", "A3 is three")
        turns: list[dict[str, str]] = []
        for number, answer in enumerate(answers):
            question = f"question {number}: a longer one?"
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            whole = self._render([*turns, {"role": "user", "content": "next one"}])
            if not whole.endswith(answer + self._end_text + self._header + "next one" + self._footer):
                raise self._unusable(f"turn {number + 2} is joined in another way than turn 2")
        spaced = self._render([*turns, {"role": "user", "content": " \n x\n "}])
        for strips, text in ((False, " \n x\n "), (True, "x")):
            if spaced.endswith(self._header + text + self._footer):
                return strips
        raise self._unusable("it rewrites the white space of messages")

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            f"Turns cannot be appended to this chat template: {why}.",
            where="ChatCodec",
            remedy="Set tokenizer.chat_template to one whose turns follow each other, such as ChatML.",
        )
