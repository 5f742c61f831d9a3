"""craft skills lead: what skills in the prompt change for one policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from craft_envs.data import finite, write_json
from craft_rl.commands.eval import file_name, find_panel
from craft_rl.compare import Comparison
from craft_rl.report.console import ProgressBar
from craft_rl.report.evaluation import interval_text, percent, points, points_interval, score_so_far
from craft_rl.types import TaskResult


@dataclass(frozen=True, kw_only=True)
class LeadSettings:
    """Play a panel with no text, the task's skills, irrelevant text, another type's skills in the prompts."""

    model: Annotated[str, tyro.conf.Positional]
    """Folder or hub id of a model."""
    bank: str
    """Bank of the skills: a bundled one, file or folder."""
    panel: str = "alfworld-bundled-small-valid_unseen"
    """Name of a frozen panel, or path of a panel file (.jsonl)."""
    data_dir: str | None = None
    """Folder or archive of the official files; CRAFT_DATA when absent."""
    strategy: str | None = None
    """How skills are chosen for a task; as the model was trained, else keyword."""
    budget: int | None = None
    """Most tokens of the skills; as the model was trained, else no limit."""
    prompts: tuple[str, ...] = ("without", "skills", "irrelevant", "other")
    """Kinds of prompts; without and skills must be among them."""
    seeds: tuple[int, ...] = (0, 1)
    """Evaluation seeds; each task is played once per seed."""
    temperature: float = 0.4
    """0 takes the most likely token."""
    num_envs: int = 32
    """Episodes at the same time; changes speed, not results."""
    max_steps: int | None = None
    """Step limit; the benchmark's own when absent."""
    out: Path | None = None
    """Where the JSON goes; runs/lead/MODEL/PANEL.json when absent."""
    device: str = "cpu"
    """Where the model runs."""


def run(settings: Annotated[LeadSettings, tyro.conf.arg(name="")]) -> None:
    """Measure the lead of a policy with skills in its prompts over the same policy without.

    Its scores with skills are no scores of the policy alone: they say what a teacher of the same weights
    knows better.
    """
    import dataclasses

    from craft_rl.agent.prompt import PromptSettings
    from craft_rl.assemble import DialogueSettings, load_dialogue
    from craft_rl.lead import lead_to_json, measure_lead
    from craft_rl.models.load import load_policy
    from craft_rl.skill_mix import load_reading

    panel = find_panel(settings.panel)
    world = panel.open(**({"data_dir": settings.data_dir} if settings.data_dir else {}))
    policy = load_policy(settings.model, device=settings.device)
    limit = int(policy.model.config.max_position_embeddings)
    known = load_dialogue(settings.model) if Path(settings.model).is_dir() else None
    dialogue = known or DialogueSettings(
        prompt=PromptSettings(), max_new_tokens=512, max_context=min(limit, 8192)
    )
    learned = load_reading(settings.model)
    reading = dataclasses.replace(
        learned,
        strategy=settings.strategy or learned.strategy,
        budget=learned.budget if settings.budget is None else settings.budget,
    )
    total = len(panel) * len(settings.seeds) * len(settings.prompts)
    with ProgressBar(f"{settings.model} on {panel.name}", total, shown=("score", "broken")) as bar:
        rows: dict[str, list[TaskResult]] = {}

        def on_row(name: str, row: TaskResult) -> None:
            rows.setdefault(name, []).append(row)
            bar.advance(score_so_far(rows[name]))

        lead = measure_lead(
            policy,
            dialogue,
            world,
            panel,
            bank=settings.bank,
            reading=reading,
            prompts=settings.prompts,
            seeds=settings.seeds,
            temperature=settings.temperature,
            num_envs=settings.num_envs,
            max_steps=settings.max_steps,
            agent=settings.model,
            on_row=on_row,
        )
    out = settings.out or Path("runs/lead") / file_name(settings.model) / f"{file_name(panel.name)}.json"
    write_json(out, finite(lead_to_json(lead)))
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"{settings.model} on {panel.name}, skills of {settings.bank}", title_justify="left")
    for heading in ("text in the prompt", "score", "95 % interval", "over no text", "95 % interval", "gap"):
        table.add_column(heading, justify="left" if heading == "text in the prompt" else "right")
    for name, report in lead.reports.items():
        paired = lead.leads.get(name)
        table.add_row(
            name,
            percent(report.mean),
            interval_text(report.interval),
            *_words(paired),
            f"{lead.gaps[name].mean:+.3f}" if name in lead.gaps else "",
        )
    console.print(table)
    for name, paired in lead.over.items():
        console.print(f"skills over {name}: {', '.join(_words(paired))}. {paired.verdict_on('skills')}")
    console.print(
        "gap: log-prob with text minus without, nats a token, on the tokens of the scripted player\n"
        f"report: {out}"
    )


def _words(paired: Comparison | None) -> tuple[str, str]:
    return ("", "") if paired is None else (points(paired.difference), points_interval(paired.interval))
