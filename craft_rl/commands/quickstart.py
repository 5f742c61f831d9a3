"""craft quickstart: a policy that learns in one of three worlds, with a page that shows it."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Sequence

import tyro
from rich.console import Console
from rich.table import Table

from craft_rl.cli import value_of
from craft_rl.evaluate import task_scores
from craft_rl.quickstart import quickstart
from craft_rl.quickstart_outcome import QuickstartResult
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.quickstart import QUICKSTARTS, quickstart_recipe, recipe_of
from craft_rl.recipes.under_method import under_method
from craft_rl.report.evaluation import interval_text, percent, points, points_interval
from craft_rl.report.page import WITHOUT_SKILLS

PROGRAM = "craft quickstart"


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    result = quickstart(parse(args), command=shlex.join([*PROGRAM.split(), *args]))
    print_result(result, Console())
    return 0


def parse(args: Sequence[str]) -> QuickstartConfig:
    """The command line over the settings of its recipe.

    Raises:
        ConfigError: no such recipe or world, or settings that contradict each other.
    """
    first = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    for name in ("--recipe", "--env", "--data"):
        first.add_argument(name)
    given, rest = first.parse_known_args(args)
    recipe = recipe_of(given.recipe, given.env, given.data)
    default, method = quickstart_recipe(recipe), value_of(rest, "--train.method")
    if method is not None and method != default.train.method:
        train = under_method(default, method, skills=value_of(rest, "--train.skills"))
        default = dataclasses.replace(default, train=train)
    return tyro.cli(
        QuickstartConfig,
        prog=PROGRAM,
        args=["--recipe", recipe, *rest],
        default=default,
        description="Play, imitate, train, evaluate without skills. --env ID, --data bundled|official choose "
        "a world's own recipe. The defaults shown here are those of "
        f"the recipe {recipe!r}; there are {', '.join(QUICKSTARTS)}.",
    )


def print_result(result: QuickstartResult, console: Console) -> None:
    """A table for each panel, what its gain means, the path of the page."""
    for outcome in result.panels:
        title = f"{outcome.panel}, recipe {result.recipe}, seed {result.seed}"
        table = Table(title=title, title_justify="left")
        table.add_column("agent", overflow="fold", min_width=16)
        for name, width in (("n", 4), ("score", 12), ("95 % interval", 16), ("scored", 8)):
            table.add_column(name, justify="right", min_width=width)
        for report in outcome.reports:
            table.add_row(
                report.agent,
                str(len(task_scores(report.results))),
                percent(report.mean),
                interval_text(report.interval),
                f"{report.scored}/{report.scored + report.errors}",
            )
        paired = outcome.comparison
        table.add_section()
        table.add_row(
            f"{paired.agent_b} - {paired.agent_a}",
            str(paired.tasks),
            points(paired.difference),
            points_interval(paired.interval),
            f"{paired.episodes}/{paired.episodes + paired.left_out}",
            style="bold",
        )
        console.print(table)
        console.print(paired.verdict_on(paired.agent_b), highlight=False, markup=False)
    console.print(WITHOUT_SKILLS, highlight=False)
    console.print(
        f"{result.updates} of {result.updates_planned} updates, {result.seconds_total:.0f} s together; "
        f"method {result.facts['method']}",
        highlight=False,
    )
    console.print(f"page: {result.page}", highlight=False, soft_wrap=True)
