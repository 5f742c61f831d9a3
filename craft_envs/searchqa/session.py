"""One running question: searches, passages seen, the final answer."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from craft_envs.core import Outcome
from craft_envs.errors import CraftError, RetrieverUnavailable, shown
from craft_envs.searchqa.actions import ANSWER_SLOT, SEARCH_SLOT, Action, parse_action
from craft_envs.searchqa.layouts import Layout
from craft_envs.searchqa.questions import Question
from craft_envs.searchqa.retrievers.protocol import Retrieved, Retriever
from craft_envs.searchqa.scoring import both
from craft_envs.types import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all sessions of a world share."""

    retriever: Retriever
    layout: Layout
    topk: int = 3
    """Passages a search brings back, at most."""
    max_searches: int | None = None
    """Searches that are carried out; further ones bring back nothing. ``None``: no limit of its own."""
    compat: bool = False
    """Score as the published scorers do."""
    reward: str = "em"
    """``em`` or ``f1``: what the final answer is worth."""
    observe_failures: bool = False
    """A retriever that is down becomes an observation; else it ends the episode as a failure."""
    match_ids: bool = True
    """Passage ids of the retriever are those of the questions' gold ids; else titles decide."""


class SearchQASession:
    """One question being played.

    Args:
        question: what is asked.
        task: the same as a task.
        rules: what all sessions of the world share.
    """

    __slots__ = (
        "_anchor",
        "_gold",
        "_parsed",
        "_rules",
        "_scores",
        "_seen",
        "answer",
        "error",
        "found",
        "gold_seen",
        "question",
        "searches",
        "task",
    )

    def __init__(self, question: Question, task: Task, rules: Rules) -> None:
        """See the class."""
        self.question = question
        self.task = task
        self.searches: list[str] = []
        """Queries that were carried out."""
        self.found: tuple[Retrieved, ...] = ()
        """What the last step brought back."""
        self.gold_seen = [False] * len(question.gold_titles)
        """For each gold passage, in the question's order, whether it was brought back."""
        self.answer: str | None = None
        """The final answer as given; ``None`` before it."""
        self.error = ""
        """What the retriever's failure in the last step said."""
        self._rules = rules
        self._seen: set[str] = set()
        self._scores = (0.0, 0.0)
        self._anchor = ""
        self._parsed: Action | None = None
        self._gold = gold_keys(question, rules.match_ids)

    @property
    def success(self) -> bool:
        """The final answer is right, by exact match."""
        return self._scores[0] == 1.0

    @property
    def score(self) -> float:
        """Exact match of the final answer, or F1 where that is the reward; 0 before it."""
        return self._scores[self._rules.reward == "f1"]

    def start(self) -> str:
        """The question, nothing more."""
        return self.question.asked

    def act(self, action: str) -> Outcome:
        """Play one action.

        Raises:
            RetrieverUnavailable: the retriever cannot answer, and the world's rules say to raise; the session
                is as before.
        """
        query = self.query_of(action)
        if query is None:
            return self.act_alone()
        try:
            found = retrieve(self._rules, [query])[0]
        except RetrieverUnavailable as failure:
            if not self._rules.observe_failures:
                raise
            return self.take_failure(query, failure)
        return self.take_passages(query, found)

    def query_of(self, action: str) -> str | None:
        """The query that has to be sent for an action; ``None`` when it needs no retriever."""
        self._parsed = parsed = parse_action(action)
        if parsed is None or parsed.kind != "search" or self.answer is not None or self._spent:
            return None
        return parsed.text

    def act_alone(self) -> Outcome:
        """Play the action that ``query_of`` has just read, when it needs no retriever."""
        rules, parsed = self._rules, self._parsed
        self.found = ()
        self.error = ""
        if parsed is None or self.answer is not None:
            return Outcome(rules.layout.unusable, 0.0, False, False)
        if parsed.kind == "search":  # one more than are carried out, as in Search-R1's last turn
            return Outcome(rules.layout.passages(()), 0.0, False, True)
        self.answer = parsed.text
        self._scores = both(parsed.text, self.question.answers, compat=rules.compat)
        self._anchor = ""
        return Outcome("", self.score, True, True)

    def take_passages(self, query: str, found: Sequence[Retrieved]) -> Outcome:
        """Show what a search brought back."""
        self.searches.append(query)
        self.found = tuple(found)
        self.error = ""
        ids = [passage.passage_id for passage in found]
        if not self._seen.issuperset(ids):
            self._seen.update(ids)
            self._anchor = ""
            if self._gold:
                self._mark_gold()
        return Outcome(self._rules.layout.passages(found), 0.0, False, True)

    def take_failure(self, query: str, failure: RetrieverUnavailable) -> Outcome:
        """Show that a search broke, where the rules say so."""
        self.searches.append(query)
        self.found = ()
        self.error = failure.what
        return Outcome(self._rules.layout.failure(failure.what), 0.0, False, True)

    def admissible_actions(self) -> list[str]:
        """The two actions with their open slots; the search falls away when it is spent."""
        if self.answer is not None:
            return []
        limited = self._rules.max_searches is not None
        return [ANSWER_SLOT] if limited and self._spent else [SEARCH_SLOT, ANSWER_SLOT]

    def anchor(self) -> str:
        """Key of what the player knows: the question, the passages seen in whatever order, the answer."""
        if not self._anchor:
            # Each part is closed, so that no two states have one text.
            parts = [self.question.asked, *sorted(self._seen), "" if self.answer is None else "\x00answered"]
            digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16)
            self._anchor = digest.hexdigest()
        return self._anchor

    def extras(self) -> dict[str, Any]:
        """See the card: ``data_source``, ``hops``, ``retrieved_ids``, ``gold_seen``, ..."""
        return {
            "data_source": self.question.data_source,
            "hops": self.question.hops or 0,
            "retrieved_ids": [passage.passage_id for passage in self.found],
            "gold_seen": self.gold_seen[:],
            "retrieval_error": self.error,
            "answer": self.answer or "",
            "exact_match": self._scores[0],
            "f1": self._scores[1],
        }

    @property
    def _spent(self) -> bool:
        limit = self._rules.max_searches
        return limit is not None and len(self.searches) >= limit

    def _mark_gold(self) -> None:
        for passage in self.found:
            for key in (passage.passage_id, title_key(passage.title)):
                for place in self._gold.get(key, ()):
                    self.gold_seen[place] = True


