"""The recorded tables through the code that training runs: the teacher's terms, the learner's whole loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from craft_rl.adapter_settings import ArcaConfig, LoraConfig
from craft_rl.config import TrainConfig
from craft_rl.credit.adapter_residual import adapter_residual, concentration
from craft_rl.distillation_settings import DistillConfig
from craft_rl.loss.aggregate import token_mean_weights
from craft_rl.methods import METHODS
from craft_rl.teacher_terms import TeacherTerms
from craft_rl.token_weights import Evidence, token_weights, weigh
from craft_rl.update import Columns, Learned
from tests.golden.looked_up import LookedUp, as_batch
from tests.golden.tables import assert_close, cases, published_weights, tensor


class Driven:
    """One table case as one optimiser step: rows laid end to end, weights of the token mean."""

    def __init__(self, case, method, *, vocab_size=None, **distill):
        given = case["inputs"]
        self.given, self.shape = given, tensor(given["response_mask"]).shape
        self.mask = tensor(given["response_mask"]).bool().flatten()
        self.logprobs = tensor(given["log_probs"]).requires_grad_()
        distill = DistillConfig(**{"coef": 1.0, **distill})
        config = TrainConfig(method=method, distill=distill, skills="a bank", kl_coef=0, entropy_coef=0)
        teacher = tensor(given["teacher_log_probs"]).flatten()
        self.terms = TeacherTerms(config, teacher, update=0, vocab_size=vocab_size)
        self.weights = token_mean_weights(self.mask).double()

    def loss(self, *, old=None, entropy=None):
        """Micro-batches of one row each, like the learner's: only masked tokens are ever looked at."""
        flat, gates = self.logprobs.flatten(), None
        entropy = None if entropy is None else tensor(entropy).flatten()
        old = flat.detach() if old is None else tensor(old).flatten()
        every = self.mask.nonzero().squeeze(1)

        def at(values, index):
            return None if values is None else values[index]

        if self.terms.needs_gates:
            whole = torch.zeros_like(self.weights)
            whole[every] = self.terms.gate(every, flat[every].detach(), at(entropy, every))
            gates = self.terms.whole(whole, self.weights, 0)
        total = flat.new_zeros(()) + 0 * flat.sum()
        for index in every.split(self.shape[1]):
            if not len(index):
                continue
            values = self.terms.loss(flat[index], old[index], at(entropy, index), index, gates)
            total = total + (values * self.weights[index]).sum()
        return total


@pytest.mark.parametrize("case", cases("sdar_loss"))
def test_sdar(case):
    driven, expected = Driven(case, "sdar", beta=case["config"]["gate_beta"]), case["expected"]
    loss = driven.loss()
    loss.backward()
    assert_close(loss, expected["loss"])
    assert_close(driven.logprobs.grad, expected["grad_log_probs"], relative=True)
    metrics = driven.terms.statistics.metrics()
    if driven.mask.any():
        assert_close(torch.tensor(metrics["teacher/gate_mean"]), expected["gate_mean"])
        assert_close(torch.tensor(metrics["teacher/gate_active"]), expected["gate_active_ratio"])
        assert_close(torch.tensor(metrics["teacher/gap_mean"]), expected["teacher_gap_mean"])
    else:
        assert metrics == {}


@pytest.mark.parametrize("case", cases("gates"))
def test_gates_with_signals(case):
    config, expected = case["config"], case["expected"]
    words = {"beta": config["gate_beta"], "gate": config["gate"], "signal": config["signal"]}
    if config["signal"] == "gap":  # no gate in the term: the settings of one are refused
        words = {"signal": "gap"}
    elif config["gate_beta"] == 0:
        if config["signal"] == "centred_gate":
            pytest.skip("refused as a setting: the term is 0")
        words.pop("gate")
    driven = Driven(case, "sdar", vocab_size=config["vocab_size"], **words)
    loss = driven.loss(entropy=case["inputs"]["entropy"])
    loss.backward()
    assert_close(driven.logprobs.grad, expected["grad_log_probs"], relative=True)
    if "loss" in expected:
        assert_close(loss, expected["loss"])
    metrics = driven.terms.statistics.metrics()
    if config["signal"] != "gap" and metrics:
        assert_close(torch.tensor(metrics["teacher/gate_mean"]), expected["gate_mean"])


@pytest.mark.parametrize("case", cases("sdl_loss"))
def test_skill_sd(case):
    driven = Driven(case, "skill_sd")
    loss = driven.loss(old=case["inputs"]["old_log_probs"])
    loss.backward()
    assert_close(loss, case["expected"]["loss"], relative=True)
    assert_close(driven.logprobs.grad, case["expected"]["grad_log_probs"], relative=True)


