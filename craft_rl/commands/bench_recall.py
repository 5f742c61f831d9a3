"""craft bench recall: which share of gold passages the retrievers of Search-QA find."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table


def run(
    retrievers: tuple[str, ...] = ("bm25",),
    sets: tuple[str, ...] = ("hotpot500", "musique100", "nq_oracle"),
    corpus: Path | None = None,
    data_dir: Path | None = None,
    encoder: str | None = None,
) -> None:
    """Ask the official questions that have gold passages, each as the only query; print recall at 3, at 10.

    Args:
        retrievers: of bm25, dense, hybrid, pyserini.
        sets: official splits with gold passages.
        corpus: another corpus file than the one beside the questions.
        data_dir: folder of the official files; else CRAFT_DATA.
        encoder: of dense, hybrid: e5-small (when absent), minilm, or a folder with model.onnx beside
            tokenizer.json.
    """
    from craft_envs.searchqa.recall import measure_official

    console = Console()
    table = Table(box=None)
    for name in ("set", "questions", "retriever", "R@3", "all@3", "R@10", "all@10", "CPU ms"):
        table.add_column(name, justify="left" if name in ("set", "retriever") else "right", no_wrap=True)
    with console.status("encoding passages") as status:
        rows = measure_official(
            retrievers,
            sets=sets,
            corpus=corpus,
            data_dir=data_dir,
            encoder=encoder,
            progress=lambda done, total: status.update(f"{done:,} of {total:,} passages encoded"),
        )
    for row in rows:
        shares = [f"{kind[k]:.3f}" for k in (3, 10) for kind in (row.found, row.all_found)]
        table.add_row(
            row.questions_of,
            f"{row.questions:,}",
            row.retriever,
            *shares,
            f"{row.ms_per_query:.2f}",
        )
    console.print(f"{rows[0].passages:,} passages" if rows else "no questions", highlight=False)
    console.print(table)
