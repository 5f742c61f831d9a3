"""Recipes of CRAFT: quickstarts, the ablations of the paper, the controls that isolate each idea."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from craft_envs.errors import ConfigError
from craft_rl.config import TrainConfig
from craft_rl.craft_settings import ControllerConfig, CraftConfig
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld, searchqa, webshop
from craft_rl.recipes.under_method import under_method


def small() -> QuickstartConfig:
    """Small houses: about ten minutes on one core.

    Most of the untold demonstrations are of the scripted player, so that the policy begins with something to
    lose, while its teacher, told where things are, is still better.
    """
    base = alfworld.small_skills()
    mix = replace(base.skill_mix, share=0.5, decoys=0.05, knowing=0.85)
    train = replace(base.train, updates=20, minibatches=4, old_logprobs="sampler")
    return _credited(replace(base, demonstrations=3000, skill_mix=mix, train=train), "small-craft")


def small_shop() -> QuickstartConfig:
    """Small shop."""
    return _credited(webshop.small_skills(), "webshop-small-craft")


def small_questions() -> QuickstartConfig:
    """Questions about a small world."""
    return _credited(searchqa.small_skills(), "searchqa-small-craft")


def a1() -> CraftConfig:
    """Pillar 1 alone: credit with constant weights, the ordinary KL."""
    return CraftConfig(controller=False, polarised=False)


def a2() -> CraftConfig:
    """Pillars 1, 2: credit under the controller."""
    return CraftConfig(polarised=False)


def a3() -> CraftConfig:
    """Pillars 1, 3: credit with the polarised KL, constant weights."""
    return CraftConfig(controller=False)


def a4(beta: float = 1.0) -> CraftConfig:
    """Another sharpness of the credit; the paper names no values."""
    return CraftConfig(beta_pos=beta, beta_neg=beta)


def a5(tau: float = 0.5, theta: float = 0.1) -> CraftConfig:
    """Another temperature (0.5, 2 in the paper) or threshold of activity."""
    return CraftConfig(tau=tau, theta=theta)


def a6() -> CraftConfig:
    """No siblings: the fallback everywhere (the paper writes g_min = 999)."""
    return CraftConfig(control="fallback_everywhere")


def a7() -> CraftConfig:
    """The two signed branches of the KL exchanged."""
    return CraftConfig(form="paper_swapped")


ABLATIONS: Mapping[str, Callable[[], CraftConfig]] = {
    "a1": a1,
    "a2": a2,
    "a3": a3,
    "a4": a4,
    "a5-cold": lambda: a5(0.5),
    "a5-hot": lambda: a5(2.0),
    "a6": a6,
    "a7": a7,
}
"""Name of the paper -> pillars; all else is the full method's."""


def literal() -> CraftConfig:
    """Equation (7) as it is printed: the credit opposes the advantage, see cards/craft.md."""
    return CraftConfig(variant="paper")


def group_tilt() -> CraftConfig:
    """The wording of the abstract: does the teacher's preference go with success at this place?"""
    return CraftConfig(variant="group_tilt")


def shuffled_siblings() -> CraftConfig:
    """Control: compared with trajectories of other tasks."""
    return CraftConfig(control="shuffled_siblings")


def no_gap() -> CraftConfig:
    """Control: leave-one-out credit without a teacher."""
    return CraftConfig(control="no_gap")


CONTROLS: Mapping[str, Callable[[], CraftConfig]] = {
    "shuffled-siblings": shuffled_siblings,
    "no-gap": no_gap,
}
"""Name -> pillars; the third control, a frozen controller, needs a run: ``frozen_controller``."""


def with_pillars(train: TrainConfig, craft: CraftConfig) -> TrainConfig:
    """``train`` of method craft with other pillars; a control without a teacher loses its skills too.

    Raises:
        ConfigError: ``train`` is of another method, or contradicts the pillars.
    """
    if train.method != "craft":
        raise ConfigError(
            f"the method is {train.method}, pillars are those of craft", remedy="use under_method"
        )
    changes: dict[str, Any] = {"craft": craft}
    if craft.control == "no_gap" and not craft.keep_sdar:
        changes |= {"skills": None, "teacher": TrainConfig().teacher}
    return replace(train, **changes)


def frozen_controller(train: TrainConfig, rows: Sequence[Mapping[str, Any]]) -> TrainConfig:
    """Control: the weights of a finished run's controller, averaged over its updates, held constant.

    Args:
        train: configuration of that run.
        rows: its metrics.

    Raises:
        ConfigError: the run had no controller over the credit.
    """
    if not rows or any("craft/rho_ema" not in row or "craft/lambda" not in row for row in rows):
        raise ConfigError(
            "the metrics tell of no controller", where="craft/rho_ema", remedy="give those of a run of craft"
        )
    lam = sum(row["craft/lambda"] for row in rows) / len(rows)
    mu = sum(row.get("craft/mu", 0.0) for row in rows) / len(rows)
    held = without_controller(train)
    return replace(held, craft=replace(held.craft, coef=lam), kl_coef=mu)


def without_controller(train: TrainConfig) -> TrainConfig:
    """``train`` of method craft with the weights that its configuration names, constant."""
    craft = replace(train.craft, controller=False, theta=CraftConfig().theta)
    return replace(train, craft=craft, controller=ControllerConfig())


def _credited(base: QuickstartConfig, recipe: str) -> QuickstartConfig:
    """From a start that has learned to read: its teacher, the same weights, must know more than it does."""
    return replace(base, recipe=recipe, train=under_method(base, "craft"))
