"""Official Search-QA data: the user's question files with their corpus."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from craft_envs.data import atomic_write, cache_root, data_root, explained
from craft_envs.errors import ConfigError, CraftError, DataNotFound
from craft_envs.searchqa.corpus import Corpus
from craft_envs.searchqa.corpus_file import FileCorpus, open_corpus
from craft_envs.searchqa.matching import TitleIndex, answerable
from craft_envs.searchqa.protocol import (
    TEST_SETS,
    Coverage,
    apart,
    distinct,
    find_file,
    say,
    test_questions,
    train_questions,
)
from craft_envs.searchqa.questions import Question, question_key
from craft_envs.searchqa.readers import SUFFIXES, Row, read_questions
from craft_envs.searchqa.session import title_key
from craft_envs.searchqa.source import QuestionSource

PANEL_SETS = {
    "hotpot500": ("hotpot500.qa", "hotpotqa"),
    "musique100": ("musique100.qa", "musique"),
    "nq_oracle": ("nq_oracle.qa", "nq"),
    "2wiki": ("2wiki.qa_matched", "2wikimultihopqa"),
}
"""Split -> file, data set: evaluation questions whose passages are in the local corpus."""

# File, data set, chains of titles that make a question answerable; the first has gold titles of its own.
_TRAIN_FILES: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("hotpot_train100.qa", "hotpotqa", ()),
    ("nq_dev", "nq", (1,)),
    ("hotpot_2wiki_train8k", "hotpotqa_2wiki", (2,)),
    ("musique_train", "musique", (2,)),
)
_CORPUS_NAMES = ("corpus", "wiki-18", "wiki18")
_FILE_NAMES = (
    *((file, source) for file, source in PANEL_SETS.values()),
    *((file, source) for file, source, _ in _TRAIN_FILES),
    *((f"{name}_", name) for name in TEST_SETS),
    *((name, "") for name in ("train.", "test.", "dev.", "deepresearcher")),
)
_VALID_SHARE = 10
"""One in so many training questions is of the split ``valid``."""
_VERSION = 1
"""Of the rules by which training questions are chosen."""


def official_folder(folder: Path | None = None) -> Path:
    """The folder that holds the question files: ``searchqa`` in the data folder, or that folder itself.

    Raises:
        DataNotFound: neither holds any.
    """
    root = data_root() if folder is None else folder
    for place in (root / "searchqa", root):
        if place.is_dir() and any(_question_files(place)):
            return place
    raise DataNotFound(
        "there are no official Search-QA questions",
        where=str(root),
        remedy="`craft data import searchqa PATH`, or set CRAFT_DATA to the folder that holds searchqa/",
    )


def official_corpus(folder: Path | None, corpus: Path | None = None) -> FileCorpus:
    """The corpus beside the questions, or the file that is named.

    Raises:
        DataNotFound: there is none.
        DataMismatch: a line of it is broken.
    """
    return open_corpus(corpus_path(folder) if corpus is None else corpus)


def corpus_path(folder: Path | None = None) -> Path:
    """The corpus file beside the questions.

    Raises:
        DataNotFound: there is none.
    """
    place = official_folder(folder)
    for name in _CORPUS_NAMES:
        for ending in (".jsonl", ".jsonl.gz"):
            if (place / f"{name}{ending}").is_file():
                return place / f"{name}{ending}"
    raise DataNotFound(
        "there is no corpus beside the official questions",
        where=str(place),
        remedy='put corpus.jsonl there, name one with corpus="...", or search a service: retriever="http"',
    )


def official_source(folder: Path | None, questions: str, corpus: Corpus | None) -> QuestionSource:
    """The questions of the official files.

    Args:
        folder: as in ``official_folder``.
        questions: ``"answerable"`` or ``"search_r1"``.
        corpus: needed for ``"answerable"``.

    Raises:
        ConfigError: no corpus is given for the answerable questions.
        DataNotFound: there are no question files.
    """
    place = official_folder(folder)
    if questions == "search_r1":
        protocol = _protocol(place)
        return QuestionSource(
            {"train": lambda: _announced(protocol.train), "test": lambda: _announced(protocol.test)}
        )
    if corpus is None:
        raise ConfigError("the answerable questions need the corpus that answers them")
    sets = _Answerable(place, corpus)
    splits: dict[str, Callable[[], Sequence[Question]]] = {"train": sets.train, "valid": sets.valid}
    for name, (file, _) in PANEL_SETS.items():
        if find_file(place, file) is not None:
            splits[name] = partial(sets.panel, name)
    return QuestionSource(splits)


def coverage(folder: Path | None = None) -> list[Coverage]:
    """What is there of the Search-R1 protocol, set by set.

    Raises:
        DataNotFound: there is no question file at all.
    """
    protocol = _protocol(official_folder(folder))
    return [*protocol.train[1], *protocol.test[1]]


def import_official(
    path: str | Path,
    data_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Check question files or a corpus, then copy them into the data folder; ``craft data import searchqa``.

    Args:
        path: a file, or a folder as FlashRAG or this project lays it out; other files in it are left alone.
        data_dir: the data folder; else ``CRAFT_DATA``, else the user's.
        progress: called with (files done, all).

    Returns:
        The folder ``searchqa`` in the data folder.

    Raises:
        DataNotFound: nothing there is a question file or a corpus.
        DataMismatch: a file is damaged; nothing has been copied then.
        OSError: the data folder cannot be written.
    """
    given = Path(path).expanduser().absolute()
    target = data_root(data_dir).absolute() / "searchqa"
    base = given if given.is_dir() else given.parent
    files = [given] if given.is_file() else sorted(_question_files(given)) + sorted(_corpus_files(given))
    if not files:
        raise DataNotFound(
            "there are no question files and no corpus",
            where=str(given),
            remedy=f"give a folder with files that end in {', '.join(SUFFIXES)}",
        )
    for done, file in enumerate(files):
        if progress is not None:
            progress(done, 2 * len(files))
        if _is_corpus(file):
            open_corpus(file)
        else:
            read_questions(file, split="test", data_source=_set_of(file))
    for done, file in enumerate(files, len(files)):
        if progress is not None:
            progress(done, 2 * len(files))
        place = target / file.relative_to(base)
        if place != file:
            try:
                with file.open("rb") as source, atomic_write(place) as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            except OSError as error:
                raise explained(error, place) from error
    if progress is not None:
        progress(2 * len(files), 2 * len(files))
    return target


