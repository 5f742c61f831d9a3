"""Skill text in the prompts of a policy, for runs that declare it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

from craft_skills.errors import SkillError
from craft_skills.render import render
from craft_skills.store import load_bank

from craft_envs.core import World
from craft_envs.errors import ConfigError
from craft_envs.types import TaskSource
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.bank import bank_of
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import Control, TeacherConfig
from craft_rl.models.load import Policy
from craft_rl.rollout.demonstrate import AgentFactory, demonstrate
from craft_rl.rollout.episode import EpisodeSpec
from craft_rl.rollout.seeds import named_seed
from craft_rl.skill_mix import SkillMix
from craft_rl.teacher import HEADINGS, Teacher, make_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.types import IntArray, Trajectory


class SkillPreface:
    """Puts into a prompt what the teacher of the same settings would read: the same ids in the same place.

    Example: ``replace(io, preface=skill_preface("alfworld", settings, policy, world.tasks))``.
    """

    def __init__(self, teacher: Teacher, *, bank: str) -> None:
        """Over a teacher; ``bank`` is its bank's name in reports."""
        self._teacher = teacher
        settings = teacher.settings
        self.facts: Mapping[str, str] = {
            "bank": bank,
            "bank_hash": teacher.bank_hash,
            "strategy": " ".join([settings.strategy, *settings.options]),
            "placement": settings.placement,
            "budget": "none" if settings.budget is None else str(settings.budget),
            "text": "irrelevant" if settings.control == "irrelevant" else "skills",
        }

    def told(self, task_id: str, prompt_ids: IntArray) -> IntArray:
        """[P'] the prompt with the skills of this task."""
        return self._teacher.told(task_id, prompt_ids)

    def metrics(self, task_ids: Sequence[str]) -> dict[str, float]:
        """Which share of these tasks is told what kind of skills."""
        told = {f"prompt_skills/{kind}": v for kind, v in self._teacher.coverage(task_ids).items()}
        if self._teacher.settings.placement == "reencoded":
            told["prompt_skills/changed_prompts"] = float(self._teacher.changed)
            self._teacher.changed = 0
        return told


def skill_preface(
    bank: str, settings: TeacherConfig, policy: Policy, tasks: TaskSource, *, control: Control = "none"
) -> SkillPreface:
    """Skill text for the prompts of a policy.

    Args:
        bank: name of a bundled one, file or folder.
        settings: which skills, where; a teacher of the policy needs the same.
        policy: whose tokens the text is written in.
        tasks: of the world.
        control: ``irrelevant`` gives other text of exactly the same length.

    Raises:
        ConfigError: no such bank or strategy, a malformed, foreign or empty bank; control is ``empty``.
    """
    if control == "empty":
        raise ConfigError("a preface without text is no preface", remedy="leave PolicyIO.preface out")
    settings = dataclasses.replace(settings, control=control)
    teacher = make_teacher(bank, settings, policy, ChatCodec(policy.tokenizer), tasks)
    return SkillPreface(teacher, bank=bank)


def open_preface(config: TrainConfig, policy: Policy, tasks: TaskSource) -> SkillPreface | None:
    """What the prompts of a training run show; None unless its method shows skills to its student.

    Args:
        config: method, ``skills``, ``teacher`` as which skills, where.
        policy: whose tokens the text is written in.
        tasks: of the world.

    Raises:
        ConfigError: no skills are named, a strategy that learns from a teacher; as ``skill_preface``.
    """
    bank = bank_of(config)
    if bank is None or not config.reads_skills:
        return None
    if config.teacher.strategy == "ucb":
        raise ConfigError(
            f"the strategy ucb learns from the episodes of a teacher, method {config.method} has none",
            remedy="use another teacher.strategy",
        )
    control = config.teacher.control
    return skill_preface(bank, config.teacher, policy, tasks, control=control)


def bank_texts(bank: str, env_id: str, placement: str = "system") -> Iterator[str]:
    """Every skill of a bank as prompts show it, for a tokenizer that shall know these words.

    Raises:
        ConfigError: no such bank, or one for another environment.
    """
    try:
        held = load_bank(bank, env_id=env_id)
    except SkillError as error:
        raise ConfigError(error.what, where=error.where or bank, remedy=error.remedy) from error
    for skill in held.skills:
        yield render([skill], heading=HEADINGS[placement]).text


def demonstrate_mix(
    specs: Sequence[EpisodeSpec],
    world: World,
    io: PolicyIO,
    policy: Policy,
    mix: SkillMix,
    *,
    agent: str | AgentFactory = "scripted",
    noise: float = 0.0,
    no_slips: Sequence[str] = (),
    max_context: int,
    on_done: Callable[[Trajectory], None] | None = None,
) -> list[Trajectory]:
    """Demonstrations with skills in the prompt, with decoys, without text, as ``mix`` says.

    Args:
        specs: the episodes; the seed of each decides which kind it is.
        world: what is played.
        io: wording and tokenizer, without a preface.
        policy: that shall imitate.
        mix: shares, bank, who plays where no skills are shown.
        agent: who plays where they are, and the mix's share ``knowing`` of the others.
        noise: see ``demonstrate``, as all that follows.

    Returns:
        One trajectory each, in the order of the specs.

    Raises:
        ConfigError: as ``demonstrate`` or ``skill_preface``; ``mix`` names no bank.
    """
    if mix.bank is None:
        raise ConfigError("the mix of demonstrations names no bank", remedy="call demonstrate")
    kinds: dict[tuple[str, bool], list[int]] = {}
    for place, spec in enumerate(specs):
        draw = named_seed("skill mix", spec.seed, spec.task_id) / 2**63
        kind = "told" if draw < mix.share else "decoy" if draw < mix.share + mix.decoys else "untold"
        knows = kind == "told" or named_seed("knowing", spec.seed, spec.task_id) / 2**63 < mix.knowing
        kinds.setdefault((kind, knows), []).append(place)
    played: dict[int, Trajectory] = {}
    for (kind, knows), places in sorted(kinds.items()):
        voice = io
        if kind != "untold":
            control: Control = "none" if kind == "told" else "irrelevant"
            text = skill_preface(mix.bank, mix.reading, policy, world.tasks, control=control)
            voice = dataclasses.replace(io, preface=text)
        trajectories = demonstrate(
            [specs[place] for place in places],
            world,
            voice,
            agent=agent if knows else mix.untold,
            noise=noise,
            no_slips=no_slips,
            max_context=max_context,
            on_done=on_done,
        )
        played.update(zip(places, trajectories, strict=True))
    return [played[place] for place in range(len(specs))]
