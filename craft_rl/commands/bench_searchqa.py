"""craft bench searchqa: queries a second, 512 searches of one step, the game alone, the retrieval service."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from craft_envs.errors import ConfigError, DataNotFound

_ENV = "craft/SearchQA-v0"
_OFFICIAL = ("hotpot500", "musique100", "nq_oracle")


def run(
    data: Literal["official", "bundled"] | None = None,
    options: tuple[str, ...] = (),
    data_dir: Path | None = None,
    service: bool = True,
    passes: int = 5,
    out: Path | None = None,
) -> None:
    """Measure Search-QA on one core; its service in a process of its own.

    A million generated passages are measured by craft bench search.

    Args:
        data: official (the passages beside the official questions) or bundled; when absent official where
            the files are found, else bundled. The report says which.
        options: further settings of the world, NAME=VALUE each, such as retriever=hybrid encoder=minilm.
        data_dir: folder of the official files; else CRAFT_DATA.
        service: measure craft serve retrieval too, with the same retriever.
        passes: repetitions; the best counts.
        out: JSON file to write.
    """
    from craft_envs.data import write_json
    from craft_envs.searchqa.benchmark import benchmark_searchqa, measure_service, questions_of
    from craft_envs.searchqa.world import SearchQAWorld
    from craft_rl.worlds import WorldConfig, open_world

    def opened(chosen: Literal["official", "bundled"]) -> tuple[SearchQAWorld, dict[str, str]]:
        folder = str(data_dir) if data_dir and chosen == "official" else None
        config = WorldConfig(env=_ENV, data=chosen, data_dir=folder, options=options)
        if "retriever_url" in config.words:
            raise ConfigError("a service elsewhere is not measured", remedy="drop retriever_url")
        world = open_world(config)
        assert isinstance(world, SearchQAWorld)
        return world, config.words

    if data is None:
        data = "official"
        try:
            world, words = opened(data)
        except DataNotFound:
            if data_dir is not None:
                raise
            data = "bundled"
            world, words = opened(data)
    else:
        world, words = opened(data)
    console = Console()
    known = world.tasks.splits()
    splits = [name for name in _OFFICIAL if name in known] or ([*known] if data == "bundled" else ["test"])
    questions = questions_of(world, splits)
    report = benchmark_searchqa(world, questions, split=splits[0], passes=passes)
    rows = [
        ("queries/s, one by one", f"{report.single_per_s:,.0f}", "CPU time"),
        ("queries/s, batches of 128", f"{report.batch_per_s:,.0f}", "CPU time"),
        ("one step of 512 environments that all search", f"{1e3 * report.step_wall_s:.0f} ms", "wall clock"),
        ("", f"{1e3 * report.step_cpu_s:.0f} ms", "CPU time"),
        *(
            (f"a step without its retrieval, {name}", f"{spent:.1f} microseconds", "best of each")
            for name, spent in report.overhead_us.items()
        ),
        ("a reset", f"{report.reset_us:.1f} microseconds", "best of each"),
    ]
    told = None
    if service:
        told = measure_service(
            lambda port: _command(data, words, data_dir, port), questions, topk=report.topk, passes=passes
        )
        rows += [
            ("service: from its start to an answer", f"{told.start_s:.2f} s", "wall clock"),
            ("service: queries/s, batches of 128", f"{told.batch_per_s:,.0f}", "wall clock"),
        ]
        if told.server_cpu_per_s is not None:
            rows.append(("", f"{told.server_cpu_per_s:,.0f}", "CPU time of the service"))
    title = ", ".join([f"{data}, {report.passages:,} passages, {report.questions:,} questions", *options])
    table = Table(title=title, title_justify="left", box=None)
    for name in ("", "measured", "by"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if out is not None:
        write_json(
            out,
            {"data": data, "options": words, **asdict(report), "service": asdict(told) if told else None},
        )
        console.print(f"written to {out}", markup=False)


def _command(data: str, words: dict[str, str], data_dir: Path | None, port: int) -> list[str]:
    """The command line of the service over the passages and the retriever of the measured world."""
    from craft_envs.data import data_root
    from craft_envs.searchqa.official import corpus_path

    corpus = "bundled" if data == "bundled" else words.get("corpus") or str(corpus_path(data_root(data_dir)))
    chosen = [f"--{name}={words[name]}" for name in ("retriever", "encoder") if name in words]
    place = [f"--corpus={corpus}", f"--port={port}"]
    return [sys.executable, "-m", "craft_rl.cli", "serve", "retrieval", *place, *chosen]
