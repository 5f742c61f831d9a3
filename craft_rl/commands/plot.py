"""``craft plot``: figures that the cards show, made again from scratch."""

from __future__ import annotations

from collections.abc import Sequence

from craft_rl.cli import Command, dispatch

COMMANDS = {
    "concentration": Command(
        "craft_rl.commands.plot_concentration:main", "how unevenly schemes of token weights weigh"
    ),
    "credit": Command(
        "craft_rl.commands.plot_credit:credit", "CRAFT's credit variants: sign, sight of the gap"
    ),
}


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand."""
    return dispatch("craft plot", COMMANDS, words)
