"""craft skills, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from craft_skills import load_bank

from craft_rl.cli import main


def test_list_show_match(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["skills", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("alfworld", "webshop", "searchqa"))
    assert main(["skills", "list", "alfworld"]) == 0 and "alf-g1" in capsys.readouterr().out
    assert main(["skills", "show", "alfworld", "--skill", "alf-h1"]) == 0
    assert "microwave" in capsys.readouterr().out
    assert main(["skills", "match", "alfworld", "put a hot mug in cabinet."]) == 0
    said = capsys.readouterr().out
    assert "microwave" in said and "desk lamp" not in said
    words = ["skills", "match", "webshop", "find that drug", "--literal", "--budget", "100000"]
    assert main(words) == 0 and "Measures are written" in capsys.readouterr().out  # rug in drug


def test_coverage_of_a_panel(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["skills", "coverage", "alfworld", "--panel", "alfworld-bundled-small-valid_unseen"]
    assert main([*words, "--strategy", "task_type"]) == 0
    said = capsys.readouterr().out
    assert "pick_heat_then_place_in_recep" in said and said.split()[-3:] == ["204", "0", "0"]
    words = ["skills", "coverage", "webshop", "--panel", "alfworld-bundled-small-valid_unseen"]
    assert main(words) == 2 and "craft/WebShop-v0, not for craft/ALFWorld-v0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bank", "panel"),
    [
        ("alfworld", "alfworld-bundled-full-valid_unseen"),
        ("webshop", "webshop-bundled-test"),
        ("searchqa", "searchqa-bundled-test"),
    ],
)
def test_every_bundled_task_has_skills_of_its_own_type(
    bank: str, panel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["skills", "coverage", bank, "--panel", panel, "--strategy", "task_type"]) == 0
    *_, row = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["all"]]
    specific, general, none = (int(number) for number in row.split()[1:])
    assert specific > 200 and not general and not none


def test_mining_writes_proposals_for_review(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "task_type": "heat",
        "status": "solved",
        "steps": [
            {"action": "go to fridge 1", "action_valid": True},
            {"action": "take egg 1 from fridge 1", "action_valid": True},
        ],
    }
    records = tmp_path / "episodes.jsonl"
    records.write_text((json.dumps(row) + "\n") * 3)
    out = tmp_path / "proposals.md"
    assert main(["skills", "mine", str(records), str(out), "--env", "craft/ALFWorld-v0"]) == 0
    assert "Review them" in capsys.readouterr().out
    assert any("fridge" in skill.principle for skill in load_bank(out).skills)
    records.write_text("{")
    assert main(["skills", "mine", str(records), str(out), "--env", "craft/ALFWorld-v0"]) == 2
    words = ["skills", "mine", str(records), str(out), "--env", "craft/ALFWorld-v0", "--model", "m"]
    assert main(words) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "nowhere"], "no skill bank"),
        (["match", "alfworld", "x", "--budget", "3"], "raise the budget"),
        (["match", "alfworld", "x", "--strategy", "full", "--literal"], "no option 'literal'"),
    ],
)
def test_wrong_words_stop(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["skills", *words]) == 2
    assert said in capsys.readouterr().err
