"""Muon: momentum whose update of each matrix is made orthogonal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration: five steps bring singular values into about [0.7, 1.2]."""


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, approximately: X <- a X + (b A + c A^2) X with A = X X^T.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), Newton-Schulz
    iteration of degree five.

    Args:
        matrices: [K, R, C] with R <= C, of any scale.
        steps: iterations.

    Returns:
        [K, R, C] with singular values near 1.
    """
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        b = torch.baddbmm(a, a, a, beta=_B, alpha=_C)
        x = torch.baddbmm(x, b, x, beta=_A)
    return x


class Muon(torch.optim.Optimizer):
    """Muon for matrices, AdamW's rate: the update's root mean square is 0.2, whatever the matrix's shape.

    ``torch.optim.Muon`` iterates in bfloat16, one matrix after another; that is slow on processors without
    bfloat16 arithmetic. This one keeps the weights' precision with all matrices of one shape in one product.

    Args:
        params: weights of exactly two dimensions.
        lr: learning rate; one that suits AdamW suits here (Liu et al. 2025, arXiv 2502.16982, section 2.2).
        momentum: decay of the gradient's running mean, applied in Nesterov's form.
        weight_decay: decoupled decay.

    Raises:
        ValueError: a weight is not a matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 2e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        """See the class."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim != 2:
                    raise ValueError(f"Muon updates matrices, got a weight of shape {tuple(weight.shape)}.")

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every weight that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                mean = state["momentum"].lerp_(weight.grad, 1 - momentum)
                ahead = weight.grad.lerp(mean, momentum)
                alike.setdefault(tuple(weight.shape), []).append((weight, ahead))
            for (rows, columns), members in alike.items():
                stacked = torch.stack([ahead.mT if rows > columns else ahead for _, ahead in members])
                scale = rate * 0.2 * max(rows, columns) ** 0.5
                for (weight, _), update in zip(members, orthogonalised(stacked), strict=True):
                    weight.mul_(1 - rate * group["weight_decay"])
                    weight.sub_(update.mT if rows > columns else update, alpha=scale)
        return loss
