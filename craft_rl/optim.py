"""AdamW with a learning-rate schedule, with gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from craft_rl.config import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the trainable weights; decay on matrices only, biases with norms are left alone."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trainable if p.ndim >= 2]
    vectors = [p for p in trainable if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        # one kernel for all weights: a tiny model is otherwise bound by the loop over its tensors
        foreach=True,
    )


def rate_at(config: OptimConfig, progress: float) -> float:
    """Learning rate at ``progress`` in [0, 1] of the whole run.

    Rises linearly to the peak over the first ``warmup`` share, then falls to ``final_rate`` times the peak by
    the schedule.
    """
    progress = min(max(progress, 0.0), 1.0)
    if config.warmup and progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    done = (progress - config.warmup) / (1.0 - config.warmup)
    left = 1.0 - done if config.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return config.learning_rate * (config.final_rate + (1.0 - config.final_rate) * left)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use ``rate`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Scale the gradients to norm ``limit`` at most (0: leave them).

    Returns:
        The norm before clipping; not finite when a gradient is not.
    """
    kept = [p for p in parameters if p.grad is not None]
    if not kept:
        return 0.0
    norm = torch.nn.utils.clip_grad_norm_(kept, limit if limit else math.inf, foreach=True)
    return float(norm)
