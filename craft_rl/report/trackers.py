"""Trackers: places beside metrics.jsonl to which metrics go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from craft_envs.errors import ConfigError


class Tracker(Protocol):
    """Receives every row of metrics."""

    def write(self, row: Mapping[str, Any], step: int) -> None:
        """Record the numbers of ``row`` at ``step``."""
        ...

    def close(self) -> None:
        """Flush everything."""
        ...


class TensorBoard:
    """TensorBoard events under ``folder``."""

    def __init__(self, folder: Path, *, purge_step: int | None = None) -> None:
        """Open a writer; events from ``purge_step`` on, left by an interrupted run, are hidden.

        Raises:
            ConfigError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError("tensorboard is not installed", remedy="pip install tensorboard") from error
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def write(self, row: Mapping[str, Any], step: int) -> None:
        """One scalar per number of the row."""
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the events."""
        self._writer.close()
