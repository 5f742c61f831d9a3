"""IBPO in an update: who is corrected, what that does to returns, which tokens keep their credit.

Every figure of what the extra generations cost is a metric beside the results of the same update.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from craft_envs.core import World
from craft_envs.errors import CraftError
from craft_rl.agent.correct import correction_version
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.config import TrainConfig
from craft_rl.correction_settings import IbpoConfig
from craft_rl.credit.edits import (
    Alignment,
    Correction,
    Turn,
    align_steps,
    correction_share,
    edit_advantages,
    kept_correction,
    shaped_rewards,
)
from craft_rl.engine.protocol import Engine
from craft_rl.rollout.correct import Corrected, CorrectionJob, CorrectionOutcome, correct, correction_seed
from craft_rl.rollout.seeds import named_seed
from craft_rl.tokens.pack import trajectory_id
from craft_rl.types import Group, Step, TokenBatch, Trajectory

_NOWHERE = Alignment(0, ())
"""Of a correction that did not succeed: nobody looks at it."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one update.

    Example with one failure corrected by the first of its two corrections:
    ``returns={"u0/t/1": 0.15}``, ``edited={"u0/t/1": [[False], [True, True]]}`` for two steps.
    """

    settings: IbpoConfig
    returns: Mapping[str, float]
    """Trajectory id -> shaped return, where it differs from the world's."""
    edited: Mapping[str, list[list[bool]]]
    """Trajectory id of a failure with a kept correction -> for each step which tokens are edited."""
    metrics: dict[str, float] = field(default_factory=dict)

    def credit(self, batch: TokenBatch) -> TokenBatch:
        """The batch with the clamp, the mask on the tokens of corrected failures.

        Unedited tokens get advantage 0, which takes them out of the policy term alone; with the denominator
        ``masked`` they leave the loss mask. Adds the clamp's metric.

        Args:
            batch: packed, with advantages of shaped returns.
        """
        settings, bitten, seen = self.settings, set(), set()
        advantages, mask = batch.advantages.copy(), batch.loss_mask.copy()
        for row, name in enumerate(batch.trajectory_ids):
            if name not in self.edited:
                continue
            seen.add(name)
            start = int(batch.sequence_starts[row])
            for offset, step in zip(batch.step_starts[row].tolist(), batch.step_ids[row], strict=True):
                edited = self.edited[name][step]
                place = slice(start + offset, start + offset + len(edited))
                values, kept, bites = edit_advantages(
                    float(advantages[place.start]), edited, clamp=settings.clamp
                )
                advantages[place] = np.where(kept, values, 0) if settings.mask else values
                if settings.denominator == "masked":
                    mask[place] &= np.array(kept)
                if bites:
                    bitten.add(name)
        if settings.clamp:
            self.metrics["ibpo/clamp_rate"] = len(bitten) / max(len(seen), 1)
        if not seen:
            return batch
        behaviour = np.where(mask, batch.behaviour_logprobs, np.float32(0))
        return replace(batch, advantages=advantages, loss_mask=mask, behaviour_logprobs=behaviour)


