"""craft skills: list, show, match, measure, mine banks of privileged advice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from craft_skills.ask import ask
from craft_skills.coverage import coverage as measure
from craft_skills.errors import SkillError
from craft_skills.mine import episodes_from_records, propose
from craft_skills.render import render
from craft_skills.store import SkillStore, bundled_banks, load_bank, save_bank
from rich.console import Console
from rich.table import Table

from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_envs.registration import load_world
from craft_rl.cli import Command, dispatch

_HERE = "craft_rl.commands.skills"
COMMANDS = {
    "list": Command(f"{_HERE}:list_", "the banks that ship with craft, or the skills of one bank"),
    "show": Command(f"{_HERE}:show", "the skills of a bank in full"),
    "match": Command(f"{_HERE}:match", "which skills a task would get"),
    "coverage": Command(f"{_HERE}:coverage", "how many tasks of a panel get specific, general, no skills"),
    "lead": Command(
        "craft_rl.commands.lead:run", "play a panel with and without skills in a model's prompts"
    ),
    "mine": Command(f"{_HERE}:mine", "propose skills from recorded trajectories, for review"),
}

Bank = Annotated[str, tyro.conf.Positional]
StrategyName = Literal["keyword", "task_type", "full", "random", "ucb", "similar"]


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand.

    Raises:
        ConfigError: what a skill bank, strategy or budget gets wrong.
    """
    try:
        return dispatch("craft skills", COMMANDS, words)
    except SkillError as error:
        raise ConfigError(error.what, where=error.where, remedy=error.remedy) from error


def list_(bank: Annotated[str | None, tyro.conf.Positional] = None, *, env: str | None = None) -> None:
    """List the banks that ship with craft, or the skills of one bank.

    Args:
        bank: name of a bundled bank, or a file or folder.
        env: environment of a foreign bank.
    """
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None)
    if bank is None:
        for heading in ("bank", "environment", "skills", "task types", "hash"):
            table.add_column(heading)
        for name in bundled_banks():
            held = load_bank(name)
            table.add_row(
                name, held.env_id, str(len(held)), str(len(held.task_types)), held.content_hash[:16]
            )
    else:
        for heading in ("id", "title", "for"):
            table.add_column(heading)
        for skill in load_bank(bank, env_id=env).skills:
            table.add_row(skill.skill_id, skill.title, ", ".join(skill.task_types) or "every task")
    console.print(table)


def show(bank: Bank, *, skill: str | None = None, env: str | None = None) -> None:
    """Print the skills of a bank in full.

    Args:
        bank: name of a bundled bank, or a file or folder.
        skill: id of one skill; all when absent.
        env: environment of a foreign bank.
    """
    held = load_bank(bank, env_id=env)
    console = Console(highlight=False, soft_wrap=True)
    for one in [held.skill(skill)] if skill else held.skills:
        console.print(
            f"{one.skill_id}  {one.title}  ({', '.join(one.task_types) or 'every task'})", markup=False
        )
        console.print(f"  {one.principle}", markup=False)
        if one.when:
            console.print(f"  When: {one.when}", markup=False)


def match(
    bank: Bank,
    instruction: Annotated[str, tyro.conf.Positional],
    *,
    strategy: StrategyName = "keyword",
    task_type: str = "",
    literal: bool = False,
    budget: int | None = None,
    env: str | None = None,
) -> None:
    """Print the skills that a task would get.

    Args:
        bank: name of a bundled bank, or a file or folder.
        instruction: the task in words.
        strategy: how skills are chosen.
        task_type: type of the task, for strategies that look at it.
        literal: keywords match anywhere, as in the published rule; for the strategy keyword.
        budget: most characters of the text.
        env: environment of a foreign bank.
    """
    options = {"literal": True} if literal else {}
    store = SkillStore.open(bank, strategy=strategy, env_id=env, **options)
    task = {"task_id": "asked", "task_type": task_type, "instruction": instruction}
    rendered = render(store.retrieve(task), budget=budget)
    console = Console(highlight=False, soft_wrap=True)
    console.print(rendered.text or "no skill applies", markup=False)
    if rendered.left_out:
        console.print(f"no room for: {', '.join(rendered.left_out)}", markup=False)


def coverage(
    bank: Bank,
    *,
    panel: str,
    strategy: StrategyName = "keyword",
    data_dir: str | None = None,
    env: str | None = None,
) -> None:
    """Count the tasks of a panel that get specific skills, general ones only, or none.

    Args:
        bank: name of a bundled bank, or a file or folder.
        panel: a frozen panel.
        strategy: how skills are chosen.
        data_dir: folder of the official files.
        env: environment of a foreign bank.
    """
    frozen = Panel.load(panel)
    store = SkillStore.open(bank, strategy=strategy, env_id=env or frozen.env_id)
    world = load_world(frozen.env_id, **frozen.world, **({"data_dir": data_dir} if data_dir else {}))
    found = measure(store, (world.tasks.task(task_id) for task_id in frozen.task_ids))
    table = Table(title=f"{store.bank.name} on {panel}, {strategy}", title_justify="left", box=None)
    for heading in ("task type", "specific", "general only", "none"):
        table.add_column(heading, justify="left" if heading == "task type" else "right")
    for kind, row in found.by_type.items():
        table.add_row(kind, *map(str, row))
    table.add_row("all", str(found.specific), str(found.general_only), str(found.none))
    console = Console(highlight=False)
    console.print(table)
    if found.unused:
        console.print(f"never given: {', '.join(found.unused)}", markup=False)


def mine(
    trajectories: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    *,
    env: str,
    least: int = 3,
    most: int = 5,
    endpoint: str | None = None,
    model: str | None = None,
) -> None:
    """Propose skills from recorded trajectories; a person reviews the file before anybody uses it.

    Args:
        trajectories: JSON lines, as evaluations, training or craft demos record them.
        out: Markdown or JSON file to write.
        env: environment that they were played in.
        least: occurrences below which nothing is proposed.
        most: proposals of each kind for each type of task, or of the endpoint altogether.
        endpoint: an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; counting alone when absent.
        model: its name there. A key is read from OPENAI_API_KEY.
    """
    if (endpoint is None) != (model is None):
        raise ConfigError("an endpoint needs a model, a model an endpoint", remedy="give both, or neither")
    try:
        rows = [json.loads(line) for line in trajectories.read_text("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise ConfigError(f"not a file of JSON lines: {error}", where=str(trajectories)) from error
    episodes = episodes_from_records(rows, where=str(trajectories))
    if endpoint is not None and model is not None:
        key = os.environ.get("OPENAI_API_KEY")
        bank = ask(episodes, endpoint=endpoint, model=model, env_id=env, most=most, key=key)
    else:
        bank = propose(episodes, env_id=env, least=least, most=most)
    save_bank(bank, out)
    console = Console(highlight=False, soft_wrap=True)
    solved = sum(episode.success for episode in episodes)
    console.print(
        f"{len(bank)} proposals from {len(episodes)} episodes ({solved} solved) in {out}", markup=False
    )
    console.print("Review them: nothing here knows whether they are true.")
