"""A figure of CRAFT's credit variants on simulated groups: whose sign they have, whether they see the gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from craft_rl.advantage.grpo import grpo_advantages
from craft_rl.credit.counterfactual import VARIANTS, CreditSettings, Variant, counterfactual_credit
from craft_rl.credit_driver import sign_correlation

GROUPS, SIBLINGS = 4000, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """One variant on one kind of reward."""

    variant: Variant
    rewards: str
    """``binary`` or ``graded``."""
    sign_correlation: float
    """Of sign(c) with sign(A)."""
    opposed: float
    """Share of tokens with sign(c) = -sign(A)."""
    quadrants: tuple[float, float, float, float]
    """Mean c for (A > 0, gap > 0), (A > 0, gap < 0), (A < 0, gap > 0), (A < 0, gap < 0)."""
    gate: float
    """rho_gate: share of tokens with ``|c|`` above 0.1."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Tokens of independent slots, one from each sibling."""

    gap: torch.Tensor
    """[N]"""
    advantages: torch.Tensor
    """[N]"""
    slot: torch.Tensor
    """[N]"""
    owner: torch.Tensor
    """[N]"""


def simulate(rewards: str, *, spread: float = 1.0, seed: int = 0) -> Simulated:
    """Groups of 8 whose teacher's gaps are normal, rewards 0 or 1 (mixed groups alone) or uniform.

    Args:
        rewards: ``binary`` or ``graded``.
        spread: standard deviation of the gaps, nats.
        seed: of everything.
    """
    draw = torch.Generator().manual_seed(seed)
    shape = (GROUPS, SIBLINGS)
    gap = spread * torch.randn(shape, generator=draw, dtype=torch.float64)
    scores = torch.rand(shape, generator=draw, dtype=torch.float64)
    if rewards == "binary":
        scores = (scores < 0.5).double()
        mixed = (scores.sum(1) > 0) & (scores.sum(1) < SIBLINGS)
        gap, scores = gap[mixed], scores[mixed]
    group = torch.arange(len(gap)).unsqueeze(1).expand_as(gap).reshape(-1)
    advantages = grpo_advantages(scores.reshape(-1), group)
    return Simulated(gap.reshape(-1), advantages, group, torch.arange(gap.numel()))


def measure(*, spread: float = 1.0, seed: int = 0) -> list[VariantRow]:
    """Every variant on both kinds of reward."""
    rows = []
    for rewards in ("binary", "graded"):
        made = simulate(rewards, spread=spread, seed=seed)
        up, more = made.advantages > 0, made.gap > 0
        for variant in VARIANTS:
            found = counterfactual_credit(
                made.gap, made.advantages, made.slot, made.owner, CreditSettings(variant=variant)
            )
            c = found.c
            quadrants = [
                float(c[a & g].mean()) for a, g in ((up, more), (up, ~more), (~up, more), (~up, ~more))
            ]
            rows.append(
                VariantRow(
                    variant=variant,
                    rewards=rewards,
                    sign_correlation=sign_correlation(c, made.advantages),
                    opposed=float((c.sign() == -made.advantages.sign()).double().mean()),
                    quadrants=(quadrants[0], quadrants[1], quadrants[2], quadrants[3]),
                    gate=float(found.rho_gate),
                )
            )
    return rows


def plot_credit(
    path: Path, *, spread: float = 1.0, seed: int = 0, variants: Sequence[Variant] = VARIANTS
) -> Path:
    """Mean credit of winners with losers over their own gap, one panel a variant, rewards 0 or 1.

    Args:
        path: PNG to write.
        spread: standard deviation of the gaps, nats.
        seed: of the simulation.
        variants: panels.

    Returns:
        ``path``.
    """
    from matplotlib.figure import Figure

    made = simulate("binary", spread=spread, seed=seed)
    edges = torch.linspace(-2.5 * spread, 2.5 * spread, 16, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    place = torch.bucketize(made.gap, edges) - 1
    figure = Figure(figsize=(3.0 * len(variants), 3.2), layout="constrained")
    axes = figure.subplots(1, len(variants), sharey=True, squeeze=False)[0]
    for axis, variant in zip(axes, variants, strict=True):
        settings = CreditSettings(variant=variant)
        c = counterfactual_credit(made.gap, made.advantages, made.slot, made.owner, settings).c
        for kept, label, colour in (
            (made.advantages > 0, "solved (A > 0)", "tab:blue"),
            (made.advantages < 0, "failed (A < 0)", "tab:red"),
        ):
            means = [float(c[kept & (place == i)].mean()) for i in range(len(middle))]
            axis.plot(middle.tolist(), means, color=colour, label=label)
        axis.axhline(0, color="grey", linewidth=0.5)
        axis.set_title(variant)
        axis.set_xlabel("teacher's gap of the token, nats")
    axes[0].set_ylabel("mean credit c")
    axes[0].set_ylim(-1.05, 1.05)
    axes[-1].legend(loc="lower right", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
