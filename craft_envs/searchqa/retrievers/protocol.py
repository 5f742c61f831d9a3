"""What a retriever of passages is: many queries in, ranked passages out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from craft_envs.search.hits import Searcher, checked
from craft_envs.searchqa.corpus import Corpus


class Retrieved(NamedTuple):
    """One passage of a ranking.

    Example: ``Retrieved("17", "Ed Wood (film)", "Ed Wood is a 1994 American ...", 12.3)``.
    """

    passage_id: str
    title: str
    text: str
    score: float
    """Higher is better; comparable within one retriever only."""
    quoted: bool = True
    """The corpus writes the title in quotes; see ``Passage.quoted``."""

    @property
    def contents(self) -> str:
        """Title line, line feed, text, as the corpus has it."""
        return f"{self.title_line}\n{self.text}"

    @property
    def title_line(self) -> str:
        """The title as the corpus writes it; see ``Passage.title_line``."""
        return f'"{self.title}"' if self.quoted else self.title


class Retriever(Protocol):
    """Finds passages; safe between threads."""

    def retrieve(self, queries: Sequence[str], k: int) -> list[list[Retrieved]]:
        """The best passages of each query, best first.

        Defined for every text: a query without usable terms has ``[]``, a ``k`` beyond the corpus gives what
        matches, an empty ``queries`` gives ``[]``.

        Args:
            queries: any number of texts; one call serves all searches of a vector step.
            k: at least 1.

        Returns:
            One list for each query, in their order, of at most ``k`` passages.

        Raises:
            ConfigError: ``k`` is below 1, or ``queries`` is a single string.
            RetrieverUnavailable: the retriever cannot answer; says nothing about the queries.
        """
        ...


class CorpusRetriever:
    """Joins a searcher's ids with the passages of its corpus.

    Args:
        searcher: ranks ids of ``corpus``.
        corpus: where the passages are.
    """

    def __init__(self, searcher: Searcher, corpus: Corpus) -> None:
        """See the class."""
        self.searcher = searcher
        self.corpus = corpus

    def retrieve(self, queries: Sequence[str], k: int) -> list[list[Retrieved]]:
        """See ``Retriever.retrieve``."""
        checked(queries, k)
        if not len(queries):
            return []
        passage = self.corpus.passage
        rankings: list[list[Retrieved]] = []
        for hits in self.searcher.search(queries, k):
            ranking = []
            for passage_id, score in hits:
                _, title, text, quoted = passage(passage_id)
                ranking.append(Retrieved(passage_id, title, text, score, quoted))
            rankings.append(ranking)
        return rankings
