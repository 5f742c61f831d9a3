"""Settings of training runs: frozen values that refuse what is unknown, contradictory or without effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import ArcaConfig, LoraConfig, check_token_weights
from craft_rl.agent.policy_io import Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.correction import IbpoConfig, check_correction
from craft_rl.distillation import DistillConfig, TeacherConfig, check_distillation, teacher_weight
from craft_rl.loss.kl import KLKind
from craft_rl.mapping import SPEED_ONLY as SPEED_ONLY
from craft_rl.mapping import differences as differences
from craft_rl.mapping import fingerprint as fingerprint
from craft_rl.mapping import from_mapping as from_mapping
from craft_rl.mapping import to_mapping as to_mapping
from craft_rl.methods import method as method_row
from craft_rl.worlds import LATER, WorldConfig


def _require(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise ConfigError(f"setting {name} is {value!r}", remedy=f"give {wanted}")


def _no_effect(name: str, value: object, why: str, remedy: str) -> None:
    raise ConfigError(f"setting {name}={value!r} would have no effect: {why}", remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Optimiser with its learning-rate schedule."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    """``muon``: orthogonalised momentum on the hidden matrices, AdamW on the rest. In cloning the small
    policy it needs less than half of AdamW's tokens for the same loss."""
    learning_rate: float = 1e-6
    """Peak learning rate. 1e-6 suits pretrained models of billions of weights, 1e-4 the embedded policy."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate falls after the warm-up."""
    warmup: float = 0.0
    """Share of all optimiser steps over which the rate rises linearly from 0."""
    final_rate: float = 0.0
    """Rate at the end of a linear or cosine schedule, as a share of the peak."""
    weight_decay: float = 0.0
    """Decoupled decay, on matrices only."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.999
    """Decay of the second moment."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 does not clip."""

    def __post_init__(self) -> None:
        """Refuse what cannot be optimised."""
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a number above 0")
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "a share in [0, 1)")
        _require(0 <= self.final_rate <= 1, "final_rate", self.final_rate, "a share in [0, 1]")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "a number from 0")
        _require(0 <= self.beta1 < 1, "beta1", self.beta1, "a number in [0, 1)")
        _require(0 <= self.beta2 < 1, "beta2", self.beta2, "a number in [0, 1)")
        _require(self.grad_clip >= 0, "grad_clip", self.grad_clip, "a number from 0")
        if self.schedule == "constant" and self.final_rate:
            _no_effect(
                "final_rate", self.final_rate, "the schedule is constant", "use schedule=linear or cosine"
            )


