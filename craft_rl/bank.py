"""The bank of skills that a training run reads."""

from __future__ import annotations

from craft_skills import SkillStore
from craft_skills.errors import SkillError

from craft_envs.errors import ConfigError
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import TeacherConfig


def bank_of(config: TrainConfig) -> str | None:
    """The bank that a training's teacher, or its student's own prompts, read; None when neither reads.

    Raises:
        ConfigError: no skills are named.
    """
    if not (config.has_teacher or config.reads_skills):
        return None
    if config.skills is None:
        does = "has a teacher" if config.has_teacher else "shows skills to its policy"
        raise ConfigError(
            f"method {config.method} {does}, but no skills are given",
            remedy="name a bank with --skills; craft skills list shows those that ship with craft",
        )
    return config.skills


def open_store(bank: str, settings: TeacherConfig, env_id: str) -> SkillStore:
    """The skills that a teacher reads.

    Args:
        bank: name of a bundled one, file or folder.
        settings: the strategy with its options.
        env_id: of the world.

    Raises:
        ConfigError: no such bank or strategy, a malformed, foreign or empty bank.
    """
    try:
        store = SkillStore.open(bank, strategy=settings.strategy, env_id=env_id, **settings.words)
    except SkillError as error:
        raise ConfigError(
            error.what, where=error.where or bank, remedy=error.remedy or "see craft skills list"
        ) from error
    except TypeError as error:  # an option of another type than the strategy can use
        raise ConfigError(
            f"the strategy {settings.strategy} cannot use these options: {error}",
            where=" ".join(settings.options),
            remedy="give numbers where numbers are meant",
        ) from error
    if not len(store.bank):
        raise ConfigError(
            "the bank has no skills: the teacher would be the student",
            where=bank,
            remedy="name another bank, or use teacher.control=empty with one to measure just that",
        )
    return store
