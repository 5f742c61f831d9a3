"""Settings of methods with a teacher: what it reads, how its log-probs enter the loss."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from craft_envs.errors import ConfigError
from craft_rl.advantage.rlsd import rlsd_weight
from craft_rl.loss.distill import DIVERGENCES, SIGNALS, Divergence, Signal
from craft_rl.loss.gates import GATES, Gate
from craft_rl.tokens.insert import PLACEMENTS, Placement
from craft_rl.worlds import LATER

TeacherUse = Literal["none", "sdar", "skill_sd", "rlsd", "advantages", "craft", "cringe"]
"""Where teacher log-probs enter: nowhere, in SDAR's or Skill-SD's loss term, in RLSD's advantages with
their schedule, in other token advantages, in the credit of CRAFT, in the term of CRINGE."""
TooLong = Literal["error", "shorter"]
RoundTrip = Literal["error", "count"]
Control = Literal["none", "empty", "irrelevant"]


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """How strongly, in which form the student follows its teacher."""

    coef: float = 0.0
    """lambda: weight of the distillation term; for rlsd the share of the teacher's evidence in the advantage.
    0 leaves the method's baseline, without a teacher."""
    beta: float = 5.0
    """Sharpness of the gate; 0 makes it 0.5 everywhere."""
    gate: Gate = "gap"
    """What opens the gate, see loss/gates.py."""
    signal: Signal = "gate"
    """Form of the term, see loss/distill.py. ``centred_gate`` costs one more forward pass."""
    divergence: Divergence = field(default="reverse_kl", metadata=LATER)
    """What the term makes small, as an estimate on sampled tokens, see loss/distill.py."""
    shuffle: bool = False
    """Control: deal the gates out to the tokens of the optimiser step by chance. Costs one more pass."""
    clip: float = 0.2
    """eps of RLSD's evidence, largest bonus of AMR-SD."""
    decay: int = 100
    """Updates until RLSD's coef has fallen to 0; 0 keeps it."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ("coef", "beta", "clip", "decay"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"setting distill.{name} is {getattr(self, name)!r}", remedy="give a number from 0"
                )
        for name, known in (("gate", GATES), ("signal", SIGNALS), ("divergence", DIVERGENCES)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"setting distill.{name} is {getattr(self, name)!r}",
                    remedy=f"use one of {', '.join(known)}",
                )


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """What the teacher reads (or the student of skill_grpo in training), where it stands in the prompt."""

    strategy: str = "keyword"
    """How skills are chosen for a task: keyword, task_type, full, random, ucb, similar."""
    options: tuple[str, ...] = ()
    """Options of the strategy, NAME=VALUE each, such as count=6 or literal=true."""
    placement: Placement = "system"
    """In the system turn of the chat template, or elsewhere, see tokens/insert.py. Published are
    ``reencoded`` for teachers, ``user`` for skill_grpo; ``prefix`` is the former without its round trip."""
    budget: int | None = None
    """Most tokens that the skills may take; as many whole skills as fit are told."""
    too_long: TooLong = "error"
    """When skills with episode outgrow the model: stop, or tell less, counted in the metrics."""
    control: Control = "none"
    """``empty``: the teacher is told nothing. ``irrelevant``: other text of exactly the same length."""
    round_trip: RoundTrip = field(default="error", metadata=LATER)
    """When ``reencoded`` changes ids of the student's prompt: stop, or go on, counted in the metrics."""

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.budget is not None and self.budget < 1:
            raise ConfigError(
                f"setting teacher.budget is {self.budget!r}", remedy="give a whole number from 1"
            )
        if self.placement not in PLACEMENTS:
            raise ConfigError(
                f"setting teacher.placement is {self.placement!r}",
                remedy=f"use one of {', '.join(PLACEMENTS)}",
            )
        if self.placement != "reencoded" and self.round_trip != "error":
            no_effect("teacher.round_trip", self.round_trip, "no prompt is encoded again")
        if self.placement == "reencoded" and self.control == "irrelevant":
            raise ConfigError(
                "a text encoded together with its prompt has no other text of exactly its length",
                remedy="use teacher.placement=prefix with teacher.control=irrelevant",
            )
        if len(self.words) != len(self.options):
            raise ConfigError(
                f"teacher options repeat a name: {' '.join(self.options)}", remedy="give each once"
            )
        if self.control == "empty":
            for name in _changed(self, TeacherConfig(), ("strategy", "options", "placement", "budget")):
                no_effect(f"teacher.{name}", getattr(self, name), "the teacher is told nothing")
            if self.too_long != "error":
                no_effect("teacher.too_long", self.too_long, "the teacher is told nothing")

    @property
    def words(self) -> dict[str, Any]:
        """``options`` as a mapping; values are JSON where they can be, text otherwise.

        Raises:
            ConfigError: an option is not NAME=VALUE.
        """
        values: dict[str, Any] = {}
        for option in self.options:
            name, sign, text = option.partition("=")
            if not (sign and name.isidentifier()):
                raise ConfigError(f"setting teacher.options is {option!r}", remedy="give NAME=VALUE")
            try:
                values[name] = json.loads(text)
            except ValueError:
                values[name] = text
        return values


