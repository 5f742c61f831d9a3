"""How many gold passages each retriever finds when it is asked the question itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from craft_envs.data import data_root
from craft_envs.errors import ConfigError
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.questions import Question
from craft_envs.searchqa.retrievers.encoders import ENCODERS, check_encoder
from craft_envs.searchqa.retrievers.make import make_retriever
from craft_envs.searchqa.retrievers.protocol import Retrieved, Retriever
from craft_envs.searchqa.session import gold_keys, title_key

SETS = ("hotpot500", "musique100", "nq_oracle")
"""Official sets whose gold passages are in the local corpus."""
DEPTHS = (3, 10)
_BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """One retriever on one set of questions.

    Example: ``Recall(questions_of="hotpot500", retriever="bm25", passages=47235, questions=500,
    found={3: 0.631, 10: 0.804}, all_found={3: 0.360, 10: 0.648}, ms_per_query=0.4)``.
    """

    questions_of: str
    retriever: str
    passages: int
    """Size of the corpus."""
    questions: int
    """Those with all their gold passages in the corpus; the others are not asked."""
    found: Mapping[int, float]
    """k -> share of a question's gold passages in the first k, mean over questions."""
    all_found: Mapping[int, float]
    """k -> share of questions with all gold passages in the first k."""
    ms_per_query: float
    """CPU milliseconds, in batches of 128."""


def measure(
    questions: Sequence[Question],
    retriever: Retriever,
    *,
    questions_of: str,
    name: str,
    passages: int,
    depths: Sequence[int] = DEPTHS,
) -> Recall:
    """Ask each question as it is published, as the only query.

    Args:
        questions: with gold passages.
        retriever: what is asked.
        questions_of: name of the set, for the report.
        name: of the retriever, for the report.
        passages: size of the corpus, for the report.
        depths: the values of k.

    Raises:
        ConfigError: no question, one without gold passages, or no depth.
        RetrieverUnavailable: the retriever cannot answer.
    """
    if not questions or not depths:
        raise ConfigError(f"nothing to measure: {len(questions)} questions, depths {tuple(depths)}")
    if any(not question.gold_titles for question in questions):
        raise ConfigError(f"a question of {questions_of} has no gold passages, so none can be found")
    most = max(depths)
    shares = dict.fromkeys(depths, 0.0)
    whole = dict.fromkeys(depths, 0)
    spent = 0.0
    for start in range(0, len(questions), _BATCH):
        some = questions[start : start + _BATCH]
        began = time.process_time()
        rankings = retriever.retrieve([question.question for question in some], most)
        spent += time.process_time() - began
        for question, ranking in zip(some, rankings, strict=True):
            for k in depths:
                places = _places(question, ranking[:k])
                shares[k] += places / len(question.gold_titles)
                whole[k] += places == len(question.gold_titles)
    count = len(questions)
    return Recall(
        questions_of=questions_of,
        retriever=name,
        passages=passages,
        questions=count,
        found={k: shares[k] / count for k in depths},
        all_found={k: whole[k] / count for k in depths},
        ms_per_query=1e3 * spent / count,
    )


def measure_official(
    retrievers: Sequence[str] = ("bm25",),
    *,
    sets: Sequence[str] = SETS,
    corpus: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    encoder: str | None = None,
    depths: Sequence[int] = DEPTHS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recall]:
    """Every retriever on every official set.

    Args:
        retrievers: of ``bm25``, ``dense``, ``hybrid``, ``pyserini``.
        sets: of the official splits with gold passages.
        corpus: another corpus file than the one beside the questions; a smaller one leaves fewer distractors,
            and fewer questions where gold passages are missing.
        data_dir: folder of the official files.
        encoder: of ``dense``, ``hybrid``; ``None`` means ``e5-small``.
        depths: the values of k.
        progress: of building an index or vectors, (done, all).

    Raises:
        ConfigError: an unknown retriever or set, an encoder that none uses, or a package is not installed.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged.
    """
    from craft_envs.searchqa.official import official_corpus, official_source

    if encoder is not None and not {"dense", "hybrid"} & set(retrievers):
        check_encoder(", ".join(retrievers), encoder)
    folder = data_root(data_dir)
    passages = official_corpus(folder, None if corpus is None else Path(corpus))
    source = official_source(folder, "answerable", passages)
    asked = {name: [source.question(i) for i in source.task_ids(name)] for name in sets}
    rows = []
    for name in retrievers:
        retriever = _made(name, passages, encoder or ENCODERS[0], progress)
        label = f"{name} ({encoder or ENCODERS[0]})" if name in ("dense", "hybrid") else name
        for questions_of, questions in asked.items():
            rows.append(
                measure(
                    questions,
                    retriever,
                    questions_of=questions_of,
                    name=label,
                    passages=len(passages),
                    depths=depths,
                )
            )
    return rows


def _made(name: str, corpus: Corpus, encoder: str, progress: Callable[[int, int], None] | None) -> Retriever:
    if name in ("dense", "hybrid"):
        return make_retriever(name, corpus, encoder=encoder, progress=progress)
    if name == "http":
        raise ConfigError("recall is measured in this process", remedy="use bm25, dense, hybrid or pyserini")
    return make_retriever(name, corpus)


def _places(question: Question, ranking: Sequence[Retrieved]) -> int:
    keys = gold_keys(question, True)
    found = set[int]()
    for passage in ranking:
        found.update(keys.get(passage.passage_id, ()))
        found.update(keys.get(title_key(passage.title), ()))
    return len(found)
