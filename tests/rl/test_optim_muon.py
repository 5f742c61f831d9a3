"""Muon: orthogonal updates, state that saves, weights that reach a minimum."""

from __future__ import annotations

import pytest
import torch

from craft_rl.config import OptimConfig
from craft_rl.muon import Muon, orthogonalised
from craft_rl.optim import Pair, build_optimizer, set_rate


def _net(seed: int = 0) -> torch.nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Embedding(11, 8),
            torch.nn.Linear(8, 16),
            torch.nn.Tanh(),
            torch.nn.Linear(16, 8, bias=False),
        )


def _loss(net: torch.nn.Module) -> torch.Tensor:
    ids = torch.arange(11)
    return ((net(ids) - torch.sin(ids[:, None] * torch.arange(1, 9))) ** 2).mean()


def test_orthogonalised_keeps_directions_with_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(1)
    given = (
        torch.randn(3, 6, 20, generator=generator, dtype=torch.float64)
        * torch.tensor([1e-3, 1.0, 1e3])[:, None, None]
    )
    made = orthogonalised(given)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6 and values.max() < 1.3
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    alignment = (made * (u @ v)).sum(dim=(1, 2)) / made.norm(dim=(1, 2)) / (u @ v).norm(dim=(1, 2))
    assert alignment.min() > 0.98


def test_update_has_the_stated_root_mean_square_for_every_shape() -> None:
    for rows, columns in ((8, 8), (8, 32), (32, 8)):
        weight = torch.nn.Parameter(torch.zeros(rows, columns))
        weight.grad = torch.randn(rows, columns, generator=torch.Generator().manual_seed(2))
        Muon([weight], lr=0.1).step()
        assert weight.detach().pow(2).mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_only_hidden_matrices_go_to_muon() -> None:
    net = _net()
    pair = build_optimizer(net, OptimConfig(optimizer="muon", learning_rate=1e-2))
    assert isinstance(pair, Pair)
    muon, adamw = pair.members
    assert {tuple(p.shape) for g in muon.param_groups for p in g["params"]} == {(16, 8), (8, 16)}
    assert {tuple(p.shape) for g in adamw.param_groups for p in g["params"]} == {(11, 8), (16,)}
    set_rate(pair, 0.5)
    assert {g["lr"] for g in pair.param_groups} == {0.5}


def test_restored_state_continues_bit_for_bit() -> None:
    def run(net: torch.nn.Module, pair: object, steps: int) -> None:
        for _ in range(steps):
            pair.zero_grad()  # type: ignore[attr-defined]
            _loss(net).backward()
            pair.step()  # type: ignore[attr-defined]

    config = OptimConfig(optimizer="muon", learning_rate=1e-2, weight_decay=0.01)
    straight, stopped = _net(), _net()
    one = build_optimizer(straight, config)
    run(straight, one, 8)
    two = build_optimizer(stopped, config)
    run(stopped, two, 5)
    fresh = build_optimizer(stopped, config)
    fresh.load_state_dict(two.state_dict())
    run(stopped, fresh, 3)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), stopped.parameters(), strict=True))


def test_loss_falls() -> None:
    net = _net()
    pair = build_optimizer(net, OptimConfig(optimizer="muon", learning_rate=2e-2))
    before = _loss(net).item()
    for _ in range(60):
        pair.zero_grad()
        _loss(net).backward()
        pair.step()
    assert _loss(net).item() < 0.1 * before


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.zeros(3))])