def check_distillation(
    *,
    method: str,
    use: TeacherUse,
    usual: DistillConfig,
    distill: DistillConfig,
    skills: str | None,
    teacher: TeacherConfig,
    policy_coef: float,
    asked: bool = False,
    reads: bool = False,
) -> None:
    """Refuse settings that contradict each other or change nothing.

    Args:
        method: name, for messages.
        use: of the method's row.
        usual: the row's own defaults; they are never refused.
        distill: as set.
        skills: bank of the teacher.
        teacher: as set.
        policy_coef: weight of the policy term.
        asked: another part of the method asks the teacher.
        reads: the student's own prompts show skills.

    Raises:
        ConfigError: a setting without effect, or RLSD without its policy term or with a share above 1.
    """
    if use == "none":
        idle, why = _NAMES, f"method {method} " + ("does not distil" if asked else "has no teacher")
    elif distill.coef == 0:
        idle, why = tuple(name for name in _NAMES if name != "coef"), "distill.coef is 0"
    else:
        idle, why = _idle(use, distill), f"method {method} does not use it with the other settings"
    for name in _changed(distill, usual, idle):
        no_effect(f"distill.{name}", getattr(distill, name), why)
    told = use != "none" and distill.coef > 0
    if skills is not None and not (told or asked or reads):
        no_effect("skills", skills, why)
    if skills is None and teacher != TeacherConfig():
        raise ConfigError("teacher settings are given, but no skills", remedy="name a bank with skills")
    if use == "rlsd" and distill.coef > 1:
        raise ConfigError(f"setting distill.coef is {distill.coef!r}", remedy="rlsd needs a share in [0, 1]")
    if use in ("rlsd", "advantages") and told and policy_coef == 0:
        raise ConfigError(
            f"method {method} acts through the policy term, whose policy_coef is 0",
            remedy="raise policy_coef",
        )
    if use == "sdar" and told and distill.signal == "centred_gate" and distill.beta == 0:
        raise ConfigError(
            "signal centred_gate with beta 0 is 0 everywhere: all gates are equal",
            remedy="raise distill.beta",
        )


def teacher_weight(use: TeacherUse, distill: DistillConfig, update: int) -> float:
    """coef of an update, ``update`` updates being done: constant, but for RLSD, which counts from 1."""
    if use == "none":
        return 0.0
    if use == "rlsd":
        return rlsd_weight(update + 1, start=distill.coef, decay_updates=distill.decay)
    return distill.coef


def _idle(use: TeacherUse, distill: DistillConfig) -> tuple[str, ...]:
    """Fields that change nothing under this use with these other fields."""
    if use == "skill_sd":
        return tuple(name for name in _NAMES if name != "coef")
    if use in ("rlsd", "advantages"):
        return ("beta", "gate", "signal", "divergence", "shuffle", *(() if use == "rlsd" else ("decay",)))
    if distill.signal == "gap":
        return ("beta", "gate", "shuffle", "clip", "decay")
    if distill.beta == 0:
        return ("gate", "divergence", "shuffle", "clip", "decay")
    return ("clip", "decay", *(("divergence",) if distill.gate == "entropy" else ()))


_NAMES = tuple(f.name for f in dataclasses.fields(DistillConfig))


def _changed(a: Any, b: Any, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(a, name) != getattr(b, name)]


def no_effect(name: str, value: object, why: str) -> None:
    """Refuse a setting that changes nothing.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"setting {name}={value!r} would have no effect: {why}", remedy=f"drop {name}")
