"""Recipes for ALFWorld: small houses, full-size houses, the official games."""

from __future__ import annotations

from typing import Any

from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.embedded import embedded, that_reads
from craft_rl.worlds import WorldConfig


def small() -> QuickstartConfig:
    """Bundled small houses, without skills: ten minutes on two cores."""
    return _small("small")


def _small(recipe: str, *, copies: bool = False) -> QuickstartConfig:
    return embedded(
        recipe,
        panels=["alfworld-bundled-small-valid_unseen"],
        world=WorldConfig(size="small", max_steps=15),  # twice what the scripted agent needs on average
        max_context=1024,
        demonstrations=7200,  # two of each training task, with different slips
        epochs=1.0,
        updates=30,
        copies=copies,
    )


def small_skills() -> QuickstartConfig:
    """The small houses for methods with a teacher: most demonstrations show the skills of their task.

    Where none are shown, or other text of the same length is, somebody plays who does not know where to go.
    """
    base = _small("small", copies=True)  # names with numbers of the room, the wanted thing
    return that_reads(base, "alfworld", budget=120)


def full() -> QuickstartConfig:
    """Bundled full-size houses."""
    return _full_size("full", demonstrations=7200)


def official() -> QuickstartConfig:
    """The official games; their files must be here (``craft data list`` tells)."""
    return _full_size("official", demonstrations=7106, data="official")


def _full_size(recipe: str, *, demonstrations: int, **world: Any) -> QuickstartConfig:
    """Two demonstrations of each training task, with different slips."""
    part = recipe if recipe == "official" else f"bundled-{recipe}"
    return embedded(
        recipe,
        panels=[f"alfworld-{part}-valid_seen", f"alfworld-{part}-valid_unseen"],
        # three times what the scripted agent needs on average; a lost policy rarely finds back later
        world=WorldConfig(max_steps=30, **world),
        max_context=2048,
        demonstrations=demonstrations,
        epochs=2.0,
        updates=40,
        eval_max_steps=50,  # the limit of the papers
    )
