"""craft quickstart: a policy that learns, in minutes, with a page that shows it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from craft_rl.commands.compare import print_comparison
from craft_rl.quickstart import QuickstartResult, quickstart
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.report.evaluation import interval_text, percent


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(tyro.cli(QuickstartConfig, prog="craft quickstart", args=list(args)), command=list(args))
    return 0


def run(
    config: Annotated[QuickstartConfig, tyro.conf.arg(name="")],
    *,
    command: tyro.conf.Suppress[Sequence[str]] = (),
) -> QuickstartResult:
    """Play, imitate, train, evaluate without skills: ten minutes on two cores."""
    result = quickstart(config, command=shlex.join(["craft", "quickstart", *(command or sys.argv[2:])]))
    print_result(result, Console())
    return result


def print_result(result: QuickstartResult, console: Console) -> None:
    """The agents, the comparison, the path of the page."""
    table = Table(title=f"{result.after.panel}, without skills", title_justify="left")
    for name in ("agent", "score", "95 % interval", "scored"):
        table.add_column(name, justify="left" if name == "agent" else "right")
    for report in sorted((*result.ladder, result.before, result.after), key=lambda r: r.mean):
        table.add_row(
            report.agent,
            percent(report.mean),
            interval_text(report.interval),
            f"{report.scored}/{report.scored + report.errors}",
        )
    console.print(table)
    print_comparison(result.comparison, console)
    total = sum(seconds for _, seconds in result.seconds)
    console.print(f"{result.updates} updates, {total:.0f} s together", highlight=False)
    console.print(f"page: {result.page}", highlight=False, soft_wrap=True)
