"""Which tasks each update plays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from craft_envs.errors import ConfigError
from craft_rl.rollout.seeds import named_seed


class TaskOrder:
    """Which tasks each update plays: a pure function of seed and update.

    Each epoch is one shuffle of all tasks; the last few that do not fill an update are left out of it. The
    data cursor of a run is therefore the number of its updates.
    """

    def __init__(
        self, task_ids: Sequence[str], *, per_update: int, seed: int, limit: int | None = None
    ) -> None:
        """Fix the set of tasks.

        Args:
            task_ids: all tasks of the split.
            per_update: tasks of one update.
            seed: of the run.
            limit: use only so many tasks, drawn once.

        Raises:
            ConfigError: fewer tasks than one update needs.
        """
        self._ids = sorted(task_ids)
        self._seed = seed
        if limit is not None and limit < len(self._ids):
            chosen = self._shuffle("subset", 0)[:limit]
            self._ids = sorted(self._ids[i] for i in chosen)
        if per_update > len(self._ids):
            raise ConfigError(
                f"an update needs {per_update} different tasks, there are {len(self._ids)}",
                remedy="lower tasks_per_update or give more tasks",
            )
        self._per_update = per_update
        self.updates_per_epoch = len(self._ids) // per_update

    def tasks(self, update: int) -> list[str]:
        """The tasks of one update, all different."""
        epoch, position = divmod(update, self.updates_per_epoch)
        start = position * self._per_update
        return [self._ids[i] for i in self._shuffle("epoch", epoch)[start : start + self._per_update]]

    def _shuffle(self, purpose: str, number: int) -> np.ndarray:
        generator = np.random.Generator(np.random.Philox(named_seed("tasks", purpose, self._seed, number)))
        return generator.permutation(len(self._ids))
