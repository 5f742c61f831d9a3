"""The teacher's lead: what skill text in the prompt changes for one policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from craft_envs.core import World, step_limit
from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_envs.types import Task, TaskSource
from craft_rl.assemble import DialogueSettings
from craft_rl.compare import Comparison, compare
from craft_rl.distillation_settings import Control, TeacherConfig
from craft_rl.engine.hf import open_engine
from craft_rl.evaluate import ModelRunner, evaluate
from craft_rl.models.load import Policy
from craft_rl.rollout.demonstrate import AgentFactory, demonstrate, demonstration_specs
from craft_rl.skilled import SkillPreface, skill_preface
from craft_rl.statistics import bootstrap_interval
from craft_rl.teacher import make_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.pack import micro_batches, pack
from craft_rl.tokens.score import token_logprobs
from craft_rl.types import EvalReport, TaskResult, TokenBatch

WITHOUT, SKILLS, IRRELEVANT, OTHER = "without", "skills", "irrelevant", "other"
PROMPTS = (WITHOUT, SKILLS, IRRELEVANT, OTHER)
"""No text; the skills of the task; other text of exactly the same length; the skills of a task of another
type."""
_MICRO_BATCH = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """log pi(token | with text) - log pi(token | without) on a player's own tokens, nats a token."""

    mean: float
    """Mean over the tokens of each task, then over tasks."""
    interval: tuple[float, float]
    """95 % bootstrap interval over tasks."""
    tasks: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What was measured."""

    reports: Mapping[str, EvalReport]
    """By entry of ``PROMPTS``; those with text say so."""
    leads: Mapping[str, Comparison]
    """Each kind of text against no text, paired by task."""
    over: Mapping[str, Comparison]
    """The skills of the task against each other kind of text."""
    gaps: Mapping[str, Gap]
    """On the tokens of a player, for each kind of text."""


class _OtherTypes:
    """Tasks as they are, but for type and instruction, which are those of a task of another type."""

    def __init__(self, tasks: TaskSource, task_ids: Sequence[str]) -> None:
        self.env_id, self.data_hash = tasks.env_id, tasks.data_hash
        self._tasks = tasks
        first: dict[str, Task] = {}
        for task_id in task_ids:
            task = tasks.task(task_id)
            first.setdefault(task.task_type, task)
        types = sorted(first)
        if len(types) < 2:
            raise ConfigError(
                f"all tasks are of the type {', '.join(types)}: there are no skills of another type",
                remedy=f"leave out the prompts {OTHER!r}",
            )
        self._next = {kind: first[types[(i + 1) % len(types)]] for i, kind in enumerate(types)}

    def splits(self) -> tuple[str, ...]:
        return self._tasks.splits()

    def task_ids(self, split: str) -> Sequence[str]:
        return self._tasks.task_ids(split)

    def task(self, task_id: str) -> Task:
        task = self._tasks.task(task_id)
        other = self._next[task.task_type]
        return dataclasses.replace(task, task_type=other.task_type, instruction=other.instruction)


def measure_lead(
    policy: Policy,
    dialogue: DialogueSettings,
    world: World,
    panel: Panel,
    *,
    bank: str,
    reading: TeacherConfig,
    prompts: Sequence[str] = PROMPTS,
    seeds: Sequence[int] = (0,),
    temperature: float = 0.0,
    num_envs: int = 32,
    max_steps: int | None = None,
    agent: str = "policy",
    player: str | AgentFactory = "scripted",
    on_row: Callable[[str, TaskResult], None] | None = None,
) -> Lead:
    """Play a complete panel under each kind of prompt, then score a player's tokens under each.

    Args:
        policy: one set of weights, whoever reads.
        dialogue: how it is spoken to.
        world: opened with the panel's data.
        panel: the tasks.
        bank: of the skills.
        reading: which skills, where they stand; control is ignored by ``prompts``.
        prompts: entries of ``PROMPTS``, ``without`` and ``skills`` among them.
        seeds: of the evaluation.
        temperature: of the sampling; the gap is that of the model's own distribution.
        num_envs: most episodes at the same time.
        max_steps: step limit; the world's own when absent.
        agent: name in reports.
        player: whose tokens are scored for the gap.
        on_row: called with the prompt's name and each new result.

    Raises:
        ConfigError: unknown or missing prompts, a bank that cannot be read, text too long for the model.
        DataMismatch: the world does not hold the panel's tasks.
    """
    unknown = [name for name in prompts if name not in PROMPTS]
    if unknown or WITHOUT not in prompts or SKILLS not in prompts:
        raise ConfigError(
            f"prompts are {' '.join(prompts)}",
            remedy=f"use {WITHOUT} {SKILLS} and any of {' '.join(PROMPTS)}",
        )
    io = dialogue.io(policy, temperature=temperature)
    limit = int(policy.model.config.max_position_embeddings)
    told = [name for name in PROMPTS if name in prompts and name != WITHOUT]
    sources: dict[str, TaskSource] = dict.fromkeys(told, world.tasks)
    if OTHER in told:
        sources[OTHER] = _OtherTypes(world.tasks, panel.task_ids)
    reports: dict[str, EvalReport] = {}
    for name in (WITHOUT, *told):
        voice, room = io, dialogue.max_context
        if name != WITHOUT:
            preface = skill_preface(bank, reading, policy, sources[name], control=_control(name))
            voice, room = dataclasses.replace(io, preface=_named(preface, name)), limit
        runner = ModelRunner(
            open_engine(policy.model, slots=num_envs, max_context=room), voice, agent=f"{agent}, {name}"
        )
        reports[name] = evaluate(
            runner,
            world,
            panel,
            seeds=seeds,
            num_envs=num_envs,
            max_steps=max_steps,
            on_row=None if on_row is None else lambda row, name=name: on_row(name, row),  # type: ignore[misc]
        )
    specs = demonstration_specs(panel.task_ids, max_steps=step_limit(world, max_steps))
    played = demonstrate(specs, world, io, agent=player, max_context=dialogue.max_context)
    batch = pack(played)
    student = _score(policy, batch, range(len(batch)))
    gaps: dict[str, Gap] = {}
    for name in told:
        settings = dataclasses.replace(reading, control=_control(name))
        teacher = make_teacher(bank, settings, policy, ChatCodec(policy.tokenizer), sources[name])
        scored, _ = teacher.score(
            batch, teacher.brief(played).contexts, lambda part, rows: _score(policy, part, rows)
        )
        gaps[name] = _gap(batch, scored.astype(np.float64) - student.numpy())
    return Lead(
        reports=reports,
        leads={name: compare(reports[WITHOUT], reports[name], across_skills=True) for name in told},
        over={
            name: compare(reports[name], reports[SKILLS], across_skills=True)
            for name in told
            if name != SKILLS
        },
        gaps=gaps,
    )


def lead_to_json(lead: Lead) -> dict[str, Any]:
    """Plain values, without the single episodes."""
    first = lead.reports[WITHOUT]
    return {
        "format": "craft-lead/1",
        "panel": first.panel,
        "panel_hash": first.panel_hash,
        "data_hash": first.data_hash,
        "prompt_version": first.prompt_version,
        "decoding": dict(first.decoding),
        "craft": first.commit,
        "prompts": {
            name: {
                "mean": report.mean,
                "interval": list(report.interval),
                "per_type": {kind: list(value) for kind, value in report.per_type.items()},
                "scored": report.scored,
                "errors": report.errors,
                "skills": dict(report.skills),
            }
            for name, report in lead.reports.items()
        },
        "leads": {name: _paired(c) for name, c in lead.leads.items()},
        "skills_over": {name: _paired(c) for name, c in lead.over.items()},
        "gaps": {name: dataclasses.asdict(gap) for name, gap in lead.gaps.items()},
    }


def _paired(comparison: Comparison) -> dict[str, Any]:
    names = ("difference", "interval", "tasks", "episodes", "better", "worse", "detectable", "conclusive")
    return {name: getattr(comparison, name) for name in names}


def _control(name: str) -> Control:
    return "irrelevant" if name == IRRELEVANT else "none"


def _named(preface: SkillPreface, name: str) -> SkillPreface:
    """Reports tell the skills of another type from those of the task."""
    if name == OTHER:
        preface.facts = {**preface.facts, "text": "skills of another type of task"}
    return preface


@torch.no_grad()
def _score(policy: Policy, batch: TokenBatch, rows: Sequence[int]) -> Tensor:
    """[N] log-probs of the masked tokens of ``rows``, 0 elsewhere."""
    out = torch.zeros(len(batch.token_ids))
    device = next(policy.model.parameters()).device
    for micro in micro_batches(batch, _MICRO_BATCH, rows):
        ids = torch.from_numpy(micro.token_ids).to(device)
        scored = token_logprobs(policy.model, ids, torch.from_numpy(micro.loss_mask).to(device))
        out[torch.from_numpy(micro.index[micro.loss_mask])] = scored.logprobs.float().cpu()
    return out


def _gap(batch: TokenBatch, difference: np.ndarray) -> Gap:
    """Over tasks; every sequence of a trajectory belongs to its group, which is its task."""
    sums: dict[str, np.ndarray] = {}
    for row, group in enumerate(batch.group_ids):
        span = slice(int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1]))
        mask = batch.loss_mask[span]
        part = np.array([difference[span][mask].sum(), mask.sum()])
        sums[group] = sums.get(group, np.zeros(2)) + part
    means = [float(total / count) for total, count in sums.values() if count]
    return Gap(
        mean=float(np.mean(means)),
        interval=bootstrap_interval(means),
        tasks=len(means),
        tokens=int(sum(count for _, count in sums.values())),
    )
