"""Behaviour cloning: what carries loss, that it learns, that it repeats."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from craft_envs.errors import ConfigError
from craft_rl.config import OptimConfig, SFTConfig
from craft_rl.sft import copy_batch, copy_lengths, length_bucketed, sft, split_by_task
from tests.rl.tiny_training import made_trajectory, same_weights, tiny_policy

FAST = OptimConfig(learning_rate=1e-2)


def demonstrations(count: int = 24):
    """Different tasks, the same two answers."""
    made = []
    for index in range(count):
        one = made_trajectory("same", 0, 1.0)
        made.append(dataclasses.replace(one, task_id=f"task{index}", group_id=f"task{index}"))
    return made


def config(**settings) -> SFTConfig:
    return SFTConfig(**{"optim": FAST, "batch_tokens": 256, "holdout": 0.0, "log_every": 5, **settings})


def test_learns_the_answers():
    policy = tiny_policy()
    report = sft(policy, demonstrations(), config(epochs=150.0))
    assert report.history[0]["loss"] > 3
    assert report.loss < 0.2
    assert report.accuracy > 0.95
    assert report.epochs == pytest.approx(150)
    assert report.holdout_loss is None


def test_same_seed_same_weights():
    runs = []
    for seed in (0, 0, 1):
        policy = tiny_policy()
        sft(policy, demonstrations(), config(epochs=2.0, seed=seed, copy_steps=2, copy_length=8))
        runs.append(policy.model)
    assert same_weights(runs[0], runs[1])
    assert not same_weights(runs[0], runs[2])


def test_global_generators_are_left_alone():
    np.random.seed(1)
    torch.manual_seed(1)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state()
    sft(tiny_policy(), demonstrations(), config(epochs=1.0, copy_steps=1))
    assert np.random.get_state()[1].tolist() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_steps_that_must_not_be_imitated_carry_no_loss():
    """Two sets that differ only in the ids of a step marked imitate=False train alike on its position."""
    plain = made_trajectory("t", 0, 1.0, steps=1)
    slip = dataclasses.replace(plain.steps[0], imitate=False)
    with pytest.raises(ConfigError, match="nothing to imitate"):
        sft(tiny_policy(), [dataclasses.replace(plain, steps=(slip,))], config())
    both = dataclasses.replace(made_trajectory("t", 0, 1.0, steps=2))
    masked = dataclasses.replace(
        both, steps=(both.steps[0], dataclasses.replace(both.steps[1], imitate=False))
    )
    first_only = dataclasses.replace(both, steps=both.steps[:1])
    a, b = tiny_policy(), tiny_policy()
    one = sft(a, [masked], config(epochs=1.0))
    two = sft(b, [first_only], config(epochs=1.0))
    assert one.loss == pytest.approx(two.loss, rel=1e-5)


def test_whole_tasks_are_held_out():
    made = [dataclasses.replace(t, sibling=s) for t in demonstrations(200) for s in (0, 1)]
    train, held = split_by_task(made, SFTConfig(holdout=0.2))
    assert {t.task_id for t in train}.isdisjoint(t.task_id for t in held)
    assert len(train) + len(held) == 400
    assert 40 <= len(held) <= 120
    again = split_by_task(made[::-1], SFTConfig(holdout=0.2))[1]
    assert {t.task_id for t in again} == {t.task_id for t in held}


def test_micro_batches_do_not_change_the_step():
    whole, parts = tiny_policy(), tiny_policy()
    for policy, micro in ((whole, None), (parts, 32)):
        policy.model.double()
        sft(policy, demonstrations(6), config(epochs=1.0, micro_batch_tokens=micro))
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(parts.model.state_dict()[name], value, rtol=1e-6, atol=1e-9)


def test_batches_hold_everything_once_within_the_budget():
    generator = np.random.Generator(np.random.Philox(1))
    lengths = generator.integers(5, 300, size=500).tolist()
    batches = length_bucketed(lengths, 1000, generator)
    assert sorted(i for batch in batches for i in batch) == list(range(500))
    sizes = [len(batch) * max(lengths[i] for i in batch) for batch in batches]
    assert max(sizes) <= 1000
    assert sum(lengths) / sum(sizes) > 0.9


def test_copy_task_repeats():
    generator = np.random.Generator(np.random.Philox(1))
    batch = copy_batch(20, vocabulary=np.arange(5, 50, dtype=np.int32), longest=9, generator=generator)
    for start, end in zip(batch.sequence_starts, batch.sequence_starts[1:], strict=False):
        half = (end - start) // 2
        ids = batch.token_ids[start:end]
        assert np.array_equal(ids[:half], ids[half:])
        assert batch.loss_mask[start:end].tolist() == [False] * half + [True] * half
        assert 2 <= half <= 9


def test_too_long_for_a_batch():
    with pytest.raises(ConfigError, match="raise batch_tokens"):
        sft(tiny_policy(), demonstrations(2), config(batch_tokens=4))


def test_minutes_end_the_run():
    report = sft(tiny_policy(), demonstrations(), config(minutes=0.01))
    assert report.steps >= 1
    assert report.seconds < 20


def test_copied_sequences_grow_in_stages():
    assert copy_lengths(6, 256, 6) == [8, 16, 32, 64, 128, 256]
    assert copy_lengths(4, 20, 2) == [10, 10, 20, 20]
    assert copy_lengths(3, 9, 1) == [9, 9, 9]
    assert copy_lengths(2, 256, 6) == [8, 64]
