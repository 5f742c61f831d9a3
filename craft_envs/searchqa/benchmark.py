"""Speed of Search-QA: queries, searches of many episodes at once, the game alone, the service.

CPU times are best passes of one core, so that a busy machine matters little; those of the service, or of one
step of many episodes, are by the wall clock beside that.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from craft_envs.benchmark import calibrated
from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError, shown
from craft_envs.searchqa.layouts import LAYOUTS, layout_of
from craft_envs.searchqa.retrievers.protocol import Retrieved, Retriever
from craft_envs.searchqa.world import SearchQAWorld
from craft_envs.vector import TextVectorEnv

BATCH: Final = 128
ENVS: Final = 512
_EPISODES = 32
_START_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQAReport:
    """What was measured in this process.

    Example: ``passages=47235, single_per_s=7900.0, batch_per_s=9700.0, step_wall_s=0.07,
    overhead_us={"search_r1": 11.0, "verl_agent": 12.0}``.
    """

    passages: int
    """Size of the corpus."""
    questions: int
    """Different texts that were asked."""
    topk: int
    calibration_per_s: float
    """Passes of the fixed workload of ``craft_envs.benchmark`` per CPU second."""
    single_per_s: float
    """Queries per CPU second, one by one, their passages read."""
    batch_per_s: float
    """The same in batches of 128."""
    step_wall_s: float
    """One step of 512 environments that all search, by the wall clock."""
    step_cpu_s: float
    """CPU seconds of that step."""
    overhead_us: Mapping[str, float]
    """Layout -> microseconds of ``TextEnv.step`` with a retriever that remembers its answers: the best pass
    of each step, their mean."""
    reset_us: float
    """Microseconds of ``TextEnv.reset``, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """What was measured of a retrieval service in a process of its own.

    Example: ``start_s=0.7, batch_per_s=10500.0, server_cpu_per_s=12100.0``.
    """

    start_s: float
    """From the start of the process until ``/health`` answers, by the wall clock; files in the cache."""
    batch_per_s: float
    """Queries a second in requests of 128 over one connection that stays open, by the wall clock."""
    server_cpu_per_s: float | None
    """Queries per CPU second of the service's process; ``None`` where the system does not tell."""


def questions_of(world: SearchQAWorld, splits: Sequence[str]) -> list[str]:
    """The different questions of these splits, as they are asked.

    Raises:
        ConfigError: there is none.
    """
    source = world.tasks
    texts = list(dict.fromkeys(source.question(i).asked for name in splits for i in source.task_ids(name)))
    if not texts:
        raise ConfigError(f"the splits {', '.join(splits)} have no questions", remedy="name others")
    return texts


def benchmark_searchqa(
    world: SearchQAWorld, questions: Sequence[str], *, split: str, passes: int = 5
) -> SearchQAReport:
    """Measure a world in this process.

    Args:
        world: with a retriever over a corpus of this machine.
        questions: what is asked, see ``questions_of``.
        split: whose tasks the episodes are of.
        passes: repetitions, of which the best counts.

    Raises:
        ConfigError: the world has no corpus, or no questions are given.
        RetrieverUnavailable: the retriever cannot answer.
    """
    if world.corpus is None or not questions or passes < 1:
        raise ConfigError(
            f"nothing to measure: {len(questions)} questions, {passes} passes, corpus {shown(world.corpus)}"
        )
    retriever, topk = world.rules.retriever, world.rules.topk
    batches = [questions[at : at + BATCH] for at in range(0, len(questions), BATCH)]
    retriever.retrieve(questions, topk)  # the first pass reads the passages from the disk
    single = min(
        _cpu(lambda: [retriever.retrieve([text], topk) for text in questions]) for _ in range(passes)
    )
    batch = min(_cpu(lambda: [retriever.retrieve(some, topk) for some in batches]) for _ in range(passes))
    wall, cpu = _step_together(world, questions, split, passes)
    overhead, reset = {}, float("inf")
    for layout in LAYOUTS:
        overhead[layout], spent = _overhead(world, layout, split, passes)
        reset = min(reset, spent)
    return SearchQAReport(
        passages=len(world.corpus),
        questions=len(questions),
        topk=topk,
        calibration_per_s=calibrated(passes),
        single_per_s=len(questions) / single,
        batch_per_s=len(questions) / batch,
        step_wall_s=wall,
        step_cpu_s=cpu,
        overhead_us=overhead,
        reset_us=reset,
    )


