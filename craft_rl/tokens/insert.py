"""Text put in front of sequences whose own ids stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from craft_envs.errors import ConfigError, CraftError
from craft_rl.tokens.encode import ChatCodec
from craft_rl.types import IntArray, TokenBatch

_BETWEEN = "\n\n"
"""Between inserted text and the text of a system turn that was there before."""


Placement = Literal["system", "prefix", "user", "reencoded"]
PLACEMENTS: tuple[Placement, ...] = ("system", "prefix", "user", "reencoded")

FILLER = (
    "Tea is dried soon after it is picked. The river bends twice below the old bridge, then runs straight to "
    "the sea. In spring the meadow turns yellow, in autumn brown. A violin has four strings, a harp many "
    "more. Snow fell on the hills last week, yet the valley stayed green. The baker rises at three. "
)
"""Repeated as often as needed, then cut to length: it is no advice, so it may be cut anywhere."""


class Piece(NamedTuple):
    """Ids that take the place of those of a dialogue from ``start`` to ``stop``."""

    start: int
    stop: int
    """Equal to ``start`` but where a prompt is encoded again."""
    ids: IntArray

    def into(self, dialogue: IntArray) -> IntArray:
        """The dialogue with the piece in it."""
        return np.concatenate([dialogue[: self.start], self.ids, dialogue[self.stop :]]).astype(np.int32)

    def keeps(self, dialogue: IntArray) -> bool:
        """Whether every id of the dialogue is still there."""
        own = dialogue[self.start : self.stop]
        return not len(own) or np.array_equal(self.ids[-len(own) :], own)


class Inserter:
    """Knows where text goes in front of a dialogue of one tokenizer.

    ===========  =====================================================================================
    placement    where
    ===========  =====================================================================================
    system       at the beginning of the system turn; without one, in a new turn before the first message
    prefix       as raw text before the very first token
    user         at the beginning of the first user message
    reencoded    as ``prefix``, by way of text: the prompt is decoded, the text put before it, the whole
                 encoded again, as the published code does. The prompt's ids may change, see ``Piece.keeps``
    ===========  =====================================================================================

    But for ``reencoded`` nothing of the dialogue is encoded again. Sampled ids never change.
    """

    def __init__(self, codec: ChatCodec, placement: Placement) -> None:
        """Find the place once.

        Args:
            codec: of the policy.
            placement: a row of the table.

        Raises:
            ConfigError: the chat template has no system turn.
        """
        self.codec, self.placement = codec, placement
        self._turn = codec.system_turn() if placement == "system" else None
        self._header = codec.first_header() if placement == "user" else None
        self._between = codec.encode(_BETWEEN)
        self._none = np.empty(0, np.int32)

    def ids(self, text: str) -> IntArray:
        """[K] ids of the text by itself, with what separates it from what follows."""
        return self.codec.encode(text if self.placement == "system" else f"{text}{_BETWEEN}")

    def frame(self, dialogue: IntArray) -> tuple[int, IntArray, IntArray]:
        """Where text goes in a dialogue: the place, the ids before the text, the ids behind it.

        Raises:
            ConfigError: the dialogue does not begin as the chat template begins dialogues.
        """
        turn, header = self._turn, self._header
        if header is not None and np.array_equal(dialogue[: len(header)], header):
            return len(header), self._none, self._none
        if turn is None and header is None:
            return 0, self._none, self._none
        if turn is not None and np.array_equal(dialogue[: len(turn.head)], turn.head):
            return len(turn.head), self._none, self._between
        if turn is not None and np.array_equal(dialogue[: len(turn.lead)], turn.lead):
            return len(turn.lead), turn.before, turn.after
        raise ConfigError(
            "a prompt does not begin as the chat template begins dialogues",
            remedy="use teacher.placement=prefix",
        )

    def piece(self, dialogue: IntArray, opening: int, text: str, *, filler: bool = False) -> Piece:
        """What goes into a dialogue, where.

        Args:
            dialogue: [L] ids.
            opening: tokens of its first prompt.
            text: to be shown.
            filler: instead, other text of exactly the same length; not with ``reencoded``.

        Raises:
            ConfigError: as ``frame``.
        """
        if self.placement == "reencoded":
            tokenizer = self.codec.tokenizer
            own = tokenizer.decode(
                dialogue[:opening], skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            ids = tokenizer.encode(f"{text}{_BETWEEN}{own}", add_special_tokens=False)
            return Piece(0, opening, np.asarray(ids, np.int32))
        place, before, after = self.frame(dialogue)
        ids = self.ids(text)
        if filler:
            ids = np.resize(self.codec.encode(FILLER), len(ids))
        return Piece(place, place, np.concatenate([before, ids, after]).astype(np.int32))


def inserted(batch: TokenBatch, rows: Sequence[int], pieces: Sequence[Piece]) -> tuple[TokenBatch, IntArray]:
    """Some sequences of a batch with a piece put into each; log-probs and advantages are 0.

    Args:
        batch: packed sequences.
        rows: which of them, rising.
        pieces: one for each.

    Returns:
        The new batch, then for each of its masked tokens the place of the same token in ``batch``.

    Raises:
        CraftError: a masked token of the new batch is not the student's own.
    """
    tokens, masks, starts, steps, places = [], [], [0], [], []
    for row, piece in zip(rows, pieces, strict=True):
        first, last = int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1])
        own, mask = batch.token_ids[first:last], batch.loss_mask[first:last]
        tokens.append(piece.into(own))
        untouched = np.zeros(len(piece.ids), np.bool_)
        masks.append(np.concatenate([mask[: piece.start], untouched, mask[piece.stop :]]))
        starts.append(starts[-1] + len(tokens[-1]))
        longer = len(piece.ids) - (piece.stop - piece.start)
        steps.append((batch.step_starts[row] + longer).astype(np.int32))
        places.append((first + np.flatnonzero(mask)).astype(np.int32))
    token_ids, loss_mask = np.concatenate(tokens).astype(np.int32), np.concatenate(masks)
    origin = np.concatenate(places)
    if not np.array_equal(token_ids[loss_mask], batch.token_ids[origin]):
        raise CraftError(
            "a teacher would score other tokens than the student sampled",
            where="tokens/insert.py",
            remedy="report it: text was inserted behind a sampled token",
        )
    zeros = np.zeros(len(token_ids), np.float32)
    made = TokenBatch(
        token_ids=token_ids,
        loss_mask=loss_mask,
        behaviour_logprobs=zeros,
        advantages=zeros,
        sequence_starts=np.asarray(starts, np.int32),
        step_starts=tuple(steps),
        group_ids=tuple(batch.group_ids[row] for row in rows),
        trajectory_ids=tuple(batch.trajectory_ids[row] for row in rows),
        step_ids=tuple(batch.step_ids[row] for row in rows),
    )
    return made, origin