def _sft_optim() -> OptimConfig:
    return OptimConfig(learning_rate=2e-3, schedule="cosine", warmup=0.05, weight_decay=0.01, beta2=0.98)


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """Behaviour cloning on recorded trajectories."""

    seed: int = 0
    """Seed of batch order and copy task."""
    epochs: float | None = None
    """Passes over the demonstrations; 1 when no minutes are given either."""
    minutes: float | None = None
    """Wall-clock budget instead of epochs. The schedule then follows the clock, so runs do not repeat."""
    batch_tokens: int = 8192
    """Tokens of one optimiser step, padding included."""
    micro_batch_tokens: int | None = None
    """Tokens of one forward pass; the whole batch when absent."""
    optim: OptimConfig = field(default_factory=_sft_optim)
    """Optimiser."""
    autocast: Literal["none", "bf16"] = "none"
    """Precision of the forward pass."""
    copy_steps: int = 0
    """Optimiser steps on repeated random sequences before the demonstrations: attention learns to copy."""
    copy_length: int = 64
    """Longest sequence of the copy task, in tokens, before it is repeated; reached in stages that double."""
    holdout: float = 0.02
    """Share of tasks whose trajectories are only measured, never trained on."""
    log_every: int = 20
    """Optimiser steps between two rows of metrics."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.epochs is not None and self.minutes is not None:
            raise ConfigError("epochs as well as minutes are given", remedy="choose one budget")
        _require(self.epochs is None or self.epochs > 0, "epochs", self.epochs, "a number above 0")
        _require(self.minutes is None or self.minutes > 0, "minutes", self.minutes, "a number above 0")
        _require(self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "a whole number from 1")
        if self.micro_batch_tokens is not None:
            good = 1 <= self.micro_batch_tokens <= self.batch_tokens
            _require(good, "micro_batch_tokens", self.micro_batch_tokens, "a whole number up to batch_tokens")
        _require(self.copy_steps >= 0, "copy_steps", self.copy_steps, "a whole number from 0")
        _require(self.copy_length >= 2, "copy_length", self.copy_length, "a whole number from 2")
        _require(0 <= self.holdout < 1, "holdout", self.holdout, "a share in [0, 1)")
        _require(self.log_every >= 1, "log_every", self.log_every, "a whole number from 1")
        if self.copy_steps == 0 and self.copy_length != 64:
            _no_effect("copy_length", self.copy_length, "there are no copy steps", "set copy_steps")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Reinforcement learning with groups of siblings."""

    method: str = "grpo"
    """Row of the table of methods."""
    seed: int = 0
    """Seed of task order, episodes, sampling."""
    updates: int = 100
    """Rounds of collecting, then learning."""
    tasks_per_update: int = 16
    """Tasks of one update."""
    group_size: int = 8
    """Siblings per task."""
    num_envs: int = 128
    """Episodes that run at the same time; changes speed, not results."""
    world: WorldConfig = field(default_factory=WorldConfig)
    """World with its training tasks."""
    prompt: PromptSettings = field(default_factory=PromptSettings)
    """Wording of prompts."""
    sampling: Sampling = field(default_factory=Sampling)
    """How responses are sampled; the loss uses the same temperature."""
    truncated_sampling: bool = False
    """Allow top_p or top_k in training, although the loss then sees other probabilities than the sampler."""
    reward_scale: float = 10.0
    """Multiplies the return (the papers pay 10 for success)."""
    invalid_penalty: float = 0.1
    """Subtracted for invalid actions: per step, or times their share of the episode."""
    normalisation: Literal["trajectory", "per_step"] = "trajectory"
    """One score per trajectory, or one per step as in the published code, see advantage/normalise.py."""
    divide_by_std: bool | None = None
    """Divide by the group's standard deviation; the method's own choice when absent."""
    step_weight: float = field(default=1.0, metadata=LATER)
    """Weight of GiGPO's step advantage; 0 leaves GRPO. Only method gigpo has one."""
    step_discount: float = field(default=0.95, metadata=LATER)
    """gamma of GiGPO's step returns."""
    aggregation: Literal["trajectory", "step", "token"] = "trajectory"
    """What gets equal weight in the loss, see loss/aggregate.py; ``token`` is the published choice."""
    zero_variance: Literal["count", "drop"] = "count"
    """Groups without a signal: keep them in denominators, KL, entropy, or leave them out of the batch."""
    clip_low: float = 0.2
    """eps_low of the clipped loss."""
    clip_high: float = 0.2
    """eps_high of the clipped loss."""
    clip_dual: float | None = 3.0
    """c of the dual clip; none when absent."""
    kl_coef: float = 0.01
    """Weight of the KL to the frozen reference; 0 loads no reference."""
    kl_kind: KLKind = "k3"
    """Estimator of that KL."""
    log_kl: bool = field(default=False, metadata=LATER)
    """Measure the KL to the start although it has no weight: loads a reference, costs two passes."""
    entropy_coef: float = 0.001
    """Weight of the entropy bonus; 0 computes none in the loss."""
    policy_coef: float = field(default=1.0, metadata=LATER)
    """Weight of the policy term; 0 learns from the other terms alone."""
    distill: DistillConfig = field(default=DistillConfig(), metadata=LATER)
    """Distillation from the skill-conditioned teacher; only methods with a teacher have it."""
    skills: str | None = field(default=None, metadata=LATER)
    """Bank of the teacher: name of a bundled one, file or folder. The student never sees it."""
    teacher: TeacherConfig = field(default=TeacherConfig(), metadata=LATER)
    """Which skills the teacher reads, where they stand."""
    ibpo: IbpoConfig = field(default=IbpoConfig(), metadata=LATER)
    """Corrections of failed siblings; only method ibpo has them."""
    lora: LoraConfig = field(default=LoraConfig(), metadata=LATER)
    """Train a low-rank adapter instead of all weights."""
    arca: ArcaConfig = field(default=ArcaConfig(), metadata=LATER)
    """Token weights; only method arca has them."""
    passes: int = 1
    """Passes over the data of one update."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    old_logprobs: Literal["recompute", "sampler"] = "recompute"
    """Denominator of the ratio: log-probs by the training code, or as the sampler reported them."""
    micro_batch_tokens: int = 8192
    """Tokens of one forward pass, padding included; changes memory, not results beyond rounding."""
    autocast: Literal["none", "bf16"] = "none"
    """Precision of the training forward pass."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimiser."""
    checkpoint_every: int = 10
    """Updates between two checkpoints; 0 keeps only the last state."""
    keep_checkpoints: int = 2
    """Newest checkpoints that stay, besides the best."""
    eval_every: int = 0
    """Updates between two evaluations by the caller's evaluator; 0 for none."""
    tensorboard: bool = True
    """Also write TensorBoard events."""

    def __post_init__(self) -> None:
        """Refuse contradictions, settings out of range, settings without effect."""
        row = method_row(self.method)
        for name in (
            "updates",
            "tasks_per_update",
            "num_envs",
            "passes",
            "minibatches",
            "micro_batch_tokens",
        ):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "a whole number from 1")
        _require(
            self.group_size >= 2, "group_size", self.group_size, "at least 2 siblings, they are the baseline"
        )
        for name in (
            "invalid_penalty",
            "kl_coef",
            "entropy_coef",
            "policy_coef",
            "checkpoint_every",
            "eval_every",
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "a number from 0")
        _require(
            self.keep_checkpoints >= 1, "keep_checkpoints", self.keep_checkpoints, "a whole number from 1"
        )
        _require(self.reward_scale > 0, "reward_scale", self.reward_scale, "a number above 0")
        _require(0 < self.clip_low < 1, "clip_low", self.clip_low, "a number between 0 and 1")
        _require(self.clip_high > 0, "clip_high", self.clip_high, "a number above 0")
        _require(
            self.clip_dual is None or self.clip_dual > 1,
            "clip_dual",
            self.clip_dual,
            "a number above 1, or none",
        )
        sampling = self.sampling
        _require(
            sampling.temperature > 0,
            "sampling.temperature",
            sampling.temperature,
            "a number above 0 in training",
        )
        cut = sampling.top_p < 1 or sampling.top_k > 0
        if cut and not self.truncated_sampling:
            raise ConfigError(
                f"training samples with top_p={sampling.top_p}, top_k={sampling.top_k}, but the loss knows "
                "only the whole distribution",
                remedy="use top_p=1 with top_k=0, or set truncated_sampling to accept the bias",
            )
        if self.truncated_sampling and not cut:
            _no_effect("truncated_sampling", True, "top_p is 1, top_k is 0", "drop it")
        if cut and self.old_logprobs == "sampler":
            raise ConfigError(
                "old_logprobs=sampler with top_p or top_k compares two different distributions",
                remedy="use old_logprobs=recompute",
            )
        if row.estimator == "rloo" and self.divide_by_std:
            raise ConfigError(
                f"method {row.name} does not divide by the standard deviation", remedy="drop divide_by_std"
            )
        _require(self.step_weight >= 0, "step_weight", self.step_weight, "a number from 0")
        _require(0 <= self.step_discount <= 1, "step_discount", self.step_discount, "a number in [0, 1]")
        if row.estimator != "gigpo" and (self.step_weight, self.step_discount) != (1.0, 0.95):
            name = "step_weight" if self.step_weight != 1.0 else "step_discount"
            why = f"method {row.name} has no step advantage"
            _no_effect(name, getattr(self, name), why, "use method gigpo, or drop it")
        if not self.has_reference and self.kl_kind != "k3":
            _no_effect("kl_kind", self.kl_kind, "kl_coef is 0", "set kl_coef, or drop kl_kind")
        if self.kl_coef and self.log_kl:
            _no_effect("log_kl", True, "a KL with a weight is logged anyway", "drop it, or set kl_coef=0")
        check_distillation(
            method=row.name,
            use=row.teacher,
            usual=row.defaults.get("distill", DistillConfig()),
            distill=self.distill,
            skills=self.skills,
            teacher=self.teacher,
            policy_coef=self.policy_coef,
        )
        check_correction(
            method=row.name,
            corrects=row.corrects,
            usual=row.defaults.get("ibpo", IbpoConfig()),
            ibpo=self.ibpo,
            group_size=self.group_size,
            policy_coef=self.policy_coef,
            reward_scale=self.reward_scale,
            invalid_penalty=self.invalid_penalty,
        )
        check_token_weights(
            method=row.name, weighs=row.token_weights, arca=self.arca, policy_coef=self.policy_coef
        )
        distilled = self.distill.coef if row.teacher in row.terms else 0.0
        if not (self.policy_coef or self.kl_coef or self.entropy_coef or distilled):
            raise ConfigError("every term of the loss has weight 0", remedy="raise policy_coef")
        if self.always_on_policy:
            for name, usual in (("clip_low", 0.2), ("clip_high", 0.2), ("clip_dual", 3.0)):
                if getattr(self, name) != usual:
                    _no_effect(
                        name,
                        getattr(self, name),
                        "one optimiser step with recomputed log-probs has ratio 1 everywhere",
                        "set passes or minibatches above 1, use old_logprobs=sampler, or drop it",
                    )

    @property
    def always_on_policy(self) -> bool:
        """The ratio is exactly 1: one optimiser step per update with recomputed log-probs."""
        return self.passes == 1 and self.minibatches == 1 and self.old_logprobs == "recompute"

    @property
    def has_reference(self) -> bool:
        """The weights of the start are kept beside the policy."""
        return self.kl_coef > 0 or self.log_kl

    @property
    def needs_adapter(self) -> bool:
        """The method compares the policy with what lies below its adapter."""
        return method_row(self.method).token_weights

    @property
    def weighs_tokens(self) -> bool:
        """Tokens of one response count differently; scheme uniform is the baseline, without any weight."""
        return self.needs_adapter and self.arca.scheme != "uniform"

    @property
    def has_teacher(self) -> bool:
        """Skill-conditioned log-probs are needed at the first update."""
        return self.teacher_weight(0) > 0

    def teacher_weight(self, update: int) -> float:
        """Weight of the teacher when ``update`` updates are done; 0 means that it is not asked."""
        return teacher_weight(method_row(self.method).teacher, self.distill, update)

    @classmethod
    def for_method(cls, name: str, **settings: Any) -> TrainConfig:
        """The row's published defaults, overridden by ``settings``.

        Raises:
            ConfigError: unknown method or setting.
        """
        return from_mapping(cls, {**method_row(name).defaults, **settings, "method": name})
