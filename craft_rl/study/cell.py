"""One start or one cell of a study: a folder that says how far it is, that goes on from there.

Layout of a study::

    OUT/settings.json
    OUT/starts/0/{cloned/, evaluation/, done.json or broken.json}
    OUT/cells/0/LABEL/{training/, model/, evaluation/, done.json or broken.json}
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from craft_envs.data import write_json
from craft_envs.errors import CraftError
from craft_envs.panels import Panel
from craft_rl.adapter_settings import check_adapter
from craft_rl.assemble import save_dialogue
from craft_rl.config import TrainConfig
from craft_rl.engine.hf import open_engine
from craft_rl.models.load import Policy, load_policy, save_policy
from craft_rl.models.lora import merged, with_lora
from craft_rl.models.small import build_small
from craft_rl.phases import clone, evaluate_policy, play_demonstrations, reinforce
from craft_rl.quickstart_outcome import AFTER, BEFORE, report_place, weights_digest
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes.craft import frozen_controller
from craft_rl.report.jsonl import LineFile, read_metrics
from craft_rl.report.version import source_version
from craft_rl.study.settings import StudyConfig
from craft_rl.teacher import open_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.worlds import open_panels, open_world

DONE, BROKEN, SPENT = "done.json", "broken.json", "spent.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A start (without a label) or a cell."""

    seed: int
    label: str | None = None

    def folder(self, out: Path) -> Path:
        """Where it lies in a study."""
        seed = str(self.seed)
        return out / "starts" / seed if self.label is None else out / "cells" / seed / self.label

    @property
    def name(self) -> str:
        """For messages."""
        return f"start {self.seed}" if self.label is None else f"{self.label} {self.seed}"

    @property
    def start(self) -> Job:
        """The start that it belongs to."""
        return Job(seed=self.seed)

    def needs(self, config: StudyConfig) -> tuple[Job, ...]:
        """The jobs that must be done before."""
        if self.label is None:
            return ()
        held = config.variant(self.label).frozen
        return (self.start, *([] if held is None else [Job(seed=self.seed, label=held)]))

    def is_done(self, out: Path) -> bool:
        """Nothing is left to do."""
        return (self.folder(out) / DONE).is_file()


def check_everything(config: StudyConfig) -> tuple[Panel, ...]:
    """Open panels, world, banks, so that what would be refused costs no training.

    Returns:
        The panels.

    Raises:
        CraftError: as each of them says.
    """
    start = config.start
    panels = open_panels(start.panels, start.train.world)
    world = open_world(start.train.world)
    # The real tokenizer needs the demonstrations; for what is checked here any will do.
    probe = build_small(["go to desk 1"], vocab_size=512, max_context=start.max_context)
    for label, train in config.trainings.items():
        try:
            check_adapter(train.method, train.needs_adapter, train.lora)
            open_teacher(train, probe, ChatCodec(probe.tokenizer), world.tasks)
        except CraftError as error:
            where = "; ".join(filter(None, (f"variant {label}", error.where)))
            raise type(error)(error.what, where=where, remedy=error.remedy) from error
    return panels


