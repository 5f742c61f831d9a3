"""IBPO's recorded values through the code that training runs: corrector, grading, packing, loss weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from craft_rl.config import OptimConfig, TrainConfig
from craft_rl.correction_settings import IbpoConfig
from craft_rl.corrector import Corrector
from craft_rl.grading import grade
from craft_rl.loss.policy import clipped_policy_loss
from craft_rl.rollout.correct import Corrected, CorrectionJob, CorrectionOutcome
from craft_rl.tokens.pack import pack, trajectory_id
from craft_rl.types import Group, Step, Trajectory, TrajectoryStatus
from craft_rl.update import loss_weights
from tests.golden.tables import cases, tensor


def step(tokens: list[int]) -> Step:
    """One response; the tokens are also its action."""
    return Step(
        observation="",
        response="",
        action=" ".join(map(str, tokens)),
        prompt_ids=np.array([1], np.int32),
        completion_ids=np.array(tokens, np.int32),
        completion_logprobs=np.zeros(len(tokens), np.float32),
        reward=0.0,
        anchor="",
        action_valid=True,
    )


def attempt(given: Any, row: int) -> Trajectory:
    solved = bool(given["correct"][row])
    return Trajectory(
        task_id="t",
        task_type="",
        seed=0,
        group_id=str(given["uid"][row]),
        sibling=row,
        steps=(step(given["y"][row]),),
        status=TrajectoryStatus.solved if solved else TrajectoryStatus.failed,
        return_=float(given["rewards"][row]),
        score=float(given["rewards"][row]),
    )


def settings(config: Any) -> TrainConfig:
    return TrainConfig(
        method="ibpo",
        group_size=8,
        reward_scale=1.0,
        invalid_penalty=0.0,
        kl_coef=0.0,
        entropy_coef=0.0,
        aggregation="token",
        clip_low=config["clip_ratio_low"] if "clip_ratio_low" in config else config["clip_low"],
        clip_high=config["clip_ratio_high"] if "clip_ratio_high" in config else config["clip_high"],
        clip_dual=config["clip_c"],
        passes=2,  # the ratio is then more than 1, so that the clips are no idle settings
        optim=OptimConfig(),
        ibpo=IbpoConfig(
            weight=config["lam"],
            rho=config["rho"] if config["lam"] else 0.5,
            mask=bool(config["use_mask"]),
            clamp=bool(config["clamp"]),
            attach_insertions=config["insert"] == "attach",
            denominator=config["denominator"] if config["use_mask"] else "full",
            references=7,
        ),
    )


@pytest.mark.parametrize("case", cases("ibpo_shaping"))
def test_an_update(case: Any) -> None:
    given, config, expected = case["inputs"], case["config"], case["expected"]
    if not config["lam"] and not config["use_mask"]:
        pytest.skip("nothing is corrected then; tests/invariants/test_off_means_absent.py")
    if not (config["use_mask"] or config["clamp"]) and config["insert"] == "attach":
        pytest.skip("attach without a mask or clamp is refused as a setting without effect")
    train = settings(config)
    made = [attempt(given, row) for row in range(len(given["y"]))]
    names = dict.fromkeys(t.group_id for t in made)
    groups = [Group(group_id=n, trajectories=tuple(t for t in made if t.group_id == n)) for n in names]
    jobs, done = [], []
    for row, trajectory in enumerate(made):
        if trajectory.success:
            continue
        corrections = zip(given["y_hat"][row], given["y_hat_correct"][row], strict=True)
        for index, (tokens, good) in enumerate(corrections):
            jobs.append(CorrectionJob(attempt=trajectory, reference=trajectory, index=index, seed=0))
            outcome = CorrectionOutcome.solved if good else CorrectionOutcome.failed
            done.append(Corrected(outcome=outcome, steps=(step(tokens),)))
    corrector = Corrector(train, None, None, None)  # type: ignore[arg-type]  # nothing is sampled here
    corrections = corrector.weigh(groups, jobs, done)
    for row, trajectory in enumerate(made):
        if train.ibpo.weight:
            shaped = corrections.returns.get(trajectory_id(trajectory), trajectory.return_)
            assert shaped == pytest.approx(expected["shaped_rewards"][row], rel=1e-7, abs=1e-8)
    graded = grade(groups, train, corrections.returns)
    batch = corrections.credit(pack(graded.trajectories, graded.advantages))
    mask = tensor(given["response_mask"]).bool()
    # rows of a group stand together in a batch, in the table they may not
    order = [int(name.split("/")[1]) for name in batch.trajectory_ids]
    lengths = [len(given["y"][row]) for row in order]
    places = [int(s) + 1 for s in batch.sequence_starts[:-1]]  # behind the prompt's only token

    def laid_out(values: Any) -> torch.Tensor:
        """[G, T] from the batch's axis."""
        out = torch.zeros(mask.shape, dtype=torch.float64)
        for row, place, length in zip(order, places, lengths, strict=True):
            out[row, :length] = torch.as_tensor(values[place : place + length], dtype=torch.float64)
        return out

    lone = {n for n in names if sum(t.group_id == n for t in made) < 2}
    if lone:
        pytest.skip("a group of one has advantage 0 here, its raw score in the table")
    kept = tensor(expected["loss_mask"]).bool()
    found = laid_out(batch.advantages)
    torch.testing.assert_close(found[kept], tensor(expected["adv_token"])[kept], rtol=1e-5, atol=1e-6)
    if train.ibpo.mask:
        assert not found[~kept].any()
    if train.ibpo.clamp:
        kept_rows = max(len(corrections.edited), 1)
        assert corrections.metrics["ibpo/clamp_rate"] == pytest.approx(expected["clamped_rows"] / kept_rows)
    weights = laid_out(loss_weights(batch, range(len(batch)), "token").double())
    logprobs = tensor(given["log_probs"]).requires_grad_()
    values = clipped_policy_loss(
        logprobs,
        tensor(given["old_log_probs"]),
        found,
        clip_low=train.clip_low,
        clip_high=train.clip_high,
        clip_dual=train.clip_dual,
    )
    loss = (values.loss * weights).sum()
    loss.backward()
    torch.testing.assert_close(loss.detach(), tensor(expected["loss"]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logprobs.grad, tensor(expected["grad_log_probs"]), rtol=1e-4, atol=1e-6)
