"""TextEnv: the reset, step, close contract of every text world, written once.

At the boundaries:

=============================================  =====================================================
situation                                      what happens
=============================================  =====================================================
``step`` before ``reset``, after the end       ``gymnasium.error.ResetNeeded``
action is not a string                         ``TypeError``, nothing changes
action the world cannot use, of any content    the world's usual reply, ``info["action_valid"]`` False
task solved in the very last allowed step      ``terminated`` as well as ``truncated``
unknown split, task id, option                 ``ConfigError``, the running episode stays as it is
=============================================  =====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import gymnasium as gym

from craft_envs.errors import ConfigError, EnvFailure, did_you_mean, one_of, shown
from craft_envs.spaces import TextSpace
from craft_envs.types import StepInfo, Task, TaskSource

OBSERVATION_LIMIT = 1 << 20
"""Code points of the longest declared observation."""
ACTION_LIMIT = 1 << 20
"""Code points of the longest declared action; longer ones are played too, as unusable text."""


class Outcome(NamedTuple):
    """What one action led to.

    Example: ``Outcome("You pick up the mug 1 from the desk 1.", 0.0, False, True)``.
    """

    observation: str
    reward: float
    terminated: bool
    action_valid: bool


class Session(Protocol):
    """One running episode of a world: no Gymnasium, no random numbers, no step limit."""

    @property
    def task(self) -> Task:
        """The task that is played."""
        ...

    @property
    def success(self) -> bool:
        """The task is solved."""
        ...

    @property
    def score(self) -> float:
        """The benchmark's score so far, in [0, 1]."""
        ...

    def start(self) -> str:
        """The first observation; called once, before any ``act``."""
        ...

    def act(self, action: str) -> Outcome:
        """Play one action; text the world cannot use changes nothing. Never raises for model text."""
        ...

    def admissible_actions(self) -> list[str]:
        """Every action accepted now, each once, in the world's own fixed order; read-only.

        Each entry is accepted as it stands. A place where the player writes words of their own is shown as
        one entry with the place in angle brackets: ``search[<your query>]``.
        """
        ...

    def anchor(self) -> str:
        """Key of the agent-visible state: equal iff that state is equal."""
        ...

    def extras(self) -> dict[str, Any]:
        """World-specific ``info`` entries; may be empty."""
        ...


class World(Protocol):
    """Everything heavy of one environment in one configuration: read-only, thread-safe, one per process."""

    @property
    def env_id(self) -> str:
        """Gymnasium id of the environment."""
        ...

    @property
    def tasks(self) -> TaskSource:
        """The tasks that ``open`` accepts."""
        ...

    @property
    def max_steps(self) -> int:
        """Default step limit, that of the papers."""
        ...

    def open(self, task_id: str, seed: int) -> Session:
        """Start an episode; ``seed`` decides whatever the world draws.

        Raises:
            ConfigError: no such task.
        """
        ...


class BatchWorld(World, Protocol):
    """A world that answers one action of each of many episodes in one call: one request to a service."""

    def act_many(self, sessions: Sequence[Session], actions: Sequence[str]) -> list[Outcome | EnvFailure]:
        """Play ``actions[i]`` in ``sessions[i]``, different sessions of this world; the outcomes in order.

        An episode whose action broke has its failure in place of an outcome; the others have played.
        """
        ...


def act_together(
    world: World, sessions: Sequence[Session], actions: Sequence[str]
) -> list[Outcome | EnvFailure]:
    """One action of each episode: one call of a ``BatchWorld``, else one ``act`` after another.

    Returns:
        For each session its outcome, or the failure of its world. A failure of the whole call is everybody's.

    Raises:
        ValueError: the numbers of sessions, actions, outcomes differ.
    """
    act_many = getattr(world, "act_many", None)
    if act_many is None or not sessions:
        return [_act(session, action) for session, action in zip(sessions, actions, strict=True)]
    try:
        outcomes = cast("list[Outcome | EnvFailure]", act_many(sessions, actions))
    except EnvFailure as failure:
        return [failure] * len(sessions)
    if len(outcomes) != len(sessions):
        raise ValueError(f"act_many answered {len(sessions)} sessions with {len(outcomes)} outcomes")
    return outcomes


def _act(session: Session, action: str) -> Outcome | EnvFailure:
    try:
        return session.act(action)
    except EnvFailure as failure:
        return failure


