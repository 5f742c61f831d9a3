"""The bundled data: enough of it, the same everywhere, splits apart, no answer without a search."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import get_args

import pytest

from craft_envs.errors import ConfigError
from craft_envs.search.bm25 import Bm25Searcher
from craft_envs.search.index import memory_index
from craft_envs.searchqa import bundled
from craft_envs.searchqa.bundled import DATA_HASHES, bundled_corpus, bundled_questions, content_hash
from craft_envs.searchqa.generate import SPLITS, generate
from craft_envs.searchqa.generate_entities import Size
from craft_envs.searchqa.questions import Question, question_key
from craft_envs.searchqa.scoring import exact_match

BOTH: tuple[Size, ...] = get_args(Size)


def test_counts_are_those_promised() -> None:
    assert len(bundled_corpus()) >= 5000
    assert sum(len(bundled_questions(split)) for split in SPLITS) >= 3000
    assert len(bundled_questions("test")) >= 500 and len(bundled_questions("valid")) >= 300
    hops = Counter(q.hops for split in SPLITS for q in bundled_questions(split))
    assert set(hops) == {1, 2, 3, 4} and min(hops.values()) > 200
    kinds = Counter(q.question_type for q in bundled_questions("test"))
    assert set(kinds) == {"lookup", "bridge", "comparison"} and min(kinds.values()) >= 100
    assert 60 <= mean(len(p.text.split()) for p in bundled_corpus()) <= 90


def test_the_small_world_is_small() -> None:
    assert len(bundled_corpus("small")) == 5450
    assert len(bundled_questions("train", "small")) >= 10_000
    assert len(bundled_questions("test", "small")) >= 300
    lengths = [len(p.contents.split()) for p in bundled_corpus("small")]
    assert mean(lengths) < 30 and max(lengths) <= 40
    assert {q.hops for split in SPLITS for q in bundled_questions(split, "small")} == {1, 2}
    answers = [q.answers[0] for q in bundled_questions("train", "small")]
    assert max(len(answer.split()) for answer in answers) <= 3


@pytest.mark.parametrize("size", BOTH)
def test_the_data_are_the_recorded_ones(size: Size) -> None:
    """Also on other platforms or Python versions: the digest covers every passage with every question."""
    assert content_hash(generate(size)) == DATA_HASHES[size]


@pytest.mark.parametrize("size", BOTH)
def test_questions_are_well_formed(size: Size) -> None:
    corpus = bundled_corpus(size)
    every = [q for split in SPLITS for q in bundled_questions(split, size)]
    assert len({q.task_id for q in every}) == len(every)
    assert len({question_key(q.question) for q in every}) == len(every)
    for question in every:
        assert question.question.endswith("?") and question.question == question.asked
        assert all(exact_match(answer, question.answers) for answer in question.answers)
        assert len(question.answers[0].split()) <= 6
        titles = tuple(corpus.passage(choice[0]).title for choice in question.gold_choices)
        assert titles == question.gold_titles and len(titles) == question.hops
        assert question.task_id.startswith(f"{question.split}/{question.question_type}/")


def _phrases(texts: list[str]) -> set[str]:
    out: set[str] = set()
    for text in texts:
        words = question_key(text).split()
        out.update(
            " ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 7, len(words) + 1))
        )
    return out


def _entities(questions: list[Question]) -> set[str]:
    """Names of all gold passages, without what tells namesakes apart."""
    return {question_key(re.sub(r" \([a-z ]+\)$", "", t)) for q in questions for t in q.gold_titles}


@pytest.mark.parametrize("size", BOTH)
def test_splits_share_no_entity(size: Size) -> None:
    by_split = {split: list(bundled_questions(split, size)) for split in SPLITS}
    for one in SPLITS:
        said = _phrases([t for q in by_split[one] for t in (q.question, *q.answers, *q.gold_titles)])
        for other in SPLITS:
            if other == one:
                continue
            assert not _entities(by_split[other]) & said
            numbers = re.compile(r"[\d, -]+( [a-z]+)?|yes|no|\d+ [A-Z][a-z]+ \d+|[A-Z][a-z]+ \d+, \d+")
            answers = {a for q in by_split[other] for a in q.answers if not numbers.fullmatch(a)}
            assert not {question_key(a) for a in answers} & said


def test_a_constant_answer_gets_little() -> None:
    """The best constant is "yes", or one of the two rivers of a small land."""
    for size, limit in (("full", 0.11), ("small", 0.04)):
        questions = bundled_questions("test", size)
        said = Counter(answer.lower() for q in questions for answer in set(q.answers))
        answer, count = said.most_common(1)[0]
        assert count / len(questions) < limit, answer
        without = Counter({a: n for a, n in said.items() if a not in ("yes", "no")})
        assert without.most_common(1)[0][1] / len(questions) < 0.04


def test_train_answers_do_not_help_on_the_panel() -> None:
    """A lookup of the most similar training question, the strongest answer without a search, gets nothing."""
    train = bundled_questions("train")
    words = [set(question_key(q.question).split()) for q in train]
    hits = 0
    panel = [q for q in bundled_questions("test") if q.answers[0] not in ("yes", "no")][::5]
    for question in panel:
        asked = set(question_key(question.question).split())
        best = max(range(len(train)), key=lambda i: len(asked & words[i]) / len(asked | words[i]))
        hits += bool(exact_match(train[best].answers[0], question.answers))
    assert hits / len(panel) < 0.02


def _unfound(size: Size, questions: list[Question]) -> list[str]:
    """Questions whose gold passages are not all in the top 3 of at most three searches for titles."""
    corpus = bundled_corpus(size)
    searcher = Bm25Searcher(memory_index(corpus.documents()), k1=0.9, b=0.4)
    out = []
    for question in questions:
        titles, ids = question.gold_titles, [choice[0] for choice in question.gold_choices]
        spare = max(0, len(titles) - 3)
        queries = [" ".join(titles[: spare + 1]), *titles[spare + 1 :]]
        found = {hit.doc_id for ranking in searcher.search(queries, 3) for hit in ranking}
        if not set(ids) <= found:
            out.append(question.task_id)
    return out


@pytest.mark.parametrize("size", BOTH)
def test_titles_find_the_gold_passages(size: Size) -> None:
    """A sample; ``slow`` takes all of them."""
    questions = [q for split in SPLITS for q in bundled_questions(split, size)][::9]
    assert _unfound(size, questions) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", BOTH)
def test_titles_find_all_gold_passages(size: Size) -> None:
    assert _unfound(size, [q for split in SPLITS for q in bundled_questions(split, size)]) == []


def test_the_cache_is_read_back_and_never_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path))
    bundled._data.cache_clear()
    try:
        made = bundled._data("small")
        (place,) = (tmp_path / "searchqa").iterdir()
        bundled._data.cache_clear()
        monkeypatch.setattr(bundled, "generate", lambda size: pytest.fail("the cache was not used"))
        assert bundled._data("small") == made
        monkeypatch.undo()
        monkeypatch.setenv("CRAFT_CACHE", str(tmp_path))
        good = place.read_text("utf-8")
        for bad in ("", "[]", good[: len(good) // 2], good.replace("novel", "opera")):
            place.write_text(bad, "utf-8")
            bundled._data.cache_clear()
            assert bundled._data("small") == made
            assert place.read_text("utf-8") == good, "a damaged cache is written anew"
    finally:
        bundled._data.cache_clear()


def test_unknown_names_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"unknown size 'smal'.*did you mean 'small'"):
        bundled_corpus("smal")
    with pytest.raises(ConfigError, match=r"unknown split 'dev'.*train, valid, test"):
        bundled_questions("dev")
