"""CRAFT with its CRINGE baselines in the trainer: what is refused, logged, carried on, resumed."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from craft_envs.errors import ConfigError, CraftError, OutputNotFinite
from craft_rl import trainer as trainer_module
from craft_rl.checkpoint import latest
from craft_rl.config import TrainConfig, fingerprint, from_mapping, to_mapping
from craft_rl.craft_settings import ControllerConfig, CraftConfig, CringeConfig
from craft_rl.credit.siblings import ALIGNMENTS, integer_slots, token_slots
from craft_rl.credit_driver import CreditDriver, batch_slots
from craft_rl.distillation_settings import DistillConfig
from craft_rl.grading import grade
from craft_rl.models.load import load_policy
from craft_rl.recipes import craft as recipes
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.metrics import is_wall_clock
from craft_rl.teacher import Teacher
from craft_rl.tokens.pack import pack
from craft_rl.types import Group, TrajectoryStatus
from tests.rl.tiny_teacher import teaching_trainer, tiny_teacher
from tests.rl.tiny_training import made_group, made_trajectory, same_weights, tiny_config, tiny_trainer

MOVING = ControllerConfig(warmup=0, alpha=0.5)


def craft(**settings) -> TrainConfig:
    base = {"method": "craft", "skills": "tiny", "kl_coef": 0.01, "updates": 4, "minibatches": 2}
    return tiny_config(**{**base, **settings})


def started(config, folder, **settings):
    return teaching_trainer(config, folder, teacher=tiny_teacher, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "grpo", "craft": CraftConfig(tau=2.0)}, "craft.tau"),
        ({"method": "sdar", "controller": MOVING}, "controller.alpha"),
        ({"method": "grpo", "cringe": CringeConfig(k=3)}, "cringe.k"),
        ({"method": "craft", "craft": CraftConfig(g_min=9)}, "all tokens would fall back"),
        ({"method": "craft", "kl_coef": 0.0}, "there is none"),
        ({"method": "craft", "kl_kind": "k1"}, "kl_kind"),
        ({"method": "craft", "kl_coef": 0.05}, "the controller sets the weight"),
        ({"method": "craft", "distill": DistillConfig(coef=0.1)}, "does not distil"),
        ({"method": "craft", "craft": CraftConfig(keep_sdar=True)}, "its weight is 0"),
        (
            {"method": "craft", "kl_coef": 0.0, "craft": CraftConfig(credit=False, polarised=False)},
            "nothing to control",
        ),
        (
            {"method": "craft", "craft": CraftConfig(controller=False), "controller": MOVING},
            "the controller is off",
        ),
        (
            {
                "method": "craft",
                "kl_coef": 0.0,
                "craft": CraftConfig(polarised=False),
                "controller": ControllerConfig(mu_max=0.03),
            },
            "controller.mu_max",
        ),
        (
            {"method": "craft", "craft": CraftConfig(control="shuffled_siblings"), "tasks_per_update": 1},
            "no other siblings",
        ),
        ({"method": "craft", "craft": CraftConfig(control="no_gap"), "skills": "x"}, "skills"),
        ({"method": "token_cringe", "cringe": CringeConfig(theta=0.5)}, "cringe.theta"),
        ({"method": "adaptive_cringe", "cringe": CringeConfig(coef=0.5)}, "cringe.coef"),
    ],
)
def test_refused_settings(settings, said):
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**settings)
    assert said in str(caught.value)


OFF = {"credit": False, "controller": False, "polarised": False}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tau": 0.0}, "tau"),
        ({"g_min": 1}, "g_min"),
        ({**OFF, "tau": 2.0}, "all pillars are off"),
        ({"coef": 0.5}, "the controller sets lambda"),
        ({"controller": False, "coef": 0.0}, "weight 0"),
        ({"controller": False, "theta": 0.3}, "craft.theta"),
        ({"polarised": False, "form": "std"}, "not polarised"),
        ({"form": "std", "theta_kl": 0.1}, "theta_kl"),
        ({"tilt": "sign"}, "craft.tilt"),
        ({"evidence_clip": (0.5, 2.0)}, "evidence_clip"),
        ({"variant": "evidence", "align": "flat"}, "no siblings"),
        ({"control": "fallback_everywhere", "variant": "paper"}, "craft.variant"),
        ({"control": "no_gap", "tau": 2.0}, "craft.tau"),
        ({"control": "no_gap", "variant": "group_tilt"}, "group_tilt is 0"),
    ],
)
def test_refused_pillars(settings, said):
    with pytest.raises(ConfigError) as caught:
        CraftConfig(**settings)
    assert said in str(caught.value)


@pytest.mark.parametrize("words", [{"alpha": 2.0}, {"mu_min": 0.5}, {"rho_target": 2.0}, {"warmup": -1}])
def test_refused_controllers(words):
    with pytest.raises(ConfigError, match="controller"):
        ControllerConfig(**words)


def test_pillars_without_a_teacher_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="needs a teacher"):
        teaching_trainer(craft(), tmp_path)
    with pytest.raises(ConfigError, match="would not ask a teacher"):
        started(craft(craft=CraftConfig(control="no_gap"), skills=None), tmp_path)


def test_settings_survive_as_plain_data():
    config = craft(craft=CraftConfig(variant="evidence", evidence_clip=(0.5, 2.0)), controller=MOVING)
    assert from_mapping(TrainConfig, to_mapping(config)) == config
    assert fingerprint(config) != fingerprint(craft())
    assert not {"craft", "controller", "cringe"} & set(to_mapping(tiny_config()))


@pytest.mark.parametrize("method", ["craft", "adaptive_cringe", "token_cringe"])
def test_metrics(method, tmp_path):
    config = craft(method=method, **({} if method == "token_cringe" else {"controller": MOVING}))
    started(config, tmp_path).run()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    name = "craft" if method == "craft" else "cringe"
    for row in rows:
        assert all(math.isfinite(v) for v in row.values() if isinstance(v, float))
        assert {f"{name}/rho_gate", f"{name}/lambda", f"{name}/mu", "teacher/gap_mean"} <= set(row)
        assert (f"{name}/rho_ema" in row) == (method != "token_cringe")
        assert row["loss"] == pytest.approx(sum(v for k, v in row.items() if k.startswith("loss_weighted/")))
    if method == "token_cringe":
        assert {row["cringe/lambda"] for row in rows} == {0.01}
        return
    # the weights of an update come from the state before it
    assert rows[0][f"{name}/lambda"] == pytest.approx(0.0125) == rows[0][f"{name}/mu"]
    ema = 0.5
    for row in rows:
        assert row[f"{name}/rho_ema"] == pytest.approx(ema)
        assert row[f"{name}/lambda"] == pytest.approx(0.005 + 0.015 * ema)
        ema = 0.5 * ema + 0.5 * row[f"{name}/rho_gate"]
    assert len({row[f"{name}/lambda"] for row in rows}) > 1
    if method == "craft":
        row = rows[0]
        bins = [v for k, v in row.items() if k.startswith("craft/credit_bin_to_")]
        assert sum(bins) + row["craft/credit_zero"] == pytest.approx(1.0)
        assert -1 <= row["craft/sign_correlation"] <= 1 and 0 <= row["craft/fallback"] <= 1
        assert 0 < row["craft/siblings"] <= 3 and 1 <= row["craft/ess"] <= 3
        # a polarised term is no distance; the distance is logged beside it
        assert any(row["reference_kl"] != row["loss/kl"] for row in rows)
        assert all(row["reference_kl"] >= 0 for row in rows)


def test_the_controller_resumes_bit_for_bit(tmp_path):
    config = craft(updates=6, controller=MOVING, craft=CraftConfig(control="shuffled_siblings"))
    straight = started(config, tmp_path / "straight")
    straight.run()
    started(replace(config, updates=3), tmp_path / "halted").run()
    resumed = started(config, tmp_path / "halted")
    resumed.run(resume=True)
    assert same_weights(straight.policy.model, resumed.policy.model)
    assert straight.credit.state == resumed.credit.state and straight.credit.state.updates == 6
    rows = [
        [{k: v for k, v in row.items() if not is_wall_clock(k)} for row in read_metrics(path)]
        for path in (tmp_path / "straight" / "metrics.jsonl", tmp_path / "halted" / "metrics.jsonl")
    ]
    assert rows[0] == rows[1]
    assert latest(tmp_path / "halted" / "checkpoints").state["controller"] == resumed.credit.to_mapping()


def broken(name, alive):
    """Four siblings of which only the first few did not break."""
    made = [
        made_trajectory(name, i, float(i == 0), status=None if i < alive else TrajectoryStatus.error_env)
        for i in range(4)
    ]
    return Group(group_id=name, trajectories=tuple(made))


def test_an_update_without_a_token_still_counts(tmp_path):
    trainer = started(craft(controller=MOVING), tmp_path)
    learned = trainer._learn(grade([broken("a", 0), broken("b", 0)], trainer.config))
    assert trainer.credit.state.updates == 1 and trainer.credit.state.rho_ema == 0.25
    assert learned.teacher["craft/rho_gate"] == 0.0 and learned.forward_tokens == 0


def test_a_sibling_that_is_left_alone_gets_no_credit():
    config = craft()
    graded = grade([broken("a", 1), made_group("b", [1, 0, 0, 1])], config)
    batch = pack(graded.trajectories, graded.advantages)
    noise = np.random.default_rng(1).normal(size=len(batch.token_ids)).astype(np.float32)
    batch = replace(batch, teacher_logprobs=np.where(batch.loss_mask, batch.behaviour_logprobs + noise, 0))
    out, metrics = CreditDriver(config).assess(batch, graded.trajectories, 0)
    for row, name in enumerate(out.group_ids):
        part = out.credit[out.sequence_starts[row] : out.sequence_starts[row + 1]]
        assert part.any() == (name == "b")
    assert metrics["craft/sign_correlation"] == pytest.approx(1.0)
    assert 0 < metrics["craft/fallback"] < 1


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_slots_of_a_batch_are_those_of_the_loop(align):
    draw = np.random.default_rng(0)
    columns = {name: draw.integers(0, 3, 60) for name in ("group", "step", "place", "anchor")}
    columns["trajectory"] = columns["group"] * 4 + draw.integers(0, 4, 60)
    keys = np.stack([columns["trajectory"], columns["step"], columns["place"]], 1)
    kept = np.unique(keys, axis=0, return_index=True)[1]  # a token has a place of its own
    columns = {name: values[kept] for name, values in columns.items()}
    slow = token_slots(align, **{name: values.tolist() for name, values in columns.items()})
    fast = integer_slots(align, **{name: torch.from_numpy(values) for name, values in columns.items()})
    assert torch.equal(slow.unsqueeze(0) == slow.unsqueeze(1), fast.unsqueeze(0) == fast.unsqueeze(1))
    with pytest.raises(ValueError, match="nearest"):
        integer_slots("nearest", **{name: torch.from_numpy(values) for name, values in columns.items()})


def test_shuffled_siblings_are_strangers():
    groups = [made_group(name, [1, 0, 0, 1]) for name in "abcdef"]
    graded = grade(groups, craft())
    batch = pack(graded.trajectories, graded.advantages)
    slots, owner = batch_slots(batch, graded.trajectories, "turn_token")
    dealt, same = batch_slots(
        batch, graded.trajectories, "turn_token", dealt=np.random.Generator(np.random.Philox(1))
    )
    assert torch.equal(owner, same) and not torch.equal(slots, dealt)
    assert torch.equal(slots.unique(return_counts=True)[1], dealt.unique(return_counts=True)[1])


def test_shuffled_siblings_leave_groups_without_a_signal_alone():
    """Else strangers would give credit where the method itself has exactly none."""
    config = craft(craft=CraftConfig(control="shuffled_siblings"))
    groups = [made_group(name, [1, 0, 0, 1] if name in "ab" else [0, 0, 0, 0]) for name in "abcdef"]
    graded = grade(groups, config)
    batch = pack(graded.trajectories, graded.advantages)
    out, metrics = CreditDriver(config).assess(batch, graded.trajectories, 0)
    for row, name in enumerate(out.group_ids):
        part = out.credit[out.sequence_starts[row] : out.sequence_starts[row + 1]]
        assert part.any() <= (name in "ab")
    plain = CreditDriver(craft()).assess(batch, graded.trajectories, 0)[1]
    assert metrics["craft/credit_zero"] >= plain["craft/credit_zero"] >= 0.6
    draws = [np.random.Generator(np.random.Philox(seed)) for seed in (1, 2)]
    slots = [batch_slots(batch, graded.trajectories, "turn_token", dealt=dealt)[0] for dealt in draws]
    assert not torch.equal(*slots)


def test_without_gap_means_without_though_sdar_asks_a_teacher():
    groups = [made_group(name, [1, 0, 0, 1]) for name in "ab"]
    alone = craft(craft=CraftConfig(control="no_gap"), skills=None)
    kept = craft(craft=CraftConfig(control="no_gap", keep_sdar=True), distill=DistillConfig(coef=0.01))
    graded = grade(groups, alone)
    batch = pack(graded.trajectories, graded.advantages)
    noise = np.random.default_rng(0).normal(size=len(batch.token_ids)).astype(np.float32)
    told = replace(batch, teacher_logprobs=np.where(batch.loss_mask, batch.behaviour_logprobs + noise, 0))
    wanted, metrics = CreditDriver(alone).assess(batch, graded.trajectories, 0)
    found, same = CreditDriver(kept).assess(told, graded.trajectories, 0)
    assert found.credit.any() and np.array_equal(found.credit, wanted.credit)
    assert same["craft/ess"] == metrics["craft/ess"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("source", ["the engine", "the teacher"])
def test_log_probs_that_are_no_numbers_stop_the_update(source, value, tmp_path, monkeypatch):
    """Named, the weights and the checkpoint as they were; the run goes on from there."""
    config = craft(updates=3, checkpoint_every=1, minibatches=1)
    trainer = started(config, tmp_path)
    if source == "the engine":
        real = trainer_module.collect

        def collect(*args, **words):
            found = list(real(*args, **words))
            if trainer.update == 2:
                step = found[0].steps[0]
                wrong = step.completion_logprobs.copy()
                wrong[-1] = value
                steps = (replace(step, completion_logprobs=wrong), *found[0].steps[1:])
                found[0] = replace(found[0], steps=steps)
            return found

        monkeypatch.setattr(trainer_module, "collect", collect)
    else:
        real_score = trainer.teacher.score

        def score(self, batch, *args):
            out, tokens = real_score(batch, *args)
            if trainer.update == 2:
                out[np.flatnonzero(batch.loss_mask)[0]] = value
            return out, tokens

        monkeypatch.setattr(trainer.teacher, "score", partial(score, trainer.teacher))
    with pytest.raises(CraftError) as caught:
        trainer.run()
    said = str(caught.value)
    assert source in said and "update 2" in said and "trajectory " in said and "step 0" in said
    kept = latest(tmp_path / "checkpoints")
    assert kept.update == 2 and trainer.credit.state.updates == 2
    monkeypatch.undo()
    again = started(config, tmp_path)
    again.run(resume=True)
    assert again.update == 3 and isinstance(again.teacher, Teacher)


@pytest.mark.parametrize("method", ["craft", "grpo"])
def test_weights_that_give_no_numbers_stop_the_run_in_the_rollout(method, tmp_path):
    """Nothing of them is learned from, saved, or takes the place of an older checkpoint."""
    words = {"updates": 6, "checkpoint_every": 1, "keep_checkpoints": 2}

    def spoil(row, _):
        if row["update"] == 2:
            with torch.no_grad():
                next(trainer.policy.model.parameters()).fill_(math.nan)

    if method == "craft":
        trainer = started(craft(**words, minibatches=1), tmp_path, on_update=spoil)
    else:
        trainer = tiny_trainer(tiny_config(**words), tmp_path, on_update=spoil)
    with pytest.raises(OutputNotFinite) as caught:
        trainer.run()
    said = str(caught.value)
    assert "update 2 is refused" in said and "log-prob nan" in said and "request 'u2/" in said
    kept = latest(tmp_path / "checkpoints")
    assert kept.update == 2 and len(read_metrics(tmp_path / "metrics.jsonl")) == 2
    assert all(torch.isfinite(value).all() for value in load_policy(kept.model).model.parameters())


def test_recipes_are_runs():
    base = recipes.small().train
    for make in (
        *recipes.ABLATIONS.values(),
        *recipes.CONTROLS.values(),
        recipes.literal,
        recipes.group_tilt,
    ):
        config = recipes.with_pillars(base, make())
        assert config.craft.on and config.has_teacher == (config.craft.control != "no_gap")
    full = CraftConfig()
    switches = {name: make() for name, make in recipes.ABLATIONS.items()}
    assert (switches["a1"].controller, switches["a1"].polarised) == (False, False)
    assert (switches["a2"].controller, switches["a2"].polarised) == (True, False)
    assert (switches["a3"].controller, switches["a3"].polarised) == (False, True)
    assert switches["a6"].settings.g_min > 1000 and switches["a7"].form == "paper_swapped"
    assert {switches["a5-cold"].tau, switches["a5-hot"].tau} == {0.5, 2.0}
    assert switches["a4"].beta_pos != full.beta_pos
    with pytest.raises(ConfigError, match="those of craft"):
        recipes.with_pillars(TrainConfig(), full)


def test_a_frozen_controller_has_the_means_of_a_run():
    rows = [{"craft/rho_ema": 0.5, "craft/lambda": 0.01 + 0.002 * i, "craft/mu": 0.02} for i in range(3)]
    frozen = recipes.frozen_controller(recipes.small().train, rows)
    assert not frozen.craft.controller
    assert (frozen.craft.coef, frozen.kl_coef) == pytest.approx((0.012, 0.02))
    with pytest.raises(ConfigError, match="no controller"):
        recipes.frozen_controller(recipes.small().train, [{"loss": 0.0}])