def measure_service(
    command: Callable[[int], Sequence[str]], questions: Sequence[str], *, topk: int = 3, passes: int = 5
) -> ServiceReport:
    """Start a service on this machine, ask it, end it.

    Args:
        command: gives the command line of the service for a port; it must not return before it is ended.
        questions: what is asked, in the ``"queries"`` dialect.
        topk: passages for each.
        passes: repetitions, of which the best counts.

    Raises:
        ConfigError: it did not start, or answered otherwise than the published services.
    """
    if not questions or passes < 1:
        raise ConfigError(f"nothing to measure: {len(questions)} questions, {passes} passes")
    bodies = [
        json.dumps({"queries": some, "topk": topk, "return_scores": True}).encode()
        for some in (questions[at : at + BATCH] for at in range(0, len(questions), BATCH))
    ]
    with tempfile.TemporaryFile() as said:
        port = _free_port()
        began = time.perf_counter()
        program = subprocess.Popen(list(command(port)), stdout=subprocess.DEVNULL, stderr=said)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            _wait(program, port, said)
            start = time.perf_counter() - began
            _ask(connection, bodies)
            best, server = float("inf"), float("inf")
            for _ in range(passes):
                used, began = _used(program.pid), time.perf_counter()
                _ask(connection, bodies)
                best = min(best, time.perf_counter() - began)
                server = min(server, _used(program.pid) - used)
        except (OSError, http.client.HTTPException) as error:
            raise ConfigError(f"the service broke off: {error}", where=_last_line(said)) from error
        finally:
            connection.close()
            program.terminate()
            program.wait()
    return ServiceReport(
        start_s=start,
        batch_per_s=len(questions) / best,
        server_cpu_per_s=len(questions) / server if 0 < server < float("inf") else None,
    )


class _Remembered:
    """A retriever whose answers have been looked up before."""

    def __init__(self, retriever: Retriever, queries: Sequence[str], k: int) -> None:
        self._answers = dict(zip(queries, retriever.retrieve(queries, k), strict=True))

    def retrieve(self, queries: Sequence[str], k: int) -> list[list[Retrieved]]:
        answers = self._answers
        return [answers[query] for query in queries]


def _overhead(world: SearchQAWorld, layout: str, split: str, passes: int) -> tuple[float, float]:
    """Microseconds a step with those a reset."""
    ids = world.tasks.task_ids(split)[:_EPISODES]
    chosen = [world.tasks.question(task_id) for task_id in ids]
    searches = [[question.asked, *question.gold_titles[:2]] for question in chosen]
    remembered = _Remembered(world.rules.retriever, list(itertools.chain(*searches)), world.rules.topk)
    rules = replace(world.rules, retriever=remembered, layout=layout_of(layout))
    env = TextEnv(SearchQAWorld(world.tasks, rules, world.corpus, world.max_steps), split=split)
    scripts = [
        [*(f"search[{text}]" for text in texts), f"answer[{question.answers[0]}]"]
        for texts, question in zip(searches, chosen, strict=True)
    ]

    def play() -> tuple[list[float], list[float]]:
        steps, resets = [], []
        for task_id, actions in zip(ids, scripts, strict=True):
            began = time.perf_counter()
            env.reset(options={"task_id": task_id})
            resets.append(time.perf_counter() - began)
            for action in actions:
                began = time.perf_counter()
                env.step(action)
                steps.append(time.perf_counter() - began)
        return steps, resets

    played = [play() for _ in range(20 * passes)]
    return _mean_of_best([steps for steps, _ in played]), _mean_of_best([resets for _, resets in played])


def _step_together(
    world: SearchQAWorld, questions: Sequence[str], split: str, passes: int
) -> tuple[float, float]:
    """Wall seconds with CPU seconds of one step of 512 episodes that all search."""
    vector = TextVectorEnv(world, num_envs=ENVS, split=split)
    asked = itertools.cycle(questions)
    walls, spent = [], []
    for number in range(passes):
        vector.reset(seed=number * ENVS)
        actions = [f"search[{text}]" for text in itertools.islice(asked, ENVS)]
        wall, cpu = time.perf_counter(), time.process_time()
        vector.step(actions)
        walls.append(time.perf_counter() - wall)
        spent.append(time.process_time() - cpu)
    return min(walls), min(spent)


def _mean_of_best(passes: Sequence[Sequence[float]]) -> float:
    """Microseconds: the best of each place over the passes, their mean."""
    best = [min(times) for times in zip(*passes, strict=True)]
    return 1e6 * sum(best) / len(best)


def _cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _wait(program: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    end = time.monotonic() + _START_S
    while program.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        finally:
            connection.close()
    raise ConfigError("the service did not start", where=_last_line(said))


def _ask(connection: http.client.HTTPConnection, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        connection.request("POST", "/retrieve", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise ConfigError(
                f"the service answered {response.status}: {shown(text.decode(errors='replace'))}"
            )


def _used(pid: int) -> float:
    """CPU seconds of a process so far; infinite where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return float("inf")


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