class Corrector:
    """Asks for corrections after each round of rollouts; counts what they have cost since the run began."""

    def __init__(self, config: TrainConfig, world: World, engine: Engine, io: PolicyIO) -> None:
        """Bind a run's world with its policy.

        Args:
            config: with ``ibpo.on``.
            world: of the rollouts.
            engine: samples from the weights that played the rollouts.
            io: prompts of the rollouts.
        """
        self._config, self._world, self._engine, self._io = config, world, engine, io
        self._tokens = 0.0
        self._generations = 0.0

    @property
    def version(self) -> str:
        """What decides the bytes of a correction's prompt beside ``PromptSettings``."""
        rewrites = self._config.ibpo.operator == "rewrite"
        return correction_version(self._io) if rewrites else "resume/1"

    def correct(self, groups: Sequence[Group]) -> Corrections:
        """Correct the failures of all groups that have a success.

        Args:
            groups: siblings as played; broken episodes are neither corrected nor references.

        Raises:
            CraftError: a failure's return is not in [0, 1], so that no bonus can be told from it.
        """
        config, started = self._config, time.perf_counter()
        jobs = [job for group in groups for job in self._jobs(group)]
        done = correct(
            jobs,
            self._world,
            self._engine,
            self._io,
            config.ibpo,
            num_envs=config.num_envs,
            max_steps=config.world.max_steps,
        )
        corrections = self.weigh(groups, jobs, done)
        corrections.metrics["seconds_corrections"] = time.perf_counter() - started
        return corrections

    def weigh(
        self, groups: Sequence[Group], jobs: Sequence[CorrectionJob], done: Sequence[Corrected]
    ) -> Corrections:
        """Shaped returns with edited tokens from what came of each job.

        Raises: as ``correct``.
        """
        config = self._config
        by_attempt: dict[str, list[tuple[CorrectionJob, Corrected, Correction]]] = {}
        for job, corrected in zip(jobs, done, strict=True):
            by_attempt.setdefault(trajectory_id(job.attempt), []).append(self._judged(job, corrected))
        returns: dict[str, float] = {}
        edited: dict[str, list[list[bool]]] = {}
        distances = []
        for name, entries in by_attempt.items():
            attempt, corrections = entries[0][0].attempt, [entry[2] for entry in entries]
            best = kept_correction(corrections)
            if best < 0:
                continue
            if config.ibpo.weight:
                returns[name] = self._shaped(attempt, corrections)
            alignment = corrections[best].alignment
            distances.append(alignment.distance)
            flat = alignment.edited(attach_insertions=config.ibpo.attach_insertions)
            edited[name] = _by_step(flat, attempt.steps)
        judged = [entry for entries in by_attempt.values() for entry in entries]
        metrics = self._metrics(judged, groups, edited, distances)
        if config.ibpo.clamp:
            metrics["ibpo/clamp_rate"] = 0.0  # until something is learned
        return Corrections(config.ibpo, returns, edited, metrics)

    def state(self) -> dict[str, float]:
        """Plain values for a checkpoint."""
        return {"tokens": self._tokens, "generations": self._generations}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from ``state``."""
        self._tokens, self._generations = float(state["tokens"]), float(state["generations"])

    def _jobs(self, group: Group) -> list[CorrectionJob]:
        """For each failure its references, drawn by a generator of its own."""
        if _standing(group) != "mixed":
            return []
        solved = [t for t in group.trajectories if t.success and t.steps]
        jobs = []
        for attempt in (t for t in group.trajectories if _failed(t)):
            name, seed = trajectory_id(attempt), self._config.seed
            generator = np.random.Generator(np.random.Philox(named_seed("references", seed, name)))
            drawn = generator.permutation(len(solved))[: self._config.ibpo.references].tolist()
            jobs += [
                CorrectionJob(
                    attempt=attempt,
                    reference=solved[place],
                    index=index,
                    seed=correction_seed(seed, name, index),
                )
                for index, place in enumerate(drawn)
            ]
        return jobs

    def _judged(
        self, job: CorrectionJob, corrected: Corrected
    ) -> tuple[CorrectionJob, Corrected, Correction]:
        if corrected.outcome is not CorrectionOutcome.solved:
            return job, corrected, Correction(False, _NOWHERE)
        played = _turns(corrected.steps)
        alignment = align_steps(_turns(job.attempt.steps), played)
        if self._config.ibpo.require_closer:
            away = align_steps(_turns(job.reference.steps), played).distance
            if alignment.distance >= away:
                corrected = replace(corrected, outcome=CorrectionOutcome.distant)
                return job, corrected, Correction(False, _NOWHERE)
        return job, corrected, Correction(True, alignment)

    def _shaped(self, attempt: Trajectory, corrections: Sequence[Correction]) -> float:
        """R' = R + lambda * s * (1 - R): the published rule for R = 0; graded worlds pay failures a part."""
        if not 0 <= attempt.return_ <= 1:
            raise CraftError(
                f"method {self._config.method} shapes returns in [0, 1], a failure has {attempt.return_:g}",
                where=trajectory_id(attempt),
                remedy="scale the world's rewards, or set ibpo.weight to 0",
            )
        ibpo = self._config.ibpo
        share = correction_share(corrections, rho=ibpo.rho) * (1.0 - attempt.return_)
        return shaped_rewards([attempt.return_], [share], [False], weight=ibpo.weight)[0]

    def _metrics(
        self,
        judged: Sequence[tuple[CorrectionJob, Corrected, Correction]],
        groups: Sequence[Group],
        edited: Mapping[str, list[list[bool]]],
        distances: Sequence[int],
    ) -> dict[str, float]:
        done = [corrected for _, corrected, _ in judged]
        tokens = sum(c.tokens for c in done)
        generations = sum(c.generations for c in done)
        self._tokens += tokens
        self._generations += generations
        asked = max(len(judged), 1)
        attempts = len({trajectory_id(job.attempt) for job, _, _ in judged})
        marks = [mark for steps in edited.values() for step in steps for mark in step]
        rollout = sum(len(s.completion_ids) for g in groups for t in g.trajectories for s in t.steps)
        outcomes = Counter(c.outcome for c in done)
        standing = Counter(_standing(group) for group in groups)
        return {
            "ibpo/failures": float(sum(_failed(t) for g in groups for t in g.trajectories)),
            "ibpo/attempts": float(attempts),
            "ibpo/asked": float(len(judged)),
            "ibpo/groups_all_failed": float(standing["failed"]),
            "ibpo/groups_alone": float(standing["alone"]),
            "ibpo/correction_rate": sum(good.success for _, _, good in judged) / asked,
            "ibpo/attempts_corrected": len(edited) / max(attempts, 1),
            "ibpo/copy_rate": sum(_same(c.steps, job.reference.steps) for job, c, _ in judged) / asked,
            "ibpo/unchanged_rate": sum(_same(c.steps, job.attempt.steps) for job, c, _ in judged) / asked,
            "ibpo/edit_distance": float(np.mean(distances)) if distances else 0.0,
            "ibpo/edited_share": float(np.mean(marks)) if marks else 0.0,
            **{f"ibpo/outcome/{outcome.value}": float(outcomes[outcome]) for outcome in CorrectionOutcome},
            "ibpo/generations": float(generations),
            "ibpo/prompt_tokens": float(sum(c.prompt_tokens for c in done)),
            "ibpo/tokens": float(tokens),
            "ibpo/tokens_per_rollout_token": tokens / max(rollout, 1),
            "ibpo/generations_total": self._generations,
            "ibpo/tokens_total": self._tokens,
        }


def _failed(trajectory: Trajectory) -> bool:
    return trajectory.status.is_trainable and not trajectory.success and bool(trajectory.steps)


def _standing(group: Group) -> str:
    """``alone``: fewer than two whole siblings; ``failed``, ``solved``: all of them; else ``mixed``."""
    whole = [t for t in group.trajectories if t.status.is_trainable and t.steps]
    if len(whole) < 2:
        return "alone"
    outcomes = {t.success for t in whole}
    return "mixed" if len(outcomes) == 2 else ("solved" if True in outcomes else "failed")


def _turns(steps: Sequence[Step]) -> list[Turn]:
    return [Turn(step.action, step.completion_ids.tolist()) for step in steps]


def _same(a: Sequence[Step], b: Sequence[Step]) -> bool:
    return [step.action for step in a] == [step.action for step in b]


def _by_step(flat: Sequence[bool], steps: Sequence[Step]) -> list[list[bool]]:
    out, first = [], 0
    for step in steps:
        out.append(list(flat[first : first + len(step.completion_ids)]))
        first += len(step.completion_ids)
    return out
