"""One episode of a policy in a world, as a state machine that waits for completions.

The one place where an ``EnvFailure`` becomes a trajectory's status; every other exception travels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from craft_envs.core import Outcome, Session, World
from craft_envs.errors import ConfigError, EngineFailure, EnvFailure, EnvTimeout, shown
from craft_rl.agent.history import Dialogue
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.protocol import Completion, Request
from craft_rl.rollout.seeds import step_seed
from craft_rl.types import FloatArray, IntArray, ParseOutcome, Step, Trajectory, TrajectoryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSpec:
    """An episode to be played.

    Example: ``EpisodeSpec(task_id="train/...", seed=81, group_id="u12/train/...", sibling=3)``.
    """

    task_id: str
    seed: int
    """Decides the world's draws as well as the sampler's, see ``craft_rl.rollout.seeds``."""
    group_id: str
    sibling: int = 0
    """Index inside the group; with ``group_id`` the identity of the episode."""
    max_steps: int | None = None
    """Step limit; ``None`` means the world's own."""
    sampling_seed: int | None = None
    """Decides the sampler's draws in place of ``seed``: another course of the same world."""

    @property
    def session_id(self) -> str:
        """Name of the episode in the engine."""
        return f"{self.group_id}/{self.sibling}"


@dataclass(slots=True)
class RolloutProfile:
    """Where the wall time of rollouts went, summed over ``collect`` calls that share it."""

    seconds_total: float = 0.0
    seconds_engine: float = 0.0
    """Inside ``Engine.generate``."""
    seconds_world: float = 0.0
    """Inside the world's sessions."""
    seconds_tokens: float = 0.0
    """Prompt templates, tokenising, decoding, parsing."""
    episodes: int = 0
    steps: int = 0
    rounds: int = 0
    """Calls of ``Engine.generate``."""
    prompt_tokens: int = 0
    """Sum of the lengths of all prompts."""
    completion_tokens: int = 0

    @property
    def seconds_glue(self) -> float:
        """What is neither engine, world nor tokens."""
        return max(0.0, self.seconds_total - self.seconds_engine - self.seconds_world - self.seconds_tokens)

    def shares(self) -> dict[str, float]:
        """Each part's share of the total, in [0, 1]."""
        total = self.seconds_total or 1.0
        return {
            "engine": self.seconds_engine / total,
            "world": self.seconds_world / total,
            "tokens": self.seconds_tokens / total,
            "glue": self.seconds_glue / total,
        }


@dataclass(slots=True)
class _Recorded:
    """What ``Episode.apply`` needs of the step that waits for its completion."""

    observation: str
    anchor: str
    prompt_ids: IntArray
    asked: float


@dataclass(slots=True)
class _Answered:
    """A response that has been read, whose action the world has not answered yet."""

    response: str
    action: str
    parse: ParseOutcome
    completion_ids: IntArray
    completion_logprobs: FloatArray
    policy_version: int
    imitate: bool