@pytest.mark.parametrize("case", cases("rlsd_advantage"))
def test_rlsd(case):
    given, config = case["inputs"], case["config"]
    if config["rlsd_lambda"] == 0:
        off = TrainConfig(method="rlsd", distill=DistillConfig(coef=0.0), kl_coef=0.01)
        assert not off.has_teacher  # nothing is multiplied by 0: the advantages are not touched
        return
    settings = {"coef": config["rlsd_lambda"], "clip": config["rlsd_clip_eps"], "decay": 0}
    driven = Driven({"inputs": given | {"log_probs": given["old_log_probs"]}}, "rlsd", **settings)
    index = driven.mask.nonzero().squeeze(1)
    out = torch.zeros_like(driven.weights)
    before = tensor(given["old_log_probs"]).flatten()
    out[index] = driven.terms.advantages(tensor(given["advantages"]).flatten()[index], before[index], index)
    assert_close(out.reshape(driven.shape), case["expected"]["token_advantages"])


FIELDS = {"rkl": "reverse_kl", "fkl": "forward_kl", "jsd": "jsd"}


def expectation(case, **distill):
    """Gradient of the mean over every possible token, each as likely as the student would sample it."""
    given = case["inputs"]
    logits = tensor(given["student_logits"]).requires_grad_()
    logp, logq = torch.log_softmax(logits, -1), torch.log_softmax(tensor(given["teacher_logits"]), -1)
    chance = logp.detach().exp()
    settings = {"distill": DistillConfig(coef=1.0, **distill), "skills": "a bank"}
    config = TrainConfig(method="sdar", **settings)
    terms = TeacherTerms(config, logq.flatten(), update=0, vocab_size=logits.shape[-1])
    index = torch.arange(logq.numel())
    losses = terms.loss(logp.flatten(), logp.detach().flatten(), None, index, None)
    each = (losses.reshape(logp.shape) * chance).sum(-1)
    return logits, each


@pytest.mark.parametrize("case", cases("divergence"))
@pytest.mark.parametrize("name", FIELDS)
def test_sampled_divergences_have_the_gradient_of_the_whole_vocabulary(case, name):
    """Enumerated, the estimate on sampled tokens is the recorded gradient over the vocabulary."""
    words = {"signal": "gap"} if name == "rkl" else {"signal": "gap", "divergence": FIELDS[name]}
    logits, each = expectation(case, **words)
    mask = tensor(case["inputs"]["response_mask"]).bool().flatten()
    (each.flatten() * token_mean_weights(mask)).sum().backward()
    assert_close(logits.grad, case["expected"][name]["grad_student_logits"], relative=True)


@pytest.mark.parametrize("case", cases("divergence"))
@pytest.mark.parametrize("beta", [0.0, 5.0])
def test_the_gated_term_in_expectation(case, beta):
    logits, each = expectation(case, beta=beta)
    each.sum().backward()
    wanted = tensor(case["expected"]["expected_sdar_grad_student_logits"][str(beta)])
    # the loss has the value of the gap beside the gradient of log pi; the gate is a constant in both
    torch.testing.assert_close(logits.grad, wanted, rtol=1e-7, atol=1e-8)


def published_config(method, config):
    words = {"grpo_no_kl": "grpo"}
    row = METHODS[words.get(method, method)]
    settings = {
        "clip_low": config["clip_ratio_low"],
        "clip_high": config["clip_ratio_high"],
        "clip_dual": config["clip_ratio_c"],
        "entropy_coef": config["entropy_coeff"],
        "policy_coef": float(config["pg_loss_coef"]),
        "old_logprobs": "sampler",
        "kl_coef": 0.0,
    }
    if row.teacher == "sdar":
        settings["distill"] = DistillConfig(coef=config["sdar_loss_coef"], beta=config["sdar_gate_beta"])
    elif row.teacher == "skill_sd":
        settings["distill"] = DistillConfig(coef=config["sdl_loss_coef"])
    elif row.teacher == "rlsd":
        settings["distill"] = DistillConfig(coef=config["rlsd_lambda"], clip=config["rlsd_clip_eps"], decay=0)
    if row.teacher != "none":
        settings["skills"] = "a bank"
    return TrainConfig(method=row.name, **settings)


