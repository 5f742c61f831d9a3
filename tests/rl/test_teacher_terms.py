"""Methods with a teacher: their part of the loss by hand, what they log, which settings they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from craft_envs.errors import ConfigError
from craft_rl.config import TrainConfig, fingerprint, from_mapping, to_mapping
from craft_rl.distillation_settings import DistillConfig, TeacherConfig, teacher_weight
from craft_rl.methods import METHODS
from craft_rl.report.jsonl import read_metrics
from craft_rl.teacher_terms import GapStatistics
from craft_rl.update import Learned, loss_weights
from tests.rl.tiny_teacher import TEACHING, learner, played, teaching_config, teaching_trainer, tiny_teacher
from tests.rl.tiny_training import gradients, tiny_config, tiny_policy

BARE = {"kl_coef": 0.0, "entropy_coef": 0.0, "policy_coef": 0.0}
VOCABULARY = 320


def one_step(config, *, spread=1.0, micro=8192):
    """(learned, gradients, log pi, log pi_T, entropy, weights, advantages), all but the first two over the
    masked tokens."""
    config = replace(config, micro_batch_tokens=micro)
    policy, learned = tiny_policy(), Learned()
    batch, _ = played(config)
    own = learner(config, policy)
    rows = list(range(len(batch)))
    noise = np.random.default_rng(3).normal(size=len(batch.token_ids)) * spread
    old = own.score_batch(policy.model, batch, rows).numpy()
    teacher = np.where(batch.loss_mask, old + noise, 0).astype(np.float32)
    batch = replace(batch, teacher_logprobs=teacher)
    weights = loss_weights(batch, rows, config.aggregation).float()
    columns = own.columns(batch)
    gates = own._gates(batch, columns, rows, weights, 0)
    own.accumulate(batch, columns, rows, weights, None, learned, gates=gates)
    mask = torch.from_numpy(batch.loss_mask)
    learned.teacher = columns.teacher.statistics.metrics()
    values = (torch.from_numpy(old), torch.from_numpy(teacher), weights, torch.from_numpy(batch.advantages))
    return learned, gradients(policy.model), *(value[mask].double() for value in values)


def sdar(**settings):
    return teaching_config("sdar", distill=DistillConfig(coef=0.3, **settings), **BARE)


def test_the_published_term():
    learned, _, logp, teacher, w, _ = one_step(sdar())
    gap = teacher - logp
    gate = 1 / (1 + torch.exp(-5 * gap))
    assert learned.terms["sdar"] == pytest.approx(float((w * gate * gap).sum()), rel=1e-4)
    assert learned.weighted["sdar"] == pytest.approx(0.3 * learned.terms["sdar"])
    assert learned.weighted["policy"] == 0.0
    assert learned.teacher["teacher/gap_mean"] == pytest.approx(float(gap.mean()), abs=1e-5)
    assert learned.teacher["teacher/gap_negative"] == pytest.approx(float((gap < 0).double().mean()))
    assert learned.teacher["teacher/gate_mean"] == pytest.approx(float(gate.mean()), rel=1e-5)
    assert learned.teacher["teacher/gate_active"] == pytest.approx(float((gap > 0).double().mean()))
    bins = [v for k, v in learned.teacher.items() if k.startswith("teacher/gap_bin_to_")]
    assert sum(bins) == pytest.approx(1.0) and len(bins) == 12


def test_signals():
    learned, gap_gradients, logp, teacher, w, _ = one_step(sdar(signal="gap"))
    assert learned.terms["sdar"] == pytest.approx(float(-(w * (teacher - logp) * logp).sum()), rel=1e-4)
    assert "teacher/gate_mean" not in learned.teacher
    learned, centred, logp, teacher, w, _ = one_step(sdar(signal="centred_gate"))
    gate = torch.sigmoid(5 * (teacher - logp))
    mean = (w * gate).sum() / w.sum()
    assert learned.terms["sdar"] == pytest.approx(float(-(w * (gate - mean) * logp).sum()), rel=1e-3)
    # the baseline is that of the whole step, however it is cut
    _, cut, *_ = one_step(sdar(signal="centred_gate"), micro=200)
    for key, value in centred.items():
        assert torch.allclose(value, cut[key], rtol=1e-3, atol=1e-6), key
    assert any(not torch.allclose(value, gap_gradients[key]) for key, value in centred.items())


@pytest.mark.parametrize("gate", ["entropy", "soft_or", "soft_or_norm"])
def test_gates_that_look_at_the_entropy(gate):
    """The entropy comes from the pass of the log-probs; without a bonus it is no term."""
    learned, *_ = one_step(sdar(gate=gate))
    assert "entropy" not in learned.terms
    gap_gate, *_ = one_step(sdar())
    assert learned.terms["sdar"] != gap_gate.terms["sdar"]
    mean = learned.teacher["teacher/gate_mean"]
    if gate == "entropy":  # a fresh policy is nearly uniform
        assert mean == pytest.approx(1 / (1 + math.exp(-5 * math.log(VOCABULARY))), abs=1e-3)


def test_shuffled_gates_are_the_same_gates_elsewhere():
    own, shuffled = one_step(sdar()), one_step(sdar(shuffle=True))
    assert shuffled[0].teacher["teacher/gate_mean"] == pytest.approx(own[0].teacher["teacher/gate_mean"])
    assert shuffled[0].terms["sdar"] != own[0].terms["sdar"]
    again = one_step(sdar(shuffle=True), micro=200)
    assert again[0].terms["sdar"] == pytest.approx(shuffled[0].terms["sdar"], rel=1e-4)


@pytest.mark.parametrize("divergence", ["forward_kl", "jsd"])
def test_divergences_by_hand(divergence):
    def pull(gap):
        jsd = 0.5 * (torch.log1p(gap.exp()) - math.log(2))
        return gap.exp() - 1 if divergence == "forward_kl" else jsd

    learned, _, logp, teacher, w, _ = one_step(sdar(signal="gap", divergence=divergence))
    wanted = float(-(w * pull(teacher - logp) * logp).sum())
    assert learned.terms["sdar"] == pytest.approx(wanted, rel=1e-4)
    learned, _, logp, teacher, w, _ = one_step(sdar(divergence=divergence))
    gap = teacher - logp
    gate = torch.sigmoid(5 * pull(gap))
    assert learned.terms["sdar"] == pytest.approx(float((w * gate * gap).sum()), rel=1e-4)
    assert learned.teacher["teacher/gate_mean"] == pytest.approx(float(gate.mean()), rel=1e-5)
    assert learned.teacher["teacher/gap_mean"] == pytest.approx(float(gap.mean()), abs=1e-5)


def test_skill_sd_by_hand():
    config = teaching_config("skill_sd", distill=DistillConfig(coef=0.5), **BARE)
    learned, _, logp, teacher, w, _ = one_step(config)
    d = logp - teacher
    assert learned.terms["skill_sd"] == pytest.approx(float((w * (torch.exp(-d) - 1 + d)).sum()), rel=1e-4)
    assert learned.weighted["skill_sd"] == pytest.approx(0.5 * learned.terms["skill_sd"])


def test_rlsd_stretches_advantages():
    config = teaching_config("rlsd", distill=DistillConfig(coef=0.5, decay=100), kl_coef=0, entropy_coef=0)
    learned, found, logp, teacher, w, a = one_step(config)
    evidence = torch.exp(torch.sign(a) * (teacher - logp)).clamp(0.8, 1.2)
    wanted = a * (1 - 0.495 + 0.495 * evidence)
    assert learned.terms["policy"] == pytest.approx(float(-(w * wanted).sum()), rel=1e-4, abs=1e-6)
    assert "sdar" not in learned.terms and "teacher/gap_mean" in learned.teacher
    _, plain, *_ = one_step(replace(config, distill=DistillConfig(coef=1e-9, decay=0)))
    assert any(not torch.allclose(value, plain[key]) for key, value in found.items())


def test_weights_over_updates():
    rlsd = DistillConfig(coef=0.5)
    assert [teacher_weight("rlsd", rlsd, n) for n in (0, 49, 99, 500)] == pytest.approx([0.495, 0.25, 0, 0])
    assert teacher_weight("rlsd", DistillConfig(coef=0.5, decay=0), 500) == 0.5
    assert teacher_weight("sdar", rlsd, 500) == 0.5 and teacher_weight("none", rlsd, 0) == 0.0


def test_histogram_borders_belong_to_the_bin_above():
    statistics = GapStatistics()
    statistics.add(torch.tensor([-9.0, -0.01, 0.0, 0.05, 9.0]), None)
    metrics = statistics.metrics()
    assert metrics["teacher/gap_negative"] == pytest.approx(0.4)
    assert metrics["teacher/gap_bin_to_0.1"] == pytest.approx(0.4)
    assert metrics["teacher/gap_bin_to_-4"] == metrics["teacher/gap_bin_to_inf"] == pytest.approx(0.2)
    assert GapStatistics().metrics() == {}


@pytest.mark.parametrize("name", TEACHING)
def test_every_method_trains(name, tmp_path):
    config = teaching_config(name, updates=2, passes=2, minibatches=2)
    trainer = teaching_trainer(config, tmp_path, teacher=tiny_teacher)
    trainer.run()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    for row in rows:
        assert {"teacher/tokens", "teacher/gap_mean", "teacher/skills_specific", "seconds_teacher"} <= set(
            row
        )
        assert row["teacher/shortened"] == 0.0 and math.isfinite(row["loss"])
        assert ("teacher/gate_mean" in row) == (METHODS[name].teacher == "sdar")
    assert any(row["grad_norm"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "grpo", "skills": "alfworld"}, "skills='alfworld' would have no effect"),
        ({"method": "grpo", "distill": DistillConfig(coef=0.1)}, "method grpo has no teacher"),
        ({"method": "gigpo", "teacher": TeacherConfig(budget=9)}, "no skills"),
        ({"method": "sdar", "distill": DistillConfig(), "skills": "x"}, "distill.coef is 0"),
        ({"method": "sdar", "distill": DistillConfig(coef=0.1, clip=0.3)}, "distill.clip=0.3"),
        (
            {"method": "sdar", "distill": DistillConfig(coef=0.1, signal="gap", gate="entropy")},
            "distill.gate",
        ),
        ({"method": "sdar", "distill": DistillConfig(coef=0.1, beta=0.0, shuffle=True)}, "distill.shuffle"),
        (
            {"method": "sdar", "distill": DistillConfig(coef=0.1, beta=0.0, signal="centred_gate")},
            "all gates are equal",
        ),
        ({"method": "skill_sd", "distill": DistillConfig(coef=0.1, beta=2.0)}, "distill.beta"),
        *(
            ({"method": name, "distill": DistillConfig(coef=0.1, divergence="jsd", **words)}, "divergence")
            for name, words in (
                ("skill_sd", {}),
                ("rlsd", {}),
                ("sdar", {"beta": 0.0}),
                ("sdar", {"gate": "entropy"}),
            )
        ),
        ({"method": "rlsd", "distill": DistillConfig(coef=1.5)}, "a share in"),
        ({"method": "rlsd", "distill": DistillConfig(coef=0.5), "policy_coef": 0.0}, "policy term"),
        ({"policy_coef": 0.0, "kl_coef": 0.0, "entropy_coef": 0.0}, "weight 0"),
    ],
)
def test_refused_settings(settings, said):
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**settings)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DistillConfig(coef=-1.0), "distill.coef"),
        (lambda: DistillConfig(divergence="tv"), "reverse_kl, forward_kl, jsd"),
        (lambda: DistillConfig(gate="open"), "distill.gate"),
        (lambda: TeacherConfig(budget=0), "teacher.budget"),
        (lambda: TeacherConfig(options=("count",)), "NAME=VALUE"),
        (lambda: TeacherConfig(options=("count=1", "count=2")), "repeat a name"),
        (lambda: TeacherConfig(control="empty", placement="prefix"), "told nothing"),
        (lambda: TeacherConfig(control="empty", too_long="shorter"), "told nothing"),
    ],
)
def test_refused_parts(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_settings_survive_as_plain_data_without_changing_older_fingerprints():
    config = teaching_config("sdar", teacher=TeacherConfig(strategy="ucb", options=("count=2",)))
    assert from_mapping(TrainConfig, to_mapping(config)) == config
    assert config.teacher.words == {"count": 2}
    plain = to_mapping(tiny_config())
    assert not {"distill", "skills", "teacher", "policy_coef"} & set(plain)
    assert fingerprint(config) != fingerprint(replace(config, skills="other"))
