"""quickstart: play, imitate, evaluate, train, evaluate again, tell it on a page."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from craft_envs.core import World
from craft_envs.data import atomic_write, write_json
from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_rl.assemble import save_dialogue
from craft_rl.bank import bank_of, open_store
from craft_rl.compare import compare
from craft_rl.config import TrainConfig, to_mapping
from craft_rl.engine.hf import open_engine
from craft_rl.engine.protocol import Engine
from craft_rl.evaluate import AgentRunner
from craft_rl.models.load import Policy, save_policy
from craft_rl.models.lora import merged, with_lora
from craft_rl.phases import clone, evaluate_policy, evaluate_runner, play_demonstrations, reinforce
from craft_rl.quickstart_outcome import (
    AFTER,
    BEFORE,
    RESULT_FILE,
    PanelOutcome,
    QuickstartResult,
    report_place,
    result_to_json,
    weights_digest,
)
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.report.corrections import correction_cost
from craft_rl.report.jsonl import read_metrics
from craft_rl.report.page import Exhibit, Figure, PanelBlock, Summary, render_page
from craft_rl.report.plots import plot_curves
from craft_rl.rollout.record import save_trajectories
from craft_rl.skill_mix import save_reading
from craft_rl.types import EvalReport, Trajectory
from craft_rl.worlds import open_panels, open_world


def quickstart(
    config: QuickstartConfig, *, command: str = "", console: Console | None = None
) -> QuickstartResult:
    """Run all phases; the folder appears whole at the end, or not at all.

    Args:
        config: all settings.
        command: what was typed, for the page.
        console: where progress goes; stderr by default.

    Raises:
        ConfigError: the folder is already there, or a panel is of another world than the training.
        DataMismatch: the world lacks tasks of a panel, or trains on some.
        CraftError: as each phase says.
    """
    target = config.folder
    if target.exists() and not config.overwrite:
        raise ConfigError(
            "the folder is already there",
            where=str(target),
            remedy="give --overwrite to replace it, another --seed or another --out",
        )
    # In the target's own folder, so that the renaming at the end cannot cross file systems.
    part = target.with_name(f".{target.name}.part")
    run = _Run(config, part, command, console or Console(stderr=True))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    result = run.all()
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    return dataclasses.replace(result, folder=target, page=target / result.page.relative_to(part))


_PLACES = ("out", "overwrite")
"""Settings that change no result."""


class _TimeIsUp(Exception):
    """Ends the training loop from its own callback."""


class _Run:
    """The phases of one quickstart, in order."""

    def __init__(self, config: QuickstartConfig, folder: Path, command: str, console: Console) -> None:
        self.config, self.folder, self.console = config, folder, console
        self.command = command or f"craft quickstart --recipe {config.recipe} --seed {config.seed}"
        self.train = config.training
        self.seconds: list[tuple[str, float]] = []
        self.played: dict[tuple[str, str], list[Trajectory]] = {}
        self.updates = 0
        # Before anything else: skills that cannot be read, panels that are not whole cost nobody a training.
        if (bank := bank_of(self.train)) is not None:
            open_store(bank, self.train.teacher, self.train.world.env)
        self.panels = open_panels(config.panels, config.train.world)
        self.world: World = open_world(config.train.world)

    def all(self) -> QuickstartResult:
        config, folder = self.config, self.folder
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        write_json(folder / "config.json", _plain(config))
        with self._phase("demonstrations"):
            policy, trajectories = play_demonstrations(config, self.world, self.console)
        with self._phase("cloning"):
            cloned = clone(config, policy, trajectories, folder / "cloned", self.console)
        policy = with_lora(policy, self.train.lora, seed=config.seed)
        engine = open_engine(policy.model, slots=self.train.num_envs, max_context=config.max_context)
        with self._phase("evaluation of the cloned policy"):
            before = self._evaluate_policy(policy, engine, BEFORE)
        with self._phase("reinforcement learning"):
            self._reinforce(policy, engine)
        with self._phase("evaluation of the trained policy"):
            after = self._evaluate_policy(policy, engine, AFTER)
        with self._phase("evaluation of the other agents"):
            ladders = [
                tuple(self._evaluate_agent(name, panel) for name in config.ladder) for panel in self.panels
            ]
        result = QuickstartResult(
            recipe=config.recipe,
            seed=config.seed,
            command=self.command,
            folder=folder,
            page=folder / "index.html",
            panels=tuple(
                PanelOutcome(before=a, after=b, ladder=ladder, comparison=compare(a, b))
                for a, b, ladder in zip(before, after, ladders, strict=True)
            ),
            cloning=cloned,
            updates=self.updates,
            updates_planned=self.train.updates,
            seconds=tuple(self.seconds),
            facts=self._facts(policy),
        )
        write_json(folder / RESULT_FILE, result_to_json(result))
        with atomic_write(result.page, "w") as file:
            file.write(render_page(self._summary(result)))
        return result

    def _reinforce(self, policy: Policy, engine: Engine) -> None:
        minutes, started = self.config.train_minutes, time.perf_counter()

        def on_update(row: Mapping[str, Any]) -> None:
            self.updates = int(row["update"])
            if minutes is not None and time.perf_counter() - started > 60 * minutes:
                raise _TimeIsUp

        place = self.folder / "training"
        with contextlib.suppress(_TimeIsUp):
            reinforce(
                self.config,
                self.train,
                policy,
                engine,
                self.world,
                place,
                self.console,
                on_update=on_update,
            )
        save_dialogue(save_policy(merged(policy), self.folder / "model"), self.config.dialogue)
        save_reading(self.folder / "model", self.config.skill_mix)
        plot_curves(read_metrics(place / "metrics.jsonl"), self.folder / "curves.png")

    def _evaluate_policy(self, policy: Policy, engine: Engine, name: str) -> list[EvalReport]:
        """One report a panel; the episodes are kept for the page as well as for reading."""
        reports = []
        for panel in self.panels:
            report, played = evaluate_policy(
                self.config, policy, engine, self.world, panel, self.folder, self.console, agent=name
            )
            reports.append(report)
            self.played[name, panel.name] = played
            place = report_place(panel.name, name).with_suffix(".trajectories.jsonl")
            save_trajectories(self.folder / place, played)
        return reports

    def _evaluate_agent(self, name: str, panel: Panel) -> EvalReport:
        runner = AgentRunner(name)
        return evaluate_runner(self.config, runner, self.world, panel, self.folder, self.console)

    def _facts(self, policy: Policy) -> dict[str, Any]:
        weights = sum(p.numel() for p in policy.model.parameters())
        settings = {name: value for name, value in _plain(self.config).items() if name not in _PLACES}
        cost = correction_cost(read_metrics(self.folder / "training" / "metrics.jsonl"))
        return {
            **({"corrections": cost} if cost else {}),
            "method": _method(self.train),
            "policy": {
                "size": self.config.model_size,
                "weights": weights,
                "vocabulary": len(policy.tokenizer),
                "prompt": self.config.dialogue.prompt.version,
            },
            "hashes": {
                "settings": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
                BEFORE: weights_digest(self.folder / "cloned" / "model"),
                AFTER: weights_digest(self.folder / "model"),
            },
            "machine": {
                "cpus": os.cpu_count(),
                "threads": torch.get_num_threads(),
                "python": platform.python_version(),
                "torch": torch.__version__,
                "system": f"{platform.system()} {platform.machine()}",
            },
        }

    def _summary(self, result: QuickstartResult) -> Summary:
        config, folder, cloned = self.config, self.folder, result.cloning
        size, machine = result.facts["policy"], result.facts["machine"]
        cost = result.facts.get("corrections")
        return Summary(
            title=f"craft quickstart, {config.recipe}, seed {config.seed}",
            command=self.command,
            blocks=[PanelBlock(comparison=o.comparison, reports=o.reports) for o in result.panels],
            before=BEFORE,
            after=AFTER,
            figures=(
                _figure("Reinforcement learning", folder / "curves.png"),
                _figure("Cloning", folder / "cloned" / "curves.png"),
            ),
            exhibits=self._exhibits(),
            seconds=self.seconds,
            facts=(
                (
                    "policy",
                    f"{size['size']}: {size['weights']:,} weights, vocabulary {size['vocabulary']:,}",
                ),
                ("demonstrations", _shown(config)),
                (
                    "cloning",
                    f"{cloned.steps} steps, {cloned.epochs:.1f} epochs, final accuracy {cloned.accuracy:.3f}",
                ),
                ("method", _method(self.train)),
                (
                    "reinforcement learning",
                    f"{self.updates} of {self.train.updates} updates x {self.train.tasks_per_update} tasks x "
                    f"{self.train.group_size} siblings",
                ),
                *((("corrections", cost),) if cost else ()),
                ("prompt", size["prompt"]),
                *((panel.name, f"{len(panel)} tasks, hash {panel.hash}") for panel in self.panels),
                ("data hash", self.world.tasks.data_hash),
                ("weights", f"SHA-256 {result.facts['hashes'][AFTER]}"),
                ("craft", result.headline.after.commit),
                ("machine", ", ".join(f"{name} {value}" for name, value in machine.items())),
            ),
        )

    def _exhibits(self) -> list[Exhibit]:
        headline = self.panels[0].name
        first = {(t.task_id, t.seed): t for t in self.played[BEFORE, headline]}
        pairs = [(first.get((t.task_id, t.seed)), t) for t in self.played[AFTER, headline]]
        pairs.sort(key=lambda pair: pair[1].task_id)
        learned = [now for was, now in pairs if now.success and was is not None and not was.success]
        failed = [now for _, now in pairs if not now.success]
        count = self.config.exhibits
        return [
            *(Exhibit(caption="Solved after training, not before", trajectory=t) for t in learned[:count]),
            *(Exhibit(caption="Not solved", trajectory=t) for t in failed[:count]),
        ]

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.console.print(f"[bold]{name}[/bold]")
        started = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - started))


def _figure(caption: str, path: Path) -> Figure:
    return Figure(caption=caption, png=path.read_bytes())


def _plain(config: QuickstartConfig) -> dict[str, Any]:
    return to_mapping(dataclasses.replace(config, out=None)) | {"out": str(config.folder)}


def _method(train: TrainConfig) -> str:
    if train.skills is None:
        return train.method
    reader = "the prompts in training show" if train.reads_skills else "its teacher reads"
    return f"{train.method}; {reader} the skills of {train.skills}, no evaluation does"


def _shown(config: QuickstartConfig) -> str:
    mix = config.skill_mix
    told = "" if mix.bank is None else f", {mix.share:.0%} of them with skills of {mix.bank}"
    return f"{config.demonstrations} episodes, noise {config.noise:g}{told}"
