"""Where the wall time of a rollout goes, with the model playing real episodes."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

from craft_envs.core import World, split_task_ids
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.protocol import Engine
from craft_rl.report.version import source_version
from craft_rl.rollout.episode import RolloutProfile
from craft_rl.rollout.scheduler import collect, group_specs


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReport:
    """One measured rollout.

    Example: ``shares={"engine": 0.97, "world": 0.001, "tokens": 0.024, "glue": 0.005}``.
    """

    episodes: int
    steps: int
    seconds: float
    steps_per_s: float
    tokens_per_s: float
    """Sampled tokens."""
    shares: dict[str, float]
    """Part of the wall time: engine, world, tokens (templates, tokenising, parsing), glue (the rest)."""
    microseconds_per_step: dict[str, float]
    """The same parts, for one step of one episode."""
    prompt_tokens_given: int
    """Sum of the lengths of all prompts."""
    prompt_tokens_encoded: int
    """Those that went through the model; the others were in its cache."""
    encoded_per_token: float
    """Encoded prompt tokens for each distinct token of the episodes' dialogues; 1 is the least possible."""
    num_envs: int
    prompt_version: str
    machine: str
    craft: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def benchmark_rollout(
    world: World,
    engine: Engine,
    policy_io: PolicyIO,
    *,
    split: str = "train",
    episodes: int = 64,
    num_envs: int = 32,
    max_steps: int = 20,
    seed: int = 0,
) -> RolloutReport:
    """Play one warm-up episode, then ``episodes`` different tasks, and account for the time.

    Raises:
        ConfigError: as ``collect`` says, or an empty split.
    """
    every = split_task_ids(world.tasks, split)
    stride = max(1, len(every) // episodes)
    specs = group_specs(
        every[::stride][:episodes], group_size=1, run_seed=seed, update=0, max_steps=max_steps
    )
    collect(specs[:1], world, engine, policy_io, num_envs=1)
    profile = RolloutProfile()
    before = engine.counters.copy()
    trajectories = collect(specs, world, engine, policy_io, num_envs=num_envs, profile=profile)
    used = engine.counters.since(before)
    # Every token that a prompt shows beyond its own episode's earlier prompts and responses.
    fresh = 0
    for trajectory in trajectories:
        held = 0
        for step in trajectory.steps:
            extends = policy_io.prompt.history == "full" and held
            fresh += len(step.prompt_ids) - (held if extends else 0)
            held = len(step.prompt_ids) + len(step.completion_ids)
    seconds = profile.seconds_total
    parts = {
        "engine": profile.seconds_engine,
        "world": profile.seconds_world,
        "tokens": profile.seconds_tokens,
        "glue": profile.seconds_glue,
    }
    return RolloutReport(
        episodes=profile.episodes,
        steps=profile.steps,
        seconds=seconds,
        steps_per_s=profile.steps / seconds,
        tokens_per_s=profile.completion_tokens / seconds,
        shares=profile.shares(),
        microseconds_per_step={name: 1e6 * value / max(profile.steps, 1) for name, value in parts.items()},
        prompt_tokens_given=used.prompt_tokens_given,
        prompt_tokens_encoded=used.prompt_tokens_encoded,
        encoded_per_token=used.prompt_tokens_encoded / max(fresh, 1),
        num_envs=num_envs,
        prompt_version=policy_io.prompt.version,
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        craft=source_version(),
    )
