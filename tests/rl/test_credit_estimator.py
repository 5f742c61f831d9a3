"""What the siblings estimate: consistency on a tabular policy, the variance bound as corrected."""

from __future__ import annotations

import pytest
import torch

from craft_rl.credit.counterfactual import CreditSettings, counterfactual_credit

# policy, teacher, advantage of three actions: a one-step table
POLICY = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
TEACHER = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
VALUE = torch.tensor([1.0, -0.5, -1.0], dtype=torch.float64)


def estimates(policy, teacher, value, *, siblings: int, groups: int, seed: int = 0, tau: float = 1.0):
    """[groups] what the first of each group hears from its siblings: sum of w_j A_j, eq. (7)."""
    draw = torch.Generator().manual_seed(seed)
    actions = torch.multinomial(policy, siblings * groups, replacement=True, generator=draw)
    gap, a = (teacher / policy).log()[actions], value[actions]
    slot = torch.arange(groups).repeat_interleave(siblings)
    owner = torch.arange(siblings * groups)
    found = counterfactual_credit(gap, a, slot, owner, CreditSettings(variant="paper", tau=tau))
    return (found.cti + a).reshape(groups, siblings)[:, 0]


def test_siblings_estimate_the_value_under_the_teacher():
    """Eq. (6): E[rho A] / E[rho], with a bias that shrinks as 1 / G."""
    wanted = float((TEACHER * VALUE).sum())
    bias = {}
    for siblings, groups in ((5, 60000), (17, 20000), (65, 4000)):
        found = estimates(POLICY, TEACHER, VALUE, siblings=siblings, groups=groups)
        bias[siblings] = float(found.mean()) - wanted
    assert abs(bias[65]) < 0.02
    assert abs(bias[17]) < 0.5 * abs(bias[5])
    assert bias[17] * 16 == pytest.approx(bias[5] * 4, rel=0.5)  # both are about the constant of 1 / n


def test_without_the_teacher_it_is_the_value_under_the_policy():
    found = estimates(POLICY, TEACHER, VALUE, siblings=17, groups=20000, tau=1e9)
    assert float(found.mean()) == pytest.approx(float((POLICY * VALUE).sum()), abs=0.01)


def test_the_variance_bound_needs_the_constant_four():
    """Var <= 4 R^2 E[rho^2] / n; the paper's 1, which takes |A - mean| <= R, is broken by this table."""
    policy = torch.tensor([0.1, 0.9], dtype=torch.float64)
    teacher = torch.tensor([0.4, 0.6], dtype=torch.float64)
    value = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    found = estimates(policy, teacher, value, siblings=65, groups=4000)
    scaled = 64 * float(found.var())
    square = float((policy * (teacher / policy).square()).sum())
    assert square < scaled < 4 * square
    wide = estimates(POLICY, TEACHER, VALUE, siblings=17, groups=20000)
    assert 16 * float(wide.var()) < 4 * float((POLICY * (TEACHER / POLICY).square()).sum())


@pytest.mark.parametrize("tau", [1e-6, 1e-3])
def test_a_cold_softmax_listens_to_one_sibling(tau):
    gap = torch.tensor([0.3, 2.0, -1.0, 0.5], dtype=torch.float64)
    a = torch.tensor([1.0, -0.7, 0.2, -0.5], dtype=torch.float64)
    slot, owner = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    found = counterfactual_credit(gap, a, slot, owner, CreditSettings(variant="realised", tau=tau))
    best = torch.tensor([1, 3, 1, 1])  # the largest gap among the others
    torch.testing.assert_close(found.cti, a - a[best])
    torch.testing.assert_close(found.ess, torch.ones(4, dtype=torch.float64))