class Episode:
    """Plays one episode: ``begin``, then as long as ``request`` is not ``None`` one ``apply`` for each.

    ``apply`` is ``read``, the world's answer, ``settle``. Who plays many episodes of a world that answers
    them in one call takes the three apart.

    ``trajectory`` is set as soon as ``request`` is ``None``. A prompt that would not leave
    ``max_new_tokens`` inside the engine's context ends the episode as ``truncated_context``; nothing is cut.
    """

    def __init__(
        self,
        spec: EpisodeSpec,
        world: World,
        io: PolicyIO,
        *,
        max_context: int,
        profile: RolloutProfile,
        seconds_limit: float | None = None,
    ) -> None:
        """Prepare; the world is opened by ``begin``."""
        self.spec = spec
        self.request: Request | None = None
        """What the engine shall continue next."""
        self.trajectory: Trajectory | None = None
        self._world = world
        self._io = io
        self._max_context = max_context
        self._max_steps = spec.max_steps if spec.max_steps is not None else world.max_steps
        self._profile = profile
        self._seconds_limit = seconds_limit
        self._session: Session | None = None
        self._dialogue: Dialogue
        self._steps: list[Step] = []
        self._return = 0.0
        self._waiting: _Recorded
        self._answered: _Answered
        self._begun = 0.0

    def begin(self) -> None:
        """Open the task and ask for the first response.

        Raises:
            ConfigError: the world has no such task.
        """
        profile = self._profile
        self._begun = started = time.perf_counter()
        try:
            session = self._world.open(self.spec.task_id, self.spec.seed)
            self._session = session
            observation = session.start()
            profile.seconds_world += time.perf_counter() - started
            self._dialogue = Dialogue(self._io, session.task.instruction, task_id=self.spec.task_id)
            self._ask(session, observation)
        except EnvFailure as failure:
            self._break_off(failure, "while opening the task")

    @property
    def session(self) -> Session:
        """The running session, for agents that act on what the world says instead of on tokens."""
        assert self._session is not None, "the episode has not begun or is over"
        return self._session

    @property
    def observation(self) -> str:
        """What the world said last."""
        return self._waiting.observation

    @property
    def steps(self) -> tuple[Step, ...]:
        """What has been played so far."""
        return tuple(self._steps)

    @property
    def elapsed(self) -> int:
        """Steps taken."""
        return len(self._steps)

    @property
    def last_valid(self) -> bool:
        """The world could use the last action; ``True`` before any."""
        return self._steps[-1].action_valid if self._steps else True

    def apply(self, completion: Completion, policy_version: int, *, imitate: bool = True) -> None:
        """Play the action of a completion, then ask for the next response.

        Args:
            completion: the answer to ``request``.
            policy_version: number of updates the sampling weights had seen.
            imitate: whether behaviour cloning may learn from this response.
        """
        action = self.read(completion, policy_version, imitate=imitate)
        started = time.perf_counter()
        outcome: Outcome | EnvFailure
        try:
            outcome = self.session.act(action)
        except EnvFailure as failure:
            outcome = failure
        self._profile.seconds_world += time.perf_counter() - started
        self.settle(outcome)

    def read(self, completion: Completion, policy_version: int, *, imitate: bool = True) -> str:
        """The action of a completion, to be played on ``session`` by the caller, who then calls ``settle``.

        Args: as in ``apply``.
        """
        assert self.request is not None
        self.request = None
        io = self._io
        ids = _read_only(completion.token_ids)
        started = time.perf_counter()
        response = io.codec.decode(ids)
        parsed = io.read(response, cut=completion.finish == "length")
        self._dialogue.answer(ids, parsed)
        self._answered = _Answered(
            response=response,
            action=parsed.action,
            parse=parsed.outcome,
            completion_ids=ids,
            completion_logprobs=_read_only(completion.logprobs),
            policy_version=policy_version,
            imitate=imitate,
        )
        self._profile.seconds_tokens += time.perf_counter() - started
        return parsed.action

    def settle(self, outcome: Outcome | EnvFailure) -> None:
        """Take the world's answer to the action of ``read``, then ask for the next response."""
        session, waiting, said, profile = self.session, self._waiting, self._answered, self._profile
        now = time.perf_counter()
        try:
            if isinstance(outcome, EnvFailure):
                raise outcome
            self._steps.append(
                Step(
                    observation=waiting.observation,
                    response=said.response,
                    action=said.action,
                    prompt_ids=waiting.prompt_ids,
                    completion_ids=said.completion_ids,
                    completion_logprobs=said.completion_logprobs,
                    reward=outcome.reward,
                    anchor=waiting.anchor,
                    action_valid=said.parse == "ok" and outcome.action_valid,
                    parse=said.parse,
                    imitate=said.imitate,
                    policy_version=said.policy_version,
                    seconds=now - waiting.asked,
                )
            )
            self._return += outcome.reward
            profile.steps += 1
            profile.completion_tokens += len(said.completion_ids)
            if outcome.terminated:
                self._end(TrajectoryStatus.solved if session.success else TrajectoryStatus.failed)
            elif len(self._steps) >= self._max_steps:
                self._end(TrajectoryStatus.truncated_steps)
            elif self._seconds_limit is not None and now - self._begun > self._seconds_limit:
                self._end(
                    TrajectoryStatus.error_timeout,
                    f"the episode took {now - self._begun:.1f} s, its limit is {self._seconds_limit:g} s",
                )
            else:
                self._ask(session, outcome.observation)
        except EnvFailure as failure:
            self._break_off(failure, f"step {len(self._steps)}, action {shown(said.action)}")

    def fail(self, failure: EngineFailure) -> None:
        """The engine could not answer the request."""
        self.request = None
        self._end(TrajectoryStatus.error_engine, f"step {len(self._steps)}: {failure}")

    def _ask(self, session: Session, observation: str) -> None:
        io, profile = self._io, self._profile
        started = time.perf_counter()
        anchor = session.anchor()
        admissible = session.admissible_actions() if io.prompt.admissible else ()
        read = time.perf_counter()
        profile.seconds_world += read - started
        prompt = self._dialogue.ask(observation, admissible)
        now = time.perf_counter()
        profile.seconds_tokens += now - read
        if len(prompt) + io.sampling.max_new_tokens > self._max_context:
            self._end(TrajectoryStatus.truncated_context)
            return
        profile.prompt_tokens += len(prompt)
        self._waiting = _Recorded(observation, anchor, prompt, now)
        step, own = len(self._steps), self.spec.sampling_seed
        self.request = Request(
            request_id=f"{self.spec.session_id}#{step}",
            session_id=self.spec.session_id,
            prompt_ids=prompt,
            max_new_tokens=io.sampling.max_new_tokens,
            temperature=io.sampling.temperature,
            top_p=io.sampling.top_p,
            top_k=io.sampling.top_k,
            seed=step_seed(self.spec.seed if own is None else own, step),
            stop_ids=io.codec.stop_ids,
        )

    def _break_off(self, failure: EnvFailure, where: str) -> None:
        self.request = None
        timeout = isinstance(failure, EnvTimeout)
        status = TrajectoryStatus.error_timeout if timeout else TrajectoryStatus.error_env
        self._end(status, f"{where}: {type(failure).__name__}: {failure}")

    def _end(self, status: TrajectoryStatus, failure: str = "") -> None:
        session, spec = self._session, self.spec
        broken = status.is_error
        self.trajectory = Trajectory(
            task_id=spec.task_id,
            task_type=session.task.task_type if session is not None else self._task_type(),
            seed=spec.seed,
            group_id=spec.group_id,
            sibling=spec.sibling,
            steps=tuple(self._steps),
            status=status,
            return_=self._return,
            # A broken world's score means nothing and may not even be readable.
            score=float(session.score) if session is not None and not broken else 0.0,
            failure=failure,
        )
        self._session = None
        self._profile.episodes += 1

    def _task_type(self) -> str:
        try:
            return self._world.tasks.task(self.spec.task_id).task_type
        except EnvFailure:
            return ""


def check_specs(specs: list[EpisodeSpec]) -> None:
    """Refuse specs whose identities collide: they would share the engine's cache.

    Raises:
        ConfigError: two specs have the same group and sibling, or a step limit is below 1.
    """
    seen: set[str] = set()
    for spec in specs:
        if spec.session_id in seen:
            raise ConfigError(
                f"two episodes are called {shown(spec.session_id)}",
                remedy="give each episode of a group its own sibling index",
            )
        seen.add(spec.session_id)
        if spec.max_steps is not None and spec.max_steps < 1:
            raise ConfigError(
                f"max_steps is {spec.max_steps}", where=spec.session_id, remedy="give at least 1"
            )


def _read_only(array: Any) -> Any:
    view = np.asarray(array)[:]
    view.flags.writeable = False
    return view
