"""The asymmetric controller of CRAFT (pillar 2): weights of two terms from an average of gate activity.

Source: arXiv 2606.29476, eq. (11) to (13). The paper gives no formula for rho_target; here
rho_eff = clip(rho_ema - rho_target + 1/2, 0, 1), the identity at the documented value 1/2.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """Constants, defaults of the paper's Table 6.

    Raises:
        ValueError: out of range.
    """

    lambda_min: float = 0.005
    lambda_max: float = 0.02
    mu_min: float = 0.005
    mu_max: float = 0.02
    alpha: float = 0.95
    """Weight of the past in the average."""
    warmup: int = 10
    """Updates before the average starts to move."""
    rho_target: float = 0.5
    """Activity at which both weights are in the middle."""
    rho_start: float = 0.5
    """Average before the first update."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"The controller's alpha must be in [0, 1], got {self.alpha}.")
        for low, high, name in (
            (self.lambda_min, self.lambda_max, "lambda"),
            (self.mu_min, self.mu_max, "mu"),
        ):
            if not 0 <= low <= high < math.inf:
                raise ValueError(f"The controller's {name} range must be 0 <= min <= max, got {low}, {high}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """What is carried from update to update; saved with every checkpoint.

    Example: ``ControllerState.start(settings).weights(settings)`` is ``(0.0125, 0.0125)``.
    """

    updates: int
    """Updates seen."""
    rho_ema: float
    """Average activity."""

    @classmethod
    def start(cls, settings: ControllerSettings) -> ControllerState:
        """Before the first update."""
        return cls(updates=0, rho_ema=settings.rho_start)

    def rho_eff(self, settings: ControllerSettings) -> float:
        """Average activity, re-centred at the target, in [0, 1]."""
        return min(1.0, max(0.0, self.rho_ema - settings.rho_target + 0.5))

    def weights(self, settings: ControllerSettings) -> tuple[float, float]:
        """(lambda, mu) of the coming update: lambda rises with activity, mu falls."""
        rho = self.rho_eff(settings)
        return (
            settings.lambda_min + (settings.lambda_max - settings.lambda_min) * rho,
            settings.mu_min + (settings.mu_max - settings.mu_min) * (1.0 - rho),
        )

    def after(self, rho_gate: float, settings: ControllerSettings) -> ControllerState:
        """The state after an update whose share of active tokens was ``rho_gate``."""
        updates = self.updates + 1
        rho = self.rho_ema
        if updates > settings.warmup:
            rho = settings.alpha * rho + (1.0 - settings.alpha) * rho_gate
        return ControllerState(updates=updates, rho_ema=rho)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for a checkpoint; ``ControllerState(**values)`` restores them exactly."""
        return asdict(self)
