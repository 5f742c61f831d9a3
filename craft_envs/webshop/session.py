"""One shopping trip: pages, clicks, the purchase."""

from __future__ import annotations

import hashlib
import random
from types import MappingProxyType
from typing import Any, Final

from craft_envs.core import Outcome
from craft_envs.search.hits import Searcher
from craft_envs.types import Task
from craft_envs.webshop.pages import (
    BACK,
    BUY,
    INDEX,
    NEXT,
    PAGE_SIZE,
    PREV,
    QUERY_SLOT,
    SEARCH,
    SUB_PAGES,
    Page,
    options_json,
    page_name_in,
    parsed_action,
    url_of,
)
from craft_envs.webshop.product import Catalogue, Goal
from craft_envs.webshop.render_html import page_html
from craft_envs.webshop.render_text import (
    BACK_ACTION,
    NEXT_ACTION,
    PREV_ACTION,
    Header,
    ProductView,
    done_nodes,
    done_text,
    nodes,
    result_buttons,
    results_rich,
    results_text,
)
from craft_envs.webshop.reward import Breakdown
from craft_envs.webshop.shop import Shop, group_of

_SUB_PAGE_OF: Final = {name.lower(): name for name in SUB_PAGES}
_NOBODY: Final[frozenset[str]] = frozenset()


