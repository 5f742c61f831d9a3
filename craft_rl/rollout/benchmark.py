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
    dialogue_tokens: int
    """Tokens that the model has to read at least once: those of the last prompts with their responses where
    the dialogue only grows, those of every prompt with its response where each step opens a fresh one. The
    last token of a response at an episode's end needs no reading."""
    encoded_tokens: int
    """Tokens that went through the model, in prompts as well as while sampling."""
    uncached_tokens: int
    """Tokens that would have gone through it without a cache across steps."""
    encoded_per_token: float
    """``encoded_tokens / dialogue_tokens``: how often each token of a dialogue went through the model."""
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
    played = [t.steps for t in trajectories if t.steps]
    # Sampling C tokens passes C - 1 of them through the model; the last one is read with the next prompt.
    sampling = sum(len(step.completion_ids) - 1 for steps in played for step in steps)
    read = [steps[-1:] if policy_io.prompt.history == "full" else steps for steps in played]
    dialogue = sum(len(s.prompt_ids) + len(s.completion_ids) - 1 for steps in read for s in steps)
    encoded = used.prompt_tokens_encoded + sampling
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
        dialogue_tokens=dialogue,
        encoded_tokens=encoded,
        uncached_tokens=used.prompt_tokens_given + sampling,
        encoded_per_token=encoded / max(dialogue, 1),
        num_envs=num_envs,
        prompt_version=policy_io.prompt.version,
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        craft=source_version(),
    )
