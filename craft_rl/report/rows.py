"""Results of an evaluation, one line a played episode, so that an interrupted one can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from craft_envs.data import atomic_write
from craft_envs.errors import ConfigError, DataMismatch, shown
from craft_rl.report.jsonl import LineFile
from craft_rl.types import TaskResult, TrajectoryStatus

FORMAT = "craft-eval-rows/1"


class ResultRows:
    """Results by (task, seed), kept in a file when there is a path; use as a context manager."""

    def __init__(self, path: str | os.PathLike[str] | None, identity: Mapping[str, Any]) -> None:
        """Prepare; nothing is read yet.

        Args:
            path: the file; ``None`` keeps results in memory only.
            identity: plain values that all rows of a file share: who played what, how.
        """
        self.results: dict[tuple[str, int], TaskResult] = {}
        self._path = None if path is None else Path(path)
        self._identity = json.loads(json.dumps(identity))
        self._file: LineFile | None = None

    def __enter__(self) -> ResultRows:
        """Read what a former run has left, then open the file for more.

        Raises:
            DataMismatch: the file is damaged.
            ConfigError: it belongs to another evaluation.
        """
        if self._path is None:
            return self
        if self._path.exists():
            self._read(self._path)
        else:
            with atomic_write(self._path, "w") as file:
                file.write(json.dumps({"format": FORMAT, **self._identity}) + "\n")
        self._file = LineFile(self._path)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def add(self, row: TaskResult) -> None:
        """Keep one result; it is on disk when this returns.

        Raises:
            OSError: the disk is full; the rows before are kept.
        """
        self.results[row.task_id, row.seed] = row
        if self._file is not None:
            self._file.append(result_to_row(row))

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            head, *rows = [json.loads(line) for line in whole.splitlines()]
            if head.pop("format", None) != FORMAT:
                raise ValueError(f"the first line is not a head of {FORMAT}")
            results = [result_from_row(row) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataMismatch(
                f"not a file of evaluation rows: {type(error).__name__} {error}",
                where=str(path),
                remedy="delete the file or name another one",
            ) from error
        differing = [
            f"{name}: {shown(head.get(name))} there, {shown(self._identity.get(name))} now"
            for name in sorted({*head, *self._identity})
            if head.get(name) != self._identity.get(name)
        ]
        if differing:
            raise ConfigError(
                f"the rows belong to another evaluation; {'; '.join(differing)}",
                where=str(path),
                remedy="delete the file or name another one",
            )
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        # A later row of the same episode is the repetition of a broken one.
        self.results = {(row.task_id, row.seed): row for row in results}


def result_to_row(row: TaskResult) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "task_id": row.task_id,
        "task_type": row.task_type,
        "seed": row.seed,
        "status": row.status.value,
        "score": row.score,
        "steps": row.steps,
        "valid_actions": row.valid_actions,
        "failure": row.failure,
    }


def result_from_row(row: Mapping[str, Any]) -> TaskResult:
    """The inverse of ``result_to_row``.

    Raises:
        KeyError: an entry is missing.
        ValueError: an unknown status.
    """
    return TaskResult(
        task_id=row["task_id"],
        task_type=row["task_type"],
        seed=row["seed"],
        status=TrajectoryStatus(row["status"]),
        score=row["score"],
        steps=row["steps"],
        valid_actions=row["valid_actions"],
        failure=row["failure"],
    )
