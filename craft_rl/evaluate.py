"""evaluate: any agent on a complete panel, with intervals, failures counted, nothing run twice.

Neither this file nor anything that it imports can reach privileged text: an evaluation is without skills. Who
hands in prompts with skills (``PolicyIO.preface``) gets a report that says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from craft_envs import __version__
from craft_envs.agents import make_agent
from craft_envs.core import TextEnv, World, step_limit
from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.protocol import Engine
from craft_rl.report.rows import ResultRows
from craft_rl.report.version import source_version
from craft_rl.rollout.demonstrate import AgentFactory, play_agent
from craft_rl.rollout.episode import EpisodeSpec, RolloutProfile
from craft_rl.rollout.scheduler import collect
from craft_rl.rollout.seeds import named_seed
from craft_rl.statistics import bootstrap_interval
from craft_rl.types import EvalReport, TaskResult, Trajectory


class Runner(Protocol):
    """Plays evaluation episodes for one agent."""

    @property
    def agent(self) -> str:
        """Name in reports."""
        ...

    @property
    def prompt_version(self) -> str:
        """Empty for agents that have no prompt."""
        ...

    @property
    def decoding(self) -> Mapping[str, Any]:
        """How responses are sampled; empty for agents without a model."""
        ...

    @property
    def skills(self) -> Mapping[str, str]:
        """What skill text stands in its prompts; empty when there is none."""
        ...

    @property
    def identity(self) -> str:
        """Tells two agents of the same name apart, such as a digest of weights; may be empty."""
        ...

    def play(
        self,
        specs: Sequence[EpisodeSpec],
        seed: int,
        world: World,
        num_envs: int,
        on_done: Callable[[Trajectory], None],
    ) -> None:
        """Play all specs of one evaluation seed; ``on_done`` gets each trajectory as it ends."""
        ...


class AgentRunner:
    """An agent without a model: ``random``, ``scripted``, ``oracle``, or one of your own.

    Example: ``AgentRunner("oracle")``; ``AgentRunner("mine", lambda env: Mine())``.
    """

    prompt_version = ""
    identity = ""
    skills: Mapping[str, str] = MappingProxyType({})

    def __init__(self, agent: str, factory: AgentFactory | None = None) -> None:
        """``factory`` builds an agent that craft does not know by name."""
        self.agent = agent
        self.decoding: Mapping[str, Any] = {}
        self._factory = factory

    def play(
        self,
        specs: Sequence[EpisodeSpec],
        seed: int,
        world: World,
        num_envs: int,
        on_done: Callable[[Trajectory], None],
    ) -> None:
        """One episode after another; ``num_envs`` does not matter."""

        def named(env: TextEnv) -> Any:
            return make_agent(self.agent, env, seed=seed)

        play_agent(specs, world, self._factory or named, on_done=on_done)


class ModelRunner:
    """A model behind an engine.

    Example: ``ModelRunner(engine, policy_io, agent="hf:runs/a/model")``.
    """

    def __init__(
        self,
        engine: Engine,
        policy_io: PolicyIO,
        *,
        agent: str,
        identity: str = "",
        seconds_limit: float | None = None,
        profile: RolloutProfile | None = None,
        on_trajectory: Callable[[Trajectory], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            engine: what answers.
            policy_io: wording, tokenizer, parser, sampling.
            agent: name in reports.
            identity: should change with the weights, so that rows of older weights are not reused.
            seconds_limit: wall time after which an episode is broken off, see ``collect``.
            profile: counters to add to.
            on_trajectory: called with each trajectory in full, which reports do not keep.
        """
        self.agent = agent
        self.identity = identity
        self.prompt_version = policy_io.prompt.version
        self.skills: Mapping[str, str] = {} if policy_io.preface is None else policy_io.preface.facts
        self.decoding: Mapping[str, Any] = {
            **policy_io.sampling.as_dict(),
            "max_context": engine.max_context,
        }
        self._engine, self._io = engine, policy_io
        self._seconds_limit, self._profile, self._on_trajectory = seconds_limit, profile, on_trajectory

    def play(
        self,
        specs: Sequence[EpisodeSpec],
        seed: int,
        world: World,
        num_envs: int,
        on_done: Callable[[Trajectory], None],
    ) -> None:
        """Up to ``num_envs`` episodes at the same time."""

        def done(trajectory: Trajectory) -> None:
            if self._on_trajectory is not None:
                self._on_trajectory(trajectory)
            on_done(trajectory)

        collect(
            specs,
            world,
            self._engine,
            self._io,
            num_envs=num_envs,
            on_done=done,
            seconds_limit=self._seconds_limit,
            profile=self._profile,
        )


