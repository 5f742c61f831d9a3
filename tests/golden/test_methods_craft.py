"""CRAFT, CRINGE through the code that training runs: driver, learner, controller against recorded values."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from craft_rl.config import TrainConfig
from craft_rl.craft_settings import ControllerConfig, CraftConfig, CringeConfig
from craft_rl.craft_terms import CraftTerms, CringeTerms
from craft_rl.credit.controller import ControllerState
from craft_rl.credit_driver import CreditDriver, Weights, open_credit
from craft_rl.distillation_settings import DistillConfig
from craft_rl.loss.aggregate import token_mean_weights
from craft_rl.loss.cringe import rivals
from craft_rl.loss_terms import Columns, Student, token_terms
from craft_rl.teacher_terms import TeacherTerms
from craft_rl.tokens.score import token_logprobs
from craft_rl.update import Learned
from tests.golden.looked_up import LookedUp, as_batch
from tests.golden.tables import assert_close, cases, tensor

CLIPS = {"passes": 2}  # otherwise a clip would be refused as without effect


def loss_settings(table):
    return {
        **CLIPS,
        "clip_low": table["clip_low"],
        "clip_high": table["clip_high"],
        "clip_dual": table["clip_c"],
        "entropy_coef": table["entropy_coeff"],
        "skills": "a bank",
    }


def craft_config(table):
    """A row of the table as settings; what the row leaves without effect stays at its default."""
    evidence, fallback = table["credit"] == "evidence", table["g_min"] == 999
    words = {"variant": table["credit"], "beta_pos": table["beta_pos"], "beta_neg": table["beta_neg"]}
    words |= {"controller": table["phase_aware"], "polarised": table["polarized_kl"]}
    words["keep_sdar"] = table["keep_sdar"]
    if not table["phase_aware"]:
        words["coef"] = table["lambda_static"]
    if not evidence:
        words |= {"fallback": table["fallback"]}
    if not (evidence or fallback):
        words |= {"align": table["align"], "g_min": table["g_min"], "tau": table["tau"]}
    if fallback:
        words |= {"control": "fallback_everywhere", "variant": "realised"}
    if table["polarized_kl"]:
        words["form"] = table["kl_pol"]
        if table["kl_pol"] == "paper":
            words["theta_kl"] = table["theta_kl"]
    assert (table["theta_g"], table["tilt_h"]) == (0.1, "tanh") and table["evidence_clip"] == [0.8, 1.2]
    off = {"credit": False, "controller": False, "polarised": False, "keep_sdar": table["keep_sdar"]}
    craft = CraftConfig(**(words if table["enable"] else off))
    settings = loss_settings(table) | {"craft": craft, "kl_coef": table["kl_loss_coef"]}
    if craft.controller:
        settings["controller"] = ControllerConfig(
            lambda_min=table["lam_range"][0],
            lambda_max=table["lam_range"][1],
            mu_min=table["mu_range"][0],
            mu_max=table["mu_range"][1],
            alpha=table["alpha"],
            warmup=table["n_warmup"],
            rho_target=table["rho_target"],
        )
    if table["keep_sdar"]:
        settings["distill"] = DistillConfig(coef=table["sdar_loss_coef"], beta=table["sdar_gate_beta"])
    if not (craft.on or craft.keep_sdar):
        del settings["skills"]
    if table["pg_loss_coef"] != 1:
        settings["policy_coef"] = table["pg_loss_coef"]
    return TrainConfig(method="craft", **settings)


@pytest.mark.parametrize("case", cases("craft_total"))
def test_the_whole_update(case):
    """Batch -> driver -> learner: credit, loss, every part, gradient, the controller's next state."""
    given, table, expected = case["inputs"], case["config"], case["expected"]
    config = craft_config(table)
    mask = tensor(given["response_mask"]).bool()
    rows = tensor(given["advantages"]).unsqueeze(1).expand(mask.shape).tolist()
    batch, flat, places = as_batch(
        mask, rows, group=given["uid"], trajectory=given["traj_uid"], step=given["turn_step"]
    )
    columns = {name: flat(given[name]) for name in ("old_log_probs", "teacher_log_probs")}
    batch = replace(
        batch,
        advantages=flat(rows).numpy(),
        behaviour_logprobs=columns["old_log_probs"].numpy(),
        teacher_logprobs=columns["teacher_log_probs"].numpy(),
    )
    masked = torch.from_numpy(batch.loss_mask)
    driver, craft = open_credit(config), None
    assert (driver is not None) == table["enable"]
    if driver is not None:
        driver.state = ControllerState(updates=table["n_done"], rho_ema=table["rho_ema"])
        weights = driver.weights
        assert weights == pytest.approx((expected["lam"], expected["mu"]))
        if masked.any():
            batch, metrics = driver.assess(batch, (), 0)
            assert metrics["craft/rho_gate"] == pytest.approx(expected["rho_gate"])
            assert_close(torch.from_numpy(batch.credit)[masked], tensor(expected["cti_credit"])[mask])
            craft = CraftTerms(config, torch.from_numpy(batch.credit), weights)
        else:
            driver.skip()
        driver.advance()
    logprobs = flat(given["log_probs"]).requires_grad_()
    # the learner never asks where the reference's log-probs come from
    own = LookedUp(TrainConfig(kl_coef=0.0), logprobs, flat(given["entropy"]))
    own.config = config
    teacher = None
    if table["keep_sdar"]:
        teacher = TeacherTerms(config, columns["teacher_log_probs"], update=0, vocab_size=None)
    bound = Columns(
        advantages=flat(rows),
        behaviour=columns["old_log_probs"],
        reference=flat(given["ref_log_prob"]) if table["use_kl_loss"] else None,
        teacher=teacher,
        craft=craft,
    )
    learned = Learned()
    every = range(len(batch)) if masked.any() else ()
    spread = token_mean_weights(masked).double()
    own.accumulate(batch, bound, every, spread, bound.behaviour, learned)
    assert_close(torch.tensor(sum(learned.weighted.values())), expected["loss"])
    names = {"pg": "policy", "entropy": "entropy", "kl": "kl", "cti": "credit", "sdar": "sdar"}
    for name, value in expected["parts"].items():
        assert learned.terms.get(names[name], 0.0) == pytest.approx(value, rel=1e-7, abs=1e-8), name
    found = torch.zeros(mask.numel(), dtype=torch.float64)
    if logprobs.grad is not None:
        found[places] = logprobs.grad[masked]
    assert_close(found.reshape(mask.shape), expected["grad_log_probs"], relative=True)
    if driver is not None and driver.controlled:
        after = expected["controller_after"]
        assert (driver.state.updates, driver.state.rho_ema) == pytest.approx((after["n"], after["rho_ema"]))
        assert driver.weights == pytest.approx((after["lam"], after["mu"]))


