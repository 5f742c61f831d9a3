"""Question files in the forms that users have them: JSON lines, parquet, DPR topics."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound, shown
from craft_envs.searchqa.questions import Question

SUFFIXES = (
    ".jsonl",
    ".jsonl.gz",
    ".json",
    ".json.gz",
    ".parquet",
    ".tsv",
    ".tsv.gz",
    ".csv",
    ".csv.gz",
    ".txt",
)
"""Endings of the files that ``read_questions`` knows."""
ANSWER_SPLIT = "<|answer_split|>"
"""What stands between gold answers that a file keeps in one string."""

_ALIASES = {
    "2wiki": "2wikimultihopqa",
    "2wikimqa": "2wikimultihopqa",
    "hotpot": "hotpotqa",
    "natural_questions": "nq",
    "tq": "triviaqa",
    "trivia": "triviaqa",
}
_HOPS = {"nq": 1, "triviaqa": 1, "popqa": 1, "hotpotqa": 2, "bamboogle": 2}
_MUSIQUE_ID = re.compile(r"([2-4])hop\d*__")


class Row(NamedTuple):
    """A question with how its gold passages begin, where the file says so."""

    question: Question
    gold_starts: tuple[str, ...] = ()
    """Beside ``question.gold_titles``."""


def read_questions(path: str | Path, *, split: str, data_source: str | None = None) -> list[Row]:
    """Every question of a file, in its order.

    * JSON lines (FlashRAG, Search-R1, this project's own): ``id``, ``question``, ``golden_answers``; where
      known ``data_source``, ``gold_titles`` or ``gold_passages``, ``hops``, ``type``, ``metadata``.
    * Parquet (Hugging Face, verl; extra ``parquet``): the same columns, or the answers in ``reward_model``,
      the question in ``extra_info`` (as verl prepares the files) or ``env_kwargs`` (as verl-agent does).
    * Tab-separated topics of DPR: question, list of answers; quoted as CSV.

    Gold answers may be one text, a list, an array, or texts joined by ``<|answer_split|>``.

    Args:
        path: the file, compressed or not.
        split: the split that the questions are read as.
        data_source: their data set where the rows do not say.

    Raises:
        DataNotFound: no such file.
        DataMismatch: a row is broken, or lacks a question, a gold answer, a data source; it is named.
        ConfigError: the ending is unknown; pyarrow is not installed.
    """
    place = Path(path)
    if not place.is_file():
        raise DataNotFound("no such question file", where=str(place))
    reader = next((read for ending, read in _READERS if place.name.lower().endswith(ending)), None)
    if reader is None:
        raise ConfigError(
            "questions are read from files of other kinds", where=str(place), remedy=", ".join(SUFFIXES)
        )
    rows = list[Row]()
    try:
        for number, record in reader(place):
            where = f"{place}, row {number}"
            source = _source_name(_text(record.get("data_source")) or data_source, where)
            rows.append(_row(record, number, source, split, where))
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise DataMismatch(
            f"the file cannot be read: {error}", where=str(place), remedy="fetch it again, as UTF-8"
        ) from error
    if not rows:
        raise DataMismatch("the file holds no question", where=str(place))
    return rows


def _row(record: Mapping[str, Any], number: int, source: str, split: str, where: str) -> Row:
    extra = _mapping(record.get("extra_info"))
    question = (
        _text(_first(record, "question", "query"))
        or _text(extra.get("question"))
        or _text(_mapping(record.get("env_kwargs")).get("question"))
    )
    if not question:
        raise DataMismatch(f"the row has no question, only {shown(sorted(record))}", where=where)
    try:
        question.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataMismatch(
            "the question holds half a surrogate pair, which is not text", where=where
        ) from error
    metadata = _mapping(record.get("metadata"))
    given = _first(record, "id", "_id", "question_id")
    if given is None:
        given = extra.get("index", number - 1)
    titles, starts = _gold(record, metadata)
    kind = _first(record, "type", "kind") or metadata.get("type")
    hops = record.get("hops")
    named = _MUSIQUE_ID.match(str(given))
    if not isinstance(hops, int) or isinstance(hops, bool):
        hops = int(named[1]) if named else _HOPS.get(source)
    return Row(
        Question(
            question_id="_".join(str(given).split()) or str(number - 1),
            data_source=source,
            question=_unquoted(question),
            answers=_answers(record, where),
            gold_titles=titles,
            hops=hops,
            question_type=kind if isinstance(kind, str) else "",
            split=split,
        ),
        starts,
    )


def _answers(record: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = _first(record, "golden_answers", "answers", "answer")
    if given is None:
        truth = _mapping(record.get("reward_model")).get("ground_truth", record.get("ground_truth"))
        given = _mapping(truth).get("target", truth)
    given = _plain(given)
    if isinstance(given, str):
        given = given.split(ANSWER_SPLIT)
    golds = list[str]()
    for one in given if isinstance(given, list | tuple) else [given]:
        value = _plain(one)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise DataMismatch(
                f"a gold answer is {shown(value)}, not text", where=where, remedy='"golden_answers": ["..."]'
            )
        if value.strip() and value not in golds:
            golds.append(value)
    if not golds:
        raise DataMismatch(
            "the question has no gold answer", where=where, remedy="leave it out, it cannot be scored"
        )
    return tuple(golds)


def _gold(record: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    passages = _plain(record.get("gold_passages"))
    if isinstance(passages, list):
        pairs = [pair for pair in map(_plain, passages) if isinstance(pair, list) and len(pair) == 2]
        return tuple(str(title) for title, _ in pairs), tuple(str(start) for _, start in pairs)
    titles = _plain(record.get("gold_titles"))
    if titles is None:
        titles = _plain(_mapping(metadata.get("supporting_facts")).get("title"))
    if not isinstance(titles, list):
        return (), ()
    return tuple(dict.fromkeys(str(title) for title in titles)), ()


def _unquoted(question: str) -> str:
    # FlashRAG's TriviaQA keeps quotes of the CSV that it was made from: "Who wrote ""Emma""?"
    inner = question[1:-1]
    if len(question) > 2 and question[0] == question[-1] == '"' and '""' in inner:
        bare = inner.replace('""', "")
        return inner.replace('""', '"') if '"' not in bare else question
    return question


def _source_name(name: object, where: str) -> str:
    text = _text(name).lower().removeprefix("searchr1_").replace("/", "_")
    if not text:
        raise DataMismatch(
            "the row does not say of which data set it is",
            where=where,
            remedy='add "data_source", or name the file after its data set, as in nq_test.jsonl',
        )
    return _ALIASES.get(text, text)


def _json_lines(place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _opened(place) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _parsed(line, f"{place}, row {number}")


def _json(place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _opened(place) as file:
        try:
            listed = json.loads(file.read())
        except (ValueError, RecursionError) as error:
            raise DataMismatch(f"the file is not JSON: {shown(str(error))}", where=str(place)) from error
    if not isinstance(listed, list):
        raise DataMismatch("the file holds no list of questions", where=str(place))
    for number, record in enumerate(listed, 1):
        if not isinstance(record, dict):
            raise DataMismatch(f"the row is {shown(record)}", where=f"{place}, row {number}")
        yield number, record


def _parsed(line: str, where: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataMismatch(f"the line is not JSON: {shown(str(error))}", where=where) from error
    if not isinstance(record, dict):
        raise DataMismatch(f"the line holds {shown(record)}, not an object", where=where)
    return cast("Mapping[str, Any]", record)


def _parquet(place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ConfigError(
            "reading parquet needs pyarrow", where=str(place), remedy='pip install "craft-agents[parquet]"'
        ) from error
    try:
        file = parquet.ParquetFile(place)
        number = 0
        for batch in file.iter_batches(batch_size=4_096):
            for record in batch.to_pylist():
                number += 1
                yield number, record
    except (arrow.ArrowException, OSError) as error:
        raise DataMismatch(
            f"not a parquet file: {shown(str(error))}", where=str(place), remedy="fetch it again"
        ) from error


def _topics(place: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # Splitting at tabs would keep doubled quotes and turn lists of answers into one text.
    with _opened(place) as file:
        delimiter = "," if ".csv" in place.name.lower() else "\t"
        for number, fields in enumerate(csv.reader(file, delimiter=delimiter), 1):
            if not fields:
                continue
            if len(fields) != 2:
                raise DataMismatch(
                    f"the row has {len(fields)} fields, not question and answers",
                    where=f"{place}, row {number}",
                )
            try:
                answers = ast.literal_eval(fields[1])
            except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
                raise DataMismatch(
                    f"the answers are not a list: {shown(fields[1])}", where=f"{place}, row {number}"
                ) from error
            yield number, {"question": fields[0], "golden_answers": answers}


def _opened(place: Path) -> IO[str]:
    if place.suffix == ".gz":
        return io.TextIOWrapper(cast("IO[bytes]", gzip.open(place, "rb")), encoding="utf-8-sig", newline="\n")
    return place.open(encoding="utf-8-sig", newline="\n")


def _first(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _plain(value: Any) -> Any:
    # Arrays of NumPy or pandas, as data frames have them.
    turned = value.tolist() if hasattr(value, "tolist") else value
    return list(turned) if isinstance(turned, tuple | set) else turned


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


_Reader = Callable[[Path], Iterable[tuple[int, Mapping[str, Any]]]]
_READERS: tuple[tuple[str, _Reader], ...] = (
    (".jsonl", _json_lines),
    (".jsonl.gz", _json_lines),
    (".json", _json),
    (".json.gz", _json),
    (".parquet", _parquet),
    (".tsv", _topics),
    (".tsv.gz", _topics),
    (".csv", _topics),
    (".csv.gz", _topics),
    (".txt", _topics),
)
