"""JSON lines that survive an interruption: results, metrics."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from craft_envs.data import explained, finite

_log = logging.getLogger(__name__)


class LineFile:
    """A file that grows by one JSON object a line, each on disk whole or not at all."""

    def __init__(self, path: Path, *, offset: int | None = None) -> None:
        """Open ``path`` for appending.

        Args:
            path: the file; its folder is made when absent.
            offset: bytes to keep of what is there; ``None`` keeps all. Where the file is shorter, as a crash
                of the machine can leave it, its whole lines are kept and a warning says so.

        Raises:
            OSError: the place cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        # Without a buffer nothing is left to be written when the file is closed after a failure.
        self._file = path.open("ab", buffering=0)
        if offset is not None:
            self._cut(offset)

    @property
    def offset(self) -> int:
        """Length of the file in bytes."""
        return self._file.tell()

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one line; numbers that JSON does not know (nan, inf) become null.

        Raises:
            OSError: the disk is full; the lines before are kept, nothing is left of this one.
        """
        start = self.offset
        line = memoryview((json.dumps(finite(row), allow_nan=False) + "\n").encode())
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise explained(error, self.path, "the line was not written, those before it are kept") from error

    def close(self) -> None:
        """Close the file; further writes are errors."""
        self._file.close()

    def _cut(self, offset: int) -> None:
        content = self.path.read_bytes()
        if offset > len(content):
            whole = content.rfind(b"\n") + 1
            _log.warning("%s has %d of %d bytes; some lines are lost", self.path, whole, offset)
            offset = whole
        self._file.truncate(offset)
        self._file.seek(0, os.SEEK_END)


class MetricsFile(LineFile):
    """One line per update.

    On resumption the file is cut back to the offset that the checkpoint remembers, so that no update appears
    twice.
    """

    def write(self, row: Mapping[str, Any]) -> None:
        """Append the metrics of one update."""
        self.append(row)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All complete rows of a metrics file; a last line cut by a crash is left out."""
    rows = []
    with path.open() as lines:
        for line in lines:
            if line.endswith("\n"):
                rows.append(json.loads(line))
    return rows
