"""Engine that replays given answers, for tests or for prompts without a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

from craft_envs.errors import EngineFailure
from craft_rl.engine.plain import check_requests
from craft_rl.engine.protocol import Completion, EngineCounters, Request


class Codec(Protocol):
    """What is needed of a tokenizer."""

    def encode(self, text: str, *, add_special_tokens: bool = ...) -> list[int]:
        """Token ids of a text."""
        ...


Answers = Mapping[str, Sequence[str | Sequence[int]]] | Callable[[Request, int], str | Sequence[int]]
"""Session id -> its answers in order; or a function of the request and the number of the session's step."""


class ScriptedEngine:
    """Answers each session with its own list, one entry a step, followed by the request's first stop id.

    Example: ``ScriptedEngine({"g0/0": ["<action>look</action>", [41, 9]]}, tokenizer)``. The log-prob of
    every token is 0 (the script is certain). Answers longer than the request allows are cut and finish with
    ``length``.

    Args:
        answers: texts, encoded by the tokenizer, or token ids, taken as they are (no stop id is added).
        tokenizer: only needed for texts.
        max_context: as for any engine.
    """

    def __init__(
        self, answers: Answers, tokenizer: Codec | None = None, *, max_context: int = 1 << 20
    ) -> None:
        self._answers = answers
        self._tokenizer = tokenizer
        self._step: dict[str, int] = {}
        self.max_context = max_context
        self.policy_version = 0
        self.counters = EngineCounters()
        self.requests: list[Request] = []
        """Every request so far, in order."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in order.

        Raises:
            EngineFailure: a session has no answer left.
        """
        started = time.perf_counter()
        check_requests(requests, self.max_context)
        done = []
        for request in requests:
            step = self._step.get(request.session_id, 0)
            self._step[request.session_id] = step + 1
            ids = self._ids(request, step)
            limit = min(request.max_new_tokens, self.max_context - len(request.prompt_ids))
            finish: Literal["stop", "length"] = "length"
            if len(ids) <= limit and ids and ids[-1] in request.stop_ids:
                finish = "stop"
            ids = ids[:limit]
            self.requests.append(request)
            self.counters.prompt_tokens_given += len(request.prompt_ids)
            self.counters.tokens_sampled += len(ids)
            done.append(
                Completion(
                    request_id=request.request_id,
                    token_ids=np.asarray(ids, dtype=np.int32),
                    logprobs=np.zeros(len(ids), dtype=np.float32),
                    finish=finish,
                )
            )
        self.counters.seconds_decode += time.perf_counter() - started
        return done

    def release(self, session_id: str) -> None:
        """The episode is over; the session would begin its list again."""
        self._step.pop(session_id, None)

    def set_policy_version(self, version: int) -> None:
        """Noted; a script does not change."""
        self.policy_version = version

    def _ids(self, request: Request, step: int) -> list[int]:
        if callable(self._answers):
            answer = self._answers(request, step)
        else:
            script = self._answers.get(request.session_id, ())
            if step >= len(script):
                raise EngineFailure(
                    f"Session {request.session_id!r} has a script of {len(script)}, asked for answer {step}.",
                    where="ScriptedEngine",
                    remedy="Give the session a longer list.",
                )
            answer = script[step]
        if not isinstance(answer, str):
            return list(answer)
        if self._tokenizer is None:
            raise EngineFailure(
                "The script holds text but there is no tokenizer.",
                where="ScriptedEngine",
                remedy="Pass the policy's tokenizer, or give token ids.",
            )
        return [*self._tokenizer.encode(answer, add_special_tokens=False), *request.stop_ids[:1]]