def retrieve(rules: Rules, queries: Sequence[str]) -> list[list[Retrieved]]:
    """The passages of each query, checked: what a retriever returns may come from another machine.

    Raises:
        RetrieverUnavailable: the retriever cannot answer, breaks, or what it says is no answer to these
            queries.
    """
    topk, name = rules.topk, type(rules.retriever).__name__
    try:
        rankings: Any = rules.retriever.retrieve(queries, topk)
    except CraftError:
        raise
    except Exception as error:  # somebody else's code; what it raises must not become a score
        raise RetrieverUnavailable(
            f"the retriever broke: {type(error).__name__}: {shown(str(error))}", where=name
        ) from error
    if not isinstance(rankings, (list, tuple)):
        raise RetrieverUnavailable(f"the retriever returned {shown(rankings)}, not a list", where=name)
    if len(rankings) != len(queries):
        raise RetrieverUnavailable(
            f"the retriever answered {len(queries)} queries with {len(rankings)} rankings", where=name
        )
    for ranking in rankings:
        if not _is_ranking(ranking, topk):
            raise RetrieverUnavailable(
                f"the retriever was asked for {topk} passages and returned {shown(ranking)}", where=name
            )
    return list(rankings)


def _is_ranking(given: object, topk: int) -> bool:
    if not isinstance(given, (list, tuple)) or len(given) > topk:
        return False
    for passage in given:
        if not isinstance(passage, Retrieved):
            return False
        fields: tuple[Any, ...] = passage
        passage_id, title, text = fields[:3]
        if not (isinstance(passage_id, str) and isinstance(title, str) and isinstance(text, str)):
            return False
    return True


@lru_cache(maxsize=1 << 16)  # the passages of a question come again in each of its episodes
def title_key(title: str) -> str:
    """The form in which two titles count as one; begins with a mark that no passage id has."""
    return "\x00" + " ".join(unicodedata.normalize("NFC", title.casefold()).split())


def gold_keys(question: Question, match_ids: bool) -> dict[str, tuple[int, ...]]:
    """Passage id or title key -> places in ``question.gold_titles`` that it fulfils."""
    keys: dict[str, tuple[int, ...]] = {}
    choices = question.gold_choices if match_ids else ()
    for place, title in enumerate(question.gold_titles):
        for key in choices[place] if choices else (title_key(title),):
            keys[key] = (*keys.get(key, ()), place)
    return keys
