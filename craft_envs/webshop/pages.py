"""What a shopper can see: the pages, their addresses, the action language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

PageKind = Literal["index", "results", "item", "sub", "done"]
SUB_PAGES: Final = ("Description", "Features", "Reviews")
RESULTS_SHOWN: Final = 50
"""Hits of a search."""
PAGE_SIZE: Final = 10
"""Hits on one page."""

SEARCH: Final = "search"
BACK: Final = "back to search"
PREV: Final = "< prev"
NEXT: Final = "next >"
BUY: Final = "buy now"
QUERY_SLOT: Final = "search[<your query>]"
"""Stands for every search in the list of admissible actions; accepted literally too."""

NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
BASE_URL: Final = "http://127.0.0.1:3000"
_sorted_json: Final = json.JSONEncoder(sort_keys=True).encode
_PAGE_NAMES: Final = ("search_results", "item_page", "item_sub_page", "done")


class Page(NamedTuple):
    """Where a shopper is: all that decides what is shown, but for the instruction.

    Example: ``Page("item", ("wool", "scarf"), 1, "B0ABCDEFGH", {"color": "red"})``.
    """

    kind: PageKind = "index"
    keywords: tuple[str, ...] = ()
    """Words of the last search, split at each single blank."""
    number: int = 0
    """Page of the results, from 1; 0 before a search."""
    asin: str = ""
    """The product looked at, on the pages ``item``, ``sub``, ``done``."""
    options: Mapping[str, str] = NO_OPTIONS
    """Group -> value chosen, in order of first choice; read-only."""
    sub_page: str = ""
    """One of ``SUB_PAGES`` on the page ``sub``."""


INDEX: Final = Page()


def url_of(page: Page, session: str) -> str:
    """The page's address, as the original writes it: nothing is escaped.

    Args:
        page: the page.
        session: name of the episode.
    """
    if page.kind == "index":
        return f"{BASE_URL}/{session}"
    words = "+".join(page.keywords)
    if page.kind == "results":
        return f"{BASE_URL}/search_results/{session}/{words}/{page.number}"
    if page.kind == "item":
        options = json.dumps(dict(page.options))
        return f"{BASE_URL}/item_page/{session}/{page.asin}/{words}/{page.number}/{options}"
    if page.kind == "sub":
        place = f"{session}/{page.asin}/{words}/{page.number}/{page.sub_page}/{dict(page.options)}"
        return f"{BASE_URL}/item_sub_page/{place}"
    return f"{BASE_URL}/done/{session}/{page.asin}/{dict(page.options)}"


def options_json(page: Page) -> str:
    """The chosen options as the last page shows them: keys sorted, letters that HTML reserves escaped."""
    text = _sorted_json(dict(page.options))
    for letter in "<>&'":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def page_name_in(url: str) -> str:
    """The page that the original takes an address for: the first of its page names that occurs anywhere."""
    for name in _PAGE_NAMES:
        if name in url:
            return name
    return ""


def parsed_action(text: str) -> tuple[str, str] | None:
    """Name with argument of ``name[argument]``, else ``None``.

    As the original's pattern reads it: first line only, the last opening bracket that leaves an argument, the
    last closing one; what follows is ignored. The argument keeps its case.

    Example: ``parsed_action("click[Buy Now] please")`` gives ``("click", "Buy Now")``.
    """
    line = text.partition("\n")[0]
    end = line.rfind("]")
    start = line.rfind("[", 1, max(end - 1, 0)) if end > 0 else -1
    return (line[:start], line[start + 1 : end]) if start > 0 else None
