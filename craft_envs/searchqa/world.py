"""The shared Search-QA of a process: questions, corpus, retriever, sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from craft_envs.core import Outcome, Session
from craft_envs.errors import ConfigError, EnvFailure, RetrieverUnavailable, check_one_of, shown
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.layouts import layout_of
from craft_envs.searchqa.retrievers.encoders import check_encoder
from craft_envs.searchqa.retrievers.protocol import Retrieved, Retriever
from craft_envs.searchqa.session import Rules, SearchQASession, retrieve
from craft_envs.searchqa.source import ENV_ID, QuestionSource

PROTOCOLS = {"verl_agent": (4, None), "search_r1": (5, 4)}
"""Name -> step limit, searches that are carried out: the two published forms of an episode."""

_DATA = ("bundled", "official")
_QUESTIONS = ("answerable", "search_r1")


class SearchQAWorld:
    """Search-QA over one collection of questions; read-only, safe between threads.

    Args:
        source: the questions.
        rules: retriever, layout, scoring.
        corpus: what the retriever searches, where that is on this machine.
        max_steps: default step limit.
    """

    def __init__(
        self, source: QuestionSource, rules: Rules, corpus: Corpus | None = None, max_steps: int = 4
    ) -> None:
        """See the class."""
        self.rules = rules
        self.corpus = corpus
        self._source = source
        self._max_steps = max_steps

    @property
    def env_id(self) -> str:
        """``craft/SearchQA-v0``."""
        return ENV_ID

    @property
    def tasks(self) -> QuestionSource:
        """The tasks that ``open`` accepts."""
        return self._source

    @property
    def max_steps(self) -> int:
        """4, the limit of the papers; 5 where the fifth can only be an answer, see ``PROTOCOLS``."""
        return self._max_steps

    def open(self, task_id: str, seed: int) -> SearchQASession:
        """Start an episode; nothing in Search-QA is random, so the seed changes nothing.

        Raises:
            ConfigError: there is no such task.
        """
        return SearchQASession(self._source.question(task_id), self._source.task(task_id), self.rules)

    def act_many(self, sessions: Sequence[Session], actions: Sequence[str]) -> list[Outcome | EnvFailure]:
        """Play one action of each session, all their searches in one call of the retriever.

        Returns:
            For each session its outcome. Where the retriever is down and the rules say to raise, sessions
            that wanted to search have the failure in its place and are as before; the others have played.
        """
        running = cast("Sequence[SearchQASession]", sessions)
        queries = [session.query_of(action) for session, action in zip(running, actions, strict=True)]
        asked = [query for query in queries if query is not None]
        failure: RetrieverUnavailable | None = None
        found: Iterator[list[Retrieved]] = iter(())
        if asked:
            try:
                found = iter(retrieve(self.rules, asked))
            except RetrieverUnavailable as error:
                failure = error
        outcomes: list[Outcome | EnvFailure] = []
        for session, query in zip(running, queries, strict=True):
            if query is None:
                outcomes.append(session.act_alone())
            elif failure is None:
                outcomes.append(session.take_passages(query, next(found)))
            elif self.rules.observe_failures:
                outcomes.append(session.take_failure(query, failure))
            else:
                outcomes.append(failure)
        return outcomes


class _Wanted(NamedTuple):
    """Which questions with which passages."""

    data: str
    size: str
    folder: Path | None
    questions: str
    corpus: Path | None


class _Data(NamedTuple):
    """What is loaded once, whatever the retriever or the layout."""

    source: QuestionSource
    corpus: Corpus | None


def load_world(
    *,
    data: str = "bundled",
    size: str = "full",
    data_dir: str | os.PathLike[str] | None = None,
    questions: str | None = None,
    corpus: str | os.PathLike[str] | None = None,
    retriever: str | Retriever = "bm25",
    retriever_url: str | None = None,
    encoder: str | None = None,
    topk: int | str = 3,
    obs_format: str = "search_r1",
    protocol: str = "verl_agent",
    scoring: str = "strict",
    reward: str = "em",
    on_retrieval_error: str = "raise",
) -> SearchQAWorld:
    """The world of this configuration, one per process.

    Args:
        data: ``"bundled"`` (generated questions and passages) or ``"official"`` (the user's files).
        size: bundled data only: ``"full"`` or ``"small"``.
        data_dir: official data only: their folder; else ``CRAFT_DATA``, else the user's data folder.
        questions: official data only: ``"answerable"`` (default; question sets whose gold passages are in the
            local corpus) or ``"search_r1"`` (the train and test protocol of Search-R1).
        corpus: official data only: a file of passages in place of the folder's ``corpus.jsonl``.
        retriever: name for ``make_retriever``: ``"bm25"``, ``"dense"``, ``"hybrid"``, ``"pyserini"``,
            ``"http"``; or a retriever of your own.
        retriever_url: address of the service, for ``"http"`` only.
        encoder: for ``"dense"`` or ``"hybrid"`` only: a name or folder that ``load_encoder`` knows; ``None``
            means ``"e5-small"``.
        topk: passages a search brings back.
        obs_format: ``"search_r1"`` or ``"verl_agent"``: how they are written.
        protocol: ``"verl_agent"`` (4 steps, the answer among them) or ``"search_r1"`` (4 searches and a fifth
            step for the answer).
        scoring: ``"strict"`` or ``"compat"``, the published scorers' arithmetic.
        reward: ``"em"`` or ``"f1"``.
        on_retrieval_error: ``"raise"`` (the episode ends as a failure of infrastructure, out of every mean
            as well as every loss) or ``"observe"`` (the player reads the error, as in the published code).

    Raises:
        ConfigError: a value is unknown or contradicts another one; a package is not installed.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged.
    """
    check_one_of("data", data, _DATA)
    check_one_of("protocol", protocol, tuple(PROTOCOLS))
    check_one_of("scoring", scoring, ("strict", "compat"))
    check_one_of("reward", reward, ("em", "f1"))
    check_one_of("on_retrieval_error", on_retrieval_error, ("raise", "observe"))
    layout_of(obs_format)
    if data == "bundled":
        for name, value in (("data_dir", data_dir), ("questions", questions), ("corpus", corpus)):
            if value is not None:
                raise ConfigError(
                    f"{name} is given for bundled data, which has its own", remedy='use data="official"'
                )
    else:
        check_one_of("questions", questions or "answerable", _QUESTIONS)
        if size != "full":
            raise ConfigError(f"official data come in one size, size is {shown(size)}", remedy="leave it out")
    if (retriever == "http") != (retriever_url is not None):
        raise ConfigError(
            f"retriever is {shown(retriever)}, retriever_url is {shown(retriever_url)}",
            remedy='give retriever="http" together with retriever_url="http://127.0.0.1:8000/retrieve"',
        )
    check_encoder(retriever, encoder)
    wanted = _Wanted(
        data=data,
        size=size,
        folder=None if data == "bundled" else _folder(data_dir),
        questions=(questions or "answerable") if data == "official" else "",
        corpus=None if corpus is None else Path(corpus).expanduser().absolute(),
    )
    if not isinstance(retriever, str):
        loaded = _data(wanted, False)
        return _world(
            loaded, retriever, True, _topk(topk), obs_format, protocol, scoring, reward, on_retrieval_error
        )
    return _shared(
        wanted,
        retriever,
        retriever_url,
        encoder,
        _topk(topk),
        obs_format,
        protocol,
        scoring,
        reward,
        on_retrieval_error,
    )


@cache
def _shared(
    wanted: _Wanted, retriever: str, url: str | None, encoder: str | None, *settings: Any
) -> SearchQAWorld:
    # A service searches a corpus of its own; ids of gold passages say nothing there, titles do.
    away = retriever == "http"
    loaded = _data(wanted, not away)
    return _world(loaded, _retriever(loaded, retriever, url, encoder), not away, *settings)


def _world(
    loaded: _Data,
    retriever: Retriever,
    match_ids: bool,
    topk: int,
    obs_format: str,
    protocol: str,
    scoring: str,
    reward: str,
    on_retrieval_error: str,
) -> SearchQAWorld:
    max_steps, max_searches = PROTOCOLS[protocol]
    rules = Rules(
        retriever=retriever,
        layout=layout_of(obs_format),
        topk=topk,
        max_searches=max_searches,
        compat=scoring == "compat",
        reward=reward,
        observe_failures=on_retrieval_error == "observe",
        match_ids=match_ids,
    )
    return SearchQAWorld(loaded.source, rules, loaded.corpus, max_steps)


@cache
def _data(wanted: _Wanted, searched: bool) -> _Data:
    if wanted.data == "bundled":
        from craft_envs.searchqa.bundled import bundled_corpus, bundled_questions

        return _Data(
            QuestionSource(
                {
                    split: partial(bundled_questions, split, wanted.size)
                    for split in ("train", "valid", "test")
                }
            ),
            bundled_corpus(wanted.size),
        )
    from craft_envs.searchqa.official import official_corpus, official_source

    needed = searched or wanted.questions == "answerable"
    passages = official_corpus(wanted.folder, wanted.corpus) if needed else None
    return _Data(official_source(wanted.folder, wanted.questions, passages), passages)


@cache
def _retriever(loaded: _Data, name: str, url: str | None, encoder: str | None) -> Retriever:
    from craft_envs.searchqa.retrievers.make import make_retriever

    options = {"url": url, "encoder": encoder}
    return make_retriever(
        name,
        None if name == "http" else loaded.corpus,
        **{key: value for key, value in options.items() if value is not None},
    )


def _folder(data_dir: str | os.PathLike[str] | None) -> Path:
    from craft_envs.data import data_root

    return data_root(data_dir).absolute()


def _topk(value: int | str) -> int:
    # Panels and command lines carry text.
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000:
        raise ConfigError(f"topk is {shown(value)}", remedy="give a whole number from 1 to 1000")
    return value
