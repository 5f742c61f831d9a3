"""Settings of training runs: frozen values that refuse what is unknown, contradictory or without effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import ArcaConfig, LoraConfig, check_token_weights
from craft_rl.agent.policy_io import Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.correction_settings import IbpoConfig, check_correction
from craft_rl.craft_settings import CRINGES, ControllerConfig, CraftConfig, CringeConfig, check_craft
from craft_rl.distillation_settings import (
    DistillConfig,
    TeacherConfig,
    TeacherUse,
    check_distillation,
    teacher_weight,
)
from craft_rl.loss.kl import KLKind
from craft_rl.mapping import SPEED_ONLY, differences, fingerprint, from_mapping, to_mapping
from craft_rl.methods import method as method_row
from craft_rl.optim_settings import OptimConfig, no_effect, require
from craft_rl.sft_settings import SFTConfig
from craft_rl.worlds import LATER, WorldConfig

__all__ = [
    "SPEED_ONLY",
    "OptimConfig",
    "SFTConfig",
    "TrainConfig",
    "differences",
    "fingerprint",
    "from_mapping",
    "to_mapping",
]


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
    """Bank of the teacher: name of a bundled one, file or folder. The student never sees it, but for
    skill_grpo, which shows it in training."""
    teacher: TeacherConfig = field(default=TeacherConfig(), metadata=LATER)
    """Which skills the teacher reads, where they stand."""
    ibpo: IbpoConfig = field(default=IbpoConfig(), metadata=LATER)
    """Corrections of failed siblings; only method ibpo has them."""
    lora: LoraConfig = field(default=LoraConfig(), metadata=LATER)
    """Train a low-rank adapter instead of all weights."""
    arca: ArcaConfig = field(default=ArcaConfig(), metadata=LATER)
    """Token weights; only method arca has them."""
    craft: CraftConfig = field(default=CraftConfig(), metadata=LATER)
    """CRAFT's pillars; only method craft has them."""
    controller: ControllerConfig = field(default=ControllerConfig(), metadata=LATER)
    """Constants of the controller of craft or adaptive_cringe."""
    cringe: CringeConfig = field(default=CringeConfig(), metadata=LATER)
    """The term of adaptive_cringe or token_cringe."""
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
            require(getattr(self, name) >= 1, name, getattr(self, name), "a whole number from 1")
        require(
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
            require(getattr(self, name) >= 0, name, getattr(self, name), "a number from 0")
        require(
            self.keep_checkpoints >= 1, "keep_checkpoints", self.keep_checkpoints, "a whole number from 1"
        )
        require(self.reward_scale > 0, "reward_scale", self.reward_scale, "a number above 0")
        require(0 < self.clip_low < 1, "clip_low", self.clip_low, "a number between 0 and 1")
        require(self.clip_high > 0, "clip_high", self.clip_high, "a number above 0")
        require(
            self.clip_dual is None or self.clip_dual > 1,
            "clip_dual",
            self.clip_dual,
            "a number above 1, or none",
        )
        sampling = self.sampling
        require(
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
            no_effect("truncated_sampling", True, "top_p is 1, top_k is 0", "drop it")
        if cut and (self.old_logprobs == "sampler" or self.credited):
            name = "old_logprobs=sampler" if self.old_logprobs == "sampler" else f"method {row.name}"
            raise ConfigError(
                f"{name} with top_p or top_k compares two different distributions",
                remedy="use old_logprobs=recompute",
            )
        if row.estimator == "rloo" and self.divide_by_std:
            raise ConfigError(
                f"method {row.name} does not divide by the standard deviation", remedy="drop divide_by_std"
            )
        require(self.step_weight >= 0, "step_weight", self.step_weight, "a number from 0")
        require(0 <= self.step_discount <= 1, "step_discount", self.step_discount, "a number in [0, 1]")
        if row.estimator != "gigpo" and (self.step_weight, self.step_discount) != (1.0, 0.95):
            name = "step_weight" if self.step_weight != 1.0 else "step_discount"
            why = f"method {row.name} has no step advantage"
            no_effect(name, getattr(self, name), why, "use method gigpo, or drop it")
        if not self.has_reference and self.kl_kind != "k3":
            no_effect("kl_kind", self.kl_kind, "kl_coef is 0", "set kl_coef, or drop kl_kind")
        if self.kl_coef and self.log_kl:
            no_effect("log_kl", True, "a KL with a weight is logged anyway", "drop it, or set kl_coef=0")
        check_distillation(
            method=row.name,
            use=self.distillation,
            usual=row.defaults.get("distill", DistillConfig()),
            distill=self.distill,
            skills=self.skills,
            teacher=self.teacher,
            policy_coef=self.policy_coef,
            asked=self.credited and self.craft.control != "no_gap",
            reads=row.reads,
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
        check_craft(
            method=row.name,
            craft=self.craft,
            controller=self.controller,
            cringe=self.cringe,
            kl_coef=self.kl_coef,
            kl_kind=self.kl_kind,
            group_size=self.group_size,
            tasks_per_update=self.tasks_per_update,
            sdar_coef=self.distill.coef,
        )
        if not (self.policy_coef or self.every_token_counts):
            raise ConfigError("every term of the loss has weight 0", remedy="raise policy_coef")
        if self.always_on_policy:
            for name, usual in (("clip_low", 0.2), ("clip_high", 0.2), ("clip_dual", 3.0)):
                if getattr(self, name) != usual:
                    no_effect(
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
    def distillation(self) -> TeacherUse:
        """How the student follows its teacher's log-probs; SDAR's way where CRAFT keeps its term."""
        use = method_row(self.method).teacher
        if use == "craft":
            return "sdar" if self.craft.keep_sdar else "none"
        return "none" if use == "cringe" else use

    @property
    def credited(self) -> bool:
        """A pillar of CRAFT, or CRINGE, is on."""
        if self.method == "craft":
            return self.craft.on
        return self.method in CRINGES and (self.method == "adaptive_cringe" or self.cringe.coef > 0)

    @property
    def every_token_counts(self) -> bool:
        """Some term beyond the policy's is on, so tokens without advantage change the loss too."""
        distilled = self.distillation in ("sdar", "skill_sd") and self.distill.coef > 0
        return self.kl_coef > 0 or self.entropy_coef > 0 or distilled or self.credited

    @property
    def reads_skills(self) -> bool:
        """The student's own prompts show skills."""
        return method_row(self.method).reads and self.teacher.control != "empty"

    @property
    def has_teacher(self) -> bool:
        """Skill-conditioned log-probs are needed at the first update."""
        return self.asks_teacher(0)

    def asks_teacher(self, update: int) -> bool:
        """Skill-conditioned log-probs are needed when ``update`` updates are done."""
        reads = self.credited and self.craft.control != "no_gap"
        return reads or self.teacher_weight(update) > 0

    def teacher_weight(self, update: int) -> float:
        """Weight of the distillation when ``update`` updates are done."""
        return teacher_weight(self.distillation, self.distill, update)

    @classmethod
    def for_method(cls, name: str, **settings: Any) -> TrainConfig:
        """The row's published defaults, overridden by ``settings``.

        Raises:
            ConfigError: unknown method or setting.
        """
        return from_mapping(cls, {**method_row(name).defaults, **settings, "method": name})
