"""IBPO in the trainer: corrections of failures, shaped returns, credit on edited tokens, their cost."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from craft_envs.errors import ConfigError, CraftError
from craft_rl.config import TrainConfig, fingerprint, from_mapping, to_mapping
from craft_rl.correction_settings import IbpoConfig
from craft_rl.corrector import Corrections, Corrector
from craft_rl.grading import grade
from craft_rl.report.metrics import is_wall_clock
from craft_rl.rollout.correct import Corrected, CorrectionJob, CorrectionOutcome
from craft_rl.tokens.pack import pack, trajectory_id
from craft_rl.types import Group, Trajectory, TrajectoryStatus
from tests.rl.tiny_training import made_group, made_trajectory, same_weights, tiny_config, tiny_trainer

ON = IbpoConfig(weight=0.6, mask=True, max_new_tokens=8)
RESUME = IbpoConfig(weight=0.6, mask=True, operator="resume")


def ibpo_config(**settings: Any) -> TrainConfig:
    base = {"method": "ibpo", "kl_coef": 0.0, "entropy_coef": 0.0, "ibpo": ON, "updates": 3}
    return tiny_config(**{**base, **settings})


def weighed(group: Group, solving: dict[int, list[Trajectory | None]], **ibpo: Any) -> Corrections:
    """Corrections by hand: for each failed sibling its corrected episodes, None where one failed."""
    config = ibpo_config(ibpo=dataclasses.replace(ON, **ibpo), reward_scale=1.0)
    reference = next(t for t in group.trajectories if t.success)
    jobs, done = [], []
    for sibling, corrected in solving.items():
        for index, steps in enumerate(corrected):
            jobs.append(
                CorrectionJob(
                    attempt=group.trajectories[sibling], reference=reference, index=index, seed=index
                )
            )
            good = CorrectionOutcome.failed if steps is None else CorrectionOutcome.solved
            done.append(Corrected(outcome=good, steps=() if steps is None else steps.steps, tokens=7))
    return Corrector(config, None, None, None).weigh([group], jobs, done)  # type: ignore[arg-type]


def differing(trajectory: Trajectory, place: int, token: int) -> Trajectory:
    """The same episode with another action at one step, which differs in its first token."""
    step = trajectory.steps[place]
    ids = step.completion_ids.copy()
    ids[0] = token
    steps = list(trajectory.steps)
    steps[place] = dataclasses.replace(step, action="other", completion_ids=ids)
    return dataclasses.replace(trajectory, steps=tuple(steps))


def test_only_edited_tokens_of_a_corrected_failure_keep_their_credit() -> None:
    group = made_group("g", [1.0, 0.0, 0.0, 0.0])
    failed = group.trajectories[1]
    corrections = weighed(group, {1: [differing(failed, 1, 250), None], 2: [None]})
    assert corrections.returns == {"g/1": pytest.approx(0.6 * 0.25)}
    assert corrections.edited == {"g/1": [[False] * 3, [True, False, False]]}
    config = ibpo_config(reward_scale=1.0, invalid_penalty=0.0)
    graded = grade([group], config, corrections.returns)
    total = sum(float(graded.advantages[f"g/{i}"][0]) for i in range(4))
    assert total == pytest.approx(0, abs=1e-6), "shaping stands before centring"
    assert graded.advantages["g/1"][0] > graded.advantages["g/2"][0] == graded.advantages["g/3"][0]
    assert graded.advantages["g/0"][0] > graded.advantages["g/1"][0]
    batch = pack(graded.trajectories, graded.advantages)
    credited = corrections.credit(batch)
    start, stop = (int(batch.sequence_starts[i]) for i in (1, 2))
    changed = np.flatnonzero(credited.advantages != batch.advantages)
    assert all(start <= place < stop for place in changed) and len(changed) == 5
    assert (credited.loss_mask == batch.loss_mask).all(), "the denominator is the unmasked one"
    masked = dataclasses.replace(corrections, settings=dataclasses.replace(ON, denominator="masked"))
    assert masked.credit(batch).loss_mask.sum() == batch.loss_mask.sum() - 5
    assert corrections.metrics["ibpo/correction_rate"] == pytest.approx(1 / 3)
    assert corrections.metrics["ibpo/attempts_corrected"] == 0.5
    assert corrections.metrics["ibpo/tokens"] == 21 and corrections.metrics["ibpo/edit_distance"] == 1
    assert corrections.metrics["ibpo/edited_share"] == pytest.approx(1 / 6)


def test_the_clamp_bites_where_a_failure_has_a_positive_advantage() -> None:
    """A graded world pays failures; above the group's mean their edited tokens would be reinforced."""
    made = [made_trajectory("g", i, r) for i, r in enumerate([1.0, 0.8, 0.0, 0.0])]
    failed = dataclasses.replace(made[1], status=TrajectoryStatus.failed)
    group = Group(group_id="g", trajectories=(made[0], failed, *made[2:]))
    fixed = differing(failed, 0, 250)
    corrections = weighed(group, {1: [fixed]}, mask=False)
    assert corrections.metrics["ibpo/clamp_rate"] == 0.0  # every update has the key, learned from or not
    assert (
        corrections.returns["g/1"] == pytest.approx(0.8 + 0.6 * 0.5 * 0.2) and corrections.returns["g/1"] < 1
    )
    graded = grade([group], ibpo_config(reward_scale=1.0), corrections.returns)
    batch = pack(graded.trajectories, graded.advantages)
    own = np.flatnonzero(corrections.credit(batch).advantages != batch.advantages)
    assert len(own) == 1 and batch.advantages[own[0]] > 0
    assert corrections.metrics["ibpo/clamp_rate"] == 1.0
    free = weighed(group, {1: [fixed]}, mask=False, clamp=False)
    assert (free.credit(batch).advantages == batch.advantages).all()
    assert "ibpo/clamp_rate" not in free.metrics


