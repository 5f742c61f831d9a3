"""Metrics as JSON lines that survive an interruption."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class MetricsFile:
    """One JSON object per line, flushed line by line.

    On resumption the file is cut back to the offset that the checkpoint remembers, so that no update appears
    twice.
    """

    def __init__(self, path: Path, *, offset: int | None = None) -> None:
        """Open ``path`` for appending; a new run starts at ``offset`` 0, None appends after what is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab")
        if offset is not None:
            self._file.truncate(offset)
            self._file.seek(0, os.SEEK_END)

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; numbers that JSON does not know (nan, inf) become null."""
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        self._file.write((json.dumps(clean) + "\n").encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file; further writes are errors."""
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All complete rows of a metrics file; a last line cut by a crash is left out."""
    rows = []
    with path.open() as lines:
        for line in lines:
            if line.endswith("\n"):
                rows.append(json.loads(line))
    return rows
