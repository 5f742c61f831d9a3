"""Invariant 5: ids trained on are the ids sampled, with the sampler's log-probs."""

from __future__ import annotations

import numpy as np
import pytest

from craft_rl.engine.hf import HFEngine
from craft_rl.engine.protocol import Request
from craft_rl.tokens.check import check_tokens, logprob_gap
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.pack import pack
from craft_rl.types import Step, Trajectory, TrajectoryStatus
from tests.rl.tiny_policy import CHATML, THOUGHTLESS, TRIMMING, policy

STEPS, EPISODES, TEMPERATURE = 20, 6, 0.9


def episodes(template: str, history: str) -> list[Trajectory]:
    """Twenty steps each; answers are whatever a random policy samples, cut or finished."""
    made = policy(template)
    codec = ChatCodec(made.tokenizer)
    engine = HFEngine(made.model, slots=EPISODES, max_context=1024)
    draw = np.random.default_rng(0)
    tasks = {n: {"role": "user", "content": f"Put mug {n} on the desk."} for n in range(EPISODES)}
    prompt = {n: codec.open([task]) for n, task in tasks.items()}
    steps: dict[int, list[Step]] = {n: [] for n in prompt}
    for turn in range(STEPS):
        answers = engine.generate(
            [
                Request(
                    request_id=f"{n}/{turn}", session_id=f"{n}", prompt_ids=prompt[n],
                    max_new_tokens=int(draw.integers(2, 9)), temperature=TEMPERATURE, seed=1000 * n + turn,
                    stop_ids=(*codec.stop_ids, 60, 61, 62),
                )
                for n in prompt
            ]
        )  # fmt: skip
        for n, answer in enumerate(answers):
            text = codec.decode(answer.token_ids)
            steps[n].append(
                Step(
                    observation="", response=text, action="", reward=0.0, anchor="", action_valid=True,
                    prompt_ids=prompt[n], completion_ids=answer.token_ids,
                    completion_logprobs=answer.logprobs,
                )
            )  # fmt: skip
            seen = f"desk {turn}"
            if history == "full":
                prompt[n] = codec.extend(prompt[n], answer.token_ids, seen)
            else:
                # The template sees the text of the last answer only, and drops its thoughts where it does so.
                prompt[n] = codec.open(
                    [
                        tasks[n],
                        {"role": "assistant", "content": f"<think>{turn}</think>{text}"},
                        {"role": "user", "content": seen},
                    ]
                )
    return [
        Trajectory(
            task_id="t", task_type="", seed=n, group_id="g", sibling=n, steps=tuple(steps[n]),
            status=TrajectoryStatus.failed, return_=0.0, score=0.0,
        )
        for n in steps
    ]  # fmt: skip


@pytest.mark.parametrize("history", ["full", "window"])
@pytest.mark.parametrize(
    "template", ["", CHATML, THOUGHTLESS, TRIMMING], ids=["own", "chatml", "thoughtless", "trimming"]
)
def test_what_is_trained_is_what_was_sampled(template, history):
    trajectories = episodes(template, history)
    batch = pack(trajectories)
    if history == "full":
        assert len(batch) == EPISODES
    else:
        # A second prompt may by chance be what the first one grows to; later ones have lost their beginning.
        assert EPISODES * (STEPS - 1) <= len(batch) <= EPISODES * STEPS
    check_tokens(batch, trajectories)
    sampled = sum(len(s.completion_ids) for t in trajectories for s in t.steps)
    assert batch.loss_mask.sum() == sampled > EPISODES * STEPS * 2
    worst, gap = logprob_gap(policy(template).model, batch, temperature=TEMPERATURE, max_tokens=1500)
    assert worst < 1e-4
    assert not gap[~batch.loss_mask].any()
    # The bound means something: another temperature is far outside it.
    assert logprob_gap(policy(template).model, batch, temperature=1.0)[0] > 0.01
