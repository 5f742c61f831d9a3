"""Demonstrations: same tokens as the policy's, noise that is shown but not imitated."""

from __future__ import annotations

import numpy as np
import pytest

from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError, EnvCrash
from craft_envs.types import StepInfo
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.rollout.demonstrate import demonstrate, demonstration_specs
from craft_rl.rollout.scheduler import collect
from craft_rl.types import Trajectory, TrajectoryStatus
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld, go_right


class Walker:
    """Reads the goal and walks there from wherever it is."""

    def __init__(self, env: TextEnv) -> None:
        self.env = env
        self.goal = 0

    def reset(self, info: StepInfo) -> None:
        self.goal = int(info["instruction"].split()[-1].rstrip("."))

    def act(self, observation: str, info: StepInfo) -> str:
        assert info["task_id"] == self.env.session.task.task_id
        place = int(info["anchor"].split("@")[1])
        assert f"You stand at {place}." in observation
        return "right" if place < self.goal else "left"


def policy_io(think: str = "off", max_new_tokens: int = 64) -> PolicyIO:
    return PolicyIO(
        codec=ToyCodec(),
        prompt=PromptSettings(template="compact/1", history="full", think=think),
        sampling=Sampling(max_new_tokens=max_new_tokens),
    )


def demos(
    noise: float = 0.0, per_task: int = 1, world: ToyWorld | None = None, **io: object
) -> list[Trajectory]:
    world = world or ToyWorld(max_steps=30)
    specs = demonstration_specs(world.tasks.task_ids("train"), per_task=per_task)
    return demonstrate(specs, world, policy_io(**io), agent=Walker, noise=noise, max_context=4096)


def test_tokens_are_those_of_a_policy_that_acts_alike():
    world = ToyWorld(max_steps=30)
    specs = demonstration_specs(world.tasks.task_ids("train"))
    played = collect(specs, world, ToyEngine(go_right), policy_io(), num_envs=4)
    for shown, policy in zip(demos(), played, strict=True):
        assert shown.status is policy.status is TrajectoryStatus.solved
        for a, b in zip(shown.steps, policy.steps, strict=True):
            assert np.array_equal(a.prompt_ids, b.prompt_ids)
            assert np.array_equal(a.completion_ids, b.completion_ids)
            assert (a.response, a.action, a.observation, a.imitate) == (
                b.response,
                b.action,
                b.observation,
                True,
            )


def test_noisy_steps_are_played_but_not_imitated():
    trajectories = demos(noise=0.4, per_task=20)
    steps = [s for t in trajectories for s in t.steps]
    wrong = [s for s in steps if not s.imitate]
    # Half of the random actions happen to be the agent's own.
    assert 0.1 < len(wrong) / len(steps) < 0.3
    assert all(s.action in s.response for s in wrong)
    assert all(t.success for t in trajectories)
    assert max(len(t.steps) for t in trajectories) > 4


def test_noise_depends_on_the_episode_alone():
    few, many = demos(noise=0.4)[:3], demos(noise=0.4, per_task=2)
    by_name = {(t.task_id, t.sibling): [s.action for s in t.steps] for t in many}
    assert [[s.action for s in t.steps] for t in few] == [by_name[t.task_id, 0] for t in few]
    assert by_name != {(t.task_id, t.sibling): [s.action for s in t.steps] for t in demos(per_task=2)}


def test_required_thoughts_are_written():
    (step, *_) = demos(think="required")[0].steps
    assert step.response.startswith("<think></think>") and step.action_valid


def test_a_thought_writer_sees_the_step():
    world = ToyWorld()
    specs = demonstration_specs(["train/1"])
    (trajectory,) = demonstrate(
        specs,
        world,
        policy_io("optional"),
        agent=Walker,
        max_context=4096,
        thought=lambda observation, info, action: f"{info['elapsed_steps']}: {action}!",
    )
    assert [s.response.split("</think>")[0] for s in trajectory.steps] == [
        "<think>0: right!",
        "<think>1: right!",
    ]


def test_broken_worlds_and_full_contexts_are_statuses_here_too():
    world = ToyWorld(crash={"train/1": 1}, error=EnvCrash)
    assert [t.status.value for t in demos(world=world)[:2]] == ["solved", "error_env"]
    specs = demonstration_specs(["train/3"])
    (trajectory,) = demonstrate(specs, ToyWorld(), policy_io(), agent=Walker, max_context=200)
    assert trajectory.status is TrajectoryStatus.truncated_context


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="noise"):
        demos(noise=1.5)
    with pytest.raises(ConfigError, match="max_new_tokens"):
        demos(max_new_tokens=5)


def test_noise_spares_the_actions_that_are_named():
    world = ToyWorld(max_steps=30)
    specs = demonstration_specs(world.tasks.task_ids("train"), per_task=10)
    played = demonstrate(
        specs, world, policy_io(), agent=Walker, noise=0.5, no_slips=("left",), max_context=4096
    )
    assert all(s.imitate and s.action == "right" for t in played for s in t.steps)
