"""The bundled corpus with its questions: generated once, the same everywhere.

* ``full``: 5,208 passages of 68 words on average, 3,200 / 306 / 510 questions (train / valid / test) of one
  to four hops. Several wordings for everything, namesakes (``Maren Toll (painter)``), near namesakes (``Upper
  Kelandale``), overviews that mention much but answer nothing. A fifth of the panel are yes-no questions,
  half of them answered by yes: the best constant answer scores 0.10.
* ``small``: 5,450 passages of 20 words, 11,000 / 180 / 360 questions of one or two hops, for policies of less
  than a million parameters with a context of 2,048 tokens. One wording for each question, one or two for each
  fact, names of two syllables out of some 130, answers that can be copied from the passage; a search for
  the name in the question, then for the name that its passage gives, always suffices. The best constant
  answer scores 0.03.

In both, whatever the oracle needs is in the top 3 of at most three searches for titles by BM25.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from craft_envs.data import atomic_write, cache_root
from craft_envs.errors import ConfigError, one_of, shown
from craft_envs.searchqa.corpus import MemoryCorpus, Passage, hash_documents
from craft_envs.searchqa.generate import SPLITS, Generated, generate
from craft_envs.searchqa.generate_entities import SIZE_NAMES, Size
from craft_envs.searchqa.questions import Question

DATA_HASHES: Final[dict[Size, str]] = {
    "full": "b2736a3eae2adaf10ee73a40798cbc76d384b14b75f578acef960946ff1658a7",
    "small": "b97687c8ca2a0024cfb73e203f95ebde0bdfbf101b84099c78be9777dd333f8d",
}
"""Size -> ``content_hash`` of what ``generate`` makes; a test compares.

A change of the generator needs a new ``generate_entities.VERSIONS`` with new hashes.
"""


def bundled_corpus(size: str = "full") -> MemoryCorpus:
    """The passages of all splits of a size.

    When first asked for on a machine they are generated, which takes two to three seconds; then they are read
    from the cache.

    Raises:
        ConfigError: the size is neither ``full`` nor ``small``.
    """
    return _corpus(_known(size))


def bundled_questions(split: str, size: str = "full") -> Sequence[Question]:
    """The questions of ``train``, ``valid`` or ``test``, in a fixed order.

    Splits share no entity: what a question mentions, what its gold passages are about, what answers it occurs
    in no question of another split, apart from years, numbers, yes, no.

    Raises:
        ConfigError: unknown size or split.
    """
    found = _questions(_known(size))
    if split not in found:
        raise ConfigError(
            f"unknown split {shown(split)}",
            where=f"bundled Search-QA data, size {size!r}",
            remedy=one_of(split, SPLITS),
        )
    return found[split]


def content_hash(made: Generated) -> str:
    """SHA-256 over all passages with all questions, ids and splits included."""
    lines = [(p.passage_id, p.contents) for p in made.passages]
    lines += [(q.task_id, f"{q.content_hash} {q.hops} {q.question_type}") for q in made.questions]
    return hash_documents(lines)


def _known(size: str) -> Size:
    if size not in SIZE_NAMES:
        raise ConfigError(
            f"unknown size {shown(size)}",
            where="bundled Search-QA data",
            remedy=one_of(size, SIZE_NAMES),
        )
    return size


@cache
def _data(size: Size) -> Generated:
    """From the cache where it holds exactly what was recorded, else generated."""
    place = cache_root() / "searchqa" / f"bundled-{size}-{DATA_HASHES[size][:16]}.json"
    found = _cached(place)
    if found is not None and content_hash(found) == DATA_HASHES[size]:
        return found
    made = generate(size)
    if content_hash(made) == DATA_HASHES[size]:
        with contextlib.suppress(OSError):  # a machine without room for a cache plays all the same
            _store(made, place)
    return made


def _cached(place: Path) -> Generated | None:
    """What the file holds; ``None`` where there is none, or it is no such file."""
    try:
        stored = json.loads(place.read_text("utf-8"))
        return Generated(
            tuple(Passage(*row) for row in stored["passages"]),
            tuple(_question(row) for row in stored["questions"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None


def _store(made: Generated, place: Path) -> None:
    fields = [{name: getattr(question, name) for name in _FIELDS} for question in made.questions]
    rows = [[passage.passage_id, passage.title, passage.text] for passage in made.passages]
    with atomic_write(place, "w") as file:
        json.dump({"passages": rows, "questions": fields}, file, ensure_ascii=False)


_FIELDS: Final = (
    "question_id",
    "data_source",
    "question",
    "answers",
    "gold_titles",
    "gold_ids",
    "hops",
    "question_type",
    "split",
)


def _question(row: dict[str, Any]) -> Question:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    for name in ("answers", "gold_titles", "gold_ids"):
        values[name] = tuple(values[name])
    return Question(**values)


@cache
def _corpus(size: Size) -> MemoryCorpus:
    return MemoryCorpus(_data(size).passages)


@cache
def _questions(size: Size) -> dict[str, tuple[Question, ...]]:
    made = _data(size).questions
    return {split: tuple(q for q in made if q.split == split) for split in SPLITS}
