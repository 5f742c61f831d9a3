"""evaluate, compare: complete panels, resumption, failures beside the score, honest intervals."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_envs.panels import Panel
from craft_envs.types import StepInfo
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.compare import compare
from craft_rl.evaluate import AgentRunner, ModelRunner, evaluate, make_report
from craft_rl.report.evaluation import from_json, load_report, notes, save_report, to_json
from craft_rl.statistics import bootstrap_interval, detectable_difference
from craft_rl.types import EvalReport, TaskResult, TrajectoryStatus
from tests.rl.toy_rollout import ToyCodec, ToyEngine, ToyWorld, go_right


def runner(engine: ToyEngine | None = None, identity: str = "") -> ModelRunner:
    io = PolicyIO(
        codec=ToyCodec(),
        prompt=PromptSettings(template="compact/1", history="full"),
        sampling=Sampling(max_new_tokens=64),
    )
    return ModelRunner(engine or ToyEngine(), io, agent="hf:toy", identity=identity)


def panel_of(world: ToyWorld) -> Panel:
    return Panel.of(world.tasks, "valid", name="toy-valid")


def test_result_does_not_depend_on_the_number_of_environments():
    world = ToyWorld(count=20)
    reports = [
        to_json(evaluate(runner(), world, panel_of(world), num_envs=n, seeds=(0, 1))) for n in (1, 4, 16)
    ]
    assert reports[0] == reports[1] == reports[2]


def test_the_report_says_what_was_played():
    world = ToyWorld(count=20)
    report = evaluate(runner(ToyEngine(go_right)), world, panel_of(world), seeds=(0, 1))
    assert (report.scored, report.errors, report.mean, report.interval) == (40, 0, 1.0, (1.0, 1.0))
    assert report.per_type == {"even": (1.0, 10), "odd": (1.0, 10)}
    assert (report.agent, report.panel, report.env_id) == ("hf:toy", "toy-valid", world.env_id)
    assert report.panel_hash == panel_of(world).hash and report.data_hash == "toy-data"
    assert report.prompt_version.startswith("compact/1 history=full")
    assert report.decoding["seeds"] == [0, 1] and report.decoding["max_steps"] == 8
    assert [r.task_id for r in report.results[::2]] == list(panel_of(world).task_ids)
    assert any("rule of three" in line for line in notes(report))


def test_seeds_are_different_episodes_of_the_same_tasks():
    world = ToyWorld(count=30)
    report = evaluate(runner(), world, panel_of(world), seeds=(0, 1))
    one = [r.steps for r in report.results if r.seed == 0]
    two = [r.steps for r in report.results if r.seed == 1]
    assert len(one) == len(two) == 30 and one != two
    alone = evaluate(runner(), world, panel_of(world), seeds=(1,))
    assert [r.steps for r in alone.results] == two


class Straight:
    def act(self, observation: str, info: StepInfo) -> str:
        return "right"


def test_agents_without_a_model_are_evaluated_alike():
    world = ToyWorld(count=20, crash={"valid/3": 1})

    def make(env: TextEnv) -> Straight:
        return Straight()

    report = evaluate(AgentRunner("straight", make), world, panel_of(world))
    model = evaluate(runner(ToyEngine(go_right)), world, panel_of(world))
    assert [(r.task_id, r.status, r.steps, r.valid_actions) for r in report.results] == [
        (r.task_id, r.status, r.steps, r.valid_actions) for r in model.results
    ]
    assert report.prompt_version == "" and set(report.decoding) == {"max_steps", "seeds"}


def test_failures_stand_beside_the_score_and_only_they_run_again(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    broken = ToyWorld(count=10, crash={"valid/3": 0, "valid/4": 1})
    first = evaluate(runner(ToyEngine(go_right)), broken, panel_of(broken), rows_path=path)
    assert (first.scored, first.errors, first.mean) == (8, 2, 1.0)
    assert any("8/10 episodes scored, 2 infrastructure failures" in line for line in notes(first))
    assert sum(n for _, n in first.per_type.values()) == 8

    repaired = ToyWorld(count=10)
    again = evaluate(runner(ToyEngine(go_right)), repaired, panel_of(repaired), rows_path=path)
    assert sorted(repaired.opened) == ["valid/3", "valid/4"]
    fresh = evaluate(runner(ToyEngine(go_right)), repaired, panel_of(repaired))
    assert to_json(again) == to_json(fresh)

    complete = ToyWorld(count=10)
    evaluate(runner(ToyEngine(go_right)), complete, panel_of(complete), rows_path=path)
    assert complete.opened == []


def test_interruption_loses_only_what_was_running(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    world = ToyWorld(count=12)
    seen: list[TaskResult] = []

    def stop_after_five(row: TaskResult) -> None:
        seen.append(row)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(runner(), world, panel_of(world), num_envs=3, rows_path=path, on_row=stop_after_five)
    # A line that was cut in the middle is played again.
    path.write_bytes(path.read_bytes() + b'{"task_id": "valid/')
    world.opened.clear()
    report = evaluate(runner(), world, panel_of(world), num_envs=2, rows_path=path)
    assert len(world.opened) == 7 and not {r.task_id for r in seen} & set(world.opened)
    assert to_json(report) == to_json(evaluate(runner(), world, panel_of(world)))


def test_rows_of_another_evaluation_are_refused(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    world = ToyWorld()
    evaluate(runner(identity="weights 1"), world, panel_of(world), rows_path=path)
    with pytest.raises(ConfigError, match="agent_identity"):
        evaluate(runner(identity="weights 2"), world, panel_of(world), rows_path=path)
    with pytest.raises(ConfigError, match="decoding"):
        evaluate(runner(identity="weights 1"), world, panel_of(world), rows_path=path, max_steps=3)
    path.write_text("something else\n")
    with pytest.raises(DataMismatch, match=r"rows\.jsonl"):
        evaluate(runner(), world, panel_of(world), rows_path=path)


def test_wrong_data_and_bad_seeds_are_refused():
    world = ToyWorld(count=10)
    with pytest.raises(DataMismatch, match="missing"):
        evaluate(runner(), world, panel_of(ToyWorld(count=11)))
    for seeds in ((), (1, 1)):
        with pytest.raises(ConfigError, match="seeds"):
            evaluate(runner(), world, panel_of(world), seeds=seeds)


def test_reports_come_back_from_disk(tmp_path: Path):
    world = ToyWorld(count=10, crash={"valid/3": 0})
    report = evaluate(runner(), world, panel_of(world))
    save_report(report, tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == dataclasses.replace(report, results=report.results)
    empty = dataclasses.replace(report, mean=math.nan, interval=(math.nan, math.nan))
    assert "NaN" not in json.dumps(to_json(empty)) and math.isnan(from_json(to_json(empty)).mean)
    with pytest.raises(DataNotFound):
        load_report(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"format": "other"}')
    with pytest.raises(DataMismatch):
        load_report(tmp_path / "bad.json")


def report_of(
    score: Callable[[int, int], float | None], tasks: int, seeds: tuple[int, ...] = (0,), agent: str = "a"
) -> EvalReport:
    """A report whose scores are given by (task, seed); ``None`` is a broken episode."""
    panel = panel_of(ToyWorld(count=tasks))
    rows = []
    for number, task_id in enumerate(panel.task_ids):
        for seed in seeds:
            value = score(number, seed)
            status = TrajectoryStatus.failed if value is not None else TrajectoryStatus.error_env
            rows.append(
                TaskResult(
                    task_id=task_id,
                    task_type="even" if number % 2 == 0 else "odd",
                    seed=seed,
                    status=status,
                    score=value or 0.0,
                    steps=1,
                    valid_actions=1,
                )
            )
    return make_report(rows, panel=panel, data_hash="d", agent=agent, prompt_version="", decoding={})


def test_a_real_difference_is_found_and_a_small_one_is_not():
    base = report_of(lambda i, s: float(i % 3 == 0), 120)
    better = report_of(lambda i, s: float(i % 3 == 0 or i % 5 == 0), 120, agent="b")
    result = compare(base, better)
    assert result.difference == pytest.approx(16 / 120) and result.conclusive
    assert (result.better, result.worse, result.tasks) == (16, 0, 120)
    assert "B is better" in result.verdict and "B is worse" in compare(better, base).verdict
    noisy = report_of(lambda i, s: float(i % 3 == 0 if i > 4 else i % 3 != 0), 120)
    small = compare(base, noisy)
    assert (
        not small.conclusive
        and "Too small to tell" in small.verdict
        and small.detectable > abs(small.difference)
    )
    assert "No difference" in compare(base, base).verdict


def test_pairing_narrows_the_interval():
    hard = np.random.Generator(np.random.Philox(3)).random(200) < 0.5
    base = report_of(lambda i, s: float(hard[i]), 200)
    better = report_of(lambda i, s: float(hard[i] or i % 8 == 0), 200)
    low, high = compare(base, better).interval
    alone = base.interval[1] - base.interval[0]
    assert 0 < low and high - low < alone / 2


def test_pairs_with_a_broken_side_are_left_out_and_counted():
    base = report_of(lambda i, s: None if i < 3 else 0.0, 40)
    other = report_of(lambda i, s: None if 2 <= i < 5 else 1.0, 40)
    result = compare(base, other)
    assert (result.tasks, result.left_out, result.difference) == (35, 5, 1.0)


def test_seeds_are_paired_and_averaged_inside_a_task():
    base = report_of(lambda i, s: 0.0, 30, seeds=(0, 1))
    other = report_of(lambda i, s: float(s == 1), 30, seeds=(1, 2))
    result = compare(base, other)
    assert (result.tasks, result.episodes, result.difference) == (30, 30, 1.0)
    assert result.per_type == {"even": (1.0, 15), "odd": (1.0, 15)}
    with pytest.raises(ConfigError, match="seeds"):
        compare(report_of(lambda i, s: 0.0, 30), report_of(lambda i, s: 0.0, 30, seeds=(5,)))


@pytest.mark.parametrize("field", ["env_id", "panel_hash", "data_hash"])
def test_different_panels_are_refused(field: str):
    base = report_of(lambda i, s: 0.0, 30)
    with pytest.raises(ConfigError, match="cannot be paired"):
        compare(base, dataclasses.replace(base, **{field: "other"}))


def test_differing_settings_are_named():
    base = dataclasses.replace(
        report_of(lambda i, s: 0.0, 30), decoding={"max_steps": 50, "temperature": 0.0}
    )
    other = dataclasses.replace(base, decoding={"max_steps": 30, "temperature": 0.0}, prompt_version="p")
    assert compare(base, other).differing == {"max_steps": (50, 30), "prompt_version": ("", "p")}


def test_bootstrap_intervals_cover_the_truth():
    rng = np.random.Generator(np.random.Philox(11))
    hits = 0
    for _ in range(200):
        low, high = bootstrap_interval((rng.random(100) < 0.3).astype(float).tolist(), resamples=1000)
        hits += low <= 0.3 <= high
    # 95 % nominal; the binomial spread of 200 repetitions is 1.5 points.
    assert 180 <= hits <= 199
    low, high = bootstrap_interval([0.0, 1.0] * 50)
    assert high - low == pytest.approx(2 * 1.96 * 0.05, rel=0.06)
    assert bootstrap_interval([0.0, 1.0] * 50) == (low, high)
    assert math.isnan(bootstrap_interval([1.0])[0])


def test_detectable_difference_by_hand():
    values = [0.0, 1.0] * 50
    # 2.8016 standard errors of a sample with variance 1/4 * 100/99
    assert detectable_difference(values) == pytest.approx(
        2.801585 * math.sqrt(0.25 * 100 / 99) / 10, rel=1e-5
    )
