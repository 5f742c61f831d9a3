"""Recipes for WebShop: the generated shop in two sizes, the original's products."""

from __future__ import annotations

from typing import Any

from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.embedded import embedded, that_reads
from craft_rl.worlds import WorldConfig

ENV_ID = "craft/WebShop-v0"


def small() -> QuickstartConfig:
    """Generated small shop."""
    return _shop(
        "webshop-small",
        panel="webshop-bundled-small-test",
        max_context=3072,
        demonstrations=1995,  # one of each training task
        epochs=1.0,
        updates=20,
        vocab_size=1536,
        size="small",
    )


def small_skills() -> QuickstartConfig:
    """The small shop for methods with a teacher: most demonstrations show the skills of their category.

    Where none are shown, or other text of the same length is, somebody buys the first product as it is.
    """
    return that_reads(small(), "webshop", budget=160)


def full() -> QuickstartConfig:
    """Generated shop of full size."""
    return _shop(
        "webshop",
        panel="webshop-bundled-test",
        max_context=4096,
        demonstrations=3000,
        epochs=1.0,
        updates=20,
    )


def official() -> QuickstartConfig:
    """The original's products; their files must be here (``craft data list`` tells)."""
    return _shop(
        "webshop-official",
        panel="webshop-official-test",
        max_context=6144,
        max_new_tokens=96,  # options of real products are long
        demonstrations=3000,
        epochs=1.0,
        updates=8,
        tasks_per_update=8,  # an episode over real products is thousands of tokens long
        data="official",
    )


def _shop(
    recipe: str,
    *,
    panel: str,
    max_context: int,
    demonstrations: int,
    epochs: float,
    updates: int,
    tasks_per_update: int = 16,
    vocab_size: int = 2048,
    max_new_tokens: int = 40,
    **world: Any,
) -> QuickstartConfig:
    return embedded(
        recipe,
        panels=[panel],
        world=WorldConfig(env=ENV_ID, max_steps=10, **world),  # twice what the scripted shopper needs
        vocab_size=vocab_size,
        max_context=max_context,
        max_new_tokens=max_new_tokens,
        demonstrations=demonstrations,
        noise=0.1,
        whole=(" [SEP]", "search[", "click["),
        admissible=True,  # a product's number is found in the list by its own letters, in lower case
        # A purchase cannot be taken back, the open slot is no query.
        no_slips=("click[buy now]", "search[<your query>]"),
        epochs=epochs,
        copies=True,  # products' numbers, words of the instruction
        updates=updates,
        tasks_per_update=tasks_per_update,
        eval_max_steps=15,  # the limit of the papers
    )
