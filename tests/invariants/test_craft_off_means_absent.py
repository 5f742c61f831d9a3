"""Invariant 1: each pillar of CRAFT off, singly or together, is the loss without it, bit for bit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from craft_rl.config import TrainConfig
from craft_rl.craft_settings import ControllerConfig, CraftConfig, CringeConfig
from craft_rl.credit.controller import ControllerState
from craft_rl.credit_driver import open_credit
from craft_rl.distillation_settings import DistillConfig
from craft_rl.loss.kl import kl_estimate
from craft_rl.loss.policy import clipped_policy_loss
from craft_rl.report.jsonl import read_metrics
from craft_rl.tokens.pack import micro_batches
from craft_rl.tokens.score import token_logprobs
from craft_rl.types import TokenBatch
from craft_rl.update import Learned, loss_weights
from tests.rl.tiny_teacher import learner, played, teaching_trainer, tiny_teacher
from tests.rl.tiny_training import gradients, same_weights, tiny_config, tiny_policy, tiny_trainer

EIGHT = list(itertools.product([False, True], repeat=3))
PLAIN = {"kl_coef": 0.01, "entropy_coef": 0.01}
MICRO = {"whole": 8192, "micro": 200}


def pillars(credit: bool, controller: bool, polarised: bool, **craft: object) -> TrainConfig:
    on = credit or controller or polarised
    chosen = CraftConfig(credit=credit, controller=controller, polarised=polarised, **craft)  # type: ignore[arg-type]
    words = PLAIN | ({"skills": "tiny"} if on or chosen.keep_sdar else {})
    return tiny_config(method="craft", craft=chosen, **words)


def told(batch: TokenBatch) -> TokenBatch:
    """The batch with made-up log-probs of a teacher, which lie there whether anybody looks or not."""
    noise = np.random.default_rng(0).normal(size=len(batch.token_ids)).astype(np.float32)
    return replace(batch, teacher_logprobs=np.where(batch.loss_mask, batch.behaviour_logprobs + noise, 0))


def one_step(
    config: TrainConfig, *, state: ControllerState | None = None, dtype: torch.dtype = torch.float32
):
    """(learned, gradients, the batch that the loss saw, metrics of the driver)."""
    policy, learned = tiny_policy(), Learned()
    policy.model.to(dtype)
    batch, trajectories = played(config)
    batch, driver, metrics, weights = told(batch), open_credit(config), {}, None
    if driver is not None:
        driver.state = state or driver.state
        weights = driver.weights
        batch, metrics = driver.assess(batch, trajectories, 0)
    own = learner(config, policy)
    if own.reference is not None:
        own.reference.to(dtype)
    columns = own.columns(batch, weights=weights)
    rows = list(range(len(batch)))
    spread = loss_weights(batch, rows, config.aggregation).to(torch.float32)
    own.accumulate(batch, columns, rows, spread, None, learned)
    return learned, gradients(policy.model), batch, metrics


def by_hand(config: TrainConfig, batch: TokenBatch, lam: float, mu: float, dtype: torch.dtype):
    """The same sum, written down for one combination: what methods.md calls the baseline of each switch."""
    policy, craft = tiny_policy(), config.craft
    reference = tiny_policy(seed=1).model.eval()
    policy.model.to(dtype), reference.to(dtype)
    weights = loss_weights(batch, range(len(batch)), config.aggregation).to(torch.float32)
    for micro in micro_batches(batch, config.micro_batch_tokens, range(len(batch))):
        ids, mask = torch.from_numpy(micro.token_ids), torch.from_numpy(micro.loss_mask)
        index = torch.from_numpy(micro.index[micro.loss_mask])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.autocast == "bf16"):
            scored = token_logprobs(policy.model, ids, mask, entropy=True)
            with torch.no_grad():
                other = token_logprobs(reference, ids, mask).logprobs
        w = weights[index]
        advantages = torch.from_numpy(batch.advantages)[index]
        clips = {"clip_low": 0.2, "clip_high": 0.2, "clip_dual": 3.0}
        pg = clipped_policy_loss(scored.logprobs, scored.logprobs.detach(), advantages, **clips).loss
        loss = (pg * w).sum()
        loss = loss + -config.entropy_coef * (scored.entropy * w).sum()
        k3 = kl_estimate(scored.logprobs, other, "k3")
        if craft.polarised:
            c = torch.from_numpy(batch.credit)[index]
            d = scored.logprobs - other
            k3 = torch.where(c > 0, d, torch.where(c < 0, -d, k3))
        loss = loss + mu * (k3 * w).sum()
        if craft.credit:
            loss = loss + lam * (-torch.from_numpy(batch.credit)[index] * scored.logprobs * w).sum()
        loss.backward()
    return gradients(policy.model)


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.mark.parametrize("micro", MICRO)
@pytest.mark.parametrize("numbers", ["float32", "autocast", "bfloat16"])
@pytest.mark.parametrize("switches", EIGHT)
def test_all_eight_combinations(switches, numbers, micro):
    credit, controller, polarised = switches
    state = ControllerState(updates=30, rho_ema=0.8)
    autocast = "bf16" if numbers == "autocast" else "none"
    dtype = torch.bfloat16 if numbers == "bfloat16" else torch.float32
    config = replace(pillars(*switches), autocast=autocast, micro_batch_tokens=MICRO[micro])
    learned, found, batch, metrics = one_step(config, state=state, dtype=dtype)
    lam, mu = state.weights(config.controller) if controller else (config.craft.coef, config.kl_coef)
    assert equal(found, by_hand(config, batch, lam, mu, dtype))
    assert any(value.any() for value in found.values())
    # what is off leaves no trace
    assert (batch.credit is None) == (not any(switches)) == (not metrics)
    assert ("credit" in learned.terms) == credit
    assert ("craft/lambda" in metrics) == credit and ("craft/rho_ema" in metrics) == controller
    assert learned.weighted["kl"] == pytest.approx(mu * learned.terms["kl"])
    if not any(switches):
        base = tiny_config(**PLAIN, autocast=autocast, micro_batch_tokens=MICRO[micro])
        wanted, values, _, _ = one_step(base, dtype=dtype)
        assert equal(found, values)
        assert learned.terms == wanted.terms and learned.weighted == wanted.weighted
    if not controller and any(switches):  # a controller that cannot move is none
        still = {"lambda_min": 0.01, "lambda_max": 0.01} if credit else {}
        frozen = replace(
            config,
            craft=replace(config.craft, controller=True),
            controller=ControllerConfig(mu_min=0.01, mu_max=0.01, **still),
        )
        assert equal(found, one_step(frozen, state=state, dtype=dtype)[1])
    if not polarised and any(switches):
        std = replace(config, craft=replace(config.craft, polarised=True, form="std"))
        assert equal(found, one_step(std, state=state, dtype=dtype)[1])


def test_each_pillar_matters():
    """Otherwise the equalities above would be cheap."""
    state = ControllerState(updates=30, rho_ema=0.8)
    found = [one_step(pillars(*switches), state=state)[1] for switches in EIGHT]
    for a, b in itertools.combinations(found, 2):
        assert not equal(a, b)


def test_sdar_that_is_kept_alone_is_sdar():
    distill = DistillConfig(coef=0.3)
    kept = replace(pillars(False, False, False), skills="tiny", distill=distill, craft=OFF_BUT_SDAR)
    base = tiny_config(method="sdar", distill=distill, skills="tiny", **PLAIN)

    def step(config):
        policy, learned = tiny_policy(), Learned()
        batch = told(played(config)[0])
        own = learner(config, policy)
        rows = list(range(len(batch)))
        spread = loss_weights(batch, rows, config.aggregation).to(torch.float32)
        own.accumulate(batch, own.columns(batch), rows, spread, None, learned)
        return learned, gradients(policy.model)

    (a, found), (b, wanted) = step(kept), step(base)
    assert equal(found, wanted) and a.weighted == b.weighted and "sdar" in a.terms


OFF_BUT_SDAR = CraftConfig(credit=False, controller=False, polarised=False, keep_sdar=True)


@pytest.mark.parametrize("method", ["craft", "token_cringe"])
def test_whole_runs_that_are_off_are_grpo(method, tmp_path):
    """Weights, metrics, global generators."""
    words = {"craft": pillars(False, False, False).craft, "cringe": CringeConfig()}
    words = {"craft": words["craft"]} if method == "craft" else {"cringe": CringeConfig(coef=0.0)}
    off = tiny_trainer(tiny_config(method=method, updates=2, **PLAIN, **words), tmp_path / "off")
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    last = off.run()
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    base = tiny_trainer(tiny_config(updates=2, **PLAIN), tmp_path / "base")
    wanted = base.run()
    assert same_weights(off.policy.model, base.policy.model)
    rows = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("off", "base")]
    assert [set(row) for row in rows[0]] == [set(row) for row in rows[1]]
    assert set(last.state) == set(wanted.state) and "controller" not in last.state


def test_a_run_that_is_on_draws_from_no_global_generator(tmp_path):
    for name, config in (
        ("craft", pillars(True, True, True, control="shuffled_siblings")),
        ("cringe", tiny_config(method="adaptive_cringe", skills="tiny", **PLAIN)),
    ):
        trainer = teaching_trainer(replace(config, updates=1), tmp_path / name, teacher=tiny_teacher)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        trainer.run()
        assert torch.equal(before[0], torch.get_rng_state())
        assert (before[1] == np.random.get_state()[1]).all()
