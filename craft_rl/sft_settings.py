"""Settings of behaviour cloning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from craft_envs.errors import ConfigError
from craft_rl.optim_settings import OptimConfig, no_effect, require
from craft_rl.worlds import LATER


def _sft_optim() -> OptimConfig:
    return OptimConfig(learning_rate=2e-3, schedule="cosine", warmup=0.05, weight_decay=0.01, beta2=0.98)


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """Behaviour cloning on recorded trajectories."""

    seed: int = 0
    """Seed of batch order and copy task."""
    epochs: float | None = None
    """Passes over the demonstrations; 1 when no minutes are given either."""
    minutes: float | None = None
    """Wall-clock budget instead of epochs. The schedule then follows the clock, so runs do not repeat."""
    batch_tokens: int = 8192
    """Tokens of one optimiser step, padding included."""
    micro_batch_tokens: int | None = None
    """Tokens of one forward pass; the whole batch when absent."""
    optim: OptimConfig = field(default_factory=_sft_optim)
    """Optimiser."""
    autocast: Literal["none", "bf16"] = "none"
    """Precision of the forward pass."""
    copy_steps: int = 0
    """Optimiser steps on repeated random sequences before the demonstrations: attention learns to copy."""
    copy_length: int = 64
    """Longest sequence of the copy task, in tokens, before it is repeated."""
    copy_stages: int = field(default=1, metadata=LATER)
    """Stages of equal time in which it doubles: short repetitions teach the trick, long ones reach."""
    holdout: float = 0.02
    """Share of tasks whose trajectories are only measured, never trained on."""
    log_every: int = 20
    """Optimiser steps between two rows of metrics."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.epochs is not None and self.minutes is not None:
            raise ConfigError("epochs as well as minutes are given", remedy="choose one budget")
        require(self.epochs is None or self.epochs > 0, "epochs", self.epochs, "a number above 0")
        require(self.minutes is None or self.minutes > 0, "minutes", self.minutes, "a number above 0")
        require(self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "a whole number from 1")
        if self.micro_batch_tokens is not None:
            good = 1 <= self.micro_batch_tokens <= self.batch_tokens
            require(good, "micro_batch_tokens", self.micro_batch_tokens, "a whole number up to batch_tokens")
        require(self.copy_steps >= 0, "copy_steps", self.copy_steps, "a whole number from 0")
        require(self.copy_length >= 2, "copy_length", self.copy_length, "a whole number from 2")
        require(0 <= self.holdout < 1, "holdout", self.holdout, "a share in [0, 1)")
        require(self.log_every >= 1, "log_every", self.log_every, "a whole number from 1")
        if self.copy_steps == 0 and self.copy_length != 64:
            no_effect("copy_length", self.copy_length, "there are no copy steps", "set copy_steps")
        if self.copy_steps == 0 and self.copy_stages != 1:
            no_effect("copy_stages", self.copy_stages, "there are no copy steps", "set copy_steps")
        require(
            self.copy_stages >= 1 and self.copy_length >> (self.copy_stages - 1) >= 2,
            "copy_stages",
            self.copy_stages,
            "a whole number from 1, small enough to begin with sequences of 2 tokens",
        )
