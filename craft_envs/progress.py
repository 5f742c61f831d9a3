"""A line on the terminal that tells how far long work has come."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, TextIO

_QUIET_S: Final = 0.5
"""Work that takes no longer says nothing."""
_EVERY_S: Final = 0.2


class TerminalProgress:
    """Counts on standard error while a ``with`` block runs; silent where that is no terminal.

    Example: ``with TerminalProgress("indexing products") as progress: progress(500, 1200)`` shows
    ``indexing products: 500 of 1,200``.

    Args:
        label: what is done.
        stream: where the line goes; standard error when ``None``.
        always: show it even where the stream is no terminal.
    """

    def __init__(self, label: str, *, stream: TextIO | None = None, always: bool = False) -> None:
        """See the class."""
        self._label = label
        self._stream = sys.stderr if stream is None else stream
        self._on = always or self._stream.isatty()
        self._next = time.monotonic() + _QUIET_S
        self._written = 0

    def __enter__(self) -> TerminalProgress:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show a count; ``total`` is 0 where nobody knows it."""
        now = time.monotonic()
        if not self._on or now < self._next:
            return
        self._next = now + _EVERY_S
        text = f"{self._label}: {done:,}" + (f" of {total:,}" if total else "")
        self._stream.write("\r" + text.ljust(self._written))
        self._stream.flush()
        self._written = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._written:
            self._stream.write("\r" + " " * self._written + "\r")
            self._stream.flush()
