"""craft compare: two evaluation reports, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from craft_rl.compare import Comparison, compare
from craft_rl.report.evaluation import load_report, percent, points, points_interval


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Compare two evaluations of the same panel by a paired bootstrap over tasks."""

    a: Annotated[Path, tyro.conf.Positional]
    """report.json of the baseline, or the folder that holds it."""
    b: Annotated[Path, tyro.conf.Positional]
    """report.json of the other agent, or the folder that holds it."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(tyro.cli(CompareSettings, prog="craft compare", args=list(args)))
    return 0


def run(settings: Annotated[CompareSettings, tyro.conf.arg(name="")]) -> Comparison:
    """Compare two evaluations of the same panel by a paired bootstrap over tasks."""
    result = compare(load_report(_report_file(settings.a)), load_report(_report_file(settings.b)))
    print_comparison(result, Console())
    return result


def print_comparison(result: Comparison, console: Console) -> None:
    """Both scores, the difference with its interval, what it means."""
    table = Table(title=f"{result.panel}: B minus A over {result.tasks} paired tasks", title_justify="left")
    table.add_column("")
    table.add_column("agent", overflow="fold")
    table.add_column("score", justify="right")
    table.add_row("A", result.agent_a, percent(result.mean_a))
    table.add_row("B", result.agent_b, percent(result.mean_b))
    table.add_row(
        "B - A", f"95 % interval {points_interval(result.interval)}", points(result.difference), style="bold"
    )
    for name, (difference, tasks) in result.per_type.items():
        table.add_row("", f"{name} (n = {tasks})", points(difference))
    console.print(table)
    console.print(result.verdict, highlight=False, style="bold")
    console.print(f"B better on {result.better} tasks, worse on {result.worse}", highlight=False)
    if result.left_out:
        console.print(
            f"{result.left_out} pairs left out: an infrastructure failure on either side", highlight=False
        )
    for name, (left, right) in result.differing.items():
        console.print(f"settings differ: {name}: {left!r} (A), {right!r} (B)", highlight=False, markup=False)


def _report_file(path: Path) -> Path:
    return path / "report.json" if path.is_dir() else path
