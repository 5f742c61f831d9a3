"""craft study run: a comparison of methods, or what is missing of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import tyro

from craft_envs.errors import ConfigError
from craft_rl.cli import value_of
from craft_rl.commands.study import show
from craft_rl.recipes.studies import STUDIES, study_of
from craft_rl.study.plots import plot_study
from craft_rl.study.schedule import run_study
from craft_rl.study.settings import StudyConfig
from craft_rl.study.table import TABLE, save_table

PROGRAM = "craft study run"


def main(words: Sequence[str]) -> int:
    """Run a study; 0 when every cell is done, 1 when some broke or wait."""
    name = words[0] if words and not words[0].startswith("-") else None
    if name is None and not {"-h", "--help"} & set(words):
        raise ConfigError("no study is named", remedy=f"give one of {', '.join(STUDIES)} after {PROGRAM}")
    default = study_of(name or next(iter(STUDIES)), value_of(words, "--recipe"))
    config = tyro.cli(
        StudyConfig,
        prog=f"{PROGRAM} NAME",
        args=list(words[1:] if name else words),
        default=default,
        description="Train every variant from the same start of each seed with the same budget, evaluate "
        "without skills, compare. Run again, it goes on where it stopped; broken cells are tried again. The "
        f"defaults shown are those of the study {default.name!r}; there are {', '.join(STUDIES)}.",
    )
    study = run_study(config, command=shlex.join([*PROGRAM.split(), *words]))
    save_table(study, config.folder / TABLE)
    plot_study(study, config.folder)
    show(study)
    return 0 if study.count("done") == len(study.cells) else 1
