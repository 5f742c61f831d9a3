"""What corrections of failures cost, in words that stand beside a run's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def correction_cost(rows: Sequence[Mapping[str, Any]]) -> str:
    """The extra generations of a run against its rollouts; empty when it asked for none.

    Args:
        rows: the run's metrics, one row an update.

    Example: ``812 generations, 9,400 tokens (+38 % of the rollouts'), 41 s; 120 of 300 corrections (40 %)
    solved the task, 5 copied their reference``.
    """
    rows = [row for row in rows if "ibpo/asked" in row]
    if not rows:
        return ""
    asked, generations, tokens = (_sum(rows, f"ibpo/{name}") for name in ("asked", "generations", "tokens"))
    solved = sum(row["ibpo/correction_rate"] * row["ibpo/asked"] for row in rows)
    copied = sum(row["ibpo/copy_rate"] * row["ibpo/asked"] for row in rows)
    rollout = sum((row["episodes"] - row["errors"]) * row["steps"] * row["response_tokens"] for row in rows)
    more = 100 * tokens / max(rollout, 1)
    return (
        f"{generations:,.0f} generations, {tokens:,.0f} tokens (+{more:.0f} % of the rollouts'), "
        f"{_sum(rows, 'seconds_corrections'):.0f} s; {solved:.0f} of {asked:.0f} corrections "
        f"({100 * solved / max(asked, 1):.0f} %) solved the task, {copied:.0f} copied their reference"
    )


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows))