def test_a_copied_reference_is_counted_and_can_be_refused() -> None:
    group = made_group("g", [1.0, 0.0])
    failed, reference = group.trajectories[1], group.trajectories[0]
    copied = dataclasses.replace(differing(reference, 0, 1), group_id="g")
    reference = dataclasses.replace(reference, steps=copied.steps)
    group = Group(group_id="g", trajectories=(reference, failed))
    taken = weighed(group, {1: [copied]})
    assert taken.metrics["ibpo/copy_rate"] == 1.0 and "g/1" in taken.returns
    refused = weighed(group, {1: [copied]}, require_closer=True)
    assert refused.returns == {} and refused.edited == {}
    assert refused.metrics["ibpo/outcome/distant"] == 1.0 and refused.metrics["ibpo/copy_rate"] == 1.0


def test_returns_outside_of_0_to_1_are_refused() -> None:
    group = made_group("g", [10.0, -1.0])
    failed = dataclasses.replace(group.trajectories[1], status=TrajectoryStatus.failed)
    group = Group(group_id="g", trajectories=(group.trajectories[0], failed))
    with pytest.raises(CraftError, match=r"\[0, 1\]"):
        weighed(group, {1: [differing(failed, 0, 250)]})


@pytest.mark.parametrize("weight", [0.1, 0.6])
def test_shaping_lowers_the_variance_exactly_under_the_condition(weight: float) -> None:
    """Var[R + lambda phi] < Var[R] iff 2 Cov(R, phi) + lambda Var phi < 0, on a bandit of two arms."""
    for p_solved in (0.1, 0.5, 0.9):
        for p_fixed in (0.05, 0.5, 1.0):
            outcomes = [
                (p_solved, 1.0, 0.0),
                ((1 - p_solved) * p_fixed, 0.0, 0.5),
                ((1 - p_solved) * (1 - p_fixed), 0.0, 0.0),
            ]

            def moment(f: Any, outcomes: Any = outcomes) -> float:
                return sum(p * f(r, phi) for p, r, phi in outcomes)

            def variance(f: Any) -> float:
                return moment(lambda r, phi: f(r, phi) ** 2) - moment(f) ** 2

            covariance = moment(lambda r, phi: r * phi) - moment(lambda r, _: r) * moment(lambda _, phi: phi)
            condition = 2 * covariance + weight * variance(lambda _, phi: phi)
            gained = variance(lambda r, phi: r + weight * phi) - variance(lambda r, _: r)
            assert math.isclose(gained, weight * condition, abs_tol=1e-12)


