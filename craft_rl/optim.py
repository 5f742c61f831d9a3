"""Optimisers with a learning-rate schedule, with gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from craft_rl.config import OptimConfig
from craft_rl.muon import Muon


class Pair:
    """Two optimisers over disjoint weights that are stepped, saved, restored as one."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        """Both at the same learning rate."""
        self.members = (first, second)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, shared: changing a rate here changes it there."""
        return [group for member in self.members for group in member.param_groups]

    def step(self) -> None:
        """One step of each."""
        for member in self.members:
            member.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """State of both, in order."""
        return {"members": [member.state_dict() for member in self.members]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` gave."""
        for member, saved in zip(self.members, state["members"], strict=True):
            member.load_state_dict(saved)


Stepper = torch.optim.Optimizer | Pair
"""What the training loops use."""


def build_optimizer(model: nn.Module, config: OptimConfig) -> Stepper:
    """AdamW over the trainable weights, or Muon on the hidden matrices with AdamW on the rest.

    Decay applies to matrices only; biases with norms are left alone. Embedding with output weights always
    go to AdamW: their rows are single tokens, which an orthogonal update would couple.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for _, p in named if p.ndim >= 2]
    vectors = [p for _, p in named if p.ndim < 2]
    hidden: list[nn.Parameter] = []
    if config.optimizer == "muon":
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        head = getattr(model, "get_output_embeddings", lambda: None)()
        if head is not None:
            tables.add(id(head.weight))
        hidden = [p for p in matrices if p.ndim == 2 and id(p) not in tables]
        taken = {id(p) for p in hidden}
        matrices = [p for p in matrices if id(p) not in taken]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [g for g in groups if g["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        # one kernel for all weights: a tiny model is otherwise bound by the loop over its tensors
        foreach=True,
    )
    if not hidden:
        return adamw
    return Pair(Muon(hidden, lr=config.learning_rate, weight_decay=config.weight_decay), adamw)


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


def set_rate(optimizer: Stepper, rate: float) -> None:
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
