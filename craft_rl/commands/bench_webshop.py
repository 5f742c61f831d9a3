"""craft bench webshop: speed with memory of the shop at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from craft_envs.benchmark import read_baseline, world_identity
from craft_envs.registration import world_keywords
from craft_envs.webshop.benchmark import ENV_ID, SESSIONS, ShopReport, benchmark_shop, write_report
from craft_rl.worlds import WorldConfig, world_words


def run(
    products: int | None = None,
    data: Literal["bundled", "official"] = "bundled",
    options: tuple[str, ...] = (),
    data_dir: str | None = None,
    episodes: int = 2_000,
    passes: int = 3,
    fresh_cache: bool = False,
    out: Path | None = None,
    baseline: Path | None = None,
) -> None:
    """Measure a shop: building, a warm start, complete episodes, search, 1,000 sessions; one core.

    Args:
        products: a generated catalogue of this many; the bundled 1,200 when absent.
        data: bundled or official.
        options: further settings of the world, NAME=VALUE each.
        data_dir: folder or file of the official files.
        episodes: goals of the training split that are played, each once.
        passes: processes that play them; the fastest counts.
        fresh_cache: build catalogue and index anew in a temporary folder, to time that.
        out: JSON file to write.
        baseline: JSON file of an earlier run to compare with, as ratios to a fixed workload of each run.
    """
    if products is not None:
        options = (*options, f"products={products}")
    config = WorldConfig(env=ENV_ID, data=data, data_dir=data_dir, options=options)
    words = world_words(config) | ({} if data_dir is None else {"data_dir": data_dir})
    world = world_keywords(ENV_ID, words, where="the command line")
    stored = (
        read_baseline(baseline, env_id=ENV_ID, world=world_identity(world), split="train") if baseline else {}
    )
    report = benchmark_shop(episodes=episodes, passes=passes, fresh_cache=fresh_cache, **world)
    console = Console()
    console.print(_table(report, stored))
    if out:
        write_report(report, out)
        console.print(f"written to {out}", markup=False)


def _table(report: ShopReport, stored: dict[str, float]) -> Table:
    table = Table(title=f"{report.products:,} products, one core", title_justify="left", box=None)
    table.add_column("")
    table.add_column("measured", justify="right")
    if stored:
        table.add_column("speed / baseline", justify="right")
    for name, value, key in _rows(report):
        ratio = f"{report.relative[key] / stored[key]:.2f}" if key in stored else ""
        table.add_row(name, value, *([ratio] if stored else []))
    return table


def _rows(report: ShopReport) -> list[tuple[str, str, str]]:
    built: dict[str, Any] = dict(report.built)
    rows = []
    if built:
        rows = [
            ("making the catalogue", f"{built['catalogue_cpu_s']:.1f} CPU-s", ""),
            ("making the index, the tasks", f"{built['index_cpu_s']:.1f} CPU-s", ""),
            ("both", f"{built['wall_s']:.0f} s wall, {built['peak_megabytes']:,.0f} MB at most", ""),
        ]
    kinds = ", ".join(f"{kind} {us:.0f}" for kind, us in report.step_us.items())
    return [
        *rows,
        ("on disk", f"{report.disk_megabytes:,.0f} MB", ""),
        (
            "start of a process to its first results",
            f"{report.start_wall_s:.2f} s wall, {report.start_cpu_s:.2f} CPU-s",
            "",
        ),
        (
            f"steps/s, {report.episodes:,} different goals, reward paid",
            f"{report.steps_per_s:,.0f}",
            "steps",
        ),
        ("the same once more", f"{report.repeated_steps_per_s:,.0f}", "repeated_steps"),
        ("microseconds a step", kinds, ""),
        (
            "search, p50 / p95",
            f"{report.search_p50_ms:.2f} / {report.search_p95_ms:.2f} ms",
            "searches",
        ),
        (
            f"process with {SESSIONS:,} sessions",
            f"{report.sessions_megabytes:.0f} MB, {report.session_kilobytes:.1f} kB each",
            "",
        ),
        (
            "resident set of the player",
            f"{report.private_megabytes:.0f} MB own, {report.shared_megabytes:.0f} MB shared, "
            f"peak {report.peak_megabytes:.0f}",
            "",
        ),
    ]
