"""collect: many episodes over one engine, always as many at once as allowed.

Finished episodes leave the batch at once, waiting ones enter it in the order of their specs. Nothing about
an episode depends on which others run beside it, so the result is the same for every ``num_envs``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice

from craft_envs.core import World, act_together
from craft_envs.errors import ConfigError, EngineFailure, OutputNotFinite
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.protocol import Completion, Engine, Request
from craft_rl.rollout.episode import Episode, EpisodeSpec, RolloutProfile, check_specs
from craft_rl.rollout.seeds import episode_seed
from craft_rl.types import Group, Trajectory


def collect(
    specs: Sequence[EpisodeSpec],
    world: World,
    engine: Engine,
    policy_io: PolicyIO,
    *,
    num_envs: int,
    on_done: Callable[[Trajectory], None] | None = None,
    seconds_limit: float | None = None,
    profile: RolloutProfile | None = None,
    finite: bool = False,
) -> list[Trajectory]:
    """Play every spec; one trajectory each, in the order of the specs.

    Args:
        specs: the episodes.
        world: what is played.
        engine: what answers.
        policy_io: wording, tokenizer, parser, sampling.
        num_envs: most episodes open at the same time.
        on_done: called with each trajectory when it ends, in the order of ending.
        seconds_limit: wall time after which an episode ends as ``error_timeout``; looked at between steps.
            ``None`` means no limit.
        profile: counters to add to.
        finite: stop where the model's output is nan or infinite, as training must; otherwise that episode
            alone ends as ``error_engine``.

    Raises:
        OutputNotFinite: see ``finite``.
        ConfigError: bad ``num_envs``, colliding specs, unknown task, or a context too small for one response.
    """
    if num_envs < 1:
        raise ConfigError(f"num_envs is {num_envs}", remedy="give at least 1")
    wanted = policy_io.sampling.max_new_tokens
    if wanted >= engine.max_context:
        raise ConfigError(
            f"a response may have {wanted} tokens, the engine's whole context has {engine.max_context}",
            remedy="lower max_new_tokens or give the engine a larger max_context",
        )
    ordered = list(specs)
    check_specs(ordered)
    profile = profile if profile is not None else RolloutProfile()
    results: list[Trajectory | None] = [None] * len(ordered)
    waiting = iter(enumerate(ordered))
    active: list[tuple[int, Episode]] = []
    started = time.perf_counter()
    try:
        while True:
            while len(active) < num_envs:
                entering = list(islice(waiting, num_envs - len(active)))
                if not entering:
                    break
                for index, spec in entering:
                    episode = Episode(
                        spec,
                        world,
                        policy_io,
                        max_context=engine.max_context,
                        profile=profile,
                        seconds_limit=seconds_limit,
                    )
                    active.append((index, episode))
                    episode.begin()
                # An episode can end before its first response; its place goes to the next one.
                active = _without_ended(active, results, engine, on_done)
            if not active:
                break
            advance([episode for _, episode in active], world, engine, profile, finite=finite)
            active = _without_ended(active, results, engine, on_done)
    finally:
        for _, episode in active:
            engine.release(episode.spec.session_id)
        profile.seconds_total += time.perf_counter() - started
    return [t for t in results if t is not None]


def group_specs(
    task_ids: Sequence[str], *, group_size: int, run_seed: int, update: int, max_steps: int | None = None
) -> list[EpisodeSpec]:
    """The specs of one training batch: ``group_size`` siblings of each task, siblings side by side.

    Example: ``group_specs(["train/a"], group_size=2, run_seed=0, update=7)`` has the sessions
    ``u7/train/a/0`` together with ``u7/train/a/1``.
    """
    return [
        EpisodeSpec(
            task_id=task_id,
            seed=episode_seed(run_seed, update, task_id, sibling),
            group_id=f"u{update}/{task_id}",
            sibling=sibling,
            max_steps=max_steps,
        )
        for task_id in task_ids
        for sibling in range(group_size)
    ]


def grouped(trajectories: Sequence[Trajectory]) -> list[Group]:
    """Trajectories by group, groups in order of first appearance, siblings in sibling order."""
    members: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        members.setdefault(trajectory.group_id, []).append(trajectory)
    return [
        Group(group_id=group_id, trajectories=tuple(sorted(of_group, key=lambda t: t.sibling)))
        for group_id, of_group in members.items()
    ]


def advance(
    episodes: list[Episode], world: World, engine: Engine, profile: RolloutProfile, *, finite: bool
) -> None:
    """One round: every active episode gets its answer, or its failure; ``finite`` as in ``collect``."""
    together = hasattr(world, "act_many")
    acting: list[tuple[Episode, str]] = []
    requests = [episode.request for episode in episodes]
    assert all(request is not None for request in requests)
    version = engine.policy_version
    answers = generate_each([r for r in requests if r], engine, profile, finite=finite)
    for episode, answer in zip(episodes, answers, strict=True):
        if isinstance(answer, EngineFailure):
            episode.fail(answer)
        elif together:
            acting.append((episode, episode.read(answer, version)))
        else:
            episode.apply(answer, version)
    if not acting:
        return
    started = time.perf_counter()
    outcomes = act_together(
        world, [episode.session for episode, _ in acting], [action for _, action in acting]
    )
    profile.seconds_world += time.perf_counter() - started
    for (episode, _), outcome in zip(acting, outcomes, strict=True):
        episode.settle(outcome)


def generate_each(
    requests: list[Request], engine: Engine, profile: RolloutProfile, *, finite: bool
) -> list[Completion | EngineFailure]:
    """Completions in order; when the engine refuses the batch, each request is tried by itself.

    A request's result does not depend on its neighbours, so the repetition changes nothing for the others.

    Raises:
        OutputNotFinite: with ``finite``, the first time that the engine raises it.
    """
    started = time.perf_counter()
    profile.rounds += 1
    try:
        return list(engine.generate(requests))
    except EngineFailure as failure:
        if finite and isinstance(failure, OutputNotFinite):
            raise
        if len(requests) == 1:
            return [failure]
    finally:
        profile.seconds_engine += time.perf_counter() - started
    return [generate_each([request], engine, profile, finite=finite)[0] for request in requests]


def _without_ended(
    active: list[tuple[int, Episode]],
    results: list[Trajectory | None],
    engine: Engine,
    on_done: Callable[[Trajectory], None] | None,
) -> list[tuple[int, Episode]]:
    """Store what has ended; what goes on."""
    going: list[tuple[int, Episode]] = []
    for index, episode in active:
        if episode.trajectory is None:
            going.append((index, episode))
            continue
        results[index] = episode.trajectory
        engine.release(episode.spec.session_id)
        if on_done is not None:
            on_done(episode.trajectory)
    return going
