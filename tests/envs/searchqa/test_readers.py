"""Question files in every form that users have them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from craft_envs.searchqa.protocol import apart, distinct, find_file
from craft_envs.searchqa.questions import Question, question_key
from craft_envs.searchqa.readers import Row, read_questions


def one(path: Path, text: str | bytes, source: str | None = "nq") -> Question:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (row,) = read_questions(path, split="test", data_source=source)
    return row.question


def test_flashrag_lines(tmp_path: Path) -> None:
    record = {
        "id": "dev_0",
        "question": " Were A and B of one nation? ",
        "golden_answers": ["yes"],
        "metadata": {
            "type": "comparison",
            "level": "hard",
            "supporting_facts": {"title": ["A", "B", "A"], "sent_id": [0, 0, 1]},
        },
    }
    question = one(tmp_path / "dev.jsonl", json.dumps(record), "hotpotqa")
    assert (question.question_id, question.data_source, question.split) == ("dev_0", "hotpotqa", "test")
    assert question.question == "Were A and B of one nation?"
    assert (question.gold_titles, question.hops, question.question_type) == (("A", "B"), 2, "comparison")
    assert question.task_id == "test/hotpotqa/dev_0"


def test_gold_answers_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for value, expected in (
        (["a", "b", "a"], ("a", "b")),
        ("a", ("a",)),
        ("a<|answer_split|>b", ("a", "b")),
        ([1960, 2.5], ("1960", "2.5")),
        (1960, ("1960",)),
        (["!!!"], ("!!!",)),
        (["", "a"], ("a",)),
    ):
        assert one(path, json.dumps({"question": "q", "golden_answers": value})).answers == expected
    assert one(path, json.dumps({"question": "q", "answer": "a"})).answers == ("a",)
    verl = {
        "question": "q",
        "data_source": "searchR1_nq",
        "reward_model": {"ground_truth": {"target": ["a"]}},
    }
    question = one(path, json.dumps({**verl, "extra_info": {"index": 7}}), None)
    assert (question.answers, question.data_source, question.question_id) == (("a",), "nq", "7")


def test_topics_are_read_as_csv(tmp_path: Path) -> None:
    text = '"Who wrote ""Emma""?"\t"[\'Jane Austen\', ""Austen\'s""]"\nwho said it\t[\'x\']\n'
    path = tmp_path / "triviaqa_test.tsv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    first, second = (row.question for row in read_questions(path, split="test", data_source="triviaqa"))
    assert first.question == 'Who wrote "Emma"?' and first.answers == ("Jane Austen", "Austen's")
    assert second.question == "who said it" and second.asked == "who said it?"
    assert (first.question_id, second.question_id) == ("0", "1")


def test_quotes_that_flashrag_kept_are_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for given, expected in (
        ('"Who wrote ""Emma""?"', 'Who wrote "Emma"?'),
        ('"Emma" was written by whom, "Austen"', '"Emma" was written by whom, "Austen"'),
        ('Who wrote "Emma"', 'Who wrote "Emma"'),
        ('"quoted whole"', '"quoted whole"'),
    ):
        assert one(path, json.dumps({"question": given, "golden_answers": "a"})).question == expected


def test_parquet_of_verl_and_of_flashrag(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {
            "id": "test_0",
            "question": "q one?",
            "golden_answers": ["a", "b"],
            "data_source": "nq",
            "prompt": [{"role": "user", "content": "Answer ... q one?"}],
            "reward_model": {"ground_truth": {"target": ["a", "b"]}, "style": "rule"},
            "extra_info": {"index": 0, "split": "test"},
        },
        {
            "id": "test_0",
            "question": "q two?",
            "golden_answers": ["c"],
            "data_source": "2wiki",
            "prompt": [{"role": "user", "content": "Answer ... q two?"}],
            "reward_model": {"ground_truth": {"target": ["c"]}, "style": "rule"},
            "extra_info": {"index": 1, "split": "test"},
        },
    ]
    path = tmp_path / "test.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    first, second = (row.question for row in read_questions(path, split="test"))
    assert (first.task_id, first.answers) == ("test/nq/test_0", ("a", "b"))
    assert (second.task_id, second.answers) == ("test/2wikimultihopqa/test_0", ("c",))
    without = [
        {key: row[key] for key in ("question", "data_source", "reward_model", "extra_info")} for row in rows
    ]
    parquet.write_table(arrow.Table.from_pylist(without), path)
    assert [row.question.answers for row in read_questions(path, split="test")] == [("a", "b"), ("c",)]
    for place in ("extra_info", "env_kwargs"):  # prepared by verl, by verl-agent: no column of its own
        prepared = [
            {
                "data_source": f"searchR1_{row['data_source']}",
                "prompt": row["prompt"],
                "reward_model": row["reward_model"],
                "extra_info": row["extra_info"],
                place: {"index": number, "question": row["question"]},
            }
            for number, row in enumerate(rows)
        ]
        parquet.write_table(arrow.Table.from_pylist(prepared), path)
        one, two = (row.question for row in read_questions(path, split="test"))
        assert (one.task_id, one.question) == ("test/nq/0", "q one?")
        assert (two.task_id, two.question) == ("test/2wikimultihopqa/1", "q two?")


def test_arrays_of_a_data_frame() -> None:
    import numpy as np

    from craft_envs.searchqa.readers import _answers

    assert _answers({"golden_answers": np.array(["a", "b"], dtype=object)}, "x") == ("a", "b")
    assert _answers({"reward_model": {"ground_truth": {"target": np.array(["a"])}}}, "x") == ("a",)


def question(question_id: str, text: str, *answers: str, source: str = "nq") -> Question:
    return Question(
        question_id=question_id, data_source=source, question=text, answers=answers or ("a",), split="test"
    )


def test_duplicates() -> None:
    rows = [
        Row(question("1", "who?")),
        Row(question("1", "who?")),
        Row(question("1", "where?")),
        Row(question("1", "where?")),
        Row(question("2", "who?", "b")),
        Row(question("1", "who?", source="popqa")),
    ]
    kept = [row.question for row in distinct(rows, Path("x"))]
    assert [(q.data_source, q.question_id, q.question) for q in kept] == [
        ("nq", "1", "who?"),
        ("nq", "1#2", "where?"),
        ("nq", "2", "who?"),
        ("popqa", "1", "who?"),
    ]
    assert len({q.task_id for q in kept}) == 4


def test_apart_goes_by_text() -> None:
    asked = [question("1", "Who  wrote Emma ?"), question("2", "who wrote emma"), question("3", "Where?")]
    assert [q.question_id for q in apart(asked, [])] == ["1", "3"]
    assert apart(asked, [question("9", "WHO WROTE EMMA?"), question("8", "where")]) == []
    assert question_key("Beyonc\u00e9's") == question_key("beyonce\u0301\u2019s")


def test_files_are_found_as_users_lay_them_out(tmp_path: Path) -> None:
    (tmp_path / "nq").mkdir()
    (tmp_path / "qa").mkdir()
    flashrag = tmp_path / "nq" / "test.jsonl"
    flat = tmp_path / "qa" / "musique_dev.jsonl.gz"
    for file in (flashrag, flat):
        file.write_bytes(b"")
    assert find_file(tmp_path, "nq_test", "nq/test") == flashrag
    assert find_file(tmp_path, "musique_test", "musique_dev") == flat
    assert find_file(tmp_path, "popqa_test") is None