class TextEnv(gym.Env[str, str]):
    """A world behind the Gymnasium interface.

    The observation is the raw text of the step, nothing more; ``info`` is a ``StepInfo`` with the world's
    extras beside it. ``reset(seed=7)`` draws task with session seed from the private generator;
    ``reset(options={"task_id": ...})`` opens exactly that task of the split.

    Args:
        world: what is played.
        split: part of the data that tasks are taken from.
        max_steps: steps after which ``truncated`` is set; ``None`` means the world's default.
        render_mode: ``"ansi"`` makes ``render`` return the last observation.

    Raises:
        ConfigError: unknown split, bad step limit, unknown render mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's own class attribute)

    def __init__(
        self,
        world: World,
        *,
        split: str = "train",
        max_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """See the class."""
        if render_mode not in (None, "ansi"):
            raise ConfigError(f"render_mode is {render_mode!r}", remedy='use "ansi" or None')
        self.world = world
        self.split = split
        self.task_ids = split_task_ids(world.tasks, split)
        """Ids of the split in the source's order."""
        self.max_steps = step_limit(world, max_steps)
        self.render_mode = render_mode
        self.observation_space = TextSpace(OBSERVATION_LIMIT)
        self.action_space = TextSpace(ACTION_LIMIT)
        self._session: Session | None = None
        self._elapsed = 0
        self._over = True
        self._observation = ""

    @property
    def session(self) -> Session:
        """The running episode, for oracles or benchmarks.

        Raises:
            gymnasium.error.ResetNeeded: there is none yet.
        """
        if self._session is None:
            raise gym.error.ResetNeeded("No episode is open. Call reset() first.")
        return self._session

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Open an episode.

        Args:
            seed: restarts the private generator; without one it runs on.
            options: ``{"task_id": id}`` opens that task of the split; no other key is known.

        Raises:
            ConfigError: unknown option, task id not in the split.
        """
        wanted = self._task_option(options)
        super().reset(seed=seed)
        # The session seed is drawn first, so that naming the drawn task gives the same episode.
        session_seed = int(self.np_random.integers(1 << 31))
        task_id = (
            wanted if wanted is not None else self.task_ids[int(self.np_random.integers(len(self.task_ids)))]
        )
        session = self.world.open(task_id, session_seed)
        self._observation = session.start()
        self._session = session
        self._elapsed = 0
        self._over = False
        return self._observation, cast("dict[str, Any]", session_info(session, True, 0))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one action.

        Raises:
            TypeError: the action is not a string.
            gymnasium.error.ResetNeeded: no episode is running.
        """
        if not isinstance(action, str):
            raise TypeError(f"An action is a string, got {type(action).__name__}: {shown(action)}.")
        session = self._session
        if session is None or self._over:
            state = "No episode is open" if session is None else "The episode is over"
            raise gym.error.ResetNeeded(f"{state}. Call reset() before step().")
        return self.record(session.act(action))

    def record(self, outcome: Outcome) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """What ``step`` returns, for an action that has just been played on ``session`` by the caller.

        Batches use it: they play many sessions in one call. It checks nothing.
        """
        session = self.session
        observation, reward, terminated, valid = outcome
        self._elapsed = elapsed = self._elapsed + 1
        truncated = elapsed >= self.max_steps
        self._over = terminated or truncated
        self._observation = observation
        return (
            observation,
            reward,
            terminated,
            truncated,
            cast("dict[str, Any]", session_info(session, valid, elapsed)),
        )

    def render(self) -> Any:
        """The last observation in mode ``"ansi"``, else ``None``."""
        return self._observation if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Forget the running episode; the shared world stays loaded for other environments."""
        self._session = None
        self._over = True

    def check_task_id(self, task_id: object) -> str:
        """The id itself, when it is one of the split's.

        Raises:
            ConfigError: not a string, or not an id of this split.
        """
        if not isinstance(task_id, str):
            raise ConfigError(f"a task id is a string, got {type(task_id).__name__}: {shown(task_id)}")
        tasks = self.world.tasks
        try:
            split = tasks.task(task_id).split
        except ConfigError as error:
            raise ConfigError(
                f"{tasks.env_id} has no task {shown(task_id)} in this data",
                remedy=did_you_mean(task_id, self.task_ids)
                or "env.unwrapped.task_ids lists the ids of the split",
            ) from error
        if split != self.split:
            raise ConfigError(
                f"the task {shown(task_id)} is of the split {split!r}, this environment plays {self.split!r}",
                remedy=f"make an environment with split={split!r}",
            )
        return task_id

    def _task_option(self, options: dict[str, Any] | None) -> str | None:
        if not options:
            return None
        unknown = sorted(str(key) for key in options if key != "task_id")
        if unknown:
            raise ConfigError(
                f"reset does not know the option {unknown[0]!r}", remedy='the only option is "task_id"'
            )
        return self.check_task_id(options["task_id"])


def session_info(session: Session, action_valid: bool, elapsed_steps: int) -> StepInfo:
    """The ``info`` dictionary of a session's present state, extras included."""
    task = session.task
    info: StepInfo = {
        "task_id": task.task_id,
        "task_type": task.task_type,
        "split": task.split,
        "instruction": task.instruction,
        "anchor": session.anchor(),
        "action_valid": action_valid,
        "admissible_actions": session.admissible_actions()[:],
        "success": session.success,
        "score": session.score,
        "elapsed_steps": elapsed_steps,
    }
    extras = session.extras()
    if extras:
        info.update(extras)  # type: ignore[typeddict-item]
    return info


def split_task_ids(tasks: TaskSource, split: str) -> Sequence[str]:
    """The ids of a split.

    Raises:
        ConfigError: the source has no such split, or it is empty.
    """
    known = tasks.splits()
    if split not in known:
        raise ConfigError(
            f"{tasks.env_id} has no split {shown(split)} in this data", remedy=one_of(split, known)
        )
    ids = tasks.task_ids(split)
    if not len(ids):
        raise ConfigError(f"the split {split!r} of {tasks.env_id} is empty in this data")
    return ids


def step_limit(world: World, max_steps: int | None) -> int:
    """The step limit to use.

    Raises:
        ConfigError: it is not a positive whole number.
    """
    if max_steps is None:
        return world.max_steps
    if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
        raise ConfigError(
            f"max_steps is {max_steps!r}", remedy="give a positive whole number of steps, or None"
        )
    return max_steps
