"""The types that pass between worlds, engines, trainers, reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from craft_envs.errors import LeakError

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


class Message(TypedDict):
    """One turn of a chat: ``{"role": "user", "content": "..."}``."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str


class ParseOutcome(StrEnum):
    """How the model's response was read; everything but ``ok`` makes the step's action invalid."""

    ok = "ok"
    """Exactly one action in the asked-for form."""
    no_action = "no_action"
    """No complete ``<action>...</action>`` pair."""
    many_actions = "many_actions"
    """More than one action where one was asked for."""
    empty_action = "empty_action"
    """The tags hold only white space."""
    no_think = "no_think"
    """Thinking is required by the setting, the response has no complete ``<think>...</think>`` pair."""
    cut_off = "cut_off"
    """The response ended at the token limit before its action was complete."""
    foreign_script = "foreign_script"
    """By the rule of the published baselines only: a CJK character in the response; its action is played."""


class TrajectoryStatus(StrEnum):
    """How an episode ended."""

    solved = "solved"
    failed = "failed"
    """The world ended the task without success."""
    truncated_steps = "truncated_steps"
    """The step limit was reached."""
    truncated_context = "truncated_context"
    """The next prompt would not have fitted into the model's context."""
    error_env = "error_env"
    error_timeout = "error_timeout"
    error_engine = "error_engine"

    @property
    def is_error(self) -> bool:
        """The infrastructure broke; the episode says nothing about the policy."""
        return self in (
            TrajectoryStatus.error_env,
            TrajectoryStatus.error_timeout,
            TrajectoryStatus.error_engine,
        )

    @property
    def is_scored(self) -> bool:
        """The episode counts in an evaluation."""
        return not self.is_error

    @property
    def is_trainable(self) -> bool:
        """The episode may enter a loss."""
        return not self.is_error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One observe-act exchange.

    Example: ``observation="You arrive at desk 1. On the desk 1, you see a pen 2."``,
    ``response="<action>take pen 2 from desk 1</action>"``, ``action="take pen 2 from desk 1"``,
    ``prompt_ids=[5, 88, 12]``, ``completion_ids=[41, 9, 2]``, ``completion_logprobs=[-0.1, -0.7, -0.0]``.
    """

    observation: str
    """The world's text before the action."""
    response: str
    """The model's text, decoded from ``completion_ids``."""
    action: str
    """What was sent to the world."""
    prompt_ids: IntArray
    """[P] every token that the model saw before it sampled."""
    completion_ids: IntArray
    """[C] the sampler's own ids; text is never encoded again."""
    completion_logprobs: FloatArray
    """[C] log-probs of these ids under the sampling distribution, nats."""
    reward: float
    """The world's reward for this step, in the benchmark's unit."""
    anchor: str
    """Key of the state the action was taken in."""
    action_valid: bool
    """The response was parsed and the world could use the action."""
    parse: ParseOutcome = ParseOutcome.ok
    imitate: bool = True
    """False when behaviour cloning must not learn from this response (a noisy demonstration step)."""
    policy_version: int = 0
    """Number of updates the sampling weights had seen."""
    seconds: float = 0.0
    """Wall time of the exchange."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """One recorded episode.

    Example: ``task_id="valid_seen/pick_heat.../trial_T2019..."``, ``sibling=3``, ``status=solved``.
    """

    task_id: str
    task_type: str
    seed: int
    """Seed of the episode's private generator."""
    group_id: str
    """Siblings of one task at one update share it."""
    sibling: int
    """Index inside the group; identity together with ``group_id``."""
    steps: tuple[Step, ...]
    status: TrajectoryStatus
    return_: float
    """Sum of the world's rewards."""
    score: float
    """The benchmark's score in [0, 1]."""
    failure: str = ""
    """What broke, when ``status.is_error``."""

    @property
    def success(self) -> bool:
        """The episode ended solved."""
        return self.status is TrajectoryStatus.solved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """The siblings of one task at one update, in sibling order."""

    group_id: str
    trajectories: tuple[Trajectory, ...]
    """[G]"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenBatch:
    """Packed training sequences, one after another on a single axis.

    Example with two sequences of 4 and 3 tokens: ``token_ids=[7, 8, 3, 2, 7, 5, 2]``,
    ``loss_mask=[0, 0, 1, 1, 0, 1, 1]``, ``sequence_starts=[0, 4, 7]``, ``group_ids=("g0", "g0")``.
    Position t of a per-token array belongs to ``token_ids[t]`` itself, so ``old_logprobs[t]`` is the
    log-prob of token t given those before it in its sequence.

    Raises:
        ValueError: lengths differ, starts are not increasing, or a value outside the mask is not exactly 0.
    """

    token_ids: IntArray
    """[N]"""
    loss_mask: npt.NDArray[np.bool_]
    """[N] True on sampled tokens that enter the loss."""
    behaviour_logprobs: FloatArray
    """[N] the sampler's log-probs, 0 outside the mask."""
    advantages: FloatArray
    """[N] 0 outside the mask."""
    sequence_starts: IntArray
    """[S+1] offsets of the sequences; the last entry is N."""
    step_starts: tuple[IntArray, ...]
    """[S] arrays: for each sequence the offsets (in the sequence) at which each step's completion begins."""
    group_ids: tuple[str, ...]
    """[S]"""
    trajectory_ids: tuple[str, ...]
    """[S] ``group_id/sibling``."""
    step_ids: tuple[tuple[int, ...], ...]
    """[S] indices of the trajectory's steps that the sequence holds."""
    reference_logprobs: FloatArray | None = None
    """[N] of the frozen reference, 0 outside the mask; absent when no term needs it."""
    teacher_logprobs: FloatArray | None = None
    """[N] skill-conditioned, 0 outside the mask; absent when no term needs it."""
    credit: FloatArray | None = None
    """[N] per-token credit, 0 outside the mask; absent when no method computes it."""

    def __post_init__(self) -> None:
        n = len(self.token_ids)
        per_token = {
            "loss_mask": self.loss_mask,
            "behaviour_logprobs": self.behaviour_logprobs,
            "advantages": self.advantages,
            "reference_logprobs": self.reference_logprobs,
            "teacher_logprobs": self.teacher_logprobs,
            "credit": self.credit,
        }
        for name, values in per_token.items():
            if values is None:
                continue
            if values.shape != (n,):
                raise ValueError(f"TokenBatch.{name} has shape {values.shape}, token_ids has {n} entries.")
            if name != "loss_mask" and np.any(values[~self.loss_mask] != 0):
                raise ValueError(f"TokenBatch.{name} is not 0 outside the loss mask.")
        starts = self.sequence_starts
        if len(starts) < 1 or starts[0] != 0 or starts[-1] != n or np.any(np.diff(starts) <= 0):
            raise ValueError(
                f"TokenBatch.sequence_starts must rise strictly from 0 to {n}, got {starts.tolist()}."
            )
        s = len(starts) - 1
        for name, rows in (
            ("step_starts", self.step_starts),
            ("group_ids", self.group_ids),
            ("trajectory_ids", self.trajectory_ids),
            ("step_ids", self.step_ids),
        ):
            if len(rows) != s:
                raise ValueError(f"TokenBatch.{name} has {len(rows)} entries for {s} sequences.")

    def __len__(self) -> int:
        """Number of sequences S."""
        return len(self.group_ids)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PrivilegedContext:
    """Text that a teacher may read, a student never.

    Example: ``text="Advice for this kind of task:\\n- Look first: ..."``, ``skill_ids=("alf-g1",)``.
    Turning it into a string, or pickling it, raises ``LeakError``: that is how such text gets into prompts,
    records, logs.
    """

    text: str
    """Empty when the teacher is told nothing."""
    skill_ids: tuple[str, ...]
    """Skills whose text it is."""
    bank_hash: str
    """Content hash of their bank."""

    def __str__(self) -> str:
        raise LeakError(
            "privileged text was about to become an ordinary string",
            where="PrivilegedContext",
            remedy="hand the object to Teacher.score; log skill_ids if you must name it",
        )

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (str(self),)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """Every named loss term of one update, before weighting as well as after it.

    Example: ``terms={"policy": 0.013, "kl": 0.002}``, ``weighted={"policy": 0.013, "kl": 0.00002}``.
    """

    terms: Mapping[str, float]
    weighted: Mapping[str, float]
    tokens: int
    """Tokens under the loss mask."""
    trajectories: int
    """Trajectories that entered the loss."""
    excluded_failures: int
    """Broken episodes that were left out."""
    zero_variance_groups: int
    """Groups whose siblings all had the same return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One task's row in an evaluation."""

    task_id: str
    task_type: str
    seed: int
    status: TrajectoryStatus
    score: float
    steps: int
    valid_actions: int
    """Steps whose action the world could use."""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalReport:
    """What a paper cites.

    Example: ``env_id="craft/ALFWorld-v0"``, ``panel="alfworld-official-valid_unseen"``, ``mean=0.612``,
    ``interval=(0.53, 0.69)``, ``scored=134``, ``errors=0``.
    """

    env_id: str
    panel: str
    panel_hash: str
    data_hash: str
    prompt_version: str
    """Empty for agents that have no prompt."""
    agent: str
    """Name, or the model's folder or hub id."""
    decoding: Mapping[str, Any]
    """Temperature, token limit, seed; empty for agents without a model."""
    commit: str
    """Version of craft that produced it."""
    scored: int
    errors: int
    """Episodes that broke; they are not in the mean."""
    mean: float
    """Mean score over scored tasks."""
    interval: tuple[float, float]
    """95 % bootstrap interval over tasks."""
    per_type: Mapping[str, tuple[float, int]]
    """Task type -> (mean score, tasks)."""
    results: tuple[TaskResult, ...] = field(default=(), repr=False)
    world_options: Mapping[str, str] = field(default_factory=dict)
    """Settings of the world beyond the panel's own, such as another retriever."""
    skills: Mapping[str, str] = field(default_factory=dict)
    """What skill text stood in the prompts; empty for every evaluation without skills."""

    @property
    def success(self) -> float:
        """Share of scored episodes that solved their task, averaged over tasks as ``mean`` is."""
        solved: dict[str, list[bool]] = {}
        for row in self.results:
            if row.status.is_scored:
                solved.setdefault(row.task_id, []).append(row.status is TrajectoryStatus.solved)
        return sum(sum(v) / len(v) for v in solved.values()) / len(solved) if solved else math.nan

    @property
    def macro(self) -> float:
        """Mean over task types of each type's mean score: every type counts alike, however many its tasks."""
        means = [mean for mean, _ in self.per_type.values()]
        return sum(means) / len(means) if means else math.nan
