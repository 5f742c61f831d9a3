"""Settings of the optimiser, with the ways in which settings are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from craft_envs.errors import ConfigError


def require(good: bool, name: str, value: object, wanted: str) -> None:
    """Refuse a setting out of range.

    Raises:
        ConfigError: ``good`` is false.
    """
    if not good:
        raise ConfigError(f"setting {name} is {value!r}", remedy=f"give {wanted}")


def no_effect(name: str, value: object, why: str, remedy: str) -> None:
    """Refuse a setting that changes nothing.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"setting {name}={value!r} would have no effect: {why}", remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser with its learning-rate schedule."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    """``muon``: orthogonalised momentum on the hidden matrices, AdamW on the rest. In cloning the small
    policy it needs less than half of AdamW's tokens for the same loss."""
    learning_rate: float = 1e-6
    """Peak learning rate. 1e-6 suits pretrained models of billions of weights, 1e-4 the embedded policy."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate falls after the warm-up."""
    warmup: float = 0.0
    """Share of all optimiser steps over which the rate rises linearly from 0."""
    final_rate: float = 0.0
    """Rate at the end of a linear or cosine schedule, as a share of the peak."""
    weight_decay: float = 0.0
    """Decoupled decay, on matrices only."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.999
    """Decay of the second moment."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 does not clip."""

    def __post_init__(self) -> None:
        """Refuse what cannot be optimised."""
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a number above 0")
        require(0 <= self.warmup < 1, "warmup", self.warmup, "a share in [0, 1)")
        require(0 <= self.final_rate <= 1, "final_rate", self.final_rate, "a share in [0, 1]")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "a number from 0")
        require(0 <= self.beta1 < 1, "beta1", self.beta1, "a number in [0, 1)")
        require(0 <= self.beta2 < 1, "beta2", self.beta2, "a number in [0, 1)")
        require(self.grad_clip >= 0, "grad_clip", self.grad_clip, "a number from 0")
        if self.schedule == "constant" and self.final_rate:
            no_effect(
                "final_rate", self.final_rate, "the schedule is constant", "use schedule=linear or cosine"
            )
