"""craft eval: any agent on any panel, resumable, with intervals."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console

from craft_envs.agents import agent_names
from craft_envs.core import World
from craft_envs.errors import ConfigError, did_you_mean
from craft_envs.panels import Panel
from craft_rl.agent.parse import Form, Think
from craft_rl.agent.policy_io import PolicyIO, Preface, Sampling
from craft_rl.agent.prompt import HistoryKind, PromptSettings
from craft_rl.evaluate import AgentRunner, ModelRunner, Runner, evaluate
from craft_rl.report.console import ProgressBar
from craft_rl.report.evaluation import print_report, save_report, score_so_far
from craft_rl.types import EvalReport, TaskResult
from craft_rl.worlds import WorldConfig

if TYPE_CHECKING:
    from craft_rl.assemble import DialogueSettings
    from craft_rl.models.load import Policy

MODEL_PREFIX = "hf:"


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """Evaluate an agent on a complete panel, without skills unless ``with_skills`` says so."""

    agent: Annotated[str, tyro.conf.Positional]
    """oracle, random, scripted, novice, or hf:PATH with a model folder or hub id."""
    panel: str = "alfworld-bundled-full-valid_unseen"
    """Name of a frozen panel, or path of a panel file (.jsonl)."""
    data_dir: str | None = None
    """Folder or archive of the official files; CRAFT_DATA when absent."""
    options: tuple[str, ...] = ()
    """What the panel leaves open about its world, NAME=VALUE each, such as retriever=dense topk=5."""
    out: Path | None = None
    """Folder for report.json with rows.jsonl; runs/eval/AGENT/PANEL when absent."""
    seeds: tuple[int, ...] = (0,)
    """Evaluation seeds; each task is played once per seed."""
    num_envs: int = 32
    """Episodes at the same time; changes speed, not results."""
    max_steps: int | None = None
    """Step limit; the benchmark's own when absent."""
    seconds_limit: float | None = None
    """Wall time after which an episode counts as a failure of the infrastructure."""
    template: str | None = None
    """Prompt template; as the model was trained, else instruct/1."""
    history: HistoryKind | None = None
    """window or full; as the model was trained, else window."""
    window: int | None = None
    """Past exchanges in a windowed prompt; as the model was trained, else 2."""
    admissible: bool | None = None
    """List the admissible actions; as the model was trained, else yes."""
    hidden: tuple[str, ...] | None = None
    """Admissible actions left out of the list; as the model was trained, else none."""
    think: Think | None = None
    """optional, required or off; as the model was trained, else optional."""
    form: Form | None = None
    """How responses are read, see craft_rl/agent/parse.py; as the model was trained, else tags."""
    temperature: float = 0.0
    """0 takes the most likely token."""
    top_p: float = 1.0
    """Sample among the most likely tokens with this total probability."""
    top_k: int = 0
    """Sample among this many tokens; 0 for all."""
    max_new_tokens: int | None = None
    """Longest response; as the model was trained, else 512."""
    max_context: int | None = None
    """Most tokens of prompt and response; as the model was trained, else the model's limit up to 8192."""
    with_skills: str | None = None
    """Bank whose skills stand in the model's prompts: a bundled one, file or folder. Such a score is no score
    of the policy alone; its report says so and cannot be compared with one without skills."""
    skill_strategy: str | None = None
    """How skills are chosen for a task; as the model was trained, else keyword."""
    skill_budget: int | None = None
    """Most tokens of the skills; as the model was trained, else no limit."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1."""
    dtype: str = "float32"
    """Number format of the weights."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


def main(args: Sequence[str]) -> int:
    """Run the command; 0 when it succeeded."""
    run(tyro.cli(EvalSettings, prog="craft eval", args=list(args)))
    return 0


def run(settings: Annotated[EvalSettings, tyro.conf.arg(name="")]) -> EvalReport:
    """Evaluate an agent on a complete panel, without skills unless ``with_skills`` says so.

    Interrupted or failed, run the same command again: it plays only what is missing.
    """
    console = Console()
    panel = find_panel(settings.panel)
    options = WorldConfig(env=panel.env_id, options=settings.options).words
    where = {} if settings.data_dir is None else {"data_dir": settings.data_dir}
    world = panel.open(**options, **where)
    told = "" if settings.with_skills is None else f"-with-{file_name(settings.with_skills)}"
    out = settings.out or Path("runs/eval") / f"{file_name(settings.agent)}{told}" / file_name(panel.name)
    runner = make_runner(settings, panel, world)
    report = evaluate_with_bar(
        runner,
        world,
        panel,
        seeds=settings.seeds,
        num_envs=settings.num_envs,
        max_steps=settings.max_steps,
        rows_path=out / "rows.jsonl",
        world_options=options,
    )
    save_report(report, out / "report.json")
    print_report(report, console)
    console.print(f"report: {out / 'report.json'}", highlight=False, soft_wrap=True)
    return report


def evaluate_with_bar(runner: Runner, world: World, panel: Panel, **settings: Any) -> EvalReport:
    """``evaluate`` with a progress bar that shows the score so far, with the episodes that broke."""
    rows: list[TaskResult] = []
    total = len(panel) * len(settings.get("seeds", (0,)))
    with ProgressBar(f"{runner.agent} on {panel.name}", total, shown=("score", "broken")) as bar:

        def on_row(row: TaskResult) -> None:
            rows.append(row)
            bar.advance(score_so_far(rows))

        return evaluate(runner, world, panel, on_row=on_row, **settings)


def find_panel(name: str) -> Panel:
    """A frozen panel by name, or a panel file by path.

    Raises:
        ConfigError: no frozen panel of this name.
        DataNotFound: no such file.
        DataMismatch: the panel was altered.
    """
    return Panel.read(name) if name.endswith(".jsonl") else Panel.load(name)


def make_runner(settings: EvalSettings, panel: Panel, world: World) -> Runner:
    """Who plays.

    Raises:
        ConfigError: unknown agent, an option of models given to an agent without one, a setting of skills
            without skills, or a bank that cannot be read.
        DataNotFound: no such model.
    """
    if settings.agent.startswith(MODEL_PREFIX):
        return _model_runner(settings, world)
    known = agent_names(panel.env_id)
    if settings.agent not in known:
        remedy = (
            did_you_mean(settings.agent, known)
            or f"use {', '.join(known)}, or {MODEL_PREFIX}PATH for a model"
        )
        raise ConfigError(f"no agent {settings.agent!r}", remedy=remedy)
    default = EvalSettings(agent=settings.agent)
    for name in _MODEL_OPTIONS:
        if getattr(settings, name) != getattr(default, name):
            raise ConfigError(
                f"the option {name} has no effect on the agent {settings.agent!r}, which has no model",
                remedy=f"drop it, or evaluate {MODEL_PREFIX}PATH",
            )
    return AgentRunner(settings.agent)


_MODEL_OPTIONS = (
    *("template", "history", "window", "admissible", "hidden", "think", "form"),
    *("temperature", "top_p", "top_k", "max_new_tokens", "max_context"),
    *("device", "dtype", "trust_remote_code", "seconds_limit"),
    *("with_skills", "skill_strategy", "skill_budget"),
)


def _model_runner(settings: EvalSettings, world: World) -> ModelRunner:
    # Imported here: agents without a model need no torch.
    from craft_rl.assemble import load_dialogue
    from craft_rl.engine.hf import open_engine
    from craft_rl.models.load import load_policy
    from craft_rl.tokens.encode import ChatCodec

    place = settings.agent.removeprefix(MODEL_PREFIX)
    policy = load_policy(
        place, device=settings.device, dtype=settings.dtype, trust_remote_code=settings.trust_remote_code
    )
    known = load_dialogue(place) if Path(place).is_dir() else None
    io = PolicyIO(
        codec=ChatCodec(policy.tokenizer),
        prompt=prompt_settings(settings, known),
        sampling=Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_new_tokens=settings.max_new_tokens or (known.max_new_tokens if known else 512),
        ),
    )
    if settings.with_skills is not None:
        io = dataclasses.replace(io, preface=_preface(settings, settings.with_skills, policy, world))
    elif settings.skill_strategy is not None or settings.skill_budget is not None:
        raise ConfigError("a setting of skills is given, but no skills", remedy="name a bank: --with-skills")
    limit = int(getattr(policy.model.config, "max_position_embeddings", None) or 8192)
    max_context = settings.max_context or (known.max_context if known else min(limit, 8192))
    engine = open_engine(policy.model, slots=settings.num_envs, max_context=max_context)
    return ModelRunner(
        engine,
        io,
        agent=settings.agent,
        identity=weights_identity(policy.model.state_dict()),
        seconds_limit=settings.seconds_limit,
    )


def _preface(settings: EvalSettings, bank: str, policy: Policy, world: World) -> Preface:
    # Imported here alone: no other evaluation loads anything that can read skills.
    from craft_rl.skill_mix import load_reading
    from craft_rl.skilled import skill_preface

    place = settings.agent.removeprefix(MODEL_PREFIX)
    learned = load_reading(place)
    reading = dataclasses.replace(
        learned,
        strategy=settings.skill_strategy or learned.strategy,
        budget=learned.budget if settings.skill_budget is None else settings.skill_budget,
    )
    return skill_preface(bank, reading, policy, world.tasks)


def prompt_settings(settings: EvalSettings, known: DialogueSettings | None) -> PromptSettings:
    """The options that were given, on top of how the policy has learned, on top of the defaults."""
    base = known.prompt if known is not None else PromptSettings()
    given = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(PromptSettings)
        if getattr(settings, field.name) is not None
    }
    return dataclasses.replace(base, **given)


def weights_identity(state: Mapping[str, Any]) -> str:
    """Hex digest over all weights, names included; rows of other weights are not reused."""
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def file_name(text: str) -> str:
    """A name that is safe as a folder on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "unnamed"
