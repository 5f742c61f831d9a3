"""Settings of LoRA policies, of the token weights that only they can have."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from craft_envs.errors import ConfigError
from craft_rl.credit.adapter_residual import EPSILON, Scheme


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """A low-rank adapter, the only thing that is then trained.

    Source: LoRA, arXiv 2106.09685: W x + (alpha / rank) B A x with B = 0 at the start, so that a fresh
    adapter changes nothing. There is no dropout: trained log-probs would then differ from the sampled ones.
    """

    rank: int = 0
    """Rank of every adapter; 0 trains all weights instead."""
    alpha: float | None = None
    """Scale, divided by the rank; twice the rank when absent."""
    targets: tuple[str, ...] = ()
    """Last parts of the names of the layers to adapt, such as q_proj v_proj; all linear layers but the output
    layer when empty."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.rank < 0:
            raise ConfigError(f"setting lora.rank is {self.rank!r}", remedy="give a whole number from 0")
        if self.alpha is not None and self.alpha <= 0:
            raise ConfigError(f"setting lora.alpha is {self.alpha!r}", remedy="give a number above 0")
        if self.rank == 0:
            for name in ("alpha", "targets"):
                if getattr(self, name) != getattr(LoraConfig, name):
                    raise ConfigError(
                        f"setting lora.{name}={getattr(self, name)!r} would have no effect: lora.rank is 0",
                        remedy="set lora.rank",
                    )


@dataclass(frozen=True, kw_only=True)
class ArcaConfig:
    """Token weights out of a salience, see credit/adapter_residual.py."""

    scheme: Scheme = "arca"
    """Salience; ``uniform`` is GRPO, without any further pass."""
    eps: float = EPSILON
    """Added to every salience; large values make the weights even."""
    per: Literal["step", "trajectory"] = "step"
    """Weights of the tokens of one response add up to 1, or those of a whole episode."""

    def __post_init__(self) -> None:
        """Refuse values out of range, values without effect."""
        if self.eps <= 0:
            raise ConfigError(f"setting arca.eps is {self.eps!r}", remedy="give a number above 0")
        if self.scheme == "uniform":
            _unused(self, ("eps", "per"), "the weights of scheme uniform are all equal")


def check_token_weights(*, method: str, weighs: bool, arca: ArcaConfig, policy_coef: float) -> None:
    """Refuse settings that contradict each other or change nothing.

    Args:
        method: name, for messages.
        weighs: the method's row has token weights.
        arca: as set.
        policy_coef: weight of the policy term.

    Raises:
        ConfigError: a setting without effect.
    """
    if not weighs:
        _unused(arca, ("scheme", "eps", "per"), f"method {method} has no token weights")
    elif arca.scheme != "uniform" and policy_coef == 0:
        raise ConfigError(
            f"method {method} acts through the policy term, whose policy_coef is 0",
            remedy="raise policy_coef",
        )


def check_adapter(method: str, needed: bool, lora: LoraConfig, adapted: bool | None = None) -> None:
    """Refuse a method whose weights come from an adapter on a policy that has none.

    Args:
        method: name, for messages.
        needed: the method compares the policy with what lies below its adapter.
        lora: as set.
        adapted: whether the policy has an adapter; None when it is not open yet.

    Raises:
        ConfigError: the method needs an adapter, or policy and settings disagree about having one.
    """
    if needed and lora.rank == 0:
        raise ConfigError(
            f"method {method} weighs tokens by what an adapter does, but all weights are to be trained",
            where="lora.rank is 0",
            remedy="set lora.rank, for instance 16",
        )
    if adapted is not None and adapted != (lora.rank > 0):
        raise ConfigError(
            f"lora.rank is {lora.rank}, but the policy has {'an' if adapted else 'no'} adapter",
            remedy="build the policy with craft_rl.models.lora.with_lora(policy, config.lora, seed=...)",
        )


def _unused(arca: ArcaConfig, names: tuple[str, ...], why: str) -> None:
    usual = {f.name: f.default for f in dataclasses.fields(ArcaConfig)}
    for name in names:
        if getattr(arca, name) != usual[name]:
            raise ConfigError(
                f"setting arca.{name}={getattr(arca, name)!r} would have no effect: {why}",
                remedy=f"drop {name}",
            )
