"""Properties of the credit rooms that hold for any numbers."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch

import craft_rl
from craft_rl.advantage.gigpo import gigpo_advantages, step_advantages, step_groups
from craft_rl.advantage.grpo import grpo_advantages
from craft_rl.advantage.rlsd import rlsd_advantages
from craft_rl.credit.adapter_residual import adapter_residual, concentration, salience_weights
from craft_rl.credit.controller import ControllerSettings
from craft_rl.credit.counterfactual import VARIANTS, CreditSettings, counterfactual_credit
from craft_rl.credit.edits import Turn, align, align_steps, edit_advantages, shaped_rewards
from craft_rl.credit.siblings import ALIGNMENTS, token_slots
from craft_rl.loss.cringe import rivals
from craft_rl.loss.distill import divergences, sdar_loss
from craft_rl.loss.gates import GATES, gate_values
from craft_rl.report.credit_figure import measure

SIBLINGS, TOKENS = 6, 5


def siblings(seed: int = 0, *, binary: bool = False):
    """One group: gaps and advantages of SIBLINGS x TOKENS, all tokens of one column in one slot."""
    draw = torch.Generator().manual_seed(seed)
    gap = torch.randn(SIBLINGS, TOKENS, generator=draw, dtype=torch.float64)
    rewards = torch.rand(SIBLINGS, generator=draw, dtype=torch.float64)
    if binary:
        rewards = torch.tensor([1.0, 1, 0, 0, 0, 1], dtype=torch.float64)
    advantages = grpo_advantages(rewards, torch.zeros(SIBLINGS, dtype=torch.int64))
    return gap, advantages.unsqueeze(1).expand_as(gap)


def credit(gap, advantages, **settings):
    owner = torch.arange(len(gap)).unsqueeze(1).expand_as(gap)
    slot = torch.arange(gap.shape[1]).expand_as(gap)
    return counterfactual_credit(
        gap.reshape(-1),
        advantages.reshape(-1),
        slot.reshape(-1),
        owner.reshape(-1),
        CreditSettings(**settings),
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_rewards_give_no_credit_at_all(variant):
    gap, advantages = siblings()
    out = credit(gap, torch.zeros_like(advantages), variant=variant)
    assert not out.c.any() and out.rho_gate == 0
    if variant not in ("evidence",):  # evidence looks at its own advantage alone
        assert not credit(gap, torch.full_like(advantages, 0.7), variant=variant).cti.any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_credit_follows_its_sibling_through_any_order(variant):
    gap, advantages = siblings(1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain = credit(gap, advantages, variant=variant).cti.reshape(SIBLINGS, TOKENS)
    mixed = credit(gap[order], advantages[order], variant=variant).cti.reshape(SIBLINGS, TOKENS)
    torch.testing.assert_close(mixed, plain[order])


def test_a_loop_over_siblings_gives_the_same():
    gap, advantages = siblings(2)
    out = credit(gap, advantages, variant="realised", tau=0.7).cti.reshape(SIBLINGS, TOKENS)
    for i, t in itertools.product(range(SIBLINGS), range(TOKENS)):
        others = [j for j in range(SIBLINGS) if j != i]
        weights = [math.exp(float(gap[j, t]) / 0.7) for j in others]
        mean = sum(w * float(advantages[j, t]) for w, j in zip(weights, others, strict=True)) / sum(weights)
        assert float(out[i, t]) == pytest.approx(float(advantages[i, t]) - mean)


def test_a_hot_softmax_is_leave_one_out():
    gap, advantages = siblings(3)
    out = credit(gap, advantages, variant="paper", tau=1e9).cti
    torch.testing.assert_close(out, (-advantages * SIBLINGS / (SIBLINGS - 1)).reshape(-1))


def test_the_literal_equation_opposes_two_valued_advantages():
    gap, advantages = siblings(4, binary=True)
    paper = credit(gap, advantages, variant="paper").c
    realised = credit(gap, advantages, variant="realised").c
    assert (paper.sign() == -advantages.reshape(-1).sign()).all()
    torch.testing.assert_close(realised, -paper, rtol=0, atol=0)


def test_the_own_gap_does_not_enter_the_literal_equation():
    gap, advantages = siblings(5)
    other = gap.clone()
    other[0] += 3.0
    before, after = (credit(g, advantages, variant="paper").cti.reshape(SIBLINGS, -1) for g in (gap, other))
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])


def test_influence_sums_to_zero_over_the_group():
    gap, advantages = siblings(6)
    out = credit(gap, advantages, variant="influence").cti.reshape(SIBLINGS, TOKENS)
    torch.testing.assert_close(out.sum(0), torch.zeros(TOKENS, dtype=torch.float64))


def test_too_few_siblings_fall_back():
    gap, advantages = siblings(7)
    out = credit(gap, advantages, variant="realised", g_min=SIBLINGS + 1)
    assert out.fallback.all() and not out.ess.any()
    torch.testing.assert_close(out.cti, (gap * advantages).reshape(-1))
    assert not credit(gap, advantages, variant="paper", g_min=99, fallback="zero").c.any()


def test_tokens_of_one_trajectory_are_never_siblings():
    out = counterfactual_credit(
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([1.0, 1.0, -1.0]),
        torch.zeros(3, dtype=torch.int64),
        torch.tensor([0, 0, 1]),
        CreditSettings(variant="realised"),
    )
    assert out.siblings.tolist() == [1, 1, 2]


def test_alignments_differ_where_lengths_do():
    columns = {
        "group": ["g"] * 6,
        "trajectory": ["a", "a", "a", "b", "b", "b"],
        "step": [0, 0, 1, 0, 1, 1],
        "place": [0, 1, 0, 0, 0, 1],
        "anchor": ["s", "s", "t", "s", "t", "t"],
    }
    slots = {name: token_slots(name, **columns).tolist() for name in ALIGNMENTS}
    assert slots["turn_token"] == [0, 1, 2, 0, 2, 3]
    assert slots["flat"] == [0, 1, 2, 0, 1, 2]
    assert slots["anchor"] == [0, 1, 2, 0, 2, 3]
    with pytest.raises(ValueError, match="anchor"):
        token_slots("anchor", **{**columns, "anchor": None})
    with pytest.raises(ValueError, match="nearest"):
        token_slots("nearest", **columns)


def test_settings_without_meaning_are_refused():
    for wrong in ({"variant": "papr"}, {"tau": 0.0}, {"evidence_clip": (1.2, 0.8)}):
        with pytest.raises(ValueError, match=r"credit|tau|evidence_clip"):
            CreditSettings(**wrong)


def test_gigpo_without_step_weight_is_grpo_bit_for_bit():
    scores = torch.tensor([1.0, 0.0, 1.0, 0.5], dtype=torch.float64)
    group = torch.zeros(4, dtype=torch.int64)
    clusters = step_groups(["g"] * 4, ["s", "s", "t", "u"])
    off = gigpo_advantages(scores, group, scores, clusters, step_weight=0.0)
    assert torch.equal(off, grpo_advantages(scores, group))
    local = step_advantages(scores, clusters)
    assert local[0] > 0 > local[1] and not local[2:].any()  # nobody else was in t or u


def test_rlsd_at_zero_is_the_same_tensor():
    advantages = torch.randn(4)
    assert rlsd_advantages(advantages, torch.randn(4), torch.randn(4), weight=0.0) is advantages


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_without_sharpness_is_one_half(gate):
    values = gate_values(torch.randn(5), gate=gate, beta=0.0, entropy=torch.rand(5), vocab_size=100)
    assert (values == 0.5).all()


def test_an_ungated_pull_carries_nothing_of_the_teacher_in_expectation():
    """Exact enumeration over a vocabulary: E[g grad log pi] is 0 for beta 0, else descends the reverse KL."""
    draw = torch.Generator().manual_seed(0)
    student = torch.randn(7, generator=draw, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(7, generator=draw, dtype=torch.float64)
    log_p, log_q = torch.log_softmax(student, -1), torch.log_softmax(teacher, -1)
    gradients = {}
    for beta in (0.0, 5.0):
        gate = gate_values(log_q - log_p, beta=beta)
        expected = (log_p.exp().detach() * sdar_loss(log_p, log_q, gate)).sum()
        (gradients[beta],) = torch.autograd.grad(expected, student, retain_graph=True)
    (true,) = torch.autograd.grad(divergences(student, teacher).reverse_kl, student)
    assert gradients[0.0].abs().max() < 1e-15
    assert torch.cosine_similarity(gradients[5.0], true, dim=0) > 0.8


def test_a_silent_adapter_gives_exactly_uniform_weights():
    hidden = torch.randn(6, 8)
    unit = torch.tensor([0, 0, 0, 1, 1, 1])
    weights = salience_weights(adapter_residual(hidden, hidden), unit)
    assert torch.equal(weights, torch.full((6,), 1.0) / 3)
    even = concentration(weights.double(), unit, 2)
    torch.testing.assert_close(even.gini, torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-7)
    spike = concentration(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64), 1)
    assert float(spike.gini) == pytest.approx(0.75) and float(spike.effective_ratio) == pytest.approx(0.25)


def test_scaling_the_residual_changes_no_weight():
    base, residual = torch.randn(5, 8, dtype=torch.float64), torch.randn(5, 8, dtype=torch.float64)
    unit = torch.zeros(5, dtype=torch.int64)
    one, two = (salience_weights(adapter_residual(base + s * residual, base), unit) for s in (1.0, 2.0))
    torch.testing.assert_close(one, two, rtol=1e-6, atol=0)


def test_edits_of_whole_actions():
    attempt = ["go to desk 1", "take mug 1", "go to shelf 2"]
    found = align(attempt, ["go to desk 1", "take mug 2", "go to shelf 2"])
    assert found.distance == 1 and found.edited() == [False, True, False]
    assert align(attempt, attempt).distance == 0


def test_an_insertion_never_reaches_back_into_a_kept_step():
    attempt = [Turn("a", [1, 2]), Turn("b", [5, 7])]
    found = align_steps(attempt, [Turn("a", [1, 2]), Turn("c", [9, 5, 7])])
    assert found.distance == 1 and not any(found.edited(attach_insertions=True))
    found = align_steps(attempt, [Turn("a", [1, 2]), Turn("c", [5, 9, 7])])
    assert found.edited(attach_insertions=True) == [False, False, True, False]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_rivals_are_those_of_a_stable_sort(dtype, k):
    """Ties, plenty of them in half precision, go by the id; cut off at the last place too."""
    draw = torch.Generator().manual_seed(k)
    logits = torch.randn(3, 7, 37, generator=draw, dtype=torch.float64)
    logits[1] = logits[1].round()
    logits = logits.to(dtype)
    tokens = torch.randint(0, 37, (3, 7), generator=draw)
    others = logits.scatter(-1, tokens.unsqueeze(-1), float("-inf"))
    values, ids = torch.sort(others, dim=-1, descending=True, stable=True)
    count = min(k, 36)
    found = rivals(logits, tokens, k)
    assert torch.equal(found.ids, ids[..., :count])
    assert torch.equal(found.probabilities, torch.softmax(values[..., :count], -1))
    broken = logits.index_fill(1, torch.tensor([2]), float("nan"))
    assert torch.equal(rivals(broken, tokens, k).ids[:, 3:], found.ids[:, 3:])


@pytest.mark.parametrize(
    "settings",
    [{"tau": math.nan}, {"tau": math.inf}, {"theta": -1.0}, {"theta": math.nan}, {"theta": 2.0}]
    + [{"evidence_clip": clip} for clip in ((math.nan, 1.0), (0.8, math.inf), (1.2, 0.8), (-1.0, 1.0))],
)
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        CreditSettings(**settings)
    with pytest.raises(ValueError, match="lambda"):
        ControllerSettings(lambda_max=math.inf)


def test_the_card_shows_what_the_figure_measures():
    card = (Path(craft_rl.__file__).parent / "cards" / "craft.md").read_text()
    for row in measure():
        numbers = " | ".join(f"{value:+.2f}" for value in row.quadrants)
        shares = f"{row.sign_correlation:+.2f} | {row.opposed:.1%} | {numbers} | {row.gate:.1%}"
        assert f"| {row.rewards} | `{row.variant}` | {shares} |" in card


def test_a_corrected_failure_is_never_reinforced():
    values, kept, bites = edit_advantages(0.8, [False, True], clamp=True)
    assert values == [0.8, 0.0] and kept == [False, True] and bites
    assert edit_advantages(0.8, [False, True], clamp=False) == ([0.8, 0.8], [False, True], False)


def test_a_failure_never_outranks_a_success():
    assert shaped_rewards([1.0, 0.0], [0.0, 0.5], [True, False], weight=0.6) == [1.0, 0.3]
    with pytest.raises(ValueError, match="below 1"):
        shaped_rewards([1.0, 0.0], [0.0, 1.0], [True, False], weight=1.0)