class _Protocol:
    """Search-R1's two splits; test is read first, for what train may not ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def test(self) -> tuple[list[Question], list[Coverage]]:
        return test_questions(self._folder)

    @cached_property
    def train(self) -> tuple[list[Question], list[Coverage]]:
        return train_questions(self._folder, self.test[0])


@cache
def _protocol(folder: Path) -> _Protocol:
    return _Protocol(folder)


def _announced(found: tuple[list[Question], list[Coverage]]) -> list[Question]:
    say(found[1])
    return found[0]


class _Answerable:
    """Questions that the corpus can answer."""

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._folder = folder
        self._corpus = corpus

    def panel(self, name: str) -> list[Question]:
        """The questions of an evaluation set, each text once, gold passages found in the corpus."""
        file, source = PANEL_SETS[name]
        return apart([row.question for row in self._rows(file, source, name)], ())

    def train(self) -> list[Question]:
        """Training questions, less those of ``valid``."""
        return [question for question in self._pool if not _held_out(question)]

    def valid(self) -> list[Question]:
        """A tenth of the training questions, by a hash of their text."""
        return [replace(question, split="valid") for question in self._pool if _held_out(question)]

    @cached_property
    def _pool(self) -> list[Question]:
        # Choosing takes seconds, so what was chosen is kept as long as all files are the same.
        digest = hashlib.sha256(f"{_VERSION}\n{self._corpus.content_hash}\n".encode())
        for file in _question_files(self._folder):
            state = file.stat()
            digest.update(
                f"{file.relative_to(self._folder)}\t{state.st_size}\t{state.st_mtime_ns}\n".encode()
            )
        place = cache_root() / "searchqa" / f"train-{digest.hexdigest()[:24]}.json"
        try:
            return [_restored(fields) for fields in json.loads(place.read_text("utf-8"))]
        except (OSError, ValueError, TypeError, KeyError, CraftError):
            chosen = self._chosen()
            with atomic_write(place, "w") as copy:
                json.dump([asdict(question) for question in chosen], copy)
            return chosen

    def _chosen(self) -> list[Question]:
        chosen = list[Question]()
        index: TitleIndex | None = None
        for name, source, chains in _TRAIN_FILES:
            if find_file(self._folder, name) is None:
                continue
            questions = [row.question for row in self._rows(name, source, "train")]
            if chains:
                index = index or TitleIndex(self._corpus)
                questions = answerable(questions, index, chains=chains)
            chosen += questions
        if not chosen:
            raise DataNotFound(
                "no file with training questions is there",
                where=str(self._folder),
                remedy=f"put one of {', '.join(name for name, _, _ in _TRAIN_FILES)} there",
            )
        return apart(chosen, self._asked_elsewhere())

    def _asked_elsewhere(self) -> list[Question]:
        """What no training question may ask: every panel, every test set of the protocol."""
        asked = list[Question]()
        for file, source in PANEL_SETS.values():
            found = find_file(self._folder, file)
            if found is not None:
                asked += [row.question for row in read_questions(found, split="test", data_source=source)]
        try:
            asked += _protocol(self._folder).test[0]
        except DataNotFound:
            pass  # the panels alone are here
        return asked

    def _rows(self, name: str, source: str, split: str) -> list[Row]:
        file = find_file(self._folder, name)
        if file is None:
            raise DataNotFound(f"the question file {name} is not there", where=str(self._folder))
        rows = distinct(read_questions(file, split=split, data_source=source), file)
        return self._located(rows) if any(row.question.gold_titles for row in rows) else rows

    def _located(self, rows: Sequence[Row]) -> list[Row]:
        """The rows whose gold passages are all in the corpus; those that say how they begin get the ids."""
        wanted = {title_key(title) for row in rows for title in row.question.gold_titles}
        found: dict[str, list[tuple[str, str]]] = {}
        for passage in self._corpus:
            key = title_key(passage.title)
            if key in wanted:
                found.setdefault(key, []).append((passage.passage_id, _squeezed(passage.text)))
        located = list[Row]()
        for row in rows:
            choices = list[tuple[str, ...]]()
            for place, title in enumerate(row.question.gold_titles):
                start = _squeezed(row.gold_starts[place]) if row.gold_starts else ""
                passages = found.get(title_key(title), ())
                choices.append(tuple(i for i, text in passages if text.startswith(start)))
            if choices and all(choices):
                ids = tuple(choices) if row.gold_starts else ()
                located.append(row._replace(question=replace(row.question, gold_ids=ids)))
        return located


def _restored(fields: dict[str, Any]) -> Question:
    # JSON knows no tuples.
    ids = tuple(i if isinstance(i, str) else tuple(i) for i in fields["gold_ids"])
    texts = {name: tuple(fields[name]) for name in ("answers", "gold_titles")}
    return Question(**{**fields, **texts, "gold_ids": ids})


def _held_out(question: Question) -> bool:
    digest = hashlib.blake2b(question_key(question.question).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _VALID_SHARE == 0


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _question_files(folder: Path) -> list[Path]:
    """Question files of a folder, its ``qa``, its ``sets``, or a folder named after a data set."""
    return [file for file in _data_files(folder) if not _is_corpus(file) and _set_of(file) is not None]


def _corpus_files(folder: Path) -> list[Path]:
    return [file for file in _data_files(folder) if _is_corpus(file)]


def _data_files(folder: Path) -> list[Path]:
    places = [folder, folder / "qa", folder / "sets", *(folder / name for name in TEST_SETS)]
    return [
        file
        for place in places
        if place.is_dir()
        for file in sorted(place.iterdir())
        if file.is_file() and file.name.lower().endswith(SUFFIXES)
    ]


def _is_corpus(file: Path) -> bool:
    stem = file.name.partition(".jsonl")[0].lower()
    return stem in _CORPUS_NAMES or stem.endswith(".corpus")


def _set_of(file: Path) -> str | None:
    """The data set that a file's name or folder says; empty for files whose rows say it; ``None`` unknown."""
    if file.parent.name in TEST_SETS:
        return file.parent.name
    for name, source in _FILE_NAMES:
        if file.name.lower().startswith(name):
            return source
    return None
