"""What a teacher is told about the trajectories of one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from craft_rl.types import PrivilegedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """What the teacher is told about each trajectory of an update, with counts for the metrics."""

    contexts: Mapping[str, PrivilegedContext]
    """Trajectory id -> its text."""
    specific: int
    """Trajectories for whose type of task some skill is meant."""
    general: int
    """Trajectories with general skills alone."""
    bare: int
    """Trajectories without any skill."""
    shortened: int
    """Trajectories that were told less than the strategy chose: for want of budget or room."""
    without_room: int
    """Among them those whose episode left no room for a single skill."""

    def metrics(self) -> dict[str, float]:
        """Shares of trajectories; the two counts as they are."""
        total = max(len(self.contexts), 1)
        return {
            "teacher/skills_specific": self.specific / total,
            "teacher/skills_general": self.general / total,
            "teacher/skills_none": self.bare / total,
            "teacher/shortened": float(self.shortened),
            "teacher/without_room": float(self.without_room),
        }
