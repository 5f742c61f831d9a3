"""Recipes for Search-QA: generated questions in two sizes, the answerable official sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.embedded import embedded, that_reads
from craft_rl.worlds import WorldConfig

ENV_ID = "craft/SearchQA-v0"


def small() -> QuickstartConfig:
    """Generated questions about a small world."""
    return _questions(
        "searchqa-small",
        panels=["searchqa-bundled-small-test"],
        vocab_size=512,  # names unseen in training are written in the syllables of those seen
        max_context=1024,
        demonstrations=11000,  # every training question once: more passes would let it remember the answers
        epochs=1.0,
        updates=30,
        size="small",
    )


def small_skills() -> QuickstartConfig:
    """The small world for methods with a teacher: most demonstrations show the skills of their question.

    Where none are shown, or other text of the same length is, somebody searches once, then guesses.
    """
    return that_reads(small(), "searchqa", budget=160)


def full() -> QuickstartConfig:
    """Generated questions about a large world."""
    return _questions(
        "searchqa",
        panels=["searchqa-bundled-test"],
        vocab_size=1024,
        max_context=2048,
        demonstrations=3200,  # every training question once, as in the small world
        epochs=1.0,
        updates=20,
    )


def official() -> QuickstartConfig:
    """Real questions over real passages; their files must be here (``craft data list`` tells)."""
    return _questions(
        "searchqa-official",
        panels=[f"searchqa-official-{name}" for name in ("hotpot500", "musique100", "nq_oracle")],
        vocab_size=4096,
        max_context=4096,
        demonstrations=1716,  # every training question twice
        epochs=1.0,
        updates=20,
        max_new_tokens=160,  # real questions, searched word for word, are long
        demonstrator="oracle",  # the scripted agent answers one real question in ten
        data="official",
    )


def _questions(
    recipe: str,
    *,
    panels: Sequence[str],
    vocab_size: int,
    max_context: int,
    demonstrations: int,
    epochs: float,
    updates: int,
    demonstrator: str = "scripted",
    max_new_tokens: int = 32,
    **world: Any,
) -> QuickstartConfig:
    return embedded(
        recipe,
        panels=panels,
        world=WorldConfig(env=ENV_ID, **world),
        vocab_size=vocab_size,
        max_context=max_context,
        max_new_tokens=max_new_tokens,
        demonstrations=demonstrations,
        demonstrator=demonstrator,
        noise=0.0,  # the only slips are a search for nothing, an answer that ends the task
        no_slips=(),
        form="search_tags",
        copies=True,  # names of the question, answers of the passage
        epochs=epochs,
        updates=updates,
    )
