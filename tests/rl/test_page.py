"""The summary page: hostile text stays text, missing numbers stay readable."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser

import numpy as np

from craft_envs.panels import Panel
from craft_rl.compare import compare
from craft_rl.evaluate import make_report
from craft_rl.report.page import WITHOUT_SKILLS, Exhibit, Figure, PanelBlock, Summary, render_page
from craft_rl.types import EvalReport, Step, TaskResult, Trajectory, TrajectoryStatus
from tests.rl.toy_rollout import ToyTasks

HOSTILE = "</p><script>alert('x')</script><img src=x onerror=y>\x00\x1b[31m\ud800\u202e"


class Tags(HTMLParser):
    """Collects tags, attributes, text; complains about what is not closed."""

    VOID = frozenset({"meta", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(agent: str, score: float, broken: bool = False) -> EvalReport:
    panel = Panel.of(ToyTasks(6), "valid")  # type: ignore[arg-type]
    rows = [
        TaskResult(
            task_id=task_id,
            task_type=HOSTILE,
            seed=0,
            status=TrajectoryStatus.error_env if broken else TrajectoryStatus.failed,
            score=score,
            steps=3,
            valid_actions=2,
        )
        for task_id in panel.task_ids
    ]
    return make_report(rows, panel=panel, data_hash="d", agent=agent, prompt_version="", decoding={})


def summary() -> Summary:
    ids = np.array([1], np.int32)
    step = Step(
        observation=HOSTILE,
        response=HOSTILE,
        action=HOSTILE,
        prompt_ids=ids,
        completion_ids=ids,
        completion_logprobs=np.zeros(1, np.float32),
        reward=0.0,
        anchor="",
        action_valid=False,
    )
    trajectory = Trajectory(
        task_id=HOSTILE,
        task_type="t",
        seed=0,
        group_id="g",
        sibling=0,
        steps=(step,),
        status=TrajectoryStatus.failed,
        return_=0.0,
        score=0.0,
    )
    before, after = report("before", 0.25), report(HOSTILE, 0.5)
    return Summary(
        title=HOSTILE,
        command=HOSTILE,
        blocks=(
            PanelBlock(
                comparison=compare(before, after),
                reports=(report("all broken", 0.0, broken=True), before, after),
            ),
        ),
        before="before",
        after=HOSTILE,
        figures=(Figure(caption=HOSTILE, png=b"png"),),
        exhibits=(Exhibit(caption=HOSTILE, trajectory=trajectory),),
        seconds=(("phase", 1.0),),
        facts=((HOSTILE, HOSTILE),),
    )


def test_text_of_models_and_worlds_cannot_become_markup():
    page = render_page(summary())
    page.encode()
    tags = Tags()
    tags.feed(page)
    assert not tags.open and "script" not in tags.seen and tags.seen.count("img") == 1
    assert "<script>alert('x')</script>" in tags.text and "\x1b" not in page and "\x00" not in page


def test_numbers_are_those_of_the_reports():
    tags = Tags()
    tags.feed(render_page(summary()))
    for text in (
        "+25.0 points",
        "25.0 %",
        "50.0 %",
        "0/6",
        "66.7 %",
        "is better: the interval",
        WITHOUT_SKILLS,
    ):
        assert text in tags.text


def test_missing_numbers_are_named():
    one = summary()
    comparison = dataclasses.replace(one.blocks[0].comparison, interval=(math.nan, math.nan))
    block = dataclasses.replace(one.blocks[0], comparison=comparison)
    tags = Tags()
    tags.feed(render_page(dataclasses.replace(one, blocks=(block,), exhibits=(), figures=())))
    assert "n/a" in tags.text and "nan" not in tags.text


def test_each_panel_has_its_block():
    one = summary()
    other = dataclasses.replace(
        one.blocks[0],
        comparison=dataclasses.replace(one.blocks[0].comparison, panel="second", difference=-0.5),
    )
    tags = Tags()
    tags.feed(render_page(dataclasses.replace(one, blocks=(*one.blocks, other))))
    assert not tags.open and tags.text.count("all broken") == 2
    assert "second" in tags.text and "-50.0 points" in tags.text and "+25.0 points" in tags.text
