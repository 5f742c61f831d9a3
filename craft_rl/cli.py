"""The program ``craft``: finds the command, hands it the rest of the line, turns errors into exit codes.

Commands are imported when called, so that ``craft data`` or ``craft --help`` load no torch. A place that ends
in ``:main`` is called with the remaining words; any other function is called through tyro, which builds its
options from its types. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from craft_envs import __version__
from craft_envs.errors import ConfigError, CraftError, did_you_mean
from craft_envs.registration import load_place


@dataclass(frozen=True, slots=True)
class Command:
    """One word of the command line."""

    place: str
    """``module:function``."""
    summary: str
    """One line for ``--help``."""


COMMANDS: Mapping[str, Command] = {
    "quickstart": Command(
        "craft_rl.commands.quickstart:main", "the whole way in minutes: play, imitate, train, evaluate"
    ),
    "doctor": Command("craft_rl.commands.doctor:run", "what is installed, found, writable on this machine"),
    "data": Command(
        "craft_rl.commands.data:main", "list, download, import the official files; freeze panels"
    ),
    "demos": Command("craft_rl.commands.demos:run", "record demonstrations of an agent without a model"),
    "sft": Command("craft_rl.commands.sft:main", "clone a player's behaviour into a policy"),
    "train": Command("craft_rl.commands.train:main", "train a policy by playing"),
    "eval": Command("craft_rl.commands.eval:run", "score an agent on a complete frozen panel"),
    "compare": Command("craft_rl.commands.compare:run", "compare two evaluations of one panel, task by task"),
    "study": Command("craft_rl.commands.study:main", "compare methods over seeds from the same starts"),
    "plot": Command("craft_rl.commands.plot:main", "figures that the cards show"),
    "bench": Command("craft_rl.commands.bench:main", "measure speed and memory"),
    "skills": Command("craft_rl.commands.skills:main", "list, show, match, measure, mine banks of advice"),
    "serve": Command("craft_rl.commands.serve:main", "run the shop's web site, or a search service"),
}


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    words = list(sys.argv[1:] if args is None else args)
    if words[:1] == ["--version"]:
        print(f"craft {__version__}")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        return dispatch("craft", COMMANDS, words)
    except ConfigError as error:
        return _report(error, 2)
    except CraftError as error:
        return _report(error, 1)
    except BrokenPipeError:  # the reader of our output has gone, as in `craft data list | head`
        sys.stderr.close()
        return 1
    except OSError as error:
        return _report(error, 1)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def dispatch(program: str, commands: Mapping[str, Command], words: Sequence[str]) -> int:
    """Run the command that the first word names; the others are its own.

    Args:
        program: the words before, for help texts: ``craft`` or ``craft data``.
        commands: name -> command.
        words: the rest of the line.

    Returns:
        The exit code.
    """
    if not words or words[0] in ("-h", "--help"):
        print(_overview(program, commands))
        return 0 if words else 2
    name, *rest = words
    if name not in commands:
        near = did_you_mean(name, commands)
        print(f"{program}: unknown command {name!r}; {near or f'see {program} --help'}", file=sys.stderr)
        return 2
    function = load_place(commands[name].place)
    if function.__name__ == "main":
        return int(function(rest))
    import tyro

    tyro.cli(function, prog=f"{program} {name}", args=rest)
    return 0


def value_of(words: Sequence[str], name: str) -> str | None:
    """The value of an option among command-line words, before they are parsed; ``None`` when it is absent.

    Example: ``value_of(["--seed", "3", "--out=x"], "--out")`` is ``"x"``.
    """
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(name + "="):
            return word.removeprefix(name + "=")
    return None


def _overview(program: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    rows = [f"  {name:<{width}}  {command.summary}" for name, command in commands.items()]
    return "\n".join(
        [f"usage: {program} COMMAND [OPTIONS]", "", *rows, "", f"{program} COMMAND --help shows the options."]
    )


def _report(error: Exception, code: int) -> int:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
