"""The teacher: the policy itself, told what skills say; the only consumer of privileged text.

Its prompts are the student's with skill text put in front (``tokens/insert.py``); it scores the tokens that
the student sampled and hands back log-probs alone. Nothing that it reads can reach a prompt, a trajectory or
a metric: a ``PrivilegedContext`` cannot be turned into a string.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from craft_skills import Rendered, Skill, SkillStore, render
from craft_skills.errors import SkillError
from craft_skills.match import UCB
from torch import Tensor

from craft_envs.errors import ConfigError
from craft_envs.types import TaskSource
from craft_rl.bank import bank_of, open_store
from craft_rl.briefing import Briefing
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.models.load import Policy
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.insert import Inserter, Piece, inserted
from craft_rl.tokens.pack import trajectory_id
from craft_rl.types import FloatArray, IntArray, PrivilegedContext, TokenBatch, Trajectory

Scorer = Callable[[TokenBatch, Sequence[int]], Tensor]
"""(batch, rows) -> [N] log-probs of the masked tokens of these rows, 0 elsewhere: the student's own code."""

_PUBLISHED = "[Privileged Skill Information]"
HEADINGS: Mapping[str, str] = {
    "system": "Advice for this kind of task:",
    **dict.fromkeys(("prefix", "user", "reencoded"), _PUBLISHED),
}
"""First line of the skill text, by placement."""


