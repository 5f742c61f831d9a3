"""Running a study: which job comes next, in this process or in several of one thread each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from rich.console import Console

from craft_envs.data import write_json
from craft_envs.errors import ConfigError, DataMismatch
from craft_rl.config import from_mapping, to_mapping
from craft_rl.study.cell import BROKEN, Job, check_everything, record_failure, run_job
from craft_rl.study.outcome import Study, collect, save_study
from craft_rl.study.settings import StudyConfig, check_unchanged, resolved

SETTINGS = "settings.json"


def run_study(config: StudyConfig, *, command: str = "", console: Console | None = None) -> Study:
    """Run what is missing of a study; broken cells of a former run are tried again.

    A start comes before its cells, all cells of a seed before those of the next. Whatever ends this process,
    calling it again goes on: finished cells are not run again, a training resumes from its checkpoint.

    Args:
        config: all settings.
        command: what was typed, for the results.
        console: where progress goes; stderr by default.

    Returns:
        The results so far, as they lie in ``study.json``.

    Raises:
        ConfigError: the folder holds a study with other settings, or is in use.
        CraftError: a panel, world or bank that cannot be used.
    """
    console = console or Console(stderr=True)
    check_everything(config)
    out = config.folder
    with _alone(out):
        _keep_settings(config)
        queue = _Queue(config)
        run = _in_this_process if config.jobs == 1 else _in_processes
        for job, done in run(config, queue, console):
            console.print(f"{job.name}: {'done' if done else 'broken'}, {queue.progress()}", highlight=False)
            save_study(collect(config, command=command), out)
        study = collect(config, command=command)
        save_study(study, out)
    return study


class _Queue:
    """Jobs in order; a cell is ready when its start is done, with whatever else it needs."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._out = config.folder
        labels = [variant.label for variant in config.parsed]
        jobs = [Job(seed=seed, label=label) for seed in config.seeds for label in (None, *labels)]
        self._all = jobs
        self._open = [job for job in jobs if not job.is_done(self._out)]
        self._until = None if config.minutes is None else time.monotonic() + 60 * config.minutes

    def take(self) -> Job | None:
        """The next job that can begin now; none when the time is up, or all that is left must wait."""
        if self._until is not None and time.monotonic() > self._until:
            self._open = []
        for job in self._open:
            if all(needed.is_done(self._out) for needed in job.needs(self._config)):
                self._open.remove(job)
                return job
        return None

    def progress(self) -> str:
        """How much is done."""
        done = sum(job.is_done(self._out) for job in self._all)
        return f"{done} of {len(self._all)} starts and cells"


def _in_this_process(config: StudyConfig, queue: _Queue, console: Console) -> Iterator[tuple[Job, bool]]:
    while (job := queue.take()) is not None:
        yield job, run_job(config, job, console)


@dataclass(slots=True)
class _Worker:
    job: Job
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    attempts: int


def _in_processes(config: StudyConfig, queue: _Queue, console: Console) -> Iterator[tuple[Job, bool]]:
    running: list[_Worker] = []
    try:
        while True:
            while len(running) < config.jobs and (job := queue.take()) is not None:
                console.print(f"{job.name}: begins", highlight=False)
                running.append(_launch(config, job))
            if not running:
                return
            ended = [worker for worker in running if worker.process.poll() is not None]
            if not ended:
                time.sleep(0.1)
            for worker in ended:
                running.remove(worker)
                yield worker.job, _ended(config, worker)
    finally:
        for worker in running:
            _close(worker)


def _launch(config: StudyConfig, job: Job) -> _Worker:
    folder = job.folder(config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "log.txt").open("ab")
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    words = [str(config.folder), str(job.seed), *([] if job.label is None else [job.label])]
    process = subprocess.Popen(
        [sys.executable, "-m", "craft_rl.study.worker", *words],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return _Worker(job, process, log, _attempts(folder))


def _ended(config: StudyConfig, worker: _Worker) -> bool:
    """Whether the job is done; a process that ended without a word is written down as a failure."""
    _close(worker)
    folder = worker.job.folder(config.folder)
    if worker.job.is_done(config.folder):
        return True
    if _attempts(folder) == worker.attempts:
        code = worker.process.returncode
        how = f"signal {-code}, as when memory runs out" if code < 0 else f"code {code}"
        record_failure(folder, f"the process ended with {how}; its last words are in log.txt")
    return False


def _close(worker: _Worker) -> None:
    """Its standard input ends, at which it ends itself."""
    if worker.process.stdin is not None:
        worker.process.stdin.close()
    worker.process.wait()
    worker.log.close()


def _attempts(folder: Path) -> int:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads((folder / BROKEN).read_text())["attempts"])
    return 0


def work(out: Path, job: Job) -> int:
    """What a process of a study does: one job, unless its study dies before.

    Args:
        out: the study's folder; its settings lie there.
        job: to be done.

    Returns:
        The exit code.
    """

    def die_with_the_study() -> None:
        # However the other end goes away, it closes; then nobody waits for this result any more.
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=die_with_the_study, daemon=True).start()
    config = from_mapping(StudyConfig, json.loads((out / SETTINGS).read_text())["study"])
    console = Console(stderr=True, force_terminal=False)
    return 0 if run_job(replace(config, out=out), job, console) else 1


def _keep_settings(config: StudyConfig) -> None:
    """Write the settings down, or refuse to go on under others.

    Raises:
        ConfigError: they differ from those of the study that lies there.
        DataMismatch: the folder's settings cannot be read.
    """
    place, now = config.folder / SETTINGS, resolved(config)
    if place.is_file():
        try:
            before = json.loads(place.read_text())["resolved"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataMismatch(
                f"the settings of the study cannot be read: {error}",
                where=str(place),
                remedy="choose another --out",
            ) from error
        check_unchanged(before, now, config.folder)
    elif any(config.folder.glob("[!.]*")):
        raise ConfigError(
            "the folder holds something that is no study", where=str(config.folder), remedy="choose another"
        )
    study = to_mapping(replace(config, out=None))
    study.pop("out")
    write_json(place, {"study": study, "resolved": json.loads(json.dumps(now))})


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it however this process ends.

    Raises:
        ConfigError: another process runs this study.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                "another process runs this study",
                where=str(out),
                remedy="wait for it, or choose another --out",
            ) from error
        yield