class ShopSession:
    """One running episode.

    Everything public may be read, by an oracle for instance, but only ``act`` may change it.

    Args:
        shop: what is shared.
        task: the task that is played.
        goal: what is to be bought.
        header: the goal's instruction, rendered.
        name: stands in addresses, as the original's session does.
        seed: decides what the original's operator ``<r>`` draws.
    """

    __slots__ = (
        "_actions",
        "_header",
        "_hits",
        "_rich",
        "_seed",
        "_shown",
        "_text",
        "breakdown",
        "goal",
        "name",
        "page",
        "shop",
        "task",
        "visited",
    )

    def __init__(
        self, shop: Shop, task: Task, goal: Goal, *, header: Header, name: str, seed: int = 0
    ) -> None:
        """See the class."""
        self.shop = shop
        self.task = task
        self.goal = goal
        self.name = name
        self.page: Page = INDEX
        """Where the shopper is."""
        self.visited = _NOBODY
        """Asins opened since the last visit of the index page; the mode ``text_rich`` marks them."""
        self.breakdown: Breakdown | None = None
        """The reward with its parts, once something was bought."""
        self._header = header
        self._seed = seed
        self._hits: tuple[str, ...] = ()
        self._shown: list[ProductView] | None = None
        self._text: str | None = None
        self._rich: str | None = None
        self._actions: list[str] | None = None

    @property
    def catalogue(self) -> Catalogue:
        """All products of the shop."""
        return self.shop.catalogue

    @property
    def searcher(self) -> Searcher:
        """The search of the shop."""
        return self.shop.searcher

    @property
    def score(self) -> float:
        """The reward of the purchase; 0 before."""
        return 0.0 if self.breakdown is None else self.breakdown.reward

    @property
    def success(self) -> bool:
        """The purchase earned the full reward."""
        return self.breakdown is not None and self.breakdown.reward == 1.0

    @property
    def total(self) -> int:
        """Hits of the last search."""
        return len(self._hits)

    @property
    def url(self) -> str:
        """Address of the page."""
        return url_of(self.page, self.name)

    @property
    def has_search_bar(self) -> bool:
        """A query can be typed in here."""
        return self.page.kind == "index"

    def start(self) -> str:
        """The index page."""
        return self.observation()

    # -- what is possible --------------------------------------------------------------------------------

    def results(self) -> tuple[str, ...]:
        """Asins on the page of results, in order; empty on other pages."""
        if self.page.kind != "results":
            return ()
        number = self.page.number
        return self._hits[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]

    def clickables(self) -> tuple[str, ...]:
        """Lower-cased names of all that looks clickable, in the original's order: buttons, links, options."""
        page = self.page
        if page.kind == "index":
            return (SEARCH,)
        if page.kind == "results":
            before, after = self._result_buttons()
            names = [BACK, *([PREV] if before else ()), *([NEXT] if after else ())]
            return tuple(dict.fromkeys([*names, *(view.link for view in self._views())]))
        if page.kind == "item":
            return self.shop.view(page.asin).clickables
        return (BACK, PREV) if page.kind == "sub" else ()

    def admissible_actions(self) -> list[str]:
        """Every action accepted now, in the original's order; one list per state, read-only."""
        if self._actions is None:
            self._actions = self._admissible()
        return self._actions

    def _admissible(self) -> list[str]:
        kind = self.page.kind
        if kind == "results":
            before, after = self._result_buttons()
            actions = [BACK_ACTION]
            if before:
                actions.append(PREV_ACTION)
            if after:
                actions.append(NEXT_ACTION)
            links = [view.open for view in self._views() if view.open]
            return list(dict.fromkeys(actions + links))
        if kind == "item":
            return self.shop.view(self.page.asin).actions
        if kind == "index":
            return [QUERY_SLOT]
        return [BACK_ACTION, PREV_ACTION] if kind == "sub" else []

    def _result_buttons(self) -> tuple[bool, bool]:
        return result_buttons(self.page, len(self._hits), endless=not self.shop.strict)

    # -- acting ------------------------------------------------------------------------------------------

    def act(self, action: str) -> Outcome:
        """Play one action; text that the shop cannot use shows the same page again."""
        if self.page.kind == "done" or not self._act(action):
            return Outcome(self.observation(), 0.0, False, False)
        self._text = self._rich = self._actions = self._shown = None
        bought = self.breakdown
        return Outcome(self.observation(), 0.0 if bought is None else bought.reward, bought is not None, True)

    def _act(self, action: str) -> bool:
        if action in self.admissible_actions() and action != QUERY_SLOT:
            return self._click(action[6:-1])
        if self.shop.strict and action.startswith("click[") and action.endswith("]"):
            # What is listed is accepted as it stands, whatever brackets or line breaks a name has.
            name = action[6:-1].lower()
            if name != SEARCH or self.page.kind != "index":
                if name in self.clickables():
                    return self._click(name)
        parsed = parsed_action(action)
        if parsed is None:
            return False
        verb, argument = parsed[0], parsed[1].lower()
        if verb == "search":
            if self.shop.strict and not self.has_search_bar:
                return False
            return self._search(tuple(argument.split(" ")), 1)
        if verb != "click" or argument not in self.clickables():
            return False
        if argument == SEARCH and (self.page.kind == "index" or not self.shop.strict):
            return False
        return self._click(argument)

    def _search(self, keywords: tuple[str, ...], number: int) -> bool:
        rng = random.Random(f"{self._seed}/{keywords}/{number}") if keywords[0] == "<r>" else None
        hits = self.shop.hits(keywords, rng)
        if hits is None:
            return False
        self._hits = hits
        self.page = Page("results", keywords, number)
        return True

    def _click(self, name: str) -> bool:
        page = self.page
        if name == BUY:
            self.breakdown = self.shop.judge(self.goal, page.asin, page.options)
            self.page = page._replace(kind="done")
            return True
        if name == BACK:
            self.page = INDEX
            self.visited = _NOBODY
            self._hits = ()
            return True
        if name == NEXT or name == PREV:
            place = self._place()
            if place == "results":
                return self._search(page.keywords, page.number + (1 if name == NEXT else -1))
            if name == PREV and place == "sub":
                self.page = page._replace(kind="item", sub_page="")
                return True
            if name == PREV and place == "item":
                return self._search(page.keywords, page.number)
        if name in _SUB_PAGE_OF:
            self.page = page._replace(kind="sub", sub_page=_SUB_PAGE_OF[name])
            return True
        if page.kind == "results":
            asin = next(view.product.asin for view in self._views() if view.link == name)
            self.visited |= {asin}
            self.page = Page("item", page.keywords, page.number, asin)
            return True
        product = self.shop.view(page.asin).product
        if page.kind == "item" and any(name in values for values in product.options.values()):
            group = group_of(product, name, page.options, strict=self.shop.strict)
            self.page = page._replace(options=MappingProxyType({**page.options, group: name}))
        return True

    def _place(self) -> str:
        """Where ``< Prev`` or ``Next >`` believes to be: the original looks for page names in the address."""
        if self.shop.strict:
            return self.page.kind
        name = page_name_in(self.url)
        return {"search_results": "results", "item_page": "item", "item_sub_page": "sub"}.get(name, "")

    # -- what is shown -----------------------------------------------------------------------------------

    def observation(self) -> str:
        """The page in the shop's mode."""
        mode = self.shop.observation
        if mode == "text":
            return self.text()
        if mode == "text_rich":
            return self.text_rich()
        return self.url if mode == "url" else self.html()

    def text(self) -> str:
        """The page in the mode ``text``."""
        if self._text is None:
            self._text = self._as_text()
        return self._text

    def _as_text(self) -> str:
        page, header = self.page, self._header
        if page.kind == "index":
            return header.index
        if page.kind == "results":
            before, after = self._result_buttons()
            views = self._views()
            return header.plain + results_text(page, views, len(self._hits), before=before, after=after)
        if page.kind == "item":
            return header.plain + self.shop.view(page.asin).item
        if page.kind == "sub":
            return header.plain + self.shop.view(page.asin).subs[page.sub_page]
        return done_text(page.asin, options_json(page), self.score)

    def text_rich(self) -> str:
        """The page in the mode ``text_rich``."""
        if self._rich is None:
            self._rich = self._as_text_rich()
        return self._rich

    def _as_text_rich(self) -> str:
        page, header = self.page, self._header
        if page.kind == "index":
            return header.index_rich
        if page.kind == "results":
            before, after = self._result_buttons()
            views, total = self._views(), len(self._hits)
            return header.rich + results_rich(page, views, total, self.visited, before=before, after=after)
        if page.kind == "item":
            view = self.shop.view(page.asin)
            above, below = view.item_rich(page.options if self.shop.strict else None, self.url)
            return f"{above}{header.rich}{below}"
        if page.kind == "sub":
            return header.rich + self.shop.view(page.asin).subs_rich[page.sub_page]
        texts = nodes(*done_nodes(page.asin, options_json(page), self.score))
        return "".join(f"{text}\n" for text in texts)

    def html(self) -> str:
        """The page in the mode ``html``."""
        page = self.page
        return page_html(
            page,
            name=self.name,
            instruction=self.goal.instruction,
            products=[view.product for view in self._views()],
            product=self.shop.view(page.asin).product if page.asin else None,
            total=len(self._hits),
            buttons=self._result_buttons(),
            score=self.score,
        )

    def _views(self) -> list[ProductView]:
        if self._shown is None:
            view = self.shop.view
            self._shown = [view(asin) for asin in self.results()]
        return self._shown

    def anchor(self) -> str:
        """Key of the agent-visible state: the page's text, the chosen options, visited marks where shown."""
        page = self.page
        seen = self.text_rich() if self.shop.observation == "text_rich" else self.text()
        if page.options:
            seen = f"{seen}\x00{dict(page.options)}"
        return hashlib.blake2b(seen.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def extras(self) -> dict[str, Any]:
        """The rules that are played by, the source of title nouns, the reward's parts after a purchase."""
        return {
            "compat": self.shop.compat,
            "title_nouns_source": self.shop.catalogue.nouns_source,
            "reward_breakdown": self.breakdown,
        }
