"""Merging, packing, cutting into micro-batches, checking."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from craft_envs.errors import CraftError
from craft_rl.tokens.check import check_tokens
from craft_rl.tokens.merge import sequences
from craft_rl.tokens.pack import micro_batches, pack
from craft_rl.types import Step, Trajectory, TrajectoryStatus


def step(prompt: list[int], completion: list[int], *, imitate: bool = True) -> Step:
    return Step(
        observation="", response="", action="", prompt_ids=np.array(prompt, dtype=np.int32),
        completion_ids=np.array(completion, dtype=np.int32), imitate=imitate,
        completion_logprobs=-0.5 * np.arange(1, len(completion) + 1, dtype=np.float32), reward=0.0, anchor="",
        action_valid=True,
    )  # fmt: skip


def trajectory(*steps: Step, sibling: int = 0) -> Trajectory:
    return Trajectory(
        task_id="t", task_type="", seed=0, group_id="g", sibling=sibling, steps=steps,
        status=TrajectoryStatus.failed, return_=0.0, score=0.0,
    )  # fmt: skip


GROWING = trajectory(step([7, 8], [3, 2]), step([7, 8, 3, 2, 9], [4]), step([7, 8, 3, 2, 9, 4, 6, 6], [5, 5]))
FRESH = trajectory(step([7, 8], [3, 2]), step([7, 9], [4]), step([7, 9, 1], [5]), sibling=1)


def test_a_growing_prompt_is_one_sequence():
    (one,) = sequences(GROWING)
    assert one.token_ids.tolist() == [7, 8, 3, 2, 9, 4, 6, 6, 5, 5]
    assert one.loss_mask.astype(int).tolist() == [0, 0, 1, 1, 0, 1, 0, 0, 1, 1]
    assert one.behaviour_logprobs.tolist() == [0, 0, -0.5, -1, 0, -0.5, 0, 0, -0.5, -1]
    assert one.step_starts.tolist() == [2, 5, 8]
    assert one.step_stops.tolist() == [4, 6, 10]
    assert one.step_ids == (0, 1, 2)


def test_fresh_prompts_are_a_sequence_each():
    parts = sequences(FRESH)
    assert [p.token_ids.tolist() for p in parts] == [[7, 8, 3, 2], [7, 9, 4], [7, 9, 1, 5]]
    assert [p.step_ids for p in parts] == [(0,), (1,), (2,)]


def test_runs_that_break_and_grow_again():
    parts = sequences(trajectory(step([1], [2]), step([1, 2, 3], [4]), step([9], [5]), step([9, 5], [6])))
    assert [p.step_ids for p in parts] == [(0, 1), (2, 3)]
    # A prompt that holds the earlier prompt alone, or only part of the answer, does not continue it.
    assert len(sequences(trajectory(step([1], [2, 3]), step([1, 2], [3])))) == 2


def test_steps_without_tokens_leave_no_trace():
    parts = sequences(trajectory(step([1], []), step([1, 4], [2])))
    assert [p.step_ids for p in parts] == [(1,)]
    assert sequences(trajectory()) == []


def test_noisy_steps_are_not_imitated():
    noisy = trajectory(step([7], [3]), step([7, 3, 9], [4], imitate=False))
    assert pack([noisy]).loss_mask.sum() == 2
    assert pack([noisy], imitation=True).loss_mask.tolist() == [False, True, False, False]


def test_pack_lays_everything_on_one_axis():
    batch = pack([GROWING, FRESH], {"g/0": 2.0, "g/1": np.array([1.0, -1.0, 0.5], dtype=np.float32)})
    assert batch.sequence_starts.tolist() == [0, 10, 14, 17, 21]
    assert batch.trajectory_ids == ("g/0", "g/1", "g/1", "g/1")
    assert batch.step_ids == ((0, 1, 2), (0,), (1,), (2,))
    assert batch.advantages[:10].tolist() == [0, 0, 2, 2, 0, 2, 0, 0, 2, 2]
    assert batch.advantages[10:].tolist() == [0, 0, 1, 1, 0, 0, -1, 0, 0, 0, 0.5]
    check_tokens(batch, [GROWING, FRESH])
    assert len(pack([])) == 0


def test_pack_refuses_advantages_that_do_not_fit():
    with pytest.raises(ValueError, match="no advantage"):
        pack([GROWING], {})
    with pytest.raises(ValueError, match="3 steps"):
        pack([GROWING], {"g/0": np.zeros(2, dtype=np.float32)})
    with pytest.raises(ValueError, match="called 'g/0'"):
        pack([GROWING, GROWING])


@pytest.mark.parametrize("budget", [1, 8, 12, 1000])
def test_micro_batches_hold_every_token_once(budget):
    batch = pack([GROWING, FRESH])
    seen = np.zeros(len(batch.token_ids), dtype=int)
    widths = []
    for micro in micro_batches(batch, budget):
        rows, columns = micro.token_ids.shape
        assert rows == 1 or rows * columns <= budget
        assert micro.tokens == micro.lengths.sum()
        inside = np.arange(columns) < micro.lengths[:, None]
        assert np.array_equal(micro.token_ids[inside], batch.token_ids[micro.index[inside]])
        assert np.array_equal(micro.loss_mask[inside], batch.loss_mask[micro.index[inside]])
        assert not micro.token_ids[~inside].any()
        assert not micro.loss_mask[~inside].any()
        np.add.at(seen, micro.index[inside], 1)
        widths.append(columns)
    assert (seen == 1).all()
    assert widths == sorted(widths, reverse=True)


def test_micro_batches_of_some_sequences():
    batch = pack([GROWING, FRESH])
    assert [m.rows for m in micro_batches(batch, 8, [2, 1, 2])] == [(1, 2)]
    assert list(micro_batches(batch, 8, [])) == []
    with pytest.raises(ValueError, match="max_tokens"):
        list(micro_batches(batch, 0))


@pytest.mark.parametrize("damage", ["token", "context", "logprob", "mask", "missing"])
def test_the_check_finds_damage(damage):
    batch = pack([GROWING, FRESH])
    ids, mask, logprobs = batch.token_ids.copy(), batch.loss_mask.copy(), batch.behaviour_logprobs.copy()
    recorded = [GROWING, FRESH]
    if damage == "token":
        ids[3] = 99
    elif damage == "context":
        ids[10] = 99
    elif damage == "logprob":
        logprobs[2] = -9.0
    elif damage == "mask":
        mask[4] = True
    else:
        recorded = [GROWING, dataclasses.replace(FRESH, steps=(*FRESH.steps, step([7, 7], [7])))]
    broken = dataclasses.replace(batch, token_ids=ids, loss_mask=mask, behaviour_logprobs=logprobs)
    with pytest.raises(CraftError):
        check_tokens(broken, recorded)
