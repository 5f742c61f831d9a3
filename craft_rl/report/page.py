"""The summary page of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from craft_rl.compare import Comparison
from craft_rl.evaluate import task_scores
from craft_rl.report.evaluation import interval_text, notes, percent, points, points_interval
from craft_rl.types import EvalReport, Trajectory

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--ground:#fff;--bar:#3b6fb6;
--good:#1d7f4f;--bad:#b3372f;--chip:#eef2f7}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#39414d;--ground:#171b21;
--bar:#6a9fe8;--good:#4fc58a;--bad:#ef7d74;--chip:#232a33}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:960px;padding:2rem 1.2rem 4rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .4rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
p{margin:.4rem 0}.soft{color:var(--soft)}.lead{font-size:1.15rem}
.good{color:var(--good)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;white-space:nowrap}
.wide{overflow-x:auto}
svg.bar{display:block;width:100%;min-width:9rem;height:16px}
img{max-width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:6px}
figure{margin:.6rem 0}figcaption{color:var(--soft);font-size:.9rem}
details{border:1px solid var(--line);border-radius:6px;padding:.5rem .8rem;margin:.5rem 0}
summary{cursor:pointer;overflow-wrap:anywhere}
.said{margin:.5rem 0 .1rem;white-space:pre-wrap;overflow-wrap:anywhere}
.did{font-family:ui-monospace,monospace;background:var(--chip);padding:.1rem .4rem;border-radius:4px;
white-space:pre-wrap;overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
""".strip()

WITHOUT_SKILLS = (
    "All scores are without skills or other privileged context: the code of the evaluation cannot import any."
)
"""What every result of craft says about itself; a test of the house's walls keeps it true."""

_LONGEST_TEXT = 4000
"""Characters of an observation or an action that the page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart of the page."""

    caption: str
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """An episode that the page tells in full."""

    caption: str
    trajectory: Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelBlock:
    """All agents on one panel."""

    comparison: Comparison
    """After against before."""
    reports: Sequence[EvalReport]
    """Agents in the order of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that the page shows."""

    title: str
    command: str
    """What was typed."""
    blocks: Sequence[PanelBlock]
    """At least one; the first is the headline."""
    before: str
    """Name of the agent before the reinforcement learning."""
    after: str
    """Name of the agent after it."""
    figures: Sequence[Figure] = ()
    exhibits: Sequence[Exhibit] = ()
    seconds: Sequence[tuple[str, float]] = ()
    """Phase with its wall time."""
    facts: Sequence[tuple[str, str]] = ()
    """Settings, hashes, sizes."""