@pytest.mark.parametrize("ibpo", [ON, RESUME], ids=["rewrite", "resume"])
def test_a_run_repeats_whatever_runs_at_once(ibpo: IbpoConfig, tmp_path: Path) -> None:
    runs = []
    for num_envs in (1, 8):
        trainer = tiny_trainer(ibpo_config(ibpo=ibpo, num_envs=num_envs, updates=2), tmp_path / str(num_envs))
        rows = [trainer.one_update()[0] for _ in range(2)]
        runs.append((trainer, [{k: v for k, v in row.items() if not is_wall_clock(k)} for row in rows]))
    assert runs[0][1] == runs[1][1]
    assert same_weights(runs[0][0].policy.model, runs[1][0].policy.model)
    first, second = runs[0][1]
    assert first["ibpo/asked"] > 0 and first["ibpo/tokens"] > 0
    assert second["ibpo/tokens_total"] == first["ibpo/tokens"] + second["ibpo/tokens"]
    outcomes = sum(first[f"ibpo/outcome/{outcome.value}"] for outcome in CorrectionOutcome)
    assert outcomes == first["ibpo/asked"]
    if ibpo.operator == "resume":
        assert first["ibpo/outcome/solved"] > 0, "the lucky world is solved by chance"


def test_a_resumed_run_continues_bit_for_bit(tmp_path: Path) -> None:
    config = ibpo_config(ibpo=RESUME, updates=4, checkpoint_every=2)
    straight = tiny_trainer(config, tmp_path / "straight")
    straight.run()
    broken = tiny_trainer(dataclasses.replace(config, updates=2), tmp_path / "broken")
    broken.run()
    resumed = tiny_trainer(config, tmp_path / "broken")
    resumed.run(resume=True)
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert straight.corrector is not None and resumed.corrector is not None
    assert straight.corrector.state() == resumed.corrector.state() and resumed.corrector.state()["tokens"] > 0


def test_groups_without_both_outcomes_are_counted_not_corrected() -> None:
    alone = Group(group_id="alone", trajectories=(made_trajectory("alone", 0, 0.0),))
    broken = made_trajectory("broken", 1, 0.0, status=TrajectoryStatus.error_env)
    lone = Group(group_id="broken", trajectories=(made_trajectory("broken", 0, 1.0), broken))
    groups = [made_group("failed", [0.0, 0.0]), made_group("solved", [1.0, 1.0]), alone, lone]
    made = Corrector(ibpo_config(), None, None, None).correct(groups)  # type: ignore[arg-type]
    assert made.returns == {} and made.edited == {} and made.metrics["ibpo/asked"] == 0
    assert made.metrics["ibpo/groups_all_failed"] == 1 and made.metrics["ibpo/groups_alone"] == 2
    batch = pack(groups[0].trajectories, {trajectory_id(t): 0.0 for t in groups[0].trajectories})
    assert made.credit(batch) is batch


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "grpo"}, "method grpo corrects nothing"),
        ({"group_size": 2}, "at most 1 others"),
        ({"ibpo": IbpoConfig(weight=2.0)}, "could lift a corrected failure"),
        ({"ibpo": IbpoConfig(weight=1.9, rho=0.5), "invalid_penalty": 0.6}, "could lift"),
        ({"ibpo": IbpoConfig(references=1)}, "ibpo.references=1 would have no effect"),
        ({"ibpo": IbpoConfig(mask=True, rho=0.4)}, "ibpo.weight is 0"),
        ({"ibpo": IbpoConfig(weight=0.6, denominator="masked")}, "ibpo.mask is off"),
        ({"ibpo": IbpoConfig(weight=0.6, clamp=False, attach_insertions=True)}, "neither mask nor clamp"),
        ({"ibpo": dataclasses.replace(RESUME, max_new_tokens=9)}, "answers step by step"),
        ({"policy_coef": 0.0, "kl_coef": 0.1}, "policy_coef is 0"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ibpo_config(**{"reward_scale": 1.0, "invalid_penalty": 0.1, **settings})
    assert said in str(caught.value)


@pytest.mark.parametrize("bad", [{"weight": -0.1}, {"rho": 0.0}, {"references": 0}, {"max_new_tokens": 0}])
def test_values_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"ibpo.{next(iter(bad))}"):
        IbpoConfig(**bad)


def test_settings_travel_and_leave_other_methods_alone() -> None:
    config = TrainConfig.for_method("ibpo")
    assert config.ibpo == IbpoConfig(weight=0.6, mask=True) and config.ibpo.on
    assert from_mapping(TrainConfig, to_mapping(config)) == config
    assert "ibpo" not in to_mapping(TrainConfig()) and fingerprint(config) != fingerprint(TrainConfig())
