"""Pages as plain text, assembled from pieces that are made once a product.

The original renders HTML, parses it, then joins the text nodes. What that leads to is done here directly: an
empty text makes no node, blanks with a line break are dropped, other blanks become one blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from craft_envs.webshop.pages import BACK, BUY, NEXT, PREV, SUB_PAGES, Page
from craft_envs.webshop.product import Product

SEPARATOR: Final = " [SEP] "
_HTML_BLANKS: Final = " \n\t\f\r"
_ITEM_BUTTONS: Final = (*SUB_PAGES, "Buy Now")
_BUTTONS_BEFORE: Final = ("Back to Search", "< Prev")


def nodes(*texts: str) -> list[str]:
    """The text nodes that stay of some texts."""
    out = []
    for text in texts:
        if text.strip(_HTML_BLANKS):
            out.append(text)
        elif text and "\n" not in text:
            out.append(" ")
    return out


def joined(texts: Iterable[str]) -> str:
    """Nodes as one line, the way of the mode ``text``."""
    return SEPARATOR.join(text.strip() for text in texts)


def button(text: str) -> str:
    """A button or unchosen option, the way of the mode ``text_rich``."""
    return f"[button] {text} [button_]\n"


def clicked(text: str) -> str:
    """A chosen option or visited link, the way of the mode ``text_rich``."""
    return f"[clicked button] {text} [clicked button_]\n"


class Header:
    """What stands at the top of each page of an episode.

    Args:
        instruction: what the buyer is told.
    """

    __slots__ = ("index", "index_rich", "plain", "rich")

    def __init__(self, instruction: str) -> None:
        """See the class."""
        body = nodes(instruction)
        self.plain = joined(["Instruction:", *body]) + SEPARATOR
        self.rich = "".join(f"{text}\n" for text in ("Instruction:", *body))
        self.index = joined(["WebShop", "Instruction: ", *body, "Search"])
        self.index_rich = "".join(f"{text}\n" for text in ("WebShop", "Instruction: ", *body)) + button(
            "Search"
        )


class ProductView:
    """One product, ready to be put on pages; the same for all episodes.

    Its line of a results page is made at once, the rest when somebody opens it.

    Args:
        product: the product.
        accepted: whether a click on a name is accepted under the shop's rules.
    """

    def __init__(self, product: Product, accepted: Callable[[str], bool]) -> None:
        """See the class."""
        self.product = product
        self._accepted = accepted
        line = nodes(product.title, product.price_text)
        self.result = joined([product.asin, *line])
        self.link = product.asin.lower()
        """What a click on a hit is called."""
        self.open = f"click[{self.link}]" if accepted(self.link) else ""
        """The action that opens the product; empty where the rules make it impossible."""

    @cached_property
    def result_rich(self) -> str:
        """Its line of a results page, mode ``text_rich``."""
        return f"\n{button(self.product.asin)}{self._line_rich}"

    @cached_property
    def result_visited(self) -> str:
        """The same once it has been opened."""
        return f"\n{clicked(self.product.asin)}{self._line_rich}"

    @cached_property
    def item(self) -> str:
        """Its page below the instruction, mode ``text``."""
        choices = [
            node for _, head, values in self.groups for node in (*head, *(n for _, v in values for n in v))
        ]
        return joined([*_BUTTONS_BEFORE, *choices, *self._facts, *_ITEM_BUTTONS])

    @cached_property
    def subs(self) -> dict[str, str]:
        """Name of a sub-page -> what stands below the instruction, mode ``text``."""
        return {name: joined([*_BUTTONS_BEFORE, *texts]) for name, texts in self._contents()}

    @cached_property
    def subs_rich(self) -> dict[str, str]:
        """The same in mode ``text_rich``."""
        return {
            name: BEFORE_RICH + "".join(f"{text}\n" for text in texts) for name, texts in self._contents()
        }

    @cached_property
    def groups(self) -> tuple[tuple[str, list[str], tuple[tuple[str, list[str]], ...]], ...]:
        """Option groups: name, its nodes, (value, its nodes) of each value."""
        return tuple(
            (name, nodes(name), tuple((value, nodes(value)) for value in values))
            for name, values in self.product.options.items()
        )

    @cached_property
    def clickables(self) -> tuple[str, ...]:
        """Lower-cased names of all that looks clickable on its page."""
        values = (value for group in self.product.options.values() for value in group)
        names = (BACK, PREV, *(name.lower() for name in SUB_PAGES), BUY, *values)
        return tuple(dict.fromkeys(names))

    @cached_property
    def actions(self) -> list[str]:
        """Admissible actions of its page."""
        return [f"click[{name}]" for name in self.clickables if self._accepted(name)]

    @property
    def _line_rich(self) -> str:
        return "".join(f"{text}\n" for text in nodes(self.product.title, self.product.price_text))

    @property
    def _facts(self) -> list[str]:
        product = self.product
        return [*nodes(product.title), f"Price: {product.price_text}", "Rating: N.A."]

    def _contents(self) -> zip[tuple[str, list[str]]]:
        product = self.product
        texts = (
            nodes(product.description),
            [node for bullet in product.bullets for node in nodes(f" {bullet}")],
            list[str](),
        )
        return zip(SUB_PAGES, texts, strict=True)

    def item_rich(self, chosen: Mapping[str, str] | None, url: str) -> tuple[str, str]:
        """What stands above the instruction, then what stands below it.

        Args:
            chosen: group -> value; an option is marked when it is its group's. ``None``: the original's way,
                an option is marked when its value stands in double quotes anywhere in the page's address.
            url: that address.
        """
        above = ""
        below = [BEFORE_RICH]
        for name, head, values in self.groups:
            below += [f"{text}\n" for text in head]
            for value, shown in values:
                for text in shown:
                    marked = f'"{text}"' in url if chosen is None else chosen.get(name) == value
                    if marked:
                        above = f"You have clicked {text}.\n{above}"
                    below.append("  " + (clicked(text) if marked else button(text)))
        below += [f"{text}\n" for text in self._facts]
        below += map(button, _ITEM_BUTTONS)
        return above, "".join(below)


BEFORE_RICH: Final = "".join(map(button, _BUTTONS_BEFORE))


def result_buttons(page: Page, total: int, *, endless: bool) -> tuple[bool, bool]:
    """Whether a page of results has ``< Prev``, whether it has ``Next >``.

    Args:
        page: the page.
        total: hits of the search.
        endless: there is always a next page, as in the original.
    """
    return page.number > 1, endless or page.number * 10 < total


def results_text(page: Page, views: Sequence[ProductView], total: int, *, before: bool, after: bool) -> str:
    """A page of results below the instruction, mode ``text``."""
    parts = ["Back to Search", f"Page {page.number} (Total results: {total})"]
    if before:
        parts.append("< Prev")
    if after:
        parts.append("Next >")
    parts += [view.result for view in views]
    return SEPARATOR.join(parts)


def results_rich(
    page: Page,
    views: Sequence[ProductView],
    total: int,
    visited: frozenset[str],
    *,
    before: bool,
    after: bool,
) -> str:
    """A page of results below the instruction, mode ``text_rich``."""
    parts = [button("Back to Search"), f"Page {page.number} (Total results: {total})\n"]
    if before:
        parts.append(button("< Prev"))
    if after:
        parts.append(button("Next >"))
    parts += [view.result_visited if view.product.asin in visited else view.result_rich for view in views]
    return "".join(parts)


def done_nodes(asin: str, options: str, reward: float) -> list[str]:
    """All text of the last page; the original leaves most of its fields unset.

    Args:
        asin: what was bought.
        options: the chosen options as JSON.
        reward: as ``Breakdown.reward``.
    """
    return [*_DONE[0], asin, "options", options, *_DONE[1], str(reward), *_DONE[2]]


def done_text(asin: str, options: str, reward: float) -> str:
    """The last page in the mode ``text``; see ``done_nodes``."""
    if asin.strip() and options.strip():
        parts = (_DONE_TEXT[0], asin.strip(), "options", options.strip(), _DONE_TEXT[1], str(reward))
        return SEPARATOR.join((*parts, _DONE_TEXT[2]))
    return joined(nodes(*done_nodes(asin, options, reward)))


_NONE: Final = "None"
_DONE: Final = (
    (
        *("Thank you for shopping with us!", "Your code: ", _NONE, " (Paste it in your MTurk interface.)"),
        *("Purchased", "asin"),
    ),
    (
        *("attrs", _NONE, "category", _NONE, "query", _NONE, "product category", _NONE),
        *("Target", "asin", "options", "attrs", "price upper", "instuction text"),
        *("category", "product category", "query", "Goal ", _NONE, "Reward", "Your score (min 0.0, max 1.0)"),
    ),
    ("Reward Details ", _NONE),
)
_DONE_TEXT: Final = tuple(joined(part) for part in _DONE)
NEXT_ACTION: Final = f"click[{NEXT}]"
PREV_ACTION: Final = f"click[{PREV}]"
BACK_ACTION: Final = f"click[{BACK}]"