class Shown(torch.nn.Module):
    """A model that says what the table says: the logits before token t are those of the token."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, input_ids, use_cache=False, output_hidden_states=False):
        return SimpleNamespace(logits=self.logits)


@pytest.mark.parametrize("case", cases("cringe"))
def test_cringe(case):
    """Through the scoring of tokens, the terms, the driver; the recorded rival is the one that is drawn."""
    given, table, expected = case["inputs"], case["config"], case["expected"]
    assert table["clip_low"] == 0.2
    config = TrainConfig(
        method="adaptive_cringe",
        **loss_settings(table),
        cringe=CringeConfig(k=table["k"], theta=table["theta_g"]),
    )
    mask = tensor(given["response_mask"]).bool()
    logits, tokens = tensor(given["logits"]), torch.tensor(given["responses"])
    model = Shown(torch.cat([logits, logits[:, :1]], 1))
    ids = torch.cat([tokens[:, :1], tokens], 1)
    padded = torch.cat([torch.zeros_like(mask[:, :1]), mask], 1)
    weights = Weights(table["lam"], table["mu"])
    terms = CringeTerms(config, tensor(given["delta"])[mask], weights, update=0)
    terms._uniform = uniform_for(logits, tokens, torch.tensor(given["sampled_positive"]), table["k"])[mask]
    scored = token_logprobs(
        model, ids, padded, entropy=True, of_logits=lambda z, y, where: terms.margin(z, y, where)
    )
    assert_close(scored.logprobs, tensor(expected["log_probs"])[mask])
    assert_close(scored.of_logits, tensor(expected["ell_cringe"])[mask])
    index = torch.arange(int(mask.sum()))
    old = tensor(given["old_log_probs"])[mask]
    advantages = tensor(given["advantages"]).unsqueeze(1).expand(mask.shape)[mask]
    columns = Columns(advantages, old, tensor(given["ref_log_prob"])[mask], cringe=terms)
    student = Student(scored.logprobs, scored.entropy, scored.of_logits)
    _, parts = token_terms(config, columns, index, student, old)
    count = max(len(index), 1)
    loss = sum(part.weight * part.values.sum() / count for part in parts)
    loss.backward()
    assert_close(loss, expected["loss"])
    named = {part.name: part.values.sum() / count for part in parts}
    assert_close(named["cringe"], expected["l_cringe"])
    found = model.logits.grad[:, :-1]
    assert_close(found, expected["grad_logits"], relative=True)
    batch, _, _ = as_batch(mask, mask.double().tolist())
    gaps = np.zeros(len(batch.token_ids))
    gaps[batch.loss_mask] = tensor(given["delta"])[mask].numpy()
    if batch.loss_mask.any():
        driver = CreditDriver(config)
        _, metrics = driver.assess(replace(batch, teacher_logprobs=gaps), (), 0)
        assert metrics["cringe/rho_gate"] == pytest.approx(expected["rho_gate"])


def uniform_for(logits, tokens, positives, k):
    """Numbers that make the draw land on ``positives``."""
    found = rivals(logits, tokens, k)
    total = found.probabilities.double().cumsum(-1)
    place = (found.ids == positives.unsqueeze(-1)).double().argmax(-1, keepdim=True)
    high = total.gather(-1, place)
    low = torch.where(place > 0, total.gather(-1, (place - 1).clamp_min(0)), torch.zeros_like(high))
    return ((low + high) / 2).squeeze(-1)