class Teacher:
    """Chooses skills, renders them, scores the student's tokens below them."""

    def __init__(
        self,
        store: SkillStore,
        tasks: TaskSource,
        codec: ChatCodec,
        *,
        max_context: int,
        settings: TeacherConfig | None = None,
    ) -> None:
        """Join store, tasks, tokenizer.

        Args:
            store: bank with its strategy.
            tasks: where a trajectory's task is looked up.
            codec: the policy's.
            max_context: most tokens that the model takes, skills included.
            settings: placement, budget, what to do when the text is too long, control. The strategy is that
                of ``store``.

        Raises:
            ConfigError: the bank is for another environment, or the chat template has no system turn.
        """
        self.settings = settings or TeacherConfig()
        if store.bank.env_id != tasks.env_id:
            raise ConfigError(
                f"the skill bank {store.bank.name!r} is for {store.bank.env_id}, not for {tasks.env_id}",
                remedy="name a bank of this environment version",
            )
        self._store, self._tasks, self._codec = store, tasks, codec
        self._limit = max_context
        self._inserter = Inserter(codec, self.settings.placement)
        self.changed = 0
        """Sequences of an update in which a round trip through text changed ids of the prompt."""
        self._full: dict[tuple[int | str, ...], tuple[Rendered, int]] = {}

    @property
    def bank_hash(self) -> str:
        """Content hash of the bank."""
        return self._store.bank.content_hash

    def brief(self, trajectories: Sequence[Trajectory]) -> Briefing:
        """Skill text for each trajectory, as much as fits above its longest prompt.

        Siblings get the same skills; a longer one may get fewer of them.

        Raises:
            ConfigError: the budget has no room for one skill, the text is too long with
                ``too_long="error"``, or the store refuses the task.
        """
        chosen: dict[str, tuple[Skill, ...]] = {}
        contexts: dict[str, PrivilegedContext] = {}
        specific = general = shortened = without = 0
        for trajectory in trajectories:
            task = trajectory.task_id
            if self.settings.control == "empty":
                chosen[task] = ()
            elif task not in chosen:
                chosen[task] = self._retrieve(task)
            skills = chosen[task]
            if skills and trajectory.steps:
                longest = max(len(s.prompt_ids) + len(s.completion_ids) for s in trajectory.steps)
                first = trajectory.steps[0].prompt_ids
                told, less = self._render(skills, first, longest, trajectory_id(trajectory))
            else:
                told, less = Rendered(text="", skill_ids=(), left_out=()), False
            contexts[trajectory_id(trajectory)] = PrivilegedContext(
                text=told.text, skill_ids=told.skill_ids, bank_hash=self.bank_hash
            )
            shortened += less
            without += less and not told.skill_ids
            kinds = {skill.is_general for skill in skills if skill.skill_id in told.skill_ids}
            specific += False in kinds
            general += kinds == {True}
        return Briefing(
            contexts=contexts,
            specific=specific,
            general=general,
            bare=len(contexts) - specific - general,
            shortened=shortened,
            without_room=without,
        )

    def score(
        self,
        batch: TokenBatch,
        contexts: Mapping[str, PrivilegedContext],
        run: Scorer,
        rows: Sequence[int] | None = None,
    ) -> tuple[FloatArray, int]:
        """Log-probs of the student's sampled tokens when the skills stand in front.

        Sequences whose context is empty are scored as the student's own batch, so that they get exactly the
        student's log-probs.

        Args:
            batch: the student's.
            contexts: trajectory id -> text.
            run: the scoring code of the student, with the weights of now, without gradient.
            rows: sequences to score; all by default.

        Returns:
            [N] log-probs, 0 outside the mask and outside ``rows``, then the tokens that went forward.

        Raises:
            ConfigError: a sequence with its text is longer than the model's context.
        """
        chosen = list(range(len(batch)) if rows is None else sorted(set(rows)))
        out = np.zeros(len(batch.token_ids), np.float32)
        tokens = 0
        lengths = np.diff(batch.sequence_starts)
        blank = [row for row in chosen if not contexts[batch.trajectory_ids[row]].text]
        if blank:
            own = run(batch, chosen).cpu().numpy()
            tokens += int(lengths[chosen].sum())
            for row in blank:
                span = slice(int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1]))
                out[span] = own[span]
        told = sorted(set(chosen) - set(blank))
        if told:
            pieces = []
            for row in told:
                span = slice(int(batch.sequence_starts[row]), int(batch.sequence_starts[row + 1]))
                own, opening = batch.token_ids[span], int(batch.loss_mask[span].argmax())
                piece = self._piece(own, opening, contexts[batch.trajectory_ids[row]])
                more = len(piece.ids) - (piece.stop - piece.start)
                if len(own) + more > self._limit:
                    raise self._too_long(batch.trajectory_ids[row], len(own), more)
                pieces.append(piece)
            rebuilt, origin = inserted(batch, told, pieces)
            scored = run(rebuilt, range(len(rebuilt))).cpu().numpy()
            out[origin] = scored[rebuilt.loss_mask]
            tokens += len(rebuilt.token_ids)
        return out, tokens

    def teach(
        self, batch: TokenBatch, trajectories: Sequence[Trajectory], run: Scorer, rows: Sequence[int]
    ) -> tuple[TokenBatch, dict[str, float]]:
        """A whole update's share: brief, score, learn which skills helped.

        Args:
            batch: the student's, packed from ``trajectories``.
            trajectories: of the update.
            run: as in ``score``.
            rows: sequences to score.

        Returns:
            The batch with ``teacher_logprobs``, metrics.

        Raises:
            ConfigError: see ``brief``.
        """
        started = time.perf_counter()
        self.changed = 0
        briefing = self.brief(trajectories)
        logprobs, tokens = self.score(batch, briefing.contexts, run, rows)
        self.observe(trajectories, briefing)
        metrics = briefing.metrics() | {"teacher/tokens": float(tokens)}
        if self.settings.placement == "reencoded":
            metrics["teacher/changed_prompts"] = float(self.changed)
        metrics["seconds_teacher"] = time.perf_counter() - started
        return replace(batch, teacher_logprobs=logprobs), metrics

    def told(self, task_id: str, prompt_ids: IntArray) -> IntArray:
        """The prompt that this teacher would read at the first step of a task: [P'].

        For runs that declare skills in their prompts, see ``skilled.py``; the ids are those that ``score``
        puts in front of the same dialogue, unless a long episode shortens its text there.

        Args:
            task_id: the task.
            prompt_ids: [P] without skills.

        Raises:
            ConfigError: see ``brief``.
        """
        skills = () if self.settings.control == "empty" else self._retrieve(task_id)
        if not skills:
            return prompt_ids
        told, _ = self._render(skills, prompt_ids, len(prompt_ids), task_id)
        context = PrivilegedContext(text=told.text, skill_ids=told.skill_ids, bank_hash=self.bank_hash)
        return self._piece(prompt_ids, len(prompt_ids), context).into(prompt_ids)

    def coverage(self, task_ids: Sequence[str]) -> dict[str, float]:
        """Shares of these tasks with specific skills, with general ones alone, with none."""
        kinds = [{skill.is_general for skill in self._retrieve(task)} for task in task_ids]
        total = max(len(kinds), 1)
        return {
            "specific": sum(False in kind for kind in kinds) / total,
            "general": sum(kind == {True} for kind in kinds) / total,
            "none": sum(not kind for kind in kinds) / total,
        }

    # ------------------------------------------------------------------ statistics of retrieval

    def observe(self, trajectories: Sequence[Trajectory], briefing: Briefing) -> None:
        """Tell a strategy that learns how the episodes ended whose teacher had its skills."""
        strategy = self._store.strategy
        if isinstance(strategy, UCB):
            for trajectory in trajectories:
                context = briefing.contexts[trajectory_id(trajectory)]
                strategy.observe(context.skill_ids, min(max(trajectory.score, 0.0), 1.0))

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint; empty when the strategy learns nothing."""
        strategy = self._store.strategy
        return strategy.state() if isinstance(strategy, UCB) else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from ``state``."""
        strategy = self._store.strategy
        if isinstance(strategy, UCB) and state:
            strategy.restore(state)

    # ------------------------------------------------------------------ text

    def _retrieve(self, task_id: str) -> tuple[Skill, ...]:
        try:
            return self._store.retrieve(self._tasks.task(task_id))
        except SkillError as error:
            raise ConfigError(error.what, where=error.where or task_id, remedy=error.remedy) from error

    def _render(
        self, skills: tuple[Skill, ...], first: IntArray, longest: int, name: str
    ) -> tuple[Rendered, bool]:
        """The text, then whether it tells less than the strategy chose.

        Args:
            skills: at least one.
            first: [P] first prompt of the dialogue, without skills.
            longest: tokens of its longest prompt with its response.
            name: of the dialogue, for messages.
        """
        _, before, after = self._inserter.frame(first)
        frame = len(before) + len(after)

        def count(text: str) -> int:
            return frame + len(self._inserter.ids(text))

        heading, budget = HEADINGS[self.settings.placement], self.settings.budget
        key: tuple[int | str, ...] = (frame, *(skill.skill_id for skill in skills))
        if key not in self._full:
            try:
                told = render(skills, budget=budget, count=count, heading=heading)
            except SkillError as error:
                raise ConfigError(error.what, where="teacher.budget", remedy=error.remedy) from error
            self._full[key] = told, count(told.text)
        told, needed = self._full[key]
        room = self._limit - longest
        if needed <= room:
            return told, bool(told.left_out)
        if self.settings.too_long == "error":
            raise self._too_long(name, longest, needed)
        room = room if budget is None else min(room, budget)
        try:
            return render(skills, budget=room, count=count, form="short", heading=heading), True
        except SkillError:
            return Rendered(text="", skill_ids=(), left_out=tuple(s.skill_id for s in skills)), True

    def _piece(self, dialogue: IntArray, opening: int, context: PrivilegedContext) -> Piece:
        """What goes into a sequence, whose first prompt has ``opening`` tokens."""
        filler = self.settings.control == "irrelevant"
        piece = self._inserter.piece(dialogue, opening, context.text, filler=filler)
        if not piece.keeps(dialogue):
            self.changed += 1
            if self.settings.round_trip == "error":
                raise ConfigError(
                    "a prompt that was decoded, then encoded again, has other ids than the student read",
                    remedy="use teacher.placement=prefix, or teacher.round_trip=count to accept and count it",
                )
        return piece

    def _too_long(self, name: str, episode: int, skills: int) -> ConfigError:
        return ConfigError(
            f"an episode of {episode} tokens with {skills} tokens of skills is longer than the model's "
            f"{self._limit}",
            where=f"trajectory {name}",
            remedy="use teacher.too_long=shorter, a teacher.budget, or a model with more context",
        )


def open_teacher(config: TrainConfig, policy: Policy, codec: ChatCodec, tasks: TaskSource) -> Teacher | None:
    """The teacher of a configuration; None when its method asks none.

    Args:
        config: method, ``skills``, ``teacher``.
        policy: its positions are the room for skills with episode.
        codec: the policy's.
        tasks: of the training world.

    Raises:
        ConfigError: no skills are named; as ``make_teacher``.
    """
    bank = bank_of(config)
    if bank is None or not config.has_teacher:
        return None
    return make_teacher(bank, config.teacher, policy, codec, tasks)


def make_teacher(
    bank: str, settings: TeacherConfig, policy: Policy, codec: ChatCodec, tasks: TaskSource
) -> Teacher:
    """A teacher over a bank.

    Args:
        bank: name of a bundled one, file or folder.
        settings: strategy, placement, budget, control.
        policy: its positions are the room for skills with episode.
        codec: the policy's.
        tasks: of the world.

    Raises:
        ConfigError: no such bank or strategy, a malformed, foreign or empty bank.
    """
    store = open_store(bank, settings, tasks.env_id)
    limit = int(policy.model.config.max_position_embeddings)
    return Teacher(store, tasks, codec, max_context=limit, settings=settings)
