"""Speed with memory of a text world: steps, resets, a rollout, beside the original engine where installed.

Times are CPU seconds of one core, best of several passes, so a busy machine matters little. Actions are
recorded beforehand from the environment's random agent; choosing them costs nothing here. Every step includes
the list of admissible actions. ``relative`` holds the speeds divided by those of a fixed pure-Python workload
of the same run: these ratios may be compared between machines, the plain figures may not.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from craft_envs.agents import Agent, Seat, make_agent
from craft_envs.core import World, session_info, split_task_ids
from craft_envs.data import write_json
from craft_envs.errors import CraftError, DataMismatch, DataNotFound
from craft_envs.registration import load_world, world_parameters
from craft_envs.vector import TextVectorEnv

ROLLOUT_ENVS, ROLLOUT_STEPS = 128, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReport:
    """What was measured.

    Example: ``session_steps_per_s=71000.0, reset_warm_ms=0.05, rollout_cpu_s=0.21, megabytes=93.0``.
    """

    env_id: str
    world: Mapping[str, Any]
    """Keywords of the world."""
    split: str
    calibration_per_s: float
    """Passes of the fixed workload per CPU second."""
    session_steps_per_s: float
    """``Session.act`` with the admissible list."""
    env_steps_per_s: float
    """``TextEnv.step``."""
    vector_steps_per_s: float
    """Environment steps of ``TextVectorEnv.step``, 128 environments."""
    reset_cold_ms: float
    """Mean first reset of a task, what it needs compiled on the way."""
    reset_warm_ms: float
    """Mean reset of a task that was opened before, by ``TextEnv.reset``."""
    rollout_cpu_s: float
    """128 episodes x 50 steps in one ``TextVectorEnv``, resets included."""
    games: int
    """Tasks of all splits together."""
    megabytes: float
    """Growth of the resident set by loading the world, then opening every task once, in a fresh process."""
    relative: Mapping[str, float]
    """Speeds over ``calibration_per_s``; larger is faster."""
    original: Mapping[str, float]
    """The original engine in this run: its ms with our ratio to it; empty when it is not installed, or when
    the world cannot be played by it."""


def benchmark(
    env_id: str = "craft/ALFWorld-v0",
    *,
    split: str = "train",
    passes: int = 3,
    with_original: bool = True,
    **world: Any,
) -> BenchmarkReport:
    """Measure one world in this process, its memory in a fresh one.

    Args:
        env_id: which environment.
        split: where its tasks are taken from.
        passes: repetitions, of which the best counts.
        with_original: compare with ``backend="textworld"`` in a world that knows it, where it is installed.
        world: keywords of ``load_world``.
    """
    opened = load_world(env_id, **world)
    ids = list(split_task_ids(opened.tasks, split))
    ids = ids[:: max(1, len(ids) // ROLLOUT_ENVS)][:ROLLOUT_ENVS]
    seat = Seat(opened, split=split)
    agent = make_agent("random", seat)
    for task_id in ids:  # a source that builds its tasks when asked for shall have built them
        opened.tasks.task(task_id)
    started = time.process_time()
    for task_id in ids:
        session_info(_started(opened, task_id), True, 0)
    cold = (time.process_time() - started) / len(ids)
    scripts = [_script(opened, task_id, seat, agent) for task_id in ids]
    steps = sum(map(len, scripts))
    calibration = calibrated(passes)
    session = steps / _best(passes, lambda: _play_sessions(opened, ids, scripts))
    vector = TextVectorEnv(opened, num_envs=len(ids), split=split, max_steps=10 * ROLLOUT_STEPS)
    env = vector.envs[0]
    resets = _best(passes, lambda: [env.reset(options={"task_id": task_id}) for task_id in ids])
    env_time = _best(passes, lambda: _play_env(env, ids, scripts))
    even = [_filled(script) for script in scripts]
    rollout = _best(passes, lambda: _play_vector(vector, ids, even))
    speeds = {
        "session_steps": session,
        "env_steps": steps / max(env_time - resets, 1e-9),
        "vector_steps": len(ids) * ROLLOUT_STEPS / max(rollout - resets, 1e-9),
        "resets": len(ids) / resets,
    }
    return BenchmarkReport(
        env_id=env_id,
        world=world_identity(world),
        split=split,
        calibration_per_s=calibration,
        session_steps_per_s=speeds["session_steps"],
        env_steps_per_s=speeds["env_steps"],
        vector_steps_per_s=speeds["vector_steps"],
        reset_cold_ms=1000 * cold,
        reset_warm_ms=1000 * resets / len(ids),
        rollout_cpu_s=rollout * ROLLOUT_ENVS / len(ids),
        games=sum(len(opened.tasks.task_ids(name)) for name in opened.tasks.splits()),
        megabytes=memory(env_id, **world),
        relative={name: speed / calibration for name, speed in speeds.items()},
        original=_original(env_id, ids[:3], scripts[:3], session, resets / len(ids), world)
        if with_original
        else {},
    )


def memory(env_id: str, **world: Any) -> float:
    """Megabytes that a fresh process grows by when it loads a world, then opens every task of it once."""
    program = (
        "import json, sys; from craft_envs.benchmark import resident, open_all, load_world;"
        "env_id, keywords = json.loads(sys.argv[1]); before = resident();"
        "world = load_world(env_id, **keywords); open_all(world); print(resident() - before)"
    )
    keywords = {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in world.items()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps([env_id, keywords])],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise CraftError("the memory measurement failed", where=done.stderr.strip().splitlines()[-1])
    return float(done.stdout) / 1e6


def calibrated(passes: int = 3) -> float:
    """Passes of the fixed workload per CPU second, which speeds of other machines or days are divided by."""
    return 1 / _best(passes, _workload)


def open_all(world: World) -> None:
    """Open every task of every split once."""
    for split in world.tasks.splits():
        for task_id in world.tasks.task_ids(split):
            world.open(task_id, 0).start()


def resident() -> int:
    """Bytes of this process in memory, after a collection (Linux; elsewhere the peak so far)."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def world_identity(world: Mapping[str, object]) -> dict[str, str]:
    """The keywords of ``load_world`` as a report keeps them: without places on this machine."""
    return {key: str(value) for key, value in world.items() if value is not None and key != "data_dir"}


