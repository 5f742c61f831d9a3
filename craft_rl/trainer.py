"""The update loop: draw tasks, collect groups, grade them, learn, record, save."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from craft_envs.core import World
from craft_envs.data import write_json
from craft_envs.errors import CheckpointMismatch, ConfigError
from craft_rl import checkpoint as checkpoints
from craft_rl.adapter_settings import check_adapter
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.checkpoint import Checkpoint
from craft_rl.config import TrainConfig, differences, fingerprint, to_mapping
from craft_rl.corrector import Corrections, Corrector
from craft_rl.credit_driver import open_credit
from craft_rl.engine.protocol import Engine
from craft_rl.grading import Graded, grade
from craft_rl.models.load import Policy, save_policy
from craft_rl.models.lora import has_adapter, restore_weights
from craft_rl.report.jsonl import MetricsFile
from craft_rl.report.metrics import per_type_success, trajectory_metrics
from craft_rl.report.trackers import TensorBoard, Tracker
from craft_rl.rollout.episode import RolloutProfile
from craft_rl.rollout.scheduler import collect, group_specs, grouped
from craft_rl.task_order import TaskOrder
from craft_rl.teacher import Teacher
from craft_rl.tokens.finite import refuse_unusable, refusing
from craft_rl.tokens.pack import pack
from craft_rl.types import Group, LossReport, Trajectory
from craft_rl.update import Learned, Learner, needed_sequences

BEST_WINDOW = 10
"""Updates whose mean training success stands for a checkpoint's quality when nothing evaluates it."""


