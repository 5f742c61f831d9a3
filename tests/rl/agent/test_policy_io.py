"""Sampling settings are checked; texts for a tokenizer hold every word that is met."""

from __future__ import annotations

import pytest

from craft_envs.errors import ConfigError
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.rollout.episode import EpisodeSpec
from craft_rl.rollout.scheduler import collect
from craft_rl.rollout.texts import texts_of
from craft_rl.types import ParseOutcome
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld, go_right


@pytest.mark.parametrize(
    "bad", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"max_new_tokens": 0}]
)
def test_impossible_sampling_is_refused(bad: dict[str, float]):
    (name,) = bad
    with pytest.raises(ConfigError, match=name):
        Sampling(**bad)


def test_reading_follows_the_prompt_settings():
    required = PolicyIO(codec=ToyCodec(), prompt=PromptSettings(think="required"))
    legacy = PolicyIO(codec=ToyCodec(), prompt=PromptSettings(form="legacy"))
    assert required.read("<action>Look</action>", cut=False).outcome is ParseOutcome.no_think
    assert legacy.read("<think></think><action>Look</action>", cut=False).action == "look"
    assert required.read("<think>", cut=True).outcome is ParseOutcome.cut_off


def test_texts_are_instructions_observations_responses():
    world = ToyWorld()
    io = PolicyIO(codec=ToyCodec(), sampling=Sampling(max_new_tokens=64))
    spec = EpisodeSpec(task_id="train/1", seed=0, group_id="g")
    played = collect([spec], world, ToyEngine(go_right), io, num_envs=1)
    texts = list(texts_of(played, world, task_ids=["train/2"]))
    assert texts[0] == "walk to 2." and texts[-1] == "walk to 3."
    assert texts[1:-1] == [t for s in played[0].steps for t in (s.observation, s.response)]
