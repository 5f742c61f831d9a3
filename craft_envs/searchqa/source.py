"""Questions as the tasks of an environment."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence

from craft_envs.errors import ConfigError, DataMismatch, one_of, shown
from craft_envs.searchqa.questions import Question
from craft_envs.types import Task

ENV_ID = "craft/SearchQA-v0"

Loader = Callable[[], Sequence[Question]]
"""Reads the questions of one split, in their fixed order."""


class QuestionSource:
    """The splits of one collection of questions; read-only, safe between threads.

    A split is read when it is first asked for, then kept.

    Args:
        splits: name -> how to read its questions; each of them says this split as its own.
    """

    def __init__(self, splits: Mapping[str, Loader]) -> None:
        """See the class."""
        self._loaders = dict(splits)
        self._questions: dict[str, dict[str, Question]] = {}
        self._tasks: dict[str, Task] = {}
        self._lock = threading.RLock()
        self._hash = ""

    @property
    def env_id(self) -> str:
        """``craft/SearchQA-v0``."""
        return ENV_ID

    @property
    def data_hash(self) -> str:
        """Hex digest over all tasks; reads every split."""
        if not self._hash:
            digest = hashlib.sha256()
            for split in self._loaders:
                for task_id, question in self._split(split).items():
                    digest.update(f"{task_id}\t{question.content_hash}\n".encode())
            self._hash = digest.hexdigest()
        return self._hash

    def splits(self) -> tuple[str, ...]:
        """Names of the splits, training first."""
        return tuple(self._loaders)

    def task_ids(self, split: str) -> Sequence[str]:
        """All ids of a split.

        Raises:
            ConfigError: there is no such split.
        """
        return tuple(self._split(split))

    def questions(self, split: str) -> Sequence[Question]:
        """All questions of a split.

        Raises:
            ConfigError: there is no such split.
        """
        return tuple(self._split(split).values())

    def question(self, task_id: str) -> Question:
        """The question of a task.

        Raises:
            ConfigError: there is no such task.
        """
        split = task_id.partition("/")[0]
        question = self._split(split).get(task_id) if split in self._loaders else None
        if question is None:
            raise ConfigError(
                f"{ENV_ID} has no task {shown(task_id)} in this data",
                remedy="task ids read split/data_source/question_id",
            )
        return question

    def task(self, task_id: str) -> Task:
        """See ``TaskSource``.

        Raises:
            ConfigError: there is no such task.
        """
        task = self._tasks.get(task_id)
        if task is None:
            question = self.question(task_id)
            task = self._tasks[task_id] = Task(
                task_id=task_id,
                env_id=ENV_ID,
                split=question.split,
                task_type=question.data_source,
                instruction=question.asked,
                content_hash=question.content_hash,
            )
        return task

    def _split(self, split: str) -> dict[str, Question]:
        known = self._questions.get(split)
        if known is not None:
            return known
        if split not in self._loaders:
            raise ConfigError(
                f"{ENV_ID} has no split {shown(split)} in this data",
                remedy=one_of(split, self._loaders),
            )
        with self._lock:
            if split not in self._questions:
                questions = self._loaders[split]()
                by_id = {question.task_id: question for question in questions}
                if len(by_id) != len(questions) or any(q.split != split for q in questions):
                    raise DataMismatch(f"the split {split!r} has questions twice, or those of another split")
                self._questions[split] = by_id
        return self._questions[split]
