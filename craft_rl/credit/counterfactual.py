"""Counterfactual token credit from siblings that were sampled anyway (CRAFT, pillar 1).

Source: arXiv 2606.29476, eq. (7) to (10). With siblings j of token i in its slot, w = softmax(Delta_j / tau):

===========  =================================================  ==========================================
variant      value before the sigmoid                           pool of the softmax
===========  =================================================  ==========================================
paper        sum_j w_j A_j - A_i                                siblings; literal eq. (7)
realised     A_i - sum_j w_j A_j                                siblings; credit of the token that was taken
group_tilt   (sum_j w_j A_j - mean A) * h(Delta_i)              siblings with the token itself
influence    w_i (A_i - sum_j w_j A_j) / tau                    siblings with the token itself
evidence     A_i * clip(exp(sign(A_i) Delta_i), lo, hi)         none
===========  =================================================  ==========================================

For two-valued advantages ``paper`` has the opposite sign of the trajectory's own advantage, whatever the
teacher says: sum_j w_j A_j is a convex combination of the two values. ``realised`` is its negative, which
agrees with the policy gradient. Sums run over w_j (A_j - A_i), so equal advantages give an exact 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Variant = Literal["paper", "realised", "group_tilt", "influence", "evidence"]
VARIANTS: tuple[Variant, ...] = ("paper", "realised", "group_tilt", "influence", "evidence")

_CHUNK = 1 << 22
"""Pairs of tokens that are compared at once; bounds memory."""
_MAX_EXPONENT = 60.0
"""Above any sensible clip; keeps exp() finite in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSettings:
    """Settings of the credit, defaults of the paper's Table 6 where it has them.

    Example: ``CreditSettings(variant="realised", tau=0.5)``.

    Raises:
        ValueError: out of range.
    """

    variant: Variant = "realised"
    """A row of the table in the file's head."""
    tau: float = 1.0
    """Temperature of the softmax, above 0."""
    g_min: int = 2
    """Fewest tokens of a slot, the own one included, for a comparison."""
    fallback: Literal["a_delta", "zero"] = "a_delta"
    """Value where there are fewer: A_i * Delta_i, or 0."""
    tilt: Literal["tanh", "sign"] = "tanh"
    """h of ``group_tilt``."""
    evidence_clip: tuple[float, float] = (0.8, 1.2)
    """lo and hi of ``evidence``."""
    beta_pos: float = 5.0
    """Sharpness for positive values."""
    beta_neg: float = 5.0
    """Sharpness for negative values."""
    theta: float = 0.1
    """``|c|`` above which a token counts as active."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.variant not in VARIANTS:
            raise ValueError(f"Unknown credit {self.variant!r}; choose one of {', '.join(VARIANTS)}.")
        if not 0 < self.tau < math.inf:
            raise ValueError(f"The credit's tau must be above 0, got {self.tau}.")
        if not 0 <= self.theta <= 1:
            raise ValueError(f"The credit's theta must be in [0, 1], got {self.theta}.")
        low, high = self.evidence_clip
        if not 0 <= low <= high < math.inf:
            raise ValueError(f"The credit's evidence_clip must be (low, high), got {self.evidence_clip}.")


class Credit(NamedTuple):
    """Credit of every token with what it was made from; all detached."""

    c: Tensor
    """[N] signed credit in (-1, 1)."""
    cti: Tensor
    """[N] the value before the sigmoid."""
    siblings: Tensor
    """[N] int, tokens of other trajectories in the slot."""
    fallback: Tensor
    """[N] bool, too few of them; never for ``evidence``."""
    ess: Tensor
    """[N] effective number of siblings 1 / sum w^2; 0 where no softmax was taken."""
    rho_gate: Tensor
    """Scalar, share of tokens with ``|c|`` above theta; 0 without tokens."""


@torch.no_grad()
def counterfactual_credit(
    gap: Tensor, advantages: Tensor, slot: Tensor, owner: Tensor, settings: CreditSettings
) -> Credit:
    """Credit of every token under the loss mask.

    Args:
        gap: [N] Delta = log pi_T - log pi_old, nats.
        advantages: [N] A of each token's row.
        slot: [N] int, from ``siblings.token_slots``.
        owner: [N] int, index of the token's trajectory; tokens of one trajectory are never siblings.
        settings: variant with its constants.

    Returns:
        Values per token.
    """
    count = len(gap)
    pooled = settings.variant in ("group_tilt", "influence")
    cti = advantages * gap if settings.fallback == "a_delta" else torch.zeros_like(gap)
    siblings = torch.zeros(count, dtype=torch.int64, device=gap.device)
    ess = torch.zeros_like(gap)
    compared = torch.zeros(count, dtype=torch.bool, device=gap.device)
    for members in _slot_tables(slot):
        present = members >= 0
        index = members.clamp_min(0)
        a, d, who = advantages[index], gap[index], owner[index]
        sibling = (who.unsqueeze(2) != who.unsqueeze(1)) & present.unsqueeze(1) & present.unsqueeze(2)
        n = sibling.sum(2)
        enough = present & (n >= 1) & (n + 1 >= settings.g_min)
        pool = sibling | torch.diag_embed(present) if pooled else sibling
        scaled = (d / settings.tau).unsqueeze(1).expand_as(pool).masked_fill(~pool, float("-inf"))
        # A row without any member would be nan; it falls back anyway.
        w = torch.softmax(scaled.masked_fill(~enough.unsqueeze(2), 0.0), 2) * pool
        other = a.unsqueeze(1) - a.unsqueeze(2)
        lead = (w * other).sum(2)
        if settings.variant == "paper":
            value = lead
        elif settings.variant == "realised":
            value = -lead
        elif settings.variant == "group_tilt":
            mean = (other * pool).sum(2) / pool.sum(2).clamp_min(1)
            value = (lead - mean) * (torch.tanh(d) if settings.tilt == "tanh" else torch.sign(d))
        else:
            value = -torch.diagonal(w, dim1=1, dim2=2) * lead / settings.tau
        siblings[index[present]] = n[present]
        if settings.variant != "evidence":
            chosen = index[enough]
            compared[chosen] = True
            cti[chosen] = value[enough]
            ess[chosen] = 1.0 / w.square().sum(2)[enough]
    fallback = ~compared
    if settings.variant == "evidence":
        low, high = settings.evidence_clip
        cti = advantages * torch.exp((torch.sign(advantages) * gap).clamp_max(_MAX_EXPONENT)).clamp(low, high)
        fallback = torch.zeros_like(compared)
    c = polarised(cti, settings.beta_pos, settings.beta_neg)
    active = (c.abs() > settings.theta).to(gap.dtype)
    return Credit(c, cti, siblings, fallback, ess, active.sum() / max(count, 1))


def polarised(cti: Tensor, beta_pos: float, beta_neg: float) -> Tensor:
    """c = (2 sigma(beta+ v) - 1) 1[v > 0] - (2 sigma(beta- ``|v|``) - 1) 1[v < 0], eq. (8) and (9).

    Args:
        cti: [...] values v.
        beta_pos: beta+.
        beta_neg: beta-.

    Returns:
        [...] in [-1, 1], exactly 0 where v is 0.
    """
    # 2 sigma(x) - 1 = tanh(x / 2)
    up, down = torch.tanh(0.5 * beta_pos * cti), torch.tanh(0.5 * beta_neg * cti)
    return torch.where(cti > 0, up, torch.where(cti < 0, down, torch.zeros_like(cti)))


def _slot_tables(slot: Tensor) -> list[Tensor]:
    """[S, K] token indices of slots of equal size K, padded nowhere, cut so that S * K * K stays bounded."""
    if not len(slot):
        return []
    order = torch.argsort(slot, stable=True)
    _, sizes = torch.unique_consecutive(slot[order], return_counts=True)
    starts = torch.cumsum(sizes, 0) - sizes
    tables = []
    for size in torch.unique(sizes).tolist():
        first = starts[sizes == size]
        table = order[first.unsqueeze(1) + torch.arange(size, device=slot.device)]
        tables.extend(table.split(max(1, _CHUNK // (size * size))))
    return tables