class Trainer:
    """Reinforcement learning of one policy in one world.

    The run's folder holds ``config.json``, ``metrics.jsonl`` and ``checkpoints/``. Metrics and weights do not
    depend on ``num_envs``; a resumed run continues bit for bit on CPU.
    """

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        world: World,
        engine: Engine,
        policy_io: PolicyIO,
        run_dir: Path,
        *,
        evaluator: Callable[[int], Mapping[str, float]] | None = None,
        on_update: Callable[[Mapping[str, Any], Sequence[Group]], None] | None = None,
        on_save: Callable[[Path], None] | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """Prepare a run; nothing is written yet.

        Args:
            config: all settings.
            policy: trained in place; its weights at this moment are the reference of the KL term.
            world: opened with the training split's tasks.
            engine: samples from the weights of ``policy.model``.
            policy_io: wording, tokenizer, sampling; must agree with ``config``.
            run_dir: folder of the run.
            evaluator: called with the number of updates every ``eval_every`` updates; returns metrics, among
                them ``score``, by which the best checkpoint is chosen.
            on_update: called after each update with its metrics and groups.
            on_save: called with the model's folder of each checkpoint while it is written, to add files.
            teacher: reads skills for methods that have one; must be given iff ``config.has_teacher``.

        Raises:
            ConfigError: ``policy_io`` samples otherwise than ``config`` says, an evaluator or a teacher is
                missing, or a teacher would never be asked.
        """
        if (teacher is not None) != config.has_teacher:
            raise ConfigError(
                f"method {config.method} "
                + ("needs a teacher, no skills are given" if teacher is None else "would not ask a teacher"),
                where=f"distill.coef is {config.distill.coef}",
                remedy="name a bank with skills" if teacher is None else "drop the skills",
            )
        if policy_io.sampling != config.sampling or policy_io.prompt != config.prompt:
            raise ConfigError(
                "prompts or sampling of the rollout differ from those of the configuration",
                where=f"{policy_io.prompt} {policy_io.sampling}",
                remedy="build PolicyIO from config.prompt with config.sampling",
            )
        if (policy_io.preface is not None) != config.reads_skills:
            raise ConfigError(
                f"method {config.method} "
                + ("needs prompts with skills" if config.reads_skills else "has prompts without skills"),
                remedy="build PolicyIO.preface by skilled.open_preface",
            )
        if (evaluator is not None) != (config.eval_every > 0):
            raise ConfigError(
                f"eval_every is {config.eval_every}, evaluator is {'given' if evaluator else 'missing'}",
                remedy="give both or neither",
            )
        adapted = has_adapter(policy.model)
        check_adapter(config.method, config.needs_adapter, config.lora, adapted)
        self.config, self.policy, self.world, self.engine, self.io = config, policy, world, engine, policy_io
        self.run_dir, self.folder = run_dir, run_dir / "checkpoints"
        self.order = TaskOrder(
            world.tasks.task_ids(config.world.split),
            per_update=config.tasks_per_update,
            seed=config.seed,
            limit=config.world.tasks,
        )
        # below its adapter a LoRA policy still is what it was at this moment
        reference = copy.deepcopy(policy.model) if config.has_reference and not adapted else None
        self.learner = Learner(
            policy.model, config, temperature=config.sampling.temperature, reference=reference
        )
        self.identity = {
            "data_hash": world.tasks.data_hash,
            "prompt_version": policy_io.prompt.version,
            "start_weights": weights_digest(policy.model),
        }
        if teacher is not None:
            self.identity["skills"] = teacher.bank_hash
        if policy_io.preface is not None:
            self.identity["skills"] = policy_io.preface.facts["bank_hash"]
        self.teacher = teacher
        self.corrector = Corrector(config, world, engine, policy_io) if config.ibpo.on else None
        if self.corrector is not None:
            self.identity["correction"] = self.corrector.version
        self.credit = open_credit(config)
        self.update = 0
        """Updates done."""
        self._evaluator, self._on_update, self._on_save = evaluator, on_update, on_save
        self._recent: list[float] = []

    def run(self, *, resume: bool = False) -> Checkpoint:
        """Train to the configured number of updates.

        Args:
            resume: go on from the newest checkpoint in the run's folder; with none there, start.

        Returns:
            The last checkpoint.

        Raises:
            ConfigError: the folder already holds a run and ``resume`` is off.
            CheckpointMismatch: the checkpoint belongs to another configuration, data set or start.
            CraftError: the disk is full, a log-prob or a gradient is not finite.
        """
        last = checkpoints.latest(self.folder)
        offset = 0
        if last is not None and not resume:
            raise ConfigError(
                "the folder already holds a run",
                where=str(self.run_dir),
                remedy="resume it or choose another folder",
            )
        if last is not None:
            offset = self._restore(last)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        write_json(self.run_dir / "config.json", to_mapping(self.config))
        metrics = MetricsFile(self.run_dir / "metrics.jsonl", offset=offset)
        trackers: list[Tracker] = []
        if self.config.tensorboard:
            trackers.append(TensorBoard(self.run_dir / "tensorboard", purge_step=self.update))
        self.engine.set_policy_version(self.update)
        try:
            while self.update < self.config.updates:
                row, groups = self.one_update()
                metrics.write(row)
                for tracker in trackers:
                    tracker.write(row, self.update)
                if self._due(self.config.checkpoint_every) or self.update == self.config.updates:
                    last = self._save(row, metrics.offset)
                if self._on_update is not None:
                    self._on_update(row, groups)
        finally:
            metrics.close()
            for tracker in trackers:
                tracker.close()
        assert last is not None
        return last

    def one_update(self) -> tuple[dict[str, Any], list[Group]]:
        """Collect, grade, learn once.

        Returns:
            The row of metrics, the groups.
        """
        config, started = self.config, time.perf_counter()
        specs = group_specs(
            self.order.tasks(self.update),
            group_size=config.group_size,
            run_seed=config.seed,
            update=self.update,
            max_steps=config.world.max_steps,
        )
        profile = RolloutProfile()
        with refusing(self.update):
            played = (specs, self.world, self.engine, self.io)
            trajectories = collect(*played, num_envs=config.num_envs, profile=profile, finite=True)
            groups = grouped(trajectories)
            corrections = self.corrector.correct(groups) if self.corrector is not None else None
        graded = grade(groups, config, corrections.returns if corrections is not None else None)
        learn_started = time.perf_counter()
        learned = self._learn(graded, corrections)
        learn_seconds = time.perf_counter() - learn_started
        self.update += 1
        self.engine.set_policy_version(self.update)
        row = self._metrics(groups, graded, learned, trajectories)
        row |= corrections.metrics if corrections is not None else {}
        self._recent = [*self._recent, row["success"]][-BEST_WINDOW:]
        row |= {
            "seconds": time.perf_counter() - started,
            "seconds_rollout": profile.seconds_total,
            "seconds_engine": profile.seconds_engine,
            "seconds_world": profile.seconds_world,
            "seconds_tokens": profile.seconds_tokens,
            "seconds_glue": profile.seconds_glue,
            "seconds_learning": learn_seconds,
            "tokens_per_second_rollout": profile.completion_tokens / max(profile.seconds_total, 1e-9),
            "tokens_per_second_learning": learned.forward_tokens / max(learn_seconds, 1e-9),
        }
        if self._evaluator is not None and self._due(config.eval_every):
            row |= {f"eval/{name}": value for name, value in self._evaluator(self.update).items()}
        return row, groups

    def _learn(self, graded: Graded, corrections: Corrections | None = None) -> Learned:
        kept = graded.trajectories
        if self.config.zero_variance == "drop":
            kept = tuple(t for t in kept if t.group_id not in graded.level_groups)
        if not kept:
            idle = self.credit.skip() if self.credit is not None else {}
            return self._learned(Learned(teacher=idle))
        batch = pack(kept, graded.advantages)
        if corrections is not None:
            batch = corrections.credit(batch)
        refuse_unusable(batch, batch.behaviour_logprobs, "the engine", update=self.update)
        told: dict[str, float] = {}
        if self.teacher is not None and self.config.asks_teacher(self.update):
            rows = [row for row, wanted in enumerate(needed_sequences(batch, self.config)) if wanted]
            score = partial(self.learner.score_batch, self.policy.model)
            batch, told = self.teacher.teach(batch, kept, score, rows)
            assert batch.teacher_logprobs is not None
            refuse_unusable(batch, batch.teacher_logprobs, "the teacher", update=self.update)
        weights = None
        if self.credit is not None:
            weights = self.credit.weights
            batch, assessed = self.credit.assess(batch, kept, self.update)
            told |= assessed
        learned = self.learner.learn(batch, update=self.update, weights=weights)
        learned.teacher |= told
        return self._learned(learned)

    def _learned(self, learned: Learned) -> Learned:
        """The update succeeded: what is carried to the next one moves on."""
        if self.credit is not None:
            self.credit.advance()
        return learned

    def _metrics(
        self, groups: list[Group], graded: Graded, learned: Learned, trajectories: list[Trajectory]
    ) -> dict[str, Any]:
        report = LossReport(
            terms=learned.terms,
            weighted=learned.weighted,
            tokens=learned.tokens,
            trajectories=len(graded.trajectories),
            excluded_failures=graded.excluded_failures,
            zero_variance_groups=len(graded.level_groups),
        )
        values = np.concatenate([*graded.advantages.values(), np.zeros(0, np.float32)])
        logprobs = [s.completion_logprobs for t in graded.trajectories for s in t.steps]
        return {
            "update": self.update,
            **trajectory_metrics(groups),
            **per_type_success(trajectories),
            **(self.io.preface.metrics([t.task_id for t in trajectories]) if self.io.preface else {}),
            # the mean of -log p over samples of p estimates its entropy without a pass over the vocabulary
            "entropy": -float(np.concatenate(logprobs).mean(dtype=np.float64)) if logprobs else 0.0,
            "advantage_mean": float(values.mean()) if len(values) else 0.0,
            "advantage_std": float(values.std()) if len(values) else 0.0,
            "advantage_max": float(np.abs(values).max()) if len(values) else 0.0,
            "zero_variance_groups": report.zero_variance_groups,
            "excluded_failures": report.excluded_failures,
            "loss_tokens": report.tokens,
            "loss_trajectories": report.trajectories,
            "loss": sum(report.weighted.values()),
            **{f"loss/{name}": value for name, value in report.terms.items()},
            **{f"loss_weighted/{name}": value for name, value in report.weighted.items()},
            "clip_fraction": learned.clip_share,
            "clip_dual_fraction": learned.clip_dual_share,
            "approx_kl": learned.moved,
            **({} if learned.reference_kl is None else {"reference_kl": learned.reference_kl}),
            "grad_norm": learned.grad_norm,
            "learning_rate": learned.learning_rate,
            **learned.teacher,
            **learned.weights,
        }

    def _due(self, every: int) -> bool:
        return every > 0 and self.update % every == 0

    def _save(self, row: Mapping[str, Any], offset: int) -> Checkpoint:
        state = {
            "config": to_mapping(self.config),
            "fingerprint": fingerprint(self.config),
            "identity": self.identity,
            "metrics_bytes": offset,
            "recent_success": self._recent,
            **({"teacher": self.teacher.state()} if self.teacher is not None else {}),
            **({"corrector": self.corrector.state()} if self.corrector is not None else {}),
            **({"controller": self.credit.to_mapping()} if self.credit is not None else {}),
        }

        def write(folder: Path) -> None:
            model = save_policy(self.policy, folder / "model")
            if self._on_save is not None:
                self._on_save(model)
            torch.save(
                {"optimizer": self.learner.optimizer.state_dict(), "torch_rng": torch.get_rng_state()},
                folder / "optimizer.pt",
            )

        saved = checkpoints.save(self.folder, self.update, state, write)
        score = row.get("eval/score")
        if score is None and self._evaluator is None:
            score = float(np.mean(self._recent))
        marked = checkpoints.best(self.folder)
        # the score of an evaluation is not a number when every episode broke
        if score is not None and not math.isnan(score) and (marked is None or score > marked[1]):
            checkpoints.mark_best(self.folder, self.update, score)
        checkpoints.prune(self.folder, self.config.keep_checkpoints)
        return saved

    def _restore(self, last: Checkpoint) -> int:
        """Continue from ``last``; the number of bytes of metrics that belong to it."""
        before, now = dict(last.state["config"]), to_mapping(self.config)
        if self.config.optim.schedule == "constant" and not self.config.optim.warmup:
            # without a schedule the length of the run decides nothing: it may be prolonged
            before["updates"] = now["updates"]
        changed = differences(before, now)
        changed += differences(last.state["identity"], self.identity)
        if changed:
            raise CheckpointMismatch(
                "the checkpoint belongs to another run: " + "; ".join(changed),
                where=str(last.path),
                remedy="resume with the settings of its config.json, or choose another folder",
            )
        restore_weights(self.policy, last.model)
        stored = torch.load(last.path / "optimizer.pt", weights_only=True)
        self.learner.optimizer.load_state_dict(stored["optimizer"])
        torch.set_rng_state(stored["torch_rng"])
        self.update = last.update
        self._recent = list(last.state["recent_success"])
        if self.teacher is not None:
            self.teacher.restore(last.state["teacher"])
        if self.corrector is not None:
            self.corrector.restore(last.state["corrector"])
        if self.credit is not None:
            self.credit.restore(last.state["controller"])
        return int(last.state["metrics_bytes"])


def weights_digest(model: torch.nn.Module) -> str:
    """Hex digest over all weights of ``model``, names included."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
