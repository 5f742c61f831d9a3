"""Recipes of the quickstart by name, with the one that each world starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from craft_envs.errors import ConfigError, one_of
from craft_envs.registration import entry_of
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld, amr_sd, arca, craft, ibpo, searchqa, webshop

DEFAULT = "small-craft"
"""The recipe of ``craft quickstart`` without ``--recipe`` or ``--env``."""

QUICKSTARTS: Mapping[str, Callable[[], QuickstartConfig]] = {
    "small": alfworld.small,
    "small-skills": alfworld.small_skills,
    "full": alfworld.full,
    "official": alfworld.official,
    "webshop-small": webshop.small,
    "webshop-small-skills": webshop.small_skills,
    "webshop": webshop.full,
    "webshop-official": webshop.official,
    "searchqa-small": searchqa.small,
    "searchqa-small-skills": searchqa.small_skills,
    "searchqa": searchqa.full,
    "searchqa-official": searchqa.official,
    "small-amr-sd": amr_sd.small,
    "small-arca": arca.small,
    "webshop-small-arca": arca.small_shop,
    "searchqa-small-arca": arca.small_questions,
    "small-craft": craft.small,
    "webshop-small-craft": craft.small_shop,
    "searchqa-small-craft": craft.small_questions,
    "small-ibpo": ibpo.small,
    "webshop-small-ibpo": ibpo.small_shop,
    "searchqa-small-ibpo": ibpo.small_questions,
}
"""Recipe name -> its settings."""

FIRST: Mapping[tuple[str, str], str] = {
    ("craft/ALFWorld-v0", "bundled"): "small-craft",
    ("craft/ALFWorld-v0", "official"): "official",
    ("craft/WebShop-v0", "bundled"): "webshop-small",
    ("craft/WebShop-v0", "official"): "webshop-official",
    ("craft/SearchQA-v0", "bundled"): "searchqa-small",
    ("craft/SearchQA-v0", "official"): "searchqa-official",
}
"""Environment, data -> the recipe that is taken when none is named."""


def quickstart_recipe(name: str) -> QuickstartConfig:
    """The settings of a recipe.

    Example: ``quickstart_recipe("full").train.world.size`` is ``"full"``.

    Raises:
        ConfigError: no such recipe.
    """
    if name not in QUICKSTARTS:
        remedy = one_of(name, QUICKSTARTS)
        raise ConfigError(f"no quickstart recipe {name!r}", remedy=remedy)
    return QUICKSTARTS[name]()


def recipe_of(recipe: str | None, env: str | None, data: str | None) -> str:
    """The name of the recipe that is meant.

    Args:
        recipe: its name, if it was given.
        env: id of the environment, if it was given.
        data: ``bundled`` or ``official``, if it was given.

    Raises:
        ConfigError: unknown environment or data, or ones that are not the named recipe's.
    """
    if env is not None:
        entry_of(env)
    if data not in (None, "bundled", "official"):
        raise ConfigError(f"data is {data!r}", remedy="use bundled or official")
    if recipe is None:
        if env is None and data is None:
            return DEFAULT
        return FIRST[env or "craft/ALFWorld-v0", data or "bundled"]
    world = quickstart_recipe(recipe).train.world
    for name, wanted, held in (("env", env, world.env), ("data", data, world.data)):
        if wanted not in (None, held):
            raise ConfigError(
                f"the recipe {recipe!r} has {name}={held}, given is {wanted}",
                remedy=f"drop --recipe, or --{name}",
            )
    return recipe
