"""Agents that need no model: the protocol, the random one, the episode loop."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, cast

import gymnasium as gym
import numpy as np

from craft_envs.core import Session, TextEnv
from craft_envs.errors import ConfigError, one_of
from craft_envs.registration import TABLE, entry_of, load_place
from craft_envs.types import StepInfo


class Agent(Protocol):
    """Anything that answers an observation with an action.

    An agent that keeps state over an episode also has ``reset(info: StepInfo) -> None``, which
    ``run_episode`` calls with the first ``info`` before the first ``act``.
    """

    def act(self, observation: str, info: StepInfo) -> str:
        """The next action."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What happened in one episode.

    Example: ``Episode(task_id="...", observations=("You are ...", "You arrive ..."), actions=("look",),
    rewards=(0.0,), success=False, ...)``.
    """

    task_id: str
    task_type: str
    seed: int | None
    """What the environment was reset with."""
    observations: tuple[str, ...]
    """[steps + 1], the first one before any action."""
    actions: tuple[str, ...]
    """[steps]"""
    rewards: tuple[float, ...]
    """[steps]"""
    actions_valid: tuple[bool, ...]
    """[steps] whether the world could use the action."""
    success: bool
    score: float
    terminated: bool
    truncated: bool

    @property
    def steps(self) -> int:
        """Number of actions."""
        return len(self.actions)


def run_episode(
    env: gym.Env[str, str], agent: Agent, *, task_id: str | None = None, seed: int | None = None
) -> Episode:
    """Play one episode to its end.

    Args:
        env: a text environment, wrapped or not.
        agent: who acts.
        task_id: the task to play; drawn by the environment when absent.
        seed: for ``env.reset``.

    Raises:
        ConfigError: the environment has no such task.
    """
    observation, raw = env.reset(seed=seed, options=None if task_id is None else {"task_id": task_id})
    info = cast(StepInfo, raw)
    hook = getattr(agent, "reset", None)
    if hook is not None:
        hook(info)
    observations, actions, rewards, valid = [observation], [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action = agent.act(observation, info)
        observation, reward, terminated, truncated, raw = env.step(action)
        info = cast(StepInfo, raw)
        observations.append(observation)
        actions.append(action)
        rewards.append(float(reward))
        valid.append(info["action_valid"])
    return Episode(
        task_id=info["task_id"],
        task_type=info["task_type"],
        seed=seed,
        observations=tuple(observations),
        actions=tuple(actions),
        rewards=tuple(rewards),
        actions_valid=tuple(valid),
        success=info["success"],
        score=info["score"],
        terminated=terminated,
        truncated=truncated,
    )


class Seat(TextEnv):
    """An environment that shows an agent a session that somebody else steps; oracles look for it there."""

    def take(self, session: Session) -> None:
        """Show this session."""
        self._session = session


class RandomAgent:
    """Chooses among the admissible actions with equal probability.

    Its generator starts anew in every episode from (seed, task id), so the result of a task does not depend
    on which tasks were played before it, or where.
    """

    def __init__(self, seed: int = 0) -> None:
        """``seed`` tells one random agent from another."""
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def reset(self, info: StepInfo) -> None:
        """Start the episode's own generator."""
        digest = hashlib.blake2b(f"{self.seed}\x00{info['task_id']}".encode(), digest_size=8).digest()
        self._rng = np.random.default_rng(int.from_bytes(digest, "big"))

    def act(self, observation: str, info: StepInfo) -> str:
        """One of the admissible actions; empty text in a world that lists none."""
        actions = info["admissible_actions"]
        return actions[int(self._rng.integers(len(actions)))] if actions else ""


def agent_names(env_id: str) -> tuple[str, ...]:
    """Names that ``make_agent`` knows for an environment."""
    return ("random", *(name for name, _ in entry_of(env_id).agents if name != "random"))


def make_agent(name: str, env: gym.Env[Any, Any], *, seed: int = 0) -> Agent:
    """The agent of this name for an environment of craft.

    Args:
        name: ``random``, or one of the environment's own: ``oracle``, ``scripted``. An environment of the
            table may bring its own random agent; everywhere else ``random`` is ``RandomAgent``.
        env: the environment that it will play, wrapped or not.
        seed: of the random agent; the others draw nothing.

    Raises:
        ConfigError: unknown name, or not an environment of craft.
    """
    inner = env.unwrapped
    if name == "random":
        place = _random_place(inner)
        return RandomAgent(seed) if place is None else cast(Agent, load_place(place)(env, seed))
    if not isinstance(inner, TextEnv):
        raise ConfigError(
            f"{type(inner).__name__} is not an environment of craft", where=f"make_agent({name!r})"
        )
    places = dict(entry_of(inner.world.env_id).agents)
    if name not in places:
        known = agent_names(inner.world.env_id)
        raise ConfigError(
            f"{inner.world.env_id} has no agent {name!r}",
            remedy=one_of(name, known),
        )
    return cast(Agent, load_place(places[name])(env))


def _random_place(inner: gym.Env[Any, Any]) -> str | None:
    """Where the environment's own random agent is; ``None`` when it has none, or is not in the table."""
    env_id = inner.world.env_id if isinstance(inner, TextEnv) else None
    return next((dict(entry.agents).get("random") for entry in TABLE if entry.env_id == env_id), None)
