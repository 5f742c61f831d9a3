"""What every engine promises to the rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from craft_rl.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One prompt to be continued.

    Example: ``request_id="g0/3/7"``, ``session_id="g0/3"``, ``prompt_ids=[5, 88, 12]``,
    ``max_new_tokens=32``, ``temperature=0.7``, ``seed=9241``, ``stop_ids=(3,)``.
    """

    request_id: str
    session_id: str
    """The episode. What an engine has cached for it is used where the new prompt begins with the same ids."""
    prompt_ids: IntArray
    """[P] with P >= 1"""
    max_new_tokens: int
    temperature: float
    """0 takes the most probable token."""
    top_p: float = 1.0
    """Sample among the most probable tokens that together reach this mass; 1 keeps all."""
    top_k: int = 0
    """Sample among this many most probable tokens; 0 keeps all."""
    seed: int
    """Seed of the request's private generator; nothing else enters the choice of its tokens."""
    stop_ids: tuple[int, ...]
    """Sampling ends after any of these."""

    def __post_init__(self) -> None:
        where = f"Request {self.request_id!r}"
        if len(self.prompt_ids) < 1:
            raise ValueError(f"{where}: prompt_ids is empty; a prompt needs at least one token.")
        if self.max_new_tokens < 1:
            raise ValueError(f"{where}: max_new_tokens must be at least 1, got {self.max_new_tokens}.")
        if not 0.0 <= self.temperature < float("inf"):
            raise ValueError(f"{where}: temperature must be finite and not negative, got {self.temperature}.")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"{where}: top_p must lie in (0, 1], got {self.top_p}.")
        if self.top_k < 0:
            raise ValueError(f"{where}: top_k must not be negative, got {self.top_k}.")
        if self.seed < 0:
            raise ValueError(f"{where}: seed must not be negative, got {self.seed}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completion:
    """What was sampled for one request.

    Example: ``request_id="g0/3/7"``, ``token_ids=[41, 9, 3]``, ``logprobs=[-0.1, -0.7, -0.0]``,
    ``finish="stop"``.
    """

    request_id: str
    token_ids: IntArray
    """[C] including the stop token when one was sampled."""
    logprobs: FloatArray
    """[C] under the distribution that was sampled from (temperature, top_k and top_p applied); when
    temperature is 0, under the model's own distribution. Nats."""
    finish: Literal["stop", "length"]
    """``length``: the token limit of the request or the context of the engine was reached."""


@dataclass(slots=True)
class EngineCounters:
    """Running totals of one engine, for benchmarks.

    With a cache that lives across the steps of an episode ``prompt_tokens_encoded`` stays far below
    ``prompt_tokens_given``: each token of an append-only dialogue is encoded once.
    """

    prompt_tokens_given: int = 0
    """Sum of the lengths of all prompts."""
    prompt_tokens_encoded: int = 0
    """Prompt tokens that went through the model; the others were found in the cache."""
    tokens_sampled: int = 0
    seconds_prefill: float = 0.0
    """Wall time spent on prompts."""
    seconds_decode: float = 0.0
    """Wall time spent on sampling."""
    caches_evicted: int = 0
    """Episodes whose cache had to make room before they were released."""

    def copy(self) -> EngineCounters:
        """The totals as they are now."""
        return EngineCounters(**asdict(self))

    def since(self, earlier: EngineCounters) -> EngineCounters:
        """What was added after ``earlier`` was copied."""
        before = asdict(earlier)
        return EngineCounters(**{name: value - before[name] for name, value in asdict(self).items()})


class Engine(Protocol):
    """Turns prompts into sampled tokens.

    Same request, same weights: same tokens, whatever else is in the batch.
    """

    policy_version: int
    """Number of updates the weights have seen."""
    max_context: int
    """Most tokens that a prompt plus its completion can have."""
    counters: EngineCounters

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in the order of the requests.

        Raises:
            ValueError: two requests of one call belong to the same session.
            EngineFailure: a prompt leaves no room for a single token.
            OutputNotFinite: the model's output is nan or infinite.
        """
        ...

    def release(self, session_id: str) -> None:
        """The episode is over: forget its cache. Unknown sessions are ignored."""
        ...

    def set_policy_version(self, version: int) -> None:
        """The weights have changed: every cache is dropped."""
        ...
