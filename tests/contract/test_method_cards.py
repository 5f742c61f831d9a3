"""The cards of methods quote code that exists, settings that are the defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from craft_rl.methods import METHODS
from craft_rl.recipes.quickstart import QUICKSTARTS

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "craft_rl" / "cards"
# untagged, or the formatter would take fragments for programs
_QUOTE = re.compile(r"^`([\w/.]+\.py)`\n```\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTES = [
    pytest.param(path, code, id=f"{card.stem}:{path}")
    for card in sorted(CARDS.glob("*.md"))
    for path, code in _QUOTE.findall(card.read_text("utf-8"))
]


def test_a_card_walks_through_file_row_recipe_test() -> None:
    assert [q.values[0] for q in QUOTES if "adding" in str(q.id)] == [
        "craft_rl/advantage/amr_sd.py",
        "craft_rl/methods.py",
        "craft_rl/recipes/amr_sd.py",
        "tests/rl/test_amr_sd.py",
    ]


@pytest.mark.parametrize(("path", "code"), QUOTES)
def test_quoted_code_is_the_code(path: str, code: str) -> None:
    assert code in (ROOT / path).read_text("utf-8")


def test_the_card_of_ibpo_shows_its_defaults() -> None:
    text = (CARDS / "ibpo.md").read_text("utf-8").partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", text, re.M)
    shown = {}
    for names, values in rows:
        pairs = zip(re.findall(r"`(\w+)`", names), values.replace("`", "").split(", "), strict=True)
        shown |= dict(pairs)
    ibpo = METHODS["ibpo"].defaults["ibpo"]
    assert len(shown) == 9
    for name, value in shown.items():
        held = getattr(ibpo, name)
        assert value == (("on" if held else "off") if isinstance(held, bool) else str(held)), name


def test_recipes_that_cards_name_exist() -> None:
    text = "".join(card.read_text("utf-8") for card in CARDS.glob("*.md"))
    named = re.findall(r"`([a-z-]+-ibpo)`|--recipe ([a-z-]+)", text)
    assert named and {a or b for a, b in named} <= set(QUICKSTARTS)


def test_links_of_cards_lead_somewhere() -> None:
    for card in CARDS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", card.read_text("utf-8")):
            assert (CARDS / target).exists(), target