def run_job(config: StudyConfig, job: Job, console: Console) -> bool:
    """Do what is left of a job; what breaks it is written down, not raised.

    Returns:
        Whether it is done.

    Raises:
        KeyboardInterrupt: the user has had enough; a later call goes on.
    """
    folder = job.folder(config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Every job computes with one thread, alone or beside others, so that its result is the same.
    torch.set_num_threads(1)
    with (folder / ".lock").open("w") as lock:
        # A process whose study was killed may need a moment to notice.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not job.is_done(config.folder):
                told = _start(config, job, console) if job.label is None else _cell(config, job, console)
                write_json(folder / DONE, told)
                (folder / BROKEN).unlink(missing_ok=True)
        except Exception as error:  # whatever it is, the other cells go on
            console.print_exception(show_locals=False)
            record_failure(folder, f"{type(error).__name__}: {error}")
            return False
    return True


def record_failure(folder: Path, error: str) -> None:
    """Write down what broke a job, counting the attempts."""
    attempts = 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        attempts = json.loads((folder / BROKEN).read_text())["attempts"]
    write_json(folder / BROKEN, {"error": error, "attempts": attempts + 1})


def _start(config: StudyConfig, job: Job, console: Console) -> dict[str, Any]:
    settings = dataclasses.replace(config.start, seed=job.seed)
    folder = job.folder(config.folder)
    cloned, spent = folder / "cloned", _Spent(folder / SPENT)
    world = open_world(settings.train.world)
    if not (cloned / "report.json").is_file():
        with spent("demonstrations"):
            policy, trajectories = play_demonstrations(settings, world, console)
        with spent("cloning"):
            report = clone(settings, policy, trajectories, cloned, console)
        numbers = {f.name: getattr(report, f.name) for f in dataclasses.fields(report)}
        numbers.pop("history")
        write_json(cloned / "report.json", numbers)
    policy = load_policy(cloned / "model")
    told = _evaluated(settings, policy, cloned / "model", folder, BEFORE, spent, console)
    return told | {"cloning": json.loads((cloned / "report.json").read_text())}


def _cell(config: StudyConfig, job: Job, console: Console) -> dict[str, Any]:
    assert job.label is not None
    settings = dataclasses.replace(config.start, seed=job.seed)
    train = dataclasses.replace(_training(config, job), seed=job.seed)
    folder = job.folder(config.folder)
    spent, model = _Spent(folder / SPENT), folder / "model"
    start = job.start.folder(config.folder) / "cloned" / "model"
    if not (folder / "trained.json").is_file():
        policy = _trained(settings, train, load_policy(start), folder, spent, console)
        save_dialogue(save_policy(policy, model), settings.dialogue)
        write_json(folder / "trained.json", {"updates": train.updates})
    # Opened anew, so that an interruption before the evaluation changes nothing.
    told = _evaluated(settings, load_policy(model), model, folder, AFTER, spent, console)
    return told | {"start_weights": weights_digest(start), "updates": train.updates}


def _training(config: StudyConfig, job: Job) -> TrainConfig:
    label = str(job.label)
    if (held := config.variant(label).frozen) is None:
        return config.trainings[label]
    rows = read_metrics(Job(seed=job.seed, label=held).folder(config.folder) / "training" / "metrics.jsonl")
    return frozen_controller(config.trainings[held], rows)


def _trained(
    settings: QuickstartConfig,
    train: TrainConfig,
    policy: Policy,
    folder: Path,
    spent: _Spent,
    console: Console,
) -> Policy:
    world = open_world(train.world)
    policy = with_lora(policy, train.lora, seed=train.seed)
    engine = open_engine(policy.model, slots=train.num_envs, max_context=settings.max_context)
    with spent("training") as lap:
        reinforce(
            settings,
            train,
            policy,
            engine,
            world,
            folder / "training",
            console,
            resume=True,
            on_update=lambda row: lap(),
        )
    return merged(policy)


def _evaluated(
    settings: QuickstartConfig,
    policy: Policy,
    model: Path,
    folder: Path,
    agent: str,
    spent: _Spent,
    console: Console,
) -> dict[str, Any]:
    digest = weights_digest(model)
    world = open_world(settings.train.world)
    engine = open_engine(policy.model, slots=settings.train.num_envs, max_context=settings.max_context)
    told: dict[str, Any] = {"weights": digest, "craft": source_version(), "panels": {}}
    for panel in open_panels(settings.panels, settings.train.world):
        place = folder / report_place(panel.name, agent)
        with spent("evaluation"):
            report, _ = evaluate_policy(
                settings,
                policy,
                engine,
                world,
                panel,
                folder,
                console,
                agent=agent,
                identity=digest,
                rows_path=place.with_suffix(".rows.jsonl"),
            )
        told["panels"][panel.name] = {"mean": report.mean, "errors": report.errors}
    return told | {"seconds": spent.seconds}


class _Spent:
    """Time that a job has taken over all its attempts; what an interruption throws away counts too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[Any]:
        """Note the time that the block takes; the yielded function notes what has passed since the last."""
        lines = LineFile(self._path)
        last = [time.perf_counter(), time.process_time()]

        def lap() -> None:
            now = [time.perf_counter(), time.process_time()]
            lines.append({"phase": phase, "wall": now[0] - last[0], "cpu": now[1] - last[1]})
            last[:] = now

        try:
            yield lap
        finally:
            lap()
            lines.close()

    @property
    def seconds(self) -> dict[str, dict[str, float]]:
        """Phase -> wall and cpu seconds."""
        return seconds_spent(self._path)


def seconds_spent(path: Path) -> dict[str, dict[str, float]]:
    """Phase -> wall and CPU seconds of all attempts at a job, from its file."""
    sums: dict[str, dict[str, float]] = {}
    rows = read_metrics(path) if path.is_file() else []
    for row in rows:
        entry = sums.setdefault(row["phase"], {"wall": 0.0, "cpu": 0.0})
        for name in entry:
            entry[name] += row[name]
    return sums
