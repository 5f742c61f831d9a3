"""Settings of CRAFT with its baseline CRINGE: three pillars with a switch each, one controller."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from craft_envs.errors import ConfigError
from craft_rl.credit.controller import ControllerSettings
from craft_rl.credit.counterfactual import CreditSettings
from craft_rl.credit.polarity import PolarisedKL
from craft_rl.credit.siblings import Alignment
from craft_rl.distillation_settings import no_effect

Control = Literal["none", "shuffled_siblings", "no_gap", "fallback_everywhere"]
_CARD = "see craft_rl/cards/craft.md"
_EVERYWHERE = 1 << 30
"""More siblings than any group has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig(ControllerSettings):
    """Constants of the controller; the defaults are the paper's.

    Raises:
        ConfigError: out of range.
    """

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        try:
            ControllerSettings.__post_init__(self)
        except ValueError as error:
            raise ConfigError(str(error), where="controller", remedy="see craft_rl/cards/craft.md") from None
        for name in ("rho_target", "rho_start"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"setting controller.{name} is {getattr(self, name)!r}", remedy="give a share in [0, 1]"
                )
        if not self.warmup >= 0:
            raise ConfigError(f"setting controller.warmup is {self.warmup!r}", remedy="give a number from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CraftConfig(CreditSettings):
    """What CRAFT does; ``craft_rl/cards/craft.md`` tells why.

    The switches are independent. With all three off the method is GRPO, bit for bit, without a teacher.

    Raises:
        ConfigError: out of range, or a field that another one leaves without effect.
    """

    credit: bool = True
    """Pillar 1: the term -c log pi."""
    controller: bool = True
    """Pillar 2: lambda of pillar 1 with mu, the weight of the KL, follow the activity of the credit."""
    polarised: bool = True
    """Pillar 3: the KL's form follows the sign of the credit."""
    keep_sdar: bool = False
    """Keep SDAR's own term beside, with its settings in ``distill``."""
    coef: float = 0.01
    """lambda without the controller."""
    align: Alignment = "turn_token"
    """Which tokens of siblings are compared, see credit/siblings.py."""
    form: PolarisedKL = "paper"
    """Form of the polarised KL, see credit/polarity.py."""
    theta_kl: float = 0.0
    """``|c|`` up to which the polarised KL is neutral."""
    control: Control = "none"
    """``shuffled_siblings``: compare with trajectories of other tasks, where groups have a signal.
    ``no_gap``: as if the teacher agreed everywhere, so none is asked. ``fallback_everywhere``: never compare
    (the paper's ablation A6)."""

    def __post_init__(self) -> None:
        """Refuse values out of range, contradictions."""
        try:
            CreditSettings.__post_init__(self)
        except ValueError as error:
            raise ConfigError(str(error), where="craft", remedy=_CARD) from None
        for name, low in (("coef", 0.0), ("theta_kl", 0.0), ("beta_pos", 0.0), ("beta_neg", 0.0)):
            if not low <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"setting craft.{name} is {getattr(self, name)!r}", remedy=f"give a number from {low:g}"
                )
        if self.g_min < 2:
            raise ConfigError(
                f"setting craft.g_min is {self.g_min!r}",
                remedy="give at least 2: the own token with one sibling",
            )
        if self.credit and not self.controller and self.coef == 0:
            raise ConfigError("the credit has weight 0", where="craft.coef", remedy="use craft.credit=false")
        for name, why in self._idle():
            _refuse("craft", self, CraftConfig, (name,), why)
        if self.control == "no_gap" and self.variant == "group_tilt":
            raise ConfigError("group_tilt is 0 where the teacher's gap is", remedy="use another variant")

    @property
    def on(self) -> bool:
        """Any pillar is: credit is then computed."""
        return self.credit or self.controller or self.polarised

    @property
    def settings(self) -> CreditSettings:
        """Those of the credit itself."""
        names = [f.name for f in dataclasses.fields(CreditSettings)]
        chosen = {name: getattr(self, name) for name in names}
        if self.control == "fallback_everywhere":
            chosen["g_min"] = _EVERYWHERE
        return CreditSettings(**chosen)

    def _idle(self) -> Iterable[tuple[str, str]]:
        """(field, why it changes nothing here)."""
        if not self.on:
            for f in dataclasses.fields(self):
                if f.name not in ("credit", "controller", "polarised", "keep_sdar"):
                    yield f.name, "all pillars are off"
        if self.controller or not self.credit:
            yield "coef", "the controller sets lambda" if self.controller else "the credit is off"
        if not self.controller:
            yield "theta", "it counts active tokens for the controller, which is off"
        if not self.polarised:
            yield "form", "the KL is not polarised"
        if not self.polarised or self.form in ("std", "k3_rev_only"):
            yield "theta_kl", "no threshold is used"
        if self.variant != "group_tilt":
            yield "tilt", f"the credit is {self.variant}"
        if self.variant != "evidence":
            yield "evidence_clip", f"the credit is {self.variant}"
        alone = self.variant == "evidence" or self.control == "fallback_everywhere"
        for name in ("tau", "g_min", "align") if alone else ():
            yield name, "no siblings are compared"
        if self.variant == "evidence":
            yield "fallback", "the credit evidence needs no siblings"
            if self.control in ("shuffled_siblings", "fallback_everywhere"):
                yield "control", "the credit evidence needs no siblings"
        if self.control == "fallback_everywhere":
            yield "variant", "no siblings are compared"
        if self.control == "no_gap":
            yield "fallback", "both are 0 without a gap"
            if self.variant != "influence":
                yield "tau", "all weights are equal without a gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class CringeConfig:
    """The CRINGE term of ``adaptive_cringe`` with ``token_cringe``.

    Raises:
        ConfigError: out of range.
    """

    k: int = 5
    """Rivals of a token: the likeliest others."""
    theta: float = 0.1
    """1 - exp(gap) above which a disapproved token counts as active for the controller."""
    coef: float = 0.01
    """lambda of ``token_cringe``; 0 leaves GRPO, without a teacher."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.k < 1:
            raise ConfigError(f"setting cringe.k is {self.k!r}", remedy="give a whole number from 1")
        if not 0 <= self.theta <= 1:
            raise ConfigError(f"setting cringe.theta is {self.theta!r}", remedy="give a share in [0, 1]")
        if not 0 <= self.coef < math.inf:
            raise ConfigError(f"setting cringe.coef is {self.coef!r}", remedy="give a number from 0")


def check_craft(
    *,
    method: str,
    craft: CraftConfig,
    controller: ControllerConfig,
    cringe: CringeConfig,
    kl_coef: float,
    kl_kind: str,
    group_size: int,
    tasks_per_update: int,
    sdar_coef: float,
) -> None:
    """Refuse settings that contradict the rest of the training or change nothing in it.

    Args:
        method: name of the row.
        craft: as set.
        controller: as set.
        cringe: as set.
        kl_coef: weight of the KL without a controller; 0 for no KL.
        kl_kind: its estimator.
        group_size: siblings.
        tasks_per_update: groups of one update.
        sdar_coef: weight of SDAR's term.

    Raises:
        ConfigError: see above.
    """
    if method != "craft":
        every = tuple(f.name for f in dataclasses.fields(CraftConfig))
        _refuse("craft", craft, CraftConfig, every, f"the method is {method}")
    if method not in CRINGES:
        _refuse("cringe", cringe, CringeConfig, ("k", "theta", "coef"), f"the method is {method}")
    constants = tuple(f.name for f in dataclasses.fields(ControllerConfig))
    controlled = method == "adaptive_cringe" or (method == "craft" and craft.controller)
    if not controlled:
        why = "the controller is off" if method == "craft" else f"the method is {method}"
        _refuse("controller", controller, ControllerConfig, constants, why)
    if controlled and kl_coef == 0:
        _refuse("controller", controller, ControllerConfig, ("mu_min", "mu_max"), "kl_coef is 0")
    if controlled and kl_coef not in (0.0, USUAL_KL):
        no_effect("kl_coef", kl_coef, f"the controller sets the weight of the KL; {USUAL_KL} switches it on")
    if method == "adaptive_cringe":
        _refuse("cringe", cringe, CringeConfig, ("coef",), "the controller sets lambda")
    if method == "token_cringe":
        _refuse("cringe", cringe, CringeConfig, ("theta",), "token_cringe has no controller")
        if cringe.coef == 0:
            _refuse("cringe", cringe, CringeConfig, ("k",), "cringe.coef is 0")
    if method != "craft":
        return
    if craft.polarised and kl_coef == 0:
        raise ConfigError(
            "the KL is to be polarised, but kl_coef is 0: there is none",
            remedy=f"use kl_coef={USUAL_KL}, or craft.polarised=false",
        )
    if craft.polarised and kl_kind != "k3":
        no_effect("kl_kind", kl_kind, "craft.form decides the form of a polarised KL")
    if craft.controller and not craft.credit and kl_coef == 0:
        raise ConfigError(
            "the controller has nothing to control: the credit is off, kl_coef is 0",
            remedy="use craft.credit=true, a kl_coef, or craft.controller=false",
        )
    if craft.controller and not craft.credit:
        _refuse("controller", controller, ControllerConfig, ("lambda_min", "lambda_max"), "the credit is off")
    if craft.g_min > group_size:
        raise ConfigError(
            f"setting craft.g_min is {craft.g_min}, a group has {group_size} siblings: all tokens would fall "
            "back",
            remedy="lower it, or use craft.control=fallback_everywhere to mean that",
        )
    if craft.control == "shuffled_siblings" and tasks_per_update < 2:
        no_effect("craft.control", craft.control, "with one task per update there are no other siblings")
    if craft.keep_sdar and sdar_coef == 0:
        raise ConfigError(
            "SDAR's term is to be kept, but its weight is 0",
            where="distill.coef",
            remedy="give distill.coef (0.01 in the paper), or drop craft.keep_sdar",
        )


CRINGES = ("token_cringe", "adaptive_cringe")
USUAL_KL = 0.01
"""kl_coef of the rows; under a controller any weight but this one would be ignored."""


def _refuse(prefix: str, given: Any, kind: type, names: Iterable[str], why: str) -> None:
    """Refuse fields that differ from their defaults."""
    usual = {f.name: f.default for f in dataclasses.fields(kind)}
    for name in names:
        if getattr(given, name) != usual[name]:
            no_effect(f"{prefix}.{name}", getattr(given, name), why)
