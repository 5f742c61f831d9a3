"""craft bench: speed with memory, as a table or JSON, beside a stored baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from craft_envs.benchmark import benchmark, ratios_to_baseline, read_baseline, world_identity, write_report
from craft_envs.registration import world_keywords, world_parameters
from craft_rl.cli import Command, dispatch
from craft_rl.worlds import WorldConfig, world_words

COMMANDS = {
    "envs": Command("craft_rl.commands.bench:envs", "steps/s, reset ms, MB of a world"),
    "rollout": Command(
        "craft_rl.commands.bench_rollout:main", "share of model, world, tokens in a rollout's wall time"
    ),
    "methods": Command("craft_rl.commands.bench_methods:main", "what one update of each method costs"),
    "webshop": Command(
        "craft_rl.commands.bench_webshop:run", "the shop at any size: build, start, steps/s, search, memory"
    ),
    "search": Command("craft_rl.commands.bench_search:main", "build, open, query times of the search engine"),
    "searchqa": Command("craft_rl.commands.bench_searchqa:run", "Search-QA: queries/s, steps, its service"),
    "recall": Command("craft_rl.commands.bench_recall:run", "gold passages that Search-QA's retrievers find"),
}


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand."""
    return dispatch("craft bench", COMMANDS, words)


def envs(
    env: str = "craft/ALFWorld-v0",
    data: Literal["bundled", "official"] = "bundled",
    size: Literal["full", "small"] = "full",
    options: tuple[str, ...] = (),
    split: str = "train",
    data_dir: str | None = None,
    out: Path | None = None,
    baseline: Path | None = None,
    passes: int = 3,
) -> None:
    """Measure a world on one core: steps with the admissible list, resets, a rollout, memory.

    Args:
        env: environment id.
        data: bundled or official.
        size: full or small, in worlds that have two.
        options: further settings of the world, NAME=VALUE each.
        split: where the tasks are taken from.
        data_dir: folder of the official files.
        out: JSON file to write.
        baseline: JSON file of an earlier run to compare with, as ratios to a fixed workload of each run.
        passes: repetitions; the best counts.
    """
    config = WorldConfig(env=env, data=data, size=size, data_dir=data_dir, options=options)
    words = world_words(config) | ({} if data_dir is None else {"data_dir": data_dir})
    world = world_keywords(env, words, where="the command line")
    # Read first: a baseline that does not fit shall not cost the measurement.
    stored = read_baseline(baseline, env_id=env, world=world_identity(world), split=split) if baseline else {}
    report = benchmark(env, split=split, passes=passes, **world)
    ratios = ratios_to_baseline(report, stored)
    told = ", ".join([env, data, *options, split])
    table = Table(title=f"{told}, one core", title_justify="left", box=None)
    table.add_column("")
    table.add_column("measured", justify="right")
    if ratios:
        table.add_column("speed / baseline", justify="right")
    rows = [
        ("steps/s, session with admissible list", f"{report.session_steps_per_s:,.0f}", "session_steps"),
        ("steps/s, TextEnv", f"{report.env_steps_per_s:,.0f}", "env_steps"),
        ("steps/s, TextVectorEnv of 128", f"{report.vector_steps_per_s:,.0f}", "vector_steps"),
        ("reset, warm", f"{report.reset_warm_ms:.3f} ms", "resets"),
        ("reset, first of a task", f"{report.reset_cold_ms:.3f} ms", ""),
        ("128 episodes x 50 steps", f"{report.rollout_cpu_s:.3f} CPU-s", ""),
        (f"memory, all {report.games:,} tasks", f"{report.megabytes:.0f} MB", ""),
    ]
    if report.original:
        original = report.original
        rows += [
            ("original engine, step", f"{original['step_ms']:.1f} ms", ""),
            ("original engine, reset", f"{original['reset_ms']:.0f} ms", ""),
            ("steps: times as fast as the original", f"{original['steps_times_faster']:,.0f}", ""),
            ("resets: times as fast as the original", f"{original['resets_times_faster']:,.0f}", ""),
        ]
    for name, value, key in rows:
        table.add_row(name, value, *([f"{ratios[key]:.2f}" if key in ratios else ""] if ratios else []))
    console = Console()
    console.print(table)
    if not report.original and "backend" in world_parameters(env):
        console.print(
            'The original engine is not installed (extra "alfworld"): no ratio to it.', markup=False
        )
    if out:
        write_report(report, out)
        console.print(f"written to {out}", markup=False)
