"""Corrections of failed attempts: sampled by the policy itself, verified by playing them in the world.

Of IBPO (arXiv 2605.16302) only the abstract is public. That a policy turns a failed attempt into a corrected
one in sight of a reference is theirs; what a correction is in a world of many steps is ours. Two operators:

* ``rewrite``: one response to ``agent/correct.py``'s prompt holds the corrected list of actions. The world is
  opened again with the attempt's own seed, the list is played as it stands, the world's verdict counts.
* ``resume``: the world is opened again, the attempt's recorded steps are played up to ``departure``, from
  there the policy plays on in its ordinary prompts with other draws. The reference decides the place alone,
  so this is prefix resampling, for policies that cannot follow an instruction.

Whatever breaks on the way is an outcome with a name; only ``solved`` earns anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from craft_envs.core import World
from craft_envs.errors import EngineFailure
from craft_rl.agent.correct import corrected_actions, correction_messages
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.correction_settings import IbpoConfig
from craft_rl.engine.protocol import Completion, Engine, Request
from craft_rl.rollout.episode import Episode, EpisodeSpec, RolloutProfile
from craft_rl.rollout.scheduler import advance, generate_each
from craft_rl.rollout.seeds import named_seed
from craft_rl.types import FloatArray, IntArray, ParseOutcome, Step, Trajectory, TrajectoryStatus


class CorrectionOutcome(StrEnum):
    """How a correction ended."""

    solved = "solved"
    """The world, played from the recorded or corrected actions, says that the task is solved."""
    distant = "distant"
    """Solved, but closer to the reference than to the attempt where that earns nothing."""
    failed = "failed"
    """Played to the end without success."""
    unreadable = "unreadable"
    """The response holds no action."""
    cut_off = "cut_off"
    """The response, or the corrected episode, reached the limit of tokens."""
    too_long = "too_long"
    """The prompt leaves no room for the response."""
    error_engine = "error_engine"
    error_world = "error_world"
    """The world broke, or did not repeat the recorded steps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorrectionJob:
    """One failed attempt with one reference."""

    attempt: Trajectory
    reference: Trajectory
    index: int
    """Number of the correction among those of the attempt."""
    seed: int
    """Of the sampler."""

    def spec(self, max_steps: int | None) -> EpisodeSpec:
        """The episode that verifies it: the attempt's world, draws of its own."""
        attempt = self.attempt
        return EpisodeSpec(
            task_id=attempt.task_id,
            seed=attempt.seed,
            group_id=f"{attempt.group_id}/{attempt.sibling}/correction",
            sibling=self.index,
            max_steps=max_steps,
            sampling_seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corrected:
    """What came of a job."""

    outcome: CorrectionOutcome
    steps: tuple[Step, ...] = ()
    """Steps of the corrected episode, as far as it was played."""
    generations: int = 0
    """Responses asked of the engine."""
    prompt_tokens: int = 0
    """Sum of the lengths of their prompts."""
    tokens: int = 0
    """Sampled tokens."""


def correct(
    jobs: Sequence[CorrectionJob],
    world: World,
    engine: Engine,
    io: PolicyIO,
    settings: IbpoConfig,
    *,
    num_envs: int,
    max_steps: int | None = None,
) -> list[Corrected]:
    """One result per job, in their order; which jobs run beside each other decides nothing.

    Args:
        jobs: attempts with references.
        world: where they were played.
        engine: the policy that played them, its weights unchanged.
        io: its prompts.
        settings: operator, ``max_new_tokens``.
        num_envs: most jobs at the same time.
        max_steps: step limit of an episode; ``None`` means the world's own.

    Raises:
        OutputNotFinite: the policy's output is nan or infinite.
    """
    run: Callable[..., list[Corrected]] = _rewrite if settings.operator == "rewrite" else _resume
    done: list[Corrected] = []
    for first in range(0, len(jobs), num_envs):
        part = jobs[first : first + num_envs]
        try:
            done += run(part, world, engine, io, settings, max_steps)
        finally:
            for job in part:
                engine.release(job.spec(max_steps).session_id)
    return done


def departure(attempt: Trajectory, reference: Trajectory, max_steps: int) -> int:
    """Index of the step from which an attempt is resumed: where it last left the reference's way.

    That is its last step in a state that the reference passed too, with another action than there, from which
    as many steps remain as the reference still needed. Without any: the first step whose actions differ.

    Args:
        attempt: failed, with at least one step.
        reference: successful.
        max_steps: limit of the episode.
    """
    needed: dict[str, int] = {}
    chosen: dict[str, set[str]] = {}
    for place, step in enumerate(reference.steps):
        needed[step.anchor] = len(reference.steps) - place
        chosen.setdefault(step.anchor, set()).add(step.action)
    for place in reversed(range(len(attempt.steps))):
        step = attempt.steps[place]
        shared = step.anchor in chosen and step.action not in chosen[step.anchor]
        if shared and place + needed[step.anchor] <= max_steps:
            return place
    pairs = zip(attempt.steps, reference.steps, strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0].action == pair[1].action, pairs))
    return min(same, len(attempt.steps) - 1)