def evaluate(
    runner: Runner,
    world: World,
    panel: Panel,
    *,
    seeds: Sequence[int] = (0,),
    num_envs: int = 16,
    max_steps: int | None = None,
    rows_path: str | os.PathLike[str] | None = None,
    on_row: Callable[[TaskResult], None] | None = None,
    world_options: Mapping[str, str] = MappingProxyType({}),
) -> EvalReport:
    """Play every task of a panel once per seed.

    The result does not depend on ``num_envs``, on the order of tasks, or on interruptions in between.

    Args:
        runner: who plays.
        world: opened with the panel's data.
        panel: the tasks; all of them count.
        seeds: evaluation seeds; a task's score is its mean over them.
        num_envs: most episodes at the same time.
        max_steps: step limit; ``None`` means the world's own.
        rows_path: JSON lines to which each result is appended when it is there. What a former call with the
            same settings has left there is kept; only missing or broken episodes are played.
        on_row: called with each new result.
        world_options: what the world was opened with beyond the panel's own settings; the report says so.

    Raises:
        DataMismatch: the world does not hold the panel's tasks, or ``rows_path`` is damaged.
        ConfigError: no or repeated seeds, or ``rows_path`` belongs to another evaluation.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise ConfigError(f"evaluation seeds are {list(seeds)}", remedy="give at least one, each only once")
    panel.verify(world.tasks)
    limit = step_limit(world, max_steps)
    decoding = {**runner.decoding, "max_steps": limit}
    rows = ResultRows(
        rows_path,
        {
            "env_id": panel.env_id,
            "panel_hash": panel.hash,
            "data_hash": world.tasks.data_hash,
            "agent": runner.agent,
            "agent_identity": runner.identity,
            "prompt_version": runner.prompt_version,
            "decoding": decoding,
            "version": __version__,
            **({"world": dict(world_options)} if world_options else {}),
            **({"skills": dict(runner.skills)} if runner.skills else {}),
        },
    )
    with rows:
        for seed in seeds:
            done = {task for (task, s), row in rows.results.items() if s == seed and row.status.is_scored}
            specs = [_spec(task_id, seed, limit) for task_id in panel.task_ids if task_id not in done]

            def finished(trajectory: Trajectory, seed: int = seed) -> None:
                row = task_result(trajectory, seed)
                rows.add(row)
                if on_row is not None:
                    on_row(row)

            if specs:
                runner.play(specs, seed, world, num_envs, finished)
    results = [rows.results[task_id, seed] for task_id in panel.task_ids for seed in seeds]
    return make_report(
        results,
        panel=panel,
        data_hash=world.tasks.data_hash,
        agent=runner.agent,
        prompt_version=runner.prompt_version,
        decoding={**decoding, "seeds": list(seeds)},
        world_options=world_options,
        skills=runner.skills,
    )


def make_report(
    results: Sequence[TaskResult],
    *,
    panel: Panel,
    data_hash: str,
    agent: str,
    prompt_version: str,
    decoding: Mapping[str, Any],
    world_options: Mapping[str, str] = MappingProxyType({}),
    skills: Mapping[str, str] = MappingProxyType({}),
) -> EvalReport:
    """Mean, interval and per-type means of these results."""
    scored = [row for row in results if row.status.is_scored]
    by_task = task_scores(scored)
    types = {row.task_id: row.task_type for row in scored}
    values = list(by_task.values())
    per_type: dict[str, list[float]] = {}
    for task_id, score in by_task.items():
        per_type.setdefault(types[task_id], []).append(score)
    return EvalReport(
        env_id=panel.env_id,
        panel=panel.name,
        panel_hash=panel.hash,
        data_hash=data_hash,
        prompt_version=prompt_version,
        agent=agent,
        decoding=decoding,
        commit=source_version(),
        scored=len(scored),
        errors=len(results) - len(scored),
        mean=float(np.mean(values)) if values else math.nan,
        interval=bootstrap_interval(values),
        per_type={name: (float(np.mean(per_type[name])), len(per_type[name])) for name in sorted(per_type)},
        results=tuple(results),
        world_options=dict(world_options),
        skills=dict(skills),
    )


def task_scores(results: Sequence[TaskResult]) -> dict[str, float]:
    """Each task's mean score over its scored seeds, in order of first appearance."""
    scores: dict[str, list[float]] = {}
    for row in results:
        if row.status.is_scored:
            scores.setdefault(row.task_id, []).append(row.score)
    return {task_id: float(np.mean(values)) for task_id, values in scores.items()}


def task_result(trajectory: Trajectory, seed: int) -> TaskResult:
    """The row of one episode; ``seed`` is the evaluation's, not the episode's."""
    return TaskResult(
        task_id=trajectory.task_id,
        task_type=trajectory.task_type,
        seed=seed,
        status=trajectory.status,
        score=trajectory.score,
        steps=len(trajectory.steps),
        valid_actions=sum(step.action_valid for step in trajectory.steps),
        failure=trajectory.failure,
    )


def _spec(task_id: str, seed: int, max_steps: int) -> EpisodeSpec:
    return EpisodeSpec(
        task_id=task_id,
        seed=named_seed("evaluation", seed, task_id),
        group_id=f"evaluation:{seed}/{task_id}",
        max_steps=max_steps,
    )
