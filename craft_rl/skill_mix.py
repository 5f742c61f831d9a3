"""Settings of demonstrations of which some show skills in their prompts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from craft_envs.data import write_json
from craft_envs.errors import ConfigError, DataMismatch
from craft_rl.config import from_mapping, to_mapping
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.worlds import LATER

READING_FILE = "craft_reading.json"
"""Lies in a model's folder, beside the weights that have learned to read skills like this."""


@dataclass(frozen=True, kw_only=True)
class SkillMix:
    """Who demonstrates under which prompt.

    A policy that shall be its own teacher must first have learned to act on skill text. Under the text of
    fitting skills the usual agent plays; without text, or under text that is no advice, one plays that lacks
    what skills tell. What the policy learns of the text is which of the two it shall imitate.

    Raises:
        ConfigError: shares out of range, or settings without effect.
    """

    bank: str | None = None
    """Bank whose skills the prompts of some demonstrations show: a bundled one, file or folder. Without one
    no prompt has skills."""
    share: float = 0.5
    """Share of demonstrations with skills."""
    decoys: float = 0.1
    """Share of demonstrations with other text of exactly the same length, played as those without text."""
    untold: str = "novice"
    """Agent that plays where no skills are shown."""
    knowing: float = field(default=0.0, metadata=LATER)
    """Share of those episodes that the usual agent plays instead: what the policy can do without advice."""
    reading: TeacherConfig = field(default_factory=TeacherConfig)
    """Which skills are shown, where they stand; a teacher of this policy needs the same."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        for name in ("share", "decoys", "knowing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"setting skill_mix.{name} is {getattr(self, name)!r}", remedy="give a share in [0, 1]"
                )
        if self.share + self.decoys > 1:
            raise ConfigError(
                f"skill_mix.share {self.share:g} with skill_mix.decoys {self.decoys:g} is more than all",
                remedy="lower one of them",
            )
        if self.bank is None:
            for name, usual in (("share", 0.5), ("decoys", 0.1), ("untold", "novice"), ("knowing", 0.0)):
                if getattr(self, name) != usual:
                    raise self._no_effect(name)
            if self.reading != TeacherConfig():
                raise self._no_effect("reading")
        elif not self.share:
            raise ConfigError(
                "skill_mix.share is 0: no demonstration would show skills",
                remedy="raise it, or drop the bank",
            )
        elif self.knowing == 1 and self.untold != "novice":
            raise self._no_effect("untold", "skill_mix.knowing is 1, the usual agent plays all", "lower that")
        elif self.share == 1 and self.knowing:
            raise self._no_effect("knowing", "skill_mix.share is 1, all have skills", "lower that")
        if self.reading.control != "none":
            raise ConfigError(
                f"setting skill_mix.reading.control is {self.reading.control!r}",
                remedy="use skill_mix.decoys for demonstrations with text that is no advice",
            )

    def _no_effect(
        self, name: str, why: str = "no bank is named", cure: str = "name skill_mix.bank"
    ) -> ConfigError:
        return ConfigError(
            f"setting skill_mix.{name}={getattr(self, name)!r} would have no effect: {why}",
            remedy=f"{cure}, or drop skill_mix.{name}",
        )


def save_reading(folder: Path, mix: SkillMix) -> None:
    """Write into a model's folder how it has learned to read skills; nothing where it has not."""
    if mix.bank is not None:
        save_skills_read(folder, mix.reading)


def save_skills_read(folder: Path, reading: TeacherConfig) -> None:
    """Write into a model's folder which skills it has read, where they stood."""
    write_json(folder / READING_FILE, to_mapping(reading))


def teacher_reading(reading: TeacherConfig) -> TeacherConfig:
    """How the teacher of a policy with that reading reads; an episode with all its skills may outgrow it."""
    return replace(reading, too_long="shorter")


def load_reading(folder: str | Path) -> TeacherConfig:
    """How the model of a folder has learned to read skills; the usual settings where that is not written.

    Raises:
        DataMismatch: the file is damaged.
        ConfigError: it holds settings that this version does not know.
    """
    path = Path(folder) / READING_FILE
    if not path.is_file():
        return TeacherConfig()
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataMismatch("the file is not JSON", where=str(path), remedy="delete it") from error
    return from_mapping(TeacherConfig, values, where=str(path))