def _rewrite(
    jobs: Sequence[CorrectionJob],
    world: World,
    engine: Engine,
    io: PolicyIO,
    settings: IbpoConfig,
    max_steps: int | None,
) -> list[Corrected]:
    requests = [_request(job, world, io, settings) for job in jobs]
    fitting = [r for r in requests if len(r.prompt_ids) + r.max_new_tokens <= engine.max_context]
    profile = RolloutProfile()
    answered = iter(generate_each(fitting, engine, profile, finite=True) if fitting else [])
    out = []
    for job, request in zip(jobs, requests, strict=True):
        if len(request.prompt_ids) + request.max_new_tokens > engine.max_context:
            out.append(Corrected(outcome=CorrectionOutcome.too_long))
            continue
        answer = next(answered)
        prompt = len(request.prompt_ids)
        if isinstance(answer, EngineFailure):
            out.append(Corrected(outcome=CorrectionOutcome.error_engine, generations=1, prompt_tokens=prompt))
            continue
        outcome, steps = _verify(job, answer, world, io, engine.max_context, max_steps, profile)
        out.append(
            Corrected(
                outcome=outcome,
                steps=steps,
                generations=1,
                prompt_tokens=prompt,
                tokens=len(answer.token_ids),
            )
        )
    return out


def _request(job: CorrectionJob, world: World, io: PolicyIO, settings: IbpoConfig) -> Request:
    task = world.tasks.task(job.attempt.task_id).instruction
    actions = [[step.action for step in t.steps] for t in (job.attempt, job.reference)]
    name = job.spec(None).session_id
    return Request(
        request_id=name,
        session_id=name,
        prompt_ids=io.codec.open(correction_messages(io, task, *actions)),
        max_new_tokens=settings.max_new_tokens,
        temperature=io.sampling.temperature,
        top_p=io.sampling.top_p,
        top_k=io.sampling.top_k,
        seed=job.seed,
        stop_ids=io.codec.stop_ids,
    )


def _verify(
    job: CorrectionJob,
    answer: Completion,
    world: World,
    io: PolicyIO,
    max_context: int,
    max_steps: int | None,
    profile: RolloutProfile,
) -> tuple[CorrectionOutcome, tuple[Step, ...]]:
    """Play what the policy wrote, each action as the response it stands for."""
    if answer.finish == "length":
        return CorrectionOutcome.cut_off, ()
    actions = corrected_actions(io.codec.decode(answer.token_ids), form=io.prompt.form)
    if not actions:
        return CorrectionOutcome.unreadable, ()
    thought = "" if io.prompt.think == "required" else None
    episode = Episode(job.spec(max_steps), world, io, max_context=max_context, profile=profile)
    episode.begin()
    steps: list[Step] = []
    for action in actions:
        if episode.request is None:
            break
        ids = io.codec.respond(io.write(action, thought=thought))
        if len(ids) > io.sampling.max_new_tokens:
            return CorrectionOutcome.cut_off, tuple(steps)
        _say(episode, ids, np.zeros(len(ids), np.float32), cut=False)
        steps = list(episode.steps)
    return _outcome(episode.trajectory), tuple(steps)


def _resume(
    jobs: Sequence[CorrectionJob],
    world: World,
    engine: Engine,
    io: PolicyIO,
    settings: IbpoConfig,
    max_steps: int | None,
) -> list[Corrected]:
    profile = RolloutProfile()
    episodes: list[tuple[Episode, int, bool]] = []
    for job in jobs:
        place = departure(job.attempt, job.reference, max_steps or world.max_steps)
        episode = Episode(job.spec(max_steps), world, io, max_context=engine.max_context, profile=profile)
        episodes.append((episode, place, _repeat(episode, job.attempt.steps[: place + 1])))
    while going := [e for e, _, repeats in episodes if repeats and e.trajectory is None]:
        advance(going, world, engine, profile, finite=True)
    return [_resumed(*entry) for entry in episodes]


def _repeat(episode: Episode, steps: Sequence[Step]) -> bool:
    """Play all recorded steps but the last, which waits to be played anew; whether the world repeats them."""
    episode.begin()
    for number, step in enumerate(steps):
        request = episode.request
        if request is None or not np.array_equal(request.prompt_ids, step.prompt_ids):
            return False
        if number < len(steps) - 1:
            cut = step.parse is ParseOutcome.cut_off
            _say(episode, step.completion_ids, step.completion_logprobs, cut=cut)
    return True


def _resumed(episode: Episode, place: int, repeats: bool) -> Corrected:
    if not repeats:
        return Corrected(outcome=CorrectionOutcome.error_world)
    own = episode.steps[place:]
    return Corrected(
        outcome=_outcome(episode.trajectory),
        steps=tuple(episode.steps),
        generations=len(own),
        prompt_tokens=sum(len(step.prompt_ids) for step in own),
        tokens=sum(len(step.completion_ids) for step in own),
    )


def _say(episode: Episode, ids: IntArray, logprobs: FloatArray, *, cut: bool) -> None:
    """Answer with ids that nobody samples now."""
    assert episode.request is not None
    completion = Completion(
        request_id=episode.request.request_id,
        token_ids=ids,
        logprobs=logprobs,
        finish="length" if cut else "stop",
    )
    episode.apply(completion, 0)


def _outcome(played: Trajectory | None) -> CorrectionOutcome:
    """What the world says; a list of actions that ended before the task did has not solved it."""
    if played is None:
        return CorrectionOutcome.failed
    if played.status is TrajectoryStatus.truncated_context:
        return CorrectionOutcome.cut_off
    if played.status is TrajectoryStatus.error_engine:
        return CorrectionOutcome.error_engine
    if played.status.is_error:
        return CorrectionOutcome.error_world
    return CorrectionOutcome.solved if played.success else CorrectionOutcome.failed


def correction_seed(run_seed: int, attempt: str, index: int) -> int:
    """Seed of one correction's sampler, by the attempt's id."""
    return named_seed("correction", run_seed, attempt, index)
