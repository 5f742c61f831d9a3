"""Recipes of IBPO for the embedded policy: the quickstart of each world with corrections of failures."""

from __future__ import annotations

from dataclasses import replace

from craft_rl.correction_settings import IbpoConfig
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld, searchqa, webshop


def small() -> QuickstartConfig:
    """Small houses."""
    return _corrected(alfworld.small())


def small_shop() -> QuickstartConfig:
    """Small shop."""
    return _corrected(webshop.small())


def small_questions() -> QuickstartConfig:
    """Questions about a small world."""
    return _corrected(searchqa.small())


def _corrected(base: QuickstartConfig) -> QuickstartConfig:
    # a policy of this size follows no instruction it has not been cloned on, so it resumes
    ibpo = IbpoConfig(weight=0.6, mask=True, operator="resume")
    return replace(base, recipe=f"{base.recipe}-ibpo", train=replace(base.train, method="ibpo", ibpo=ibpo))
