"""``craft plot concentration``: how unevenly each scheme of token weights weighs, by rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from craft_envs.data import write_json
from craft_rl.concentration import ConcentrationConfig, ordering, study, summary
from craft_rl.config import to_mapping
from craft_rl.report.console import ProgressBar
from craft_rl.report.plots import plot_concentration


@dataclass(frozen=True, kw_only=True)
class ConcentrationCommand:
    """Train small LoRA policies with ARCA's weights, measure all schemes on their own trajectories."""

    out: Path
    """Folder for concentration.json with concentration.png."""
    study: Annotated[ConcentrationConfig, tyro.conf.arg(name="")]
    """Start, ranks, seeds, budget."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    command = tyro.cli(ConcentrationCommand, prog="craft plot concentration", args=list(args))
    run(command.study, command.out)
    return 0


def run(config: ConcentrationConfig, out: Path) -> dict[str, Any]:
    """Train, measure, write, print.

    Returns:
        What is written as JSON.

    Raises:
        CraftError: see ``craft_rl.concentration.study``.
    """
    total = len(config.ranks) * len(config.seeds) * config.updates
    with ProgressBar("updates", total, shown=("rank", "seed", "success", "seconds")) as bar:
        rows = study(config, on_run=bar.advance)
    told: dict[str, Any] = {
        "settings": to_mapping(config),
        "summary": summary(rows),
        "ordering": ordering(rows),
        "rows": rows,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "concentration.json", told)
    plot_concentration(told["summary"], out / "concentration.png")
    print_summary(told, Console())
    print(out / "concentration.png")
    return told


def print_summary(told: Mapping[str, Any], console: Console) -> None:
    """A row for every unit, rank, scheme; then how often the paper's ordering holds."""
    table = Table(title="mean (least-most of the seeds)", title_justify="left", box=None)
    for name in ("per", "rank", "scheme", "Gini", "EffN / T", "T"):
        table.add_column(name, justify="left" if name in ("per", "scheme") else "right", no_wrap=True)
    for row in told["summary"]:
        table.add_row(
            row["per"],
            str(row["rank"]),
            row["scheme"],
            *(f"{row[n]:.2f} ({row[n + '_least']:.2f}-{row[n + '_most']:.2f})" for n in _SHOWN),
            f"{row['tokens']:.1f}",
        )
    console.print(table)
    for per, shares in told["ordering"].items():
        parts = ", ".join(f"{share:.0%} {name}" for name, share in shares.items() if name != "middle")
        console.print(
            f"per {per}: arca is less concentrated than: {parts}; than all of them: {shares['middle']:.0%} "
            "of the runs",
            highlight=False,
            soft_wrap=True,
        )


_SHOWN = ("gini", "effective_tokens")
