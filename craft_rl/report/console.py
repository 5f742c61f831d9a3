"""Progress on the terminal: one bar with the latest numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressBar:
    """A bar for a number of rounds; where no terminal listens, a line now and then instead.

    Use as a context manager.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        *,
        shown: Sequence[str],
        console: Console | None = None,
        line_every_s: float = 30.0,
    ) -> None:
        """Prepare the bar.

        Args:
            title: what is going on.
            total: number of rounds, None when the clock decides.
            shown: metrics printed beside the bar, in this order.
            console: where to draw; stderr by default.
            line_every_s: seconds between two lines where no terminal listens.
        """
        self._shown, self._title, self._line_every_s = shown, title, line_every_s
        self._last_line = time.monotonic()
        console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=total, numbers="")

    def advance(self, row: Mapping[str, Any], *, rounds: int = 1) -> None:
        """Move on and show the latest numbers."""
        numbers = "  ".join(
            f"{name} {row[name]:.3g}" for name in self._shown if isinstance(row.get(name), int | float)
        )
        self._progress.update(self._task, advance=rounds, numbers=numbers)
        if self._progress.disable and time.monotonic() - self._last_line >= self._line_every_s:
            self._last_line = time.monotonic()
            task = self._progress.tasks[0]
            of = "" if task.total is None else f"/{task.total:.0f}"
            self._progress.console.print(
                f"{self._title}  {task.completed:.0f}{of}  {numbers}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def __enter__(self) -> ProgressBar:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        self._progress.stop()
