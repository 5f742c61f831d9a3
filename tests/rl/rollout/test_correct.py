"""Corrections: sampled, played in the world again, every way of breaking a counted outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.correction_settings import IbpoConfig
from craft_rl.rollout.correct import (
    Corrected,
    CorrectionJob,
    CorrectionOutcome,
    correct,
    correction_seed,
    departure,
)
from craft_rl.rollout.episode import EpisodeSpec
from craft_rl.rollout.scheduler import collect
from craft_rl.types import Trajectory
from tests.rl.toy_rollout import ToyBatchWorld, ToyCodec, ToyEngine, ToyWorld, go_right, wander

TASK = "train/1"
"""Walk to 2."""
IO = PolicyIO(codec=ToyCodec(), prompt=PromptSettings(history="full"), sampling=Sampling(max_new_tokens=64))
REWRITE = IbpoConfig(weight=0.6, max_new_tokens=200)
RESUME = IbpoConfig(weight=0.6, operator="resume")
ASKED = "Below are two attempts"


def written(*actions: str) -> str:
    return "\n".join(f"<action>{action}</action>" for action in actions)


def says(text: str) -> Callable[[str, float], str]:
    """A policy that corrects in these words, otherwise walks left."""
    return lambda prompt, _: text if ASKED in prompt else written("left")


def walk(actions: Sequence[str], sibling: int = 0, max_steps: int | None = None) -> Trajectory:
    """An episode that plays these actions, then the last one again."""

    def rule(prompt: str, number: float) -> str:
        taken = prompt.count("You stand at") + prompt.count("Nothing happens") - 1
        return written(actions[min(taken, len(actions) - 1)])

    spec = EpisodeSpec(task_id=TASK, seed=4, group_id="u0/" + TASK, sibling=sibling, max_steps=max_steps)
    return collect([spec], ToyWorld(), ToyEngine(rule), IO, num_envs=1)[0]


def job(attempt: Trajectory, reference: Trajectory, index: int = 0) -> CorrectionJob:
    seed = correction_seed(0, f"{attempt.group_id}/{attempt.sibling}", index)
    return CorrectionJob(attempt=attempt, reference=reference, index=index, seed=seed)


@pytest.fixture(scope="module")
def attempt() -> Trajectory:
    return walk(["left"], sibling=1)


@pytest.fixture(scope="module")
def reference() -> Trajectory:
    return walk(["right"])


def one(
    attempt: Trajectory,
    reference: Trajectory,
    engine: ToyEngine,
    settings: IbpoConfig = REWRITE,
    world: ToyWorld | None = None,
) -> Corrected:
    (done,) = correct([job(attempt, reference)], world or ToyWorld(), engine, IO, settings, num_envs=4)
    assert not engine.open_sessions, "every session is released"
    return done


def test_the_ends_are_as_meant(attempt: Trajectory, reference: Trajectory) -> None:
    assert not attempt.success and len(attempt.steps) == 8
    assert reference.success and [s.action for s in reference.steps] == ["right", "right"]


@pytest.mark.parametrize(
    ("text", "outcome", "played"),
    [
        (written("right", "right"), "solved", 2),
        (written("left", "right", "right", "right", "look"), "solved", 4),
        (written("right"), "failed", 1),
        (written(*["left"] * 9), "failed", 8),
        ("Walk to the right.", "unreadable", 0),
        (written(*["right"] * 20), "cut_off", 0),
        (written("r" * 60), "cut_off", 0),
    ],
)
def test_a_rewritten_attempt_is_what_the_world_says(
    attempt: Trajectory, reference: Trajectory, text: str, outcome: str, played: int
) -> None:
    done = one(attempt, reference, ToyEngine(says(text)))
    assert done.outcome == outcome and len(done.steps) == played
    assert done.generations == 1 and done.prompt_tokens > 100
    assert done.tokens == min(len(text) + 1, REWRITE.max_new_tokens)


def test_what_breaks_is_named(attempt: Trajectory, reference: Trajectory) -> None:
    good = written("right", "right")
    found = [
        one(attempt, reference, ToyEngine(says(good), poison="correction")),
        one(attempt, reference, ToyEngine(says(good)), world=ToyWorld(crash={TASK: 2})),
        one(attempt, reference, ToyEngine(says(good)), world=ToyWorld(crash={TASK: 0})),
        one(attempt, reference, ToyEngine(says(good), max_context=300)),
        one(attempt, reference, ToyEngine(go_right, poison="correction"), RESUME),
        one(attempt, reference, ToyEngine(go_right), RESUME, world=ToyWorld(crash={TASK: 1})),
    ]
    names = ["error_engine", "error_world", "error_world", "too_long", "error_engine", "error_world"]
    assert [done.outcome.value for done in found] == names
    assert found[3].generations == 0, "what cannot fit is not asked for"


def test_one_engine_failure_leaves_the_others_alone(attempt: Trajectory, reference: Trajectory) -> None:
    jobs = [job(attempt, reference, index) for index in range(3)]
    engine = ToyEngine(says(written("right", "right")), poison="correction/1")
    done = correct(jobs, ToyWorld(), engine, IO, REWRITE, num_envs=4)
    assert [d.outcome.value for d in done] == ["solved", "error_engine", "solved"]


def test_resuming_plays_the_recorded_steps_then_the_policy(reference: Trajectory) -> None:
    attempt = walk(["right", "left", "left"], sibling=1)
    assert departure(attempt, reference, 8) == 2, "the last state that both passed"
    assert departure(attempt, reference, 3) == 1, "from there the reference needed more steps than are left"
    assert departure(walk(["left"], sibling=1), reference, 8) == 0
    done = one(attempt, reference, ToyEngine(go_right), RESUME)
    assert done.outcome is CorrectionOutcome.solved
    assert [s.action for s in done.steps] == ["right", "left", "right", "right"]
    assert done.generations == 2 and done.tokens == sum(len(s.completion_ids) for s in done.steps[2:])
    for mine, theirs in zip(done.steps[:2], attempt.steps[:2], strict=True):
        assert np.array_equal(mine.prompt_ids, theirs.prompt_ids)
        assert np.array_equal(mine.completion_ids, theirs.completion_ids)


def test_a_departure_without_a_shared_state_is_the_first_difference(reference: Trajectory) -> None:
    other = dataclasses.replace(
        reference, steps=tuple(dataclasses.replace(s, anchor=f"x{i}") for i, s in enumerate(reference.steps))
    )
    assert departure(walk(["right", "left"]), other, 8) == 1
    prefix = dataclasses.replace(reference, steps=reference.steps[:1])
    assert departure(prefix, other, 8) == 0, "an attempt that only stopped early is resumed at its last step"


def test_a_world_that_does_not_repeat_is_an_error(reference: Trajectory) -> None:
    attempt = walk(["right", "left", "left"], sibling=1)
    steps = list(attempt.steps)
    steps[1] = dataclasses.replace(
        steps[1], prompt_ids=np.append(steps[1].prompt_ids[:-1], 7).astype(np.int32)
    )
    changed = dataclasses.replace(attempt, steps=tuple(steps))
    done = one(changed, reference, ToyEngine(go_right), RESUME)
    assert done.outcome is CorrectionOutcome.error_world and done.tokens == 0


def test_another_draw_than_the_attempts(reference: Trajectory) -> None:
    """The sampler's seed is the correction's own: the same policy goes on in another way."""
    engine = ToyEngine(wander)
    spec = EpisodeSpec(task_id=TASK, seed=11, group_id="u0/" + TASK, sibling=1, max_steps=3)
    attempt = collect([spec], ToyWorld(), engine, IO, num_envs=1)[0]
    jobs = [job(attempt, reference, index) for index in range(6)]
    done = correct(jobs, ToyWorld(), engine, IO, RESUME, num_envs=6, max_steps=3)
    courses = {tuple(step.action for step in d.steps) for d in done}
    assert len(courses) > 2


@pytest.mark.parametrize("settings", [REWRITE, RESUME], ids=["rewrite", "resume"])
def test_neighbours_decide_nothing(reference: Trajectory, settings: IbpoConfig) -> None:
    def rule(prompt: str, number: float) -> str:
        if ASKED in prompt:
            return written(*["right" if number < 0.5 else "left"] * 2)
        return wander(prompt, number)

    attempts = [walk(["left", "right", "left"], sibling=1), walk(["look", "left"], sibling=2)]
    jobs = [job(attempt, reference, index) for attempt in attempts for index in range(4)]
    runs = []
    for num_envs, world in ((1, ToyWorld()), (8, ToyWorld()), (3, ToyBatchWorld())):
        done = correct(jobs, world, ToyEngine(rule), IO, settings, num_envs=num_envs)
        runs.append([(d.outcome, d.tokens, [s.response for s in d.steps]) for d in done])
    assert runs[0] == runs[1] == runs[2]
    assert {outcome for outcome, _, _ in runs[0]} >= {CorrectionOutcome.solved}
