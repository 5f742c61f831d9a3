"""craft plot credit: CRAFT's credit variants on simulated groups, drawn as well as counted."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table


def credit(out: Path = Path("credit.png"), spread: float = 1.0, seed: int = 0) -> None:
    """Simulate groups of eight, draw each variant's credit over the gap, print its signs.

    Args:
        out: PNG to write.
        spread: standard deviation of the teacher's gap, nats.
        seed: of the simulation.
    """
    from craft_rl.report.credit_figure import measure, plot_credit

    table = Table(title="mean credit by sign of (advantage, gap)", title_justify="left", box=None)
    for name in ("rewards", "variant"):
        table.add_column(name)
    for name in ("sign corr.", "opposed", "(+,+)", "(+,-)", "(-,+)", "(-,-)", "active"):
        table.add_column(name, justify="right")
    for row in measure(spread=spread, seed=seed):
        table.add_row(
            row.rewards,
            row.variant,
            f"{row.sign_correlation:+.2f}",
            f"{row.opposed:.1%}",
            *(f"{value:+.2f}" for value in row.quadrants),
            f"{row.gate:.1%}",
        )
    console = Console()
    console.print(table)
    console.print(f"written to {plot_credit(out, spread=spread, seed=seed)}", markup=False, highlight=False)