@pytest.mark.parametrize("case", cases("update_policy"))
def test_the_published_update(case):
    """``Learner.accumulate`` on each recorded micro-batch: value, gradient of log-probs, of entropies."""
    given, table, expected = case["inputs"], case["config"], case["expected"]
    config = published_config(table["method"], table)
    mask = tensor(given["response_mask"]).bool()
    batch, flat, places = as_batch(mask, given["advantages"])
    logprobs, entropy = flat(given["log_probs"]), flat(given["entropy"])
    own = LookedUp(config, logprobs.requires_grad_(), entropy.requires_grad_())
    if table["use_kl_loss"]:  # the learner never asks where the reference's log-probs come from
        own.config = replace(config, kl_coef=table["kl_loss_coef"])
    teacher = None
    if "teacher_log_probs" in given:
        teacher = TeacherTerms(own.config, flat(given["teacher_log_probs"]), update=0, vocab_size=None)
    columns = Columns(
        advantages=flat(given["advantages"]),
        behaviour=flat(given["old_log_probs"]),
        reference=flat(given["ref_log_prob"]) if table["use_kl_loss"] else None,
        teacher=teacher,
    )
    divisor = table["ppo_mini_batch_size"] // table["ppo_micro_batch_size_per_gpu"]
    for number, rows in enumerate(given["micro_batches"]):
        share = published_weights(mask[rows], table["loss_agg_mode"])
        if table["use_dynamic_bsz"]:
            share = share * (len(rows) / table["ppo_mini_batch_size"])
        else:
            share = share / divisor
        spread = torch.zeros(mask.shape, dtype=torch.float64)
        spread[rows] = share.double()
        learned = Learned()
        own.accumulate(batch, columns, rows, flat(spread.tolist()), columns.behaviour, learned)
        assert_close(torch.tensor(sum(learned.weighted.values())), expected["micro_losses"][number])
    for leaf, name in ((logprobs, "grad_log_probs"), (entropy, "grad_entropy")):
        found = torch.zeros(mask.numel(), dtype=torch.float64)
        if leaf.grad is not None:
            found[places] = leaf.grad[torch.from_numpy(batch.loss_mask)]
        assert_close(found.reshape(mask.shape), expected[name], relative=True)


@pytest.mark.parametrize("case", cases("arca"))
def test_token_weights(case):
    """``weigh`` as training calls it, then ``Learner.accumulate`` with what it returns."""
    given, table, expected = case["inputs"], case["config"], case["expected"]
    mask = tensor(given["response_mask"]).bool()
    spread = tensor(given["advantages"]).unsqueeze(1).expand(mask.shape)
    batch, flat, places = as_batch(mask, spread.tolist())
    per = "step" if table["normalise"] == "row" else "trajectory"
    if per == "trajectory":
        number: dict[str, int] = {}
        steps = [
            number.update({name: number.get(name, -1) + 1}) or number[name] for name in given["traj_uid"]
        ]
        ids = tuple((step,) for step in steps)
        batch = replace(batch, trajectory_ids=tuple(given["traj_uid"]), step_ids=ids)
    residual = None
    if "hidden_adapted" in given:
        residual = adapter_residual(tensor(given["hidden_adapted"]), tensor(given["hidden_base"]))
    nothing = torch.zeros(mask.shape, dtype=torch.float64)
    evidence = Evidence(
        logprobs=flat(given["log_probs"]),
        entropy=flat(given.get("entropy", nothing.tolist())),
        reference=flat(given.get("ref_log_prob", nothing.tolist())),
        residual=flat((nothing if residual is None else residual).tolist()),
    )
    words = {} if table["scheme"] == "uniform" else {"eps": table["eps"], "per": per}
    settings = ArcaConfig(scheme=table["scheme"], **words)
    rows = range(len(batch))
    if table["scheme"] != "uniform":  # training never weighs evenly: it leaves the advantages alone
        chosen, w, unit = token_weights(batch, rows, evidence, settings)
        assert_close(w, flat(expected["w"])[chosen])
        spread_of = concentration(w, unit, int(unit.max()) + 1)
        filled = [
            value for value, ratio in zip(expected["gini"], expected["effn_ratio"], strict=True) if ratio
        ]
        assert_close(spread_of.gini, filled)
    weighed = weigh(batch, rows, evidence, flat(spread.tolist()), settings)
    assert_close(weighed.advantages, flat(expected["adv_token"]))
    assert_close(torch.tensor(weighed.metrics["arca/gini"]), expected["gini_mean"])
    assert_close(torch.tensor(weighed.metrics["arca/effective_tokens"]), expected["effn_mean"])
    if table["scheme"] == "arca":
        assert_close(torch.tensor(weighed.metrics["arca/residual_mean"]), expected["residual_mean"])
        assert_close(torch.tensor(weighed.metrics["arca/residual_max"]), expected["residual_max"])
    config = TrainConfig(
        method="arca",
        arca=settings,
        lora=LoraConfig(rank=2),
        clip_low=table["clip_low"],
        clip_high=table["clip_high"],
        clip_dual=table["clip_c"],
        old_logprobs="sampler",
        kl_coef=0.0,
        entropy_coef=0.0,
    )
    logprobs = flat(given["log_probs"]).requires_grad_()
    own = LookedUp(config, logprobs, torch.zeros_like(logprobs))
    columns = Columns(advantages=weighed.advantages, behaviour=flat(given["old_log_probs"]), reference=None)
    weights, learned = token_mean_weights(torch.from_numpy(batch.loss_mask)).double(), Learned()
    own.accumulate(batch, columns, rows, weights, columns.behaviour, learned)
    assert_close(torch.tensor(learned.weighted["policy"]), expected["ppo_loss"])
    found = torch.zeros(mask.numel(), dtype=torch.float64)
    found[places] = logprobs.grad[torch.from_numpy(batch.loss_mask)]
    assert_close(found.reshape(mask.shape), expected["ppo_grad_log_probs"], relative=True)