def read_baseline(
    baseline: str | Path, *, env_id: str, world: Mapping[str, object], split: str
) -> dict[str, float]:
    """Relative speeds of a stored report, which must be of this world.

    Raises:
        DataNotFound: no such file.
        DataMismatch: it is not a benchmark report, or one of another world.
    """
    try:
        stored = json.loads(Path(baseline).read_text("utf-8"))
        relative = {name: float(value) for name, value in stored["relative"].items()}
        measured = (stored["env_id"], stored["world"], stored["split"])
    except FileNotFoundError as error:
        raise DataNotFound("no such baseline", where=str(baseline)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataMismatch("not a benchmark report", where=str(baseline)) from error
    wanted = (env_id, dict(world), split)
    if measured != wanted:
        raise DataMismatch(
            f"the baseline is of {measured}, to be measured is {wanted}",
            where=str(baseline),
            remedy="name a baseline of the same world, or drop it",
        )
    return relative


def ratios_to_baseline(report: BenchmarkReport, baseline: Mapping[str, float]) -> dict[str, float]:
    """Relative speeds of a report over those of ``read_baseline``; 0.5 means half as fast."""
    return {name: value / baseline[name] for name, value in report.relative.items() if name in baseline}


def write_report(report: BenchmarkReport, path: str | Path) -> None:
    """Write a report as JSON, in one piece."""
    write_json(path, asdict(report))


def _started(world: World, task_id: str) -> Any:
    session = world.open(task_id, 0)
    session.start()
    return session


def _script(world: World, task_id: str, seat: Seat, agent: Agent) -> list[str]:
    """Fifty random actions that do not end the task; fewer where the agent finds hardly any other."""
    session, actions, observation, refused = world.open(task_id, 0), list[str](), "", 0
    observation = session.start()
    seat.take(session)
    hook = getattr(agent, "reset", None)
    if hook is not None:
        hook(session_info(session, True, 0))
    while len(actions) < ROLLOUT_STEPS and refused < ROLLOUT_STEPS:  # refused in a row
        action = agent.act(observation, session_info(session, True, len(actions)))
        outcome = session.act(action)
        if not outcome.terminated:
            observation = outcome.observation
            actions.append(action)
            refused = 0
            continue
        refused += 1
        session = world.open(task_id, 0)
        observation = session.start()
        for earlier in actions:
            observation = session.act(earlier).observation
        seat.take(session)
    return actions


def _filled(script: list[str]) -> list[str]:
    """A script of full length: played again from its start, or empty text, which no world can use."""
    return list(islice(cycle(script or [""]), ROLLOUT_STEPS))


def _play_sessions(world: World, ids: Sequence[str], scripts: Sequence[Sequence[str]]) -> None:
    for task_id, actions in zip(ids, scripts, strict=True):
        session = _started(world, task_id)
        for action in actions:
            session.act(action)
            session.admissible_actions()


def _play_env(env: Any, ids: Sequence[str], scripts: Sequence[Sequence[str]]) -> None:
    for task_id, actions in zip(ids, scripts, strict=True):
        env.reset(options={"task_id": task_id})
        for action in actions:
            env.step(action)


def _play_vector(envs: TextVectorEnv, ids: Sequence[str], scripts: Sequence[Sequence[str]]) -> None:
    envs.reset(options={"task_ids": ids})
    for actions in zip(*scripts, strict=True):
        envs.step(actions)


def _workload() -> None:
    """Dictionary, string, list work of the kind that text worlds do; never to be changed."""
    places = {f"place {i}": [f"thing {j}" for j in range(i % 7)] for i in range(200)}
    seen = 0
    for name, things in places.items():
        listed = sorted(f"take {thing} from {name}" for thing in things)
        seen += len(", ".join(listed)) + places.get(f"place {len(listed)}", listed).count(name)
    if seen < 0:
        raise AssertionError(seen)


def _best(passes: int, work: Callable[[], Any]) -> float:
    """CPU seconds of the best pass; each pass repeats short work until 0.1 s are full."""
    best = float("inf")
    for _ in range(passes):
        count, started, spent = 0, time.process_time(), 0.0
        while spent < 0.1:
            work()
            count += 1
            spent = time.process_time() - started
        best = min(best, spent / count)
    return best


def _original(
    env_id: str,
    ids: Sequence[str],
    scripts: Sequence[Sequence[str]],
    our_steps_per_s: float,
    our_reset_s: float,
    world: Mapping[str, Any],
) -> dict[str, float]:
    if "backend" not in world_parameters(env_id):
        return {}
    try:
        other = load_world(env_id, **{**world, "backend": "textworld"})
    except (CraftError, ImportError):
        return {}
    reset_s, step_s, steps = 0.0, 0.0, 0
    for task_id, actions in zip(ids, scripts, strict=True):
        started = time.process_time()
        session = _started(other, task_id)
        session.admissible_actions()
        reset_s += time.process_time() - started
        started = time.process_time()
        for action in actions[:10]:
            session.act(action)
            session.admissible_actions()
        step_s += time.process_time() - started
        steps += len(actions[:10])
    return {
        "reset_ms": 1000 * reset_s / len(ids),
        "step_ms": 1000 * step_s / steps,
        "resets_times_faster": reset_s / len(ids) / our_reset_s,
        "steps_times_faster": step_s / steps * our_steps_per_s,
    }
