"""What all episodes of one shop share: catalogue, search, rules, rendered pieces."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

from craft_envs.search.bm25 import Bm25Searcher
from craft_envs.search.hits import Searcher
from craft_envs.webshop.pages import NO_OPTIONS, RESULTS_SHOWN, parsed_action
from craft_envs.webshop.product import Catalogue, Goal, Product
from craft_envs.webshop.render_text import ProductView
from craft_envs.webshop.reward import Breakdown, judge

Compat = Literal["strict", "upstream"]
Observation = Literal["text", "text_rich", "html", "url"]
COMPATS: Final[tuple[Compat, ...]] = ("strict", "upstream")
OBSERVATIONS: Final[tuple[Observation, ...]] = ("text", "text_rich", "html", "url")

_KEPT_VIEWS: Final = 2_048
_KEPT_SEARCHES: Final = 2_048
QUERY_LIMIT: Final = 4_000
"""Characters of a query that are searched for; the rest of a longer one is ignored."""


class Shop:
    """A shop under one set of rules; read-only, safe between threads.

    Args:
        catalogue: its products.
        searcher: finds asins of them.
        compat: ``"strict"``, or ``"upstream"`` for the original with its mistakes.
        observation: what observations look like.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        searcher: Searcher,
        *,
        compat: Compat = "strict",
        observation: Observation = "text",
    ) -> None:
        """See the class."""
        self.catalogue = catalogue
        self.searcher = searcher
        self.compat: Compat = compat
        self.observation: Observation = observation
        self.strict = compat == "strict"
        self.view = lru_cache(maxsize=_KEPT_VIEWS)(self._view)
        """Asin -> the product ready for pages; raises ``ConfigError`` for a product that there is not."""
        self._kept = lru_cache(maxsize=_KEPT_SEARCHES)(self._found)
        self._listed = lru_cache(maxsize=16)(self._with)

    def hits(self, keywords: tuple[str, ...], rng: random.Random | None = None) -> tuple[str, ...] | None:
        """Asins that a search lists, best first, at most 50.

        Under the rules of the original the first word may be an operator: ``<q>`` lists the products of a
        query class, ``<c>`` those of a category, however many they are, ``<r>`` any 50.

        Args:
            keywords: the query, split at each single blank.
            rng: draws for ``<r>``.

        Returns:
            ``None`` where the original breaks: for ``<a>``, for ``<c>`` without a word.
        """
        if not self.strict:
            operator = keywords[0]
            if operator == "<a>" or (operator == "<c>" and len(keywords) < 2):
                return None
            if operator == "<r>":
                asins = self.catalogue.asins()
                drawn = (rng or random.Random(0)).sample(range(len(asins)), min(RESULTS_SHOWN, len(asins)))
                return tuple(asins[i] for i in drawn)
            if operator == "<c>":
                return self._listed("category", keywords[1].strip())
            if operator == "<q>":
                return self._listed("query", " ".join(keywords[1:]).strip())
        query = " ".join(keywords)
        return self._kept(query[:QUERY_LIMIT])

    def judge(self, goal: Goal, asin: str, chosen: Mapping[str, str] = NO_OPTIONS) -> Breakdown:
        """The reward for buying a product with these options.

        Raises:
            ConfigError: there is no such product.
        """
        catalogue = self.catalogue
        return judge(
            catalogue.product(asin),
            chosen,
            goal,
            bought_nouns=catalogue.nouns(asin),
            goal_nouns=catalogue.nouns(goal.asin),
            asked=catalogue.product(goal.asin) if self.strict else None,
        )

    def _found(self, query: str) -> tuple[str, ...]:
        if isinstance(self.searcher, Bm25Searcher):
            return self.searcher.ids(query, RESULTS_SHOWN)
        return tuple(hit.doc_id for hit in self.searcher.search([query], RESULTS_SHOWN)[0])

    def _with(self, field: str, value: str) -> tuple[str, ...]:
        products = map(self.catalogue.product, self.catalogue.asins())
        return tuple(product.asin for product in products if getattr(product, field) == value)

    def _view(self, asin: str) -> ProductView:
        return ProductView(self.catalogue.product(asin), self.accepted)

    def accepted(self, name: str) -> bool:
        """``click[name]`` reaches what is called so on a page."""
        if self.strict:
            return True
        return (
            name != "search" and parsed_action(f"click[{name}]") == ("click", name) and name.lower() == name
        )


def group_of(product: Product, value: str, chosen: Mapping[str, str], *, strict: bool) -> str:
    """The option group that a click on a value is meant for.

    Of several groups with that value the original always takes the last one. The strict rules take the first
    one whose choice is another, so that every combination can be reached.

    Args:
        product: the product.
        value: an option value of it.
        chosen: group -> value, so far.
        strict: which rules.
    """
    groups = [name for name, values in product.options.items() if value in values]
    if strict:
        return next((name for name in groups if chosen.get(name) != value), groups[-1])
    return groups[-1]