def render_page(summary: Summary) -> str:
    """The page as one HTML document: styles and images inside, no scripts, nothing fetched."""
    parts = [
        _headline(summary),
        _panels(summary.blocks),
        *(_block(block, summary) for block in summary.blocks),
        *(_figure(figure) for figure in summary.figures),
        _exhibits(summary.exhibits),
        _times(summary.seconds),
        _identity(summary),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(summary.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{''.join(part + chr(10) for part in parts if part)}</body></html>\n"
    )


def _headline(summary: Summary) -> str:
    c = summary.blocks[0].comparison
    tone = "good" if c.conclusive and c.difference > 0 else "bad" if c.conclusive else "soft"
    return (
        f"<h1>{_e(summary.title)}</h1>"
        f'<p class="lead">{_e(percent(c.mean_a))} before, <strong>{_e(percent(c.mean_b))}</strong> after the '
        f"reinforcement learning: <strong>{_e(points(c.difference))}</strong> "
        f"(paired 95 % interval {_e(points_interval(c.interval))}, {c.tasks} tasks of "
        f"<code>{_e(c.panel)}</code>).</p>"
        f'<p class="{tone}">{_e(c.verdict_on(summary.after))}</p><p>{_e(WITHOUT_SKILLS)}</p>'
    )


def _panels(blocks: Sequence[PanelBlock]) -> str:
    rows = "".join(
        f"<tr><td>{_e(c.panel)}</td>{_n(str(c.tasks))}{_n(percent(c.mean_a))}{_n(percent(c.mean_b))}"
        f"{_n(points(c.difference))}{_n(points_interval(c.interval))}{_n(f'{c.better} / {c.worse}')}</tr>"
        for c in (block.comparison for block in blocks)
    )
    return (
        '<h2>Gain of the reinforcement learning</h2><div class="wide"><table><tr><th>panel</th>'
        '<th class="n">n</th><th class="n">before</th><th class="n">after</th><th class="n">difference</th>'
        f'<th class="n">95 % interval</th><th class="n">better / worse</th></tr>{rows}</table></div>'
        '<p class="soft">Paired: each task is compared with itself. n counts tasks; the intervals are '
        "bootstraps over them.</p>"
    )


def _block(block: PanelBlock, summary: Summary) -> str:
    return f"<h2>{_e(block.comparison.panel)}</h2>{_agents(block)}{_types(block, summary)}"


def _agents(block: PanelBlock) -> str:
    rows = "".join(
        f"<tr><td>{_e(report.agent)}</td>{_n(str(len(task_scores(report.results))))}"
        f"{_n(percent(report.mean))}{_n(interval_text(report.interval))}"
        f"<td>{_bar(report)}</td>{_n(f'{report.scored}/{report.scored + report.errors}')}"
        f"{_n(_mean_steps(report))}{_n(_validity(report))}</tr>"
        for report in block.reports
    )
    c = block.comparison
    return (
        '<div class="wide"><table><tr><th>agent</th><th class="n">n</th><th class="n">score</th>'
        '<th class="n">95 % interval</th><th></th><th class="n">scored</th><th class="n">steps</th>'
        f'<th class="n">valid actions</th></tr>{rows}</table></div>'
        f"<p>{_e(c.agent_b)} minus {_e(c.agent_a)}: <strong>{_e(points(c.difference))}</strong>, paired 95 % "
        f"interval {_e(points_interval(c.interval))}. {_e(c.verdict_on(c.agent_b))}</p>"
        '<p class="soft">All agents played the same tasks once per seed; the whisker of each bar shows the '
        "interval.</p>"
    )


def _types(block: PanelBlock, summary: Summary) -> str:
    by_name = {report.agent: report for report in block.reports}
    before, after = by_name[summary.before], by_name[summary.after]
    rows = "".join(
        f"<tr><td>{_e(name)}</td>{_n(str(count))}{_n(percent(before.per_type.get(name, (math.nan, 0))[0]))}"
        f"{_n(percent(mean))}</tr>"
        for name, (mean, count) in after.per_type.items()
    )
    return (
        '<div class="wide"><table><tr><th>task type</th><th class="n">n</th>'
        f'<th class="n">{_e(summary.before)}</th><th class="n">{_e(summary.after)}</th></tr>{rows}'
        "</table></div>"
    )


def _figure(figure: Figure) -> str:
    image = base64.b64encode(figure.png).decode()
    return (
        f"<h2>{_e(figure.caption)}</h2><figure>"
        f'<img alt="{_e(figure.caption)}" src="data:image/png;base64,{image}"></figure>'
    )


def _exhibits(exhibits: Sequence[Exhibit]) -> str:
    if not exhibits:
        return ""
    blocks = []
    for exhibit in exhibits:
        trajectory = exhibit.trajectory
        steps = "".join(
            f'<p class="said">{_e(step.observation)}</p>'
            f'<p><span class="did">&gt; {_e(step.action or step.response or "(nothing)")}</span>'
            f"{'' if step.action_valid else ' <span class=bad>invalid</span>'}</p>"
            for step in trajectory.steps
        )
        blocks.append(
            f"<details><summary>{_e(exhibit.caption)}: <code>{_e(trajectory.task_id)}</code>, "
            f"{len(trajectory.steps)} steps, {_e(trajectory.status.value)}</summary>{steps}</details>"
        )
    return f"<h2>Episodes</h2>{''.join(blocks)}"


def _times(seconds: Sequence[tuple[str, float]]) -> str:
    if not seconds:
        return ""
    total = sum(value for _, value in seconds)
    rows = "".join(f"<tr><td>{_e(name)}</td>{_n(f'{value:.0f} s')}</tr>" for name, value in seconds)
    return (
        f"<h2>Wall time</h2><table>{rows}"
        f"<tr><td><strong>together</strong></td>{_n(f'{total:.0f} s')}</tr></table>"
    )


def _identity(summary: Summary) -> str:
    rows = "".join(f"<tr><td>{_e(n)}</td><td><code>{_e(v)}</code></td></tr>" for n, v in summary.facts)
    lines = "".join(
        f'<p class="soft">{_e(f"{report.agent} on {report.panel}: {line}")}</p>'
        for block in summary.blocks
        for report in block.reports
        if report.agent == summary.after
        for line in notes(report)
    )
    return (
        f"<h2>How to repeat it</h2><p><code>{_e(summary.command)}</code></p>"
        f'<div class="wide"><table>{rows}</table></div>{lines}'
    )


def _bar(report: EvalReport) -> str:
    if math.isnan(report.mean):
        return ""
    low, high = (0 if math.isnan(v) else 100 * v for v in report.interval)
    width = max(high - low, 0.4)
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="10" style="fill:var(--chip)"/>'
        f'<rect width="{100 * report.mean:.2f}" height="10" style="fill:var(--bar);opacity:.75"/>'
        f'<rect x="{low:.2f}" y="4.2" width="{width:.2f}" height="1.6" style="fill:var(--ink)"/>'
        "</svg>"
    )


def _mean_steps(report: EvalReport) -> str:
    counts = [row.steps for row in report.results if row.status.is_scored]
    return f"{sum(counts) / len(counts):.1f}" if counts else "n/a"


def _validity(report: EvalReport) -> str:
    rows = [row for row in report.results if row.status.is_scored]
    steps = sum(row.steps for row in rows)
    return percent(sum(row.valid_actions for row in rows) / steps) if steps else "n/a"


def _n(text: str) -> str:
    return f'<td class="n">{_e(text)}</td>'


def _e(text: str) -> str:
    """Model text is data: everything that could be markup is escaped, control characters are dropped."""
    shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."
    plain = "".join(c for c in shown if c in "\n\t" or (c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF))
    return html.escape(plain)
