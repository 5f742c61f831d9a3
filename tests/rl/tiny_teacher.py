"""A bank of three skills for the toy walk, a teacher that reads it to the tiny policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from craft_skills import Skill, SkillBank, SkillStore
from craft_skills.match import make_strategy

from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import DistillConfig, TeacherConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.grading import grade
from craft_rl.methods import METHODS
from craft_rl.models.load import Policy
from craft_rl.teacher import Teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.pack import pack
from craft_rl.trainer import Trainer
from craft_rl.types import TokenBatch, Trajectory
from craft_rl.update import Learner
from tests.rl.tiny_training import LuckyWorld, tiny_config, tiny_groups, tiny_io, tiny_policy
from tests.rl.toy_rollout import ToyTasks

TEACHING = tuple(name for name, row in METHODS.items() if "distill" in row.defaults)


def tiny_bank(*extra: Skill, env_id: str = ToyTasks.env_id) -> SkillBank:
    """A general skill, one for each type of the walk."""
    return SkillBank(
        name="tiny",
        env_id=env_id,
        skills=(
            Skill(skill_id="g", title="Talk", principle="Say five letters."),
            Skill(skill_id="e", title="Even", principle="Go on.", task_types=("even",)),
            Skill(skill_id="o", title="Odd", principle="Turn.", task_types=("odd",)),
            *extra,
        ),
    )


def tiny_teacher(
    policy: Policy,
    *,
    bank: SkillBank | None = None,
    strategy: str = "task_type",
    max_context: int = 256,
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Teacher:
    """A teacher for the toy walk."""
    bank = bank if bank is not None else tiny_bank()
    store = SkillStore(bank, make_strategy(strategy, bank, **(options or {})))
    settings_ = TeacherConfig(**settings)
    codec = ChatCodec(policy.tokenizer)
    return Teacher(store, ToyTasks(12), codec, max_context=max_context, settings=settings_)


def teaching_config(name: str, **settings: Any) -> TrainConfig:
    """A tiny configuration of a method with its own defaults; skills are named where it asks a teacher."""
    defaults = {"kl_coef": 0.0, "entropy_coef": 0.0, **METHODS[name].defaults, **settings}
    if defaults["distill"].coef:
        defaults.setdefault("skills", "tiny")
    return tiny_config(method=name, **defaults)


def off(name: str) -> DistillConfig:
    """The method's own settings with weight 0."""
    usual = METHODS[name].defaults["distill"]
    return DistillConfig(coef=0.0, beta=usual.beta)


def teaching_trainer(config: TrainConfig, folder: Path, *, teacher: Any = None, **settings: Any) -> Trainer:
    """Everything built afresh; ``teacher`` makes a teacher out of a policy."""
    policy = tiny_policy()
    engine = HFEngine(policy.model, slots=16, max_context=256)
    io = tiny_io(policy, config.prompt)
    teacher = None if teacher is None else teacher(policy)
    return Trainer(config, policy, LuckyWorld(), engine, io, folder, teacher=teacher, **settings)


def played(config: TrainConfig) -> tuple[TokenBatch, tuple[Trajectory, ...]]:
    """A batch of two groups with advantages."""
    graded = grade(tiny_groups(prompt=config.prompt), config)
    return pack(graded.trajectories, graded.advantages), graded.trajectories


def learner(config: TrainConfig, policy: Policy) -> Learner:
    """The learner with a reference that differs from the policy."""
    reference = tiny_policy(seed=1).model if config.kl_coef > 0 else None
    return Learner(policy.model, config, temperature=1.0, reference=reference)


def recording(run: Any, seen: list[TokenBatch]) -> Any:
    """A scorer that remembers what it was shown."""

    def score(batch: TokenBatch, rows: Sequence[int]) -> torch.Tensor:
        seen.append(batch)
        return run(batch, rows)

    return score
