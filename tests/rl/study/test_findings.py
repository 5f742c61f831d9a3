"""What a study's sentences claim: no more than its intervals do."""

from __future__ import annotations

from typing import Any

import numpy as np

from craft_rl.study.findings import conclusion, findings
from craft_rl.study.outcome import Outcome, Study
from craft_rl.study.table import study_text

TASKS = 120


def cell(seed: int, variant: str | None, chance: float, **changes: Any) -> Outcome:
    """A finished cell of binary scores."""
    rng = np.random.Generator(np.random.Philox(key=[seed, sum(map(ord, variant or ""))]))
    scores = (rng.random(TASKS) < chance).astype(float).tolist()
    return Outcome(**{"seed": seed, "variant": variant, "state": "done", "scores": {"p": scores}, **changes})


def study(*cells: Outcome) -> Study:
    """A study of these cells, with starts that solve little."""
    return Study(
        name="made",
        recipe="small",
        baseline="grpo",
        command="craft study run made",
        settings={"start": {"train": {"updates": 3, "tasks_per_update": 2, "group_size": 2}}},
        machine={"cpus": 2},
        panels={"p": {"env_id": "e", "hash": "h", "tasks": [f"t{i}" for i in range(TASKS)]}},
        starts=tuple(cell(seed, None, 0.1) for seed in sorted({c.seed for c in cells})),
        cells=cells,
    )


def made(**chances: float) -> list[Outcome]:
    return [cell(seed, name, chance) for seed in (0, 1, 2) for name, chance in chances.items()]


def test_what_is_clear_is_said():
    told = study(*made(grpo=0.4, up=0.8, down=0.1))
    text = " ".join(conclusion(told, "p"))
    assert "Intervals support better than grpo: up +" in text
    assert "Intervals support worse than grpo: down -" in text
    assert "Undecided" not in text and "No variant separates" not in text
    rows = {row.variant: row for row in findings(told, "p")}
    assert rows["grpo"].paired is None and rows["grpo"].gain is not None and rows["grpo"].gain.shown
    assert rows["up"].paired is not None and rows["up"].paired.p <= rows["up"].p_holm < 0.05
    assert rows["up"].after == np.mean([np.mean(told.cell("up", s).scores["p"]) for s in (0, 1, 2)])


def test_what_is_not_is_priced():
    lines = conclusion(study(*made(grpo=0.5, same=0.5)), "p")
    text = " ".join(lines)
    assert "Intervals support" not in text and "No variant separates from grpo on p." in lines
    assert "Undecided against grpo: same" in text and "no proof of equality" in text
    assert "four times out of five; 5.0 points would take" in text and "seeds on these tasks" in text


def test_a_small_p_of_many_is_corrected():
    names = {f"v{i}": 0.5 for i in range(9)}
    rows = findings(study(*made(grpo=0.5, **names)), "p")
    for row in rows:
        if row.paired is not None:
            assert row.p_holm >= row.paired.p


def test_missing_scores_leave_their_task_out():
    cells = made(grpo=0.4, up=0.8)
    cells[1].scores["p"][7] = None
    cells[2].scores["p"][9] = None
    (row,) = [row for row in findings(study(*cells), "p") if row.variant == "up"]
    assert row.left_out == 2 and row.paired is not None and row.paired.tasks == TASKS - 2


def test_pairs_need_both_sides():
    cells = made(grpo=0.4, up=0.8)
    cells[0] = Outcome(seed=0, variant="grpo", state="broken", error="it broke", attempts=1)
    cells[5] = Outcome(seed=2, variant="up", state="open")
    told = study(*cells)
    (row,) = [row for row in findings(told, "p") if row.variant == "up"]
    assert row.seeds == (0, 1) and row.paired is not None and row.paired.seeds == 1
    lines = conclusion(told, "p")
    assert lines[0].startswith("Incomplete: 4 of 6 cells are done, 1 broke, 1 have not run.")
    assert "One seed says nothing" in lines[1]
    text = study_text(told)
    assert "Broken: grpo with seed 0" in text and "| up |" in text and "(cloned start)" in text


def test_diagnostics_are_means_over_the_seeds_that_have_them():
    cells = [
        cell(0, "grpo", 0.4, diagnostics={"entropy": 0.5}),
        cell(1, "grpo", 0.4, curve={"entropy": [0.5, None, 1.5]}),
        cell(0, "craft", 0.4, diagnostics={"craft/sign_correlation": -0.25, "no such heading": 7.0}),
        Outcome(seed=1, variant="craft", state="open", diagnostics={"craft/sign_correlation": 1.0}),
    ]
    lines = study_text(study(*cells)).splitlines()
    at = lines.index("## Training, means over updates and seeds")
    assert lines[at + 2 : at + 6] == [
        "| variant | entropy | sign c, sign A |",
        "| --- | --- | --- |",
        "| grpo | 0.75 |  |",
        "| craft |  | -0.25 |",
    ]
    assert "## Training" not in study_text(study(*made(grpo=0.4)))
