"""Dialogue: the prompt ids of one episode, step after step, for both kinds of history.

With ``history="full"`` the ids live in one growing buffer: each prompt is a view of its beginning, so an
episode keeps every token once although every step records its whole prompt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from craft_rl.agent.parse import Parsed
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.types import IntArray, Message, ParseOutcome

_NOTHING = np.empty(0, np.int32)


class Dialogue:
    """What one episode's policy has seen.

    Call in turn: ``ask`` with what the world says, ``answer`` with what the model sampled.
    """

    def __init__(self, io: PolicyIO, task: str, *, task_id: str = "") -> None:
        """Start an episode.

        Args:
            io: wording, tokenizer; with a preface its text is in every prompt.
            task: the instruction.
            task_id: which task it is; only a preface asks.
        """
        self._io = io
        self._task = task
        self._task_id = task_id
        self._full = io.prompt.history == "full"
        self._ids = IdBuffer()
        self._past: deque[tuple[str, str, ParseOutcome]] = deque(maxlen=io.prompt.window)
        self._steps = 0
        self._observation = ""
        self._prompt: IntArray = _NOTHING
        self._completion: IntArray = _NOTHING
        self._last = ParseOutcome.ok

    def ask(self, observation: str, admissible: Sequence[str]) -> IntArray:
        """The ids of the next prompt, [P]; read-only."""
        io = self._io
        self._observation = observation
        if not self._full:
            messages = io.writer.window(self._task, tuple(self._past), self._steps, observation, admissible)
            self._prompt = _frozen(self._opened(messages))
        elif self._steps == 0:
            self._prompt = self._ids.begin(
                self._opened(io.writer.opening(self._task, observation, admissible))
            )
        else:
            text = io.writer.turn(observation, admissible, self._last)
            self._prompt = self._ids.grow(io.codec.extend(self._prompt, self._completion, text))
        return self._prompt

    def _opened(self, messages: Sequence[Message]) -> IntArray:
        io = self._io
        ids = io.codec.open(messages)
        return ids if io.preface is None else io.preface.told(self._task_id, ids)

    def answer(self, completion_ids: IntArray, parsed: Parsed) -> None:
        """Take the response to the last ``ask``."""
        self._steps += 1
        self._last = parsed.outcome
        self._completion = completion_ids
        if not self._full:
            self._past.append((self._observation, parsed.action, parsed.outcome))


class IdBuffer:
    """Token ids that only grow, handed out as read-only views of one array."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._array = np.empty(0, np.int32)
        self._length = 0

    def begin(self, ids: IntArray) -> IntArray:
        """Hold exactly these ids."""
        self._length = 0
        return self.grow(ids)

    def grow(self, ids: IntArray) -> IntArray:
        """Take over the tail of ``ids``, which begin with what is held; the view of all of them, [P]."""
        n = len(ids)
        held = self._length
        if n > len(self._array):
            # Views handed out before keep the old array; what they show never changes.
            larger = np.empty(max(1024, 2 * n), np.int32)
            larger[:held] = self._array[:held]
            self._array = larger
        self._array[held:n] = ids[held:]
        self._length = n
        return _frozen(self._array[:n])


def _frozen(ids: IntArray) -> IntArray:
    view = np.asarray(ids, np.int32)
    view = view[:]
    view.flags.writeable = False
    return view
