"""Reader of the recorded input/output tables in CRAFT_GOLDENS/methods."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from craft_rl.loss.aggregate import (
    fixed_length_weights,
    token_mean_weights,
    unit_mean_weights,
    unit_sum_weights,
)


def cases(family: str, *tags: str) -> list[Any]:
    """One pytest parameter per case of ``family`` with all ``tags``; one skipped parameter without data."""
    root = os.environ.get("CRAFT_GOLDENS")
    path = Path(root or ".") / "methods" / f"{family}.jsonl.gz"
    if not root or not path.is_file():
        reason = f"set CRAFT_GOLDENS to the folder that holds methods/{family}.jsonl.gz"
        return [pytest.param({}, id=family, marks=pytest.mark.skip(reason=reason))]
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    kept = [row for row in rows if set(tags) <= set(row["tags"])]
    assert kept, f"no case of {family} carries {tags}"
    return [pytest.param(row, id=row["id"]) for row in kept]


def tensor(values: Any) -> torch.Tensor:
    """Float64 tensor of nested lists."""
    return torch.tensor(values, dtype=torch.float64)


def labels(values: list[Any]) -> torch.Tensor:
    """[R] int64 numbers of labels, by first appearance."""
    numbers: dict[Any, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values], dtype=torch.int64)


def assert_close(actual: torch.Tensor, expected: Any, *, relative: bool = False) -> None:
    """Equal to rtol 1e-7, atol 1e-8; ``relative`` scales atol by the largest expected entry (gradients)."""
    wanted = tensor(expected) if not isinstance(expected, torch.Tensor) else expected
    atol = 1e-8
    if relative and wanted.numel():
        atol *= max(float(wanted.abs().max()), 1e-300)
    torch.testing.assert_close(actual.detach().double(), wanted, rtol=1e-7, atol=atol)


def published_weights(mask: torch.Tensor, mode: str) -> torch.Tensor:
    """[B,T] weights of one of the published aggregation modes, one row = one step."""
    rows, length = mask.shape
    unit = torch.arange(rows).unsqueeze(1).expand(rows, length)
    if mode == "token-mean":
        return token_mean_weights(mask)
    if mode == "seq-mean-token-mean":
        return unit_mean_weights(mask, unit)
    if mode == "seq-mean-token-sum":
        return unit_sum_weights(mask, rows)
    assert mode == "seq-mean-token-sum-norm"
    return fixed_length_weights(mask, length)
