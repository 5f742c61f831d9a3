"""Settings of IBPO: how failed attempts are corrected, what their corrections do to rewards or tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from craft_envs.errors import ConfigError

Operator = Literal["rewrite", "resume"]
"""How a correction is sampled, see ``rollout/correct.py``."""
Denominator = Literal["full", "masked"]


@dataclass(frozen=True, kw_only=True)
class IbpoConfig:
    """Corrections of failed siblings; with weight 0 and no mask nothing is sampled, GRPO remains.

    Example: ``IbpoConfig(weight=0.6, mask=True)`` is what ``--method ibpo`` starts from.
    """

    weight: float = 0.0
    """lambda: a corrected failure gets lambda * s of what its return lacks; 0 leaves rewards as they are."""
    rho: float = 0.5
    """Worth of a successful correction; s is rho times the share of successful ones. lambda * rho < 1."""
    mask: bool = False
    """Of a failure with a kept correction only the tokens that it edits stay in the policy term."""
    clamp: bool = True
    """On edited tokens the advantage is at most 0: a correctable failure must not reinforce its mistakes."""
    attach_insertions: bool = False
    """A token before which the correction inserts something counts as edited; else insertions mark none."""
    denominator: Denominator = "full"
    """``full``: unedited tokens still count where the loss is averaged, so the mask only takes away.
    ``masked``: they leave the batch, KL and entropy included."""
    references: int = 2
    """Most successful siblings that a failure is corrected against, one correction each."""
    require_closer: bool = False
    """A correction must be closer to the attempt than to its reference, or it earns nothing."""
    operator: Operator = "rewrite"
    """``rewrite``: the policy reads both attempts, writes the first anew in one response. ``resume``: it
    plays on, in its ordinary prompts, from where the attempt left the reference's way; for policies that
    cannot follow an instruction."""
    max_new_tokens: int = 256
    """Most tokens of a rewritten attempt."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name, good, wanted in (
            ("weight", self.weight >= 0, "a number from 0"),
            ("rho", 0 < self.rho <= 1, "a number above 0, at most 1"),
            ("references", self.references >= 1, "a whole number from 1"),
            ("max_new_tokens", self.max_new_tokens >= 1, "a whole number from 1"),
        ):
            if not good:
                raise ConfigError(f"setting ibpo.{name} is {getattr(self, name)!r}", remedy=f"give {wanted}")

    @property
    def on(self) -> bool:
        """Corrections are asked for."""
        return self.weight > 0 or self.mask


def check_correction(
    *,
    method: str,
    corrects: bool,
    usual: IbpoConfig,
    ibpo: IbpoConfig,
    group_size: int,
    policy_coef: float,
    reward_scale: float,
    invalid_penalty: float,
) -> None:
    """Refuse settings that contradict each other or change nothing.

    Args:
        method: name, for messages.
        corrects: the method's row asks for corrections.
        usual: the row's own defaults; they are never refused.
        ibpo: as set.
        group_size: siblings of a group.
        policy_coef: weight of the policy term.
        reward_scale: multiplies returns.
        invalid_penalty: of the score.

    Raises:
        ConfigError: a setting without effect, a group too small for its references, or a weight with which a
            corrected failure could outrank a success.
    """
    if not corrects:
        for name in _changed(ibpo, IbpoConfig(), _NAMES):
            _no_effect(name, getattr(ibpo, name), f"method {method} corrects nothing", "use method ibpo")
        return
    if not ibpo.on:
        for name in _changed(ibpo, usual, (n for n in _NAMES if n not in ("weight", "mask"))):
            _no_effect(name, getattr(ibpo, name), "ibpo.weight is 0, ibpo.mask is off", f"drop ibpo.{name}")
        return
    if policy_coef == 0:
        raise ConfigError(
            f"method {method} acts through the policy term, whose policy_coef is 0",
            remedy="raise policy_coef",
        )
    if ibpo.references > group_size - 1:
        raise ConfigError(
            f"ibpo.references is {ibpo.references}, a failure among {group_size} siblings has at most "
            f"{group_size - 1} others",
            remedy="raise group_size, or lower ibpo.references",
        )
    if ibpo.weight * ibpo.rho * reward_scale + invalid_penalty >= reward_scale:
        raise ConfigError(
            f"ibpo.weight {ibpo.weight:g} * ibpo.rho {ibpo.rho:g} with invalid_penalty {invalid_penalty:g} "
            "could lift a corrected failure to the score of a success",
            where=f"reward_scale {reward_scale:g}",
            remedy="keep weight * rho below 1 - invalid_penalty / reward_scale",
        )
    if ibpo.weight == 0 and ibpo.rho != usual.rho:
        _no_effect("rho", ibpo.rho, "ibpo.weight is 0", "set ibpo.weight, or drop ibpo.rho")
    if ibpo.denominator == "masked" and not ibpo.mask:
        _no_effect("denominator", ibpo.denominator, "ibpo.mask is off", "set ibpo.mask, or drop it")
    if ibpo.attach_insertions and not (ibpo.mask or ibpo.clamp):
        _no_effect("attach_insertions", True, "neither mask nor clamp looks at tokens", "drop it")
    if ibpo.operator == "resume" and ibpo.max_new_tokens != usual.max_new_tokens:
        why = "the operator resume answers step by step"
        _no_effect("max_new_tokens", ibpo.max_new_tokens, why, "set sampling.max_new_tokens instead")


_NAMES = tuple(f.name for f in dataclasses.fields(IbpoConfig))


def _changed(a: IbpoConfig, b: IbpoConfig, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(a, name) != getattr(b, name)]


def _no_effect(name: str, value: object, why: str, remedy: str) -> None:
    raise ConfigError(f"setting ibpo.{name}={value!r} would have no effect: {why}", remedy=remedy)
