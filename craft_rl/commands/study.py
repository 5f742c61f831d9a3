"""craft study: comparisons of methods over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table

from craft_rl.cli import Command, dispatch

if TYPE_CHECKING:
    from craft_rl.study.outcome import Study

_HERE = "craft_rl.commands.study"
COMMANDS = {
    "list": Command(f"{_HERE}:list_", "the studies that have a name, with their variants"),
    "run": Command(f"{_HERE}_run:main", "run a study, or what is missing of it"),
    "table": Command(f"{_HERE}:table", "the table with intervals, what they support"),
    "plot": Command(f"{_HERE}:plot", "training curves, differences with intervals"),
}
Place = Annotated[Path, tyro.conf.Positional]


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand."""
    return dispatch("craft study", COMMANDS, words)


def list_() -> None:
    """List the studies that have a name."""
    from craft_rl.recipes.studies import STUDIES
    from craft_rl.study.variants import variants_text

    table = Table(box=None)
    table.add_column("study")
    table.add_column("variants", overflow="fold")
    for name, variants in STUDIES.items():
        table.add_row(name, variants_text(variants))
    Console(highlight=False).print(table)


def table(path: Place, *, to: Path | None = None) -> None:
    """Print the table of a study, what its intervals support.

    Args:
        path: study.json, or the folder that holds it.
        to: also write it there, as Markdown.
    """
    from craft_rl.study.outcome import load_study
    from craft_rl.study.table import save_table

    study = load_study(path)
    if to is not None:
        save_table(study, to)
    show(study)


def show(study: Study) -> None:
    """Print a study's table."""
    from rich.markdown import Markdown

    from craft_rl.study.table import study_text

    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Markdown(study_text(study)))
    else:
        print(study_text(study))


def plot(path: Place, *, to: Path | None = None) -> None:
    """Draw curves.png and differences.png.

    Args:
        path: study.json, or the folder that holds it.
        to: folder of the figures; that of study.json when absent.
    """
    from craft_rl.study.outcome import load_study
    from craft_rl.study.plots import plot_study

    for file in plot_study(load_study(path), to or (path if path.is_dir() else path.parent)):
        print(file)
