"""Speed with memory of the shop at any size: building, starting, playing, searching, many sessions at once.

Each figure is taken in a fresh process, so that nothing is in its caches but what its own episodes put there.
Played are the scripted shopper's actions, recorded before in another process, on goals that differ, each once
to the purchase: its queries differ too. Every step goes through ``TextEnv``: observation, admissible actions,
information, reward. Times are CPU seconds of one core except where they are called wall.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from craft_envs.agents import make_agent, run_episode
from craft_envs.benchmark import calibrated, resident
from craft_envs.core import TextEnv
from craft_envs.data import cache_root, write_json
from craft_envs.errors import ConfigError, CraftError
from craft_envs.search.bm25 import Bm25Searcher
from craft_envs.webshop.pages import BUY, RESULTS_SHOWN
from craft_envs.webshop.splits import ENV_ID
from craft_envs.webshop.world import WebShopWorld, load_world

__all__ = ["ENV_ID", "SESSIONS", "ShopReport", "benchmark_shop", "write_report"]

SESSIONS: Final = 1_000
_CALIBRATE_EVERY: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopReport:
    """What was measured.

    Example: ``products=1200, steps_per_s=17000.0, sessions_megabytes=95.0, search_p50_ms=0.2``.
    """

    env_id: str
    world: Mapping[str, str]
    """Keywords of the world."""
    split: str
    products: int
    compiled: bool
    """Whether the search ranked in C."""
    built: Mapping[str, float]
    """CPU and wall seconds of making catalogue and index, where this run had to; empty where the cache had
    them."""
    disk_megabytes: float
    """Catalogue with index in the cache folder; 0 for what is made in memory."""
    start_wall_s: float
    """A fresh process from its first import to its first page of results, caches on disk, wall time."""
    start_cpu_s: float
    """The same, CPU time."""
    episodes: int
    steps: int
    score: float
    """Mean of the rewards that were paid."""
    steps_per_s: float
    """Complete episodes with purchase and reward, resets included, goals and queries all different."""
    repeated_steps_per_s: float
    """The same episodes a second time in the same process."""
    step_us: Mapping[str, float]
    """Mean microseconds of a step in the first pass: ``search``, ``open``, ``choose``, ``buy``."""
    search_p50_ms: float
    """Median of the recorded queries, top 50, each for the first time in its process."""
    search_p95_ms: float
    sessions_megabytes: float
    """Resident set of a whole process with 1,000 running episodes in it, each on a product's page."""
    session_kilobytes: float
    """What each of them added."""
    peak_megabytes: float
    """Largest resident set of the playing process."""
    private_megabytes: float
    """What the playing process has for itself at its end (Linux; else 0)."""
    shared_megabytes: float
    """Pages of files in its resident set, which processes share: catalogue, index, libraries (Linux)."""
    calibration_per_s: float
    """Passes of the fixed workload of ``craft_envs.benchmark`` per CPU second."""
    relative: Mapping[str, float]
    """Speeds over ``calibration_per_s``, to be compared between machines."""


def benchmark_shop(
    *, episodes: int = 2_000, passes: int = 3, fresh_cache: bool = False, **world: Any
) -> ShopReport:
    """Measure one shop.

    Args:
        episodes: how many goals of the training split are played, all where it has fewer.
        passes: processes that play them; the fastest counts, since others may disturb one.
        fresh_cache: build catalogue and index anew in a temporary folder, whatever the cache has.
        world: keywords of ``load_world``.

    Raises:
        ConfigError: a keyword or number does not fit.
        DataNotFound: official files are missing.
        OSError: the disk is full.
    """
    if episodes < 1 or passes < 1:
        raise ConfigError(f"episodes is {episodes}, passes is {passes}", remedy="give positive numbers")
    words = {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in world.items()}
    with tempfile.TemporaryDirectory(prefix="craft-webshop-") as made:
        cache = {"CRAFT_CACHE": str(Path(made) / "cache")} if fresh_cache else {}
        scripts = str(Path(made) / "scripts.json")
        built = _fresh("build", cache, words)
        _fresh("record", cache, words, episodes, scripts)
        start = _fresh("start", cache, words, scripts)
        play = max(
            (_fresh("play", cache, words, scripts) for _ in range(passes)), key=lambda one: one["steps_per_s"]
        )
        searched = _fresh("search", cache, words, scripts)
        many = _fresh("sessions", cache, words, scripts)
    calibration = play.pop("calibration_per_s")
    speeds = {
        "steps": play["steps_per_s"],
        "repeated_steps": play["repeated_steps_per_s"],
        "searches": 1e3 / searched["search_p50_ms"],
    }
    return ShopReport(
        env_id=ENV_ID,
        split="train",
        world={key: str(value) for key, value in words.items() if value is not None and key != "data_dir"},
        calibration_per_s=calibration,
        relative={name: speed / calibration for name, speed in speeds.items()},
        **built,
        **start,
        **play,
        **searched,
        **many,
    )


def _build(world: Mapping[str, Any]) -> dict[str, Any]:
    """Make what the cache lacks."""
    root = cache_root()
    before = _entries(root)
    cpu, wall = time.process_time(), time.perf_counter()
    catalogue = _catalogue(world)
    between = time.process_time()
    opened = load_world(**world)
    end = time.process_time()
    new = _entries(root) - before
    made = {
        "catalogue_cpu_s": between - cpu,
        "index_cpu_s": end - between,
        "wall_s": time.perf_counter() - wall,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    searcher = opened.shop.searcher
    folders = [
        getattr(catalogue, "folder", Path(os.devnull)),
        root / "search" / f"webshop-{catalogue.content_hash[:16]}",
    ]
    files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    return {
        "products": len(catalogue),
        "compiled": isinstance(searcher, Bm25Searcher) and searcher.compiled,
        "built": made if new else {},
        "disk_megabytes": sum(file.stat().st_size for file in files) / 1e6,
    }


def _catalogue(world: Mapping[str, Any]) -> Any:
    if world.get("data") == "official":
        from craft_envs.webshop.official import official_shop

        return official_shop(world.get("data_dir")).catalogue
    if world.get("products") is not None:
        from craft_envs.webshop.store import generated_catalogue

        return generated_catalogue(world["products"])
    from craft_envs.webshop.bundled import bundled_shop

    return bundled_shop(world.get("size", "full")).catalogue


def _record(world: Mapping[str, Any], episodes: int, scripts: str) -> dict[str, Any]:
    """Write the scripted shopper's actions on different goals."""
    env = TextEnv(load_world(**world), split="train")
    agent = make_agent("scripted", env)
    ids = env.task_ids[:: max(1, len(env.task_ids) // episodes)][:episodes]
    played = [(task_id, run_episode(env, agent, task_id=task_id).actions) for task_id in ids]
    write_json(scripts, [list(entry) for entry in played])
    return {}


def _start(world: Mapping[str, Any], scripts: str) -> dict[str, Any]:
    """The first page of results; import and interpreter are counted by the clock of the process."""
    _, actions = json.loads(Path(scripts).read_text("utf-8"))[0]
    env = TextEnv(load_world(**world), split="train")
    env.reset(seed=0)
    env.step(actions[0])
    started = float(os.environ["CRAFT_BENCH_STARTED"])
    return {"start_wall_s": time.time() - started, "start_cpu_s": time.process_time()}


def _play(world: Mapping[str, Any], scripts: str) -> dict[str, Any]:
    """The recorded episodes, twice."""
    episodes = json.loads(Path(scripts).read_text("utf-8"))
    env = TextEnv(load_world(**world), split="train")
    steps = sum(len(actions) for _, actions in episodes)
    kinds: dict[str, list[float]] = defaultdict(list)
    rewards = []
    spent = 0.0
    speeds = []
    clock = time.thread_time
    for number, (task_id, actions) in enumerate(episodes):
        if number % _CALIBRATE_EVERY == 0:  # in between, so that both meet the same machine
            speeds.append(calibrated(1))
        cpu = time.process_time()
        env.reset(options={"task_id": task_id})
        reward = 0.0
        for action in actions:
            before = clock()
            _, reward, _, _, _ = env.step(action)
            kinds[_kind(action)].append(clock() - before)
        spent += time.process_time() - cpu
        rewards.append(reward)
    again = time.process_time()
    for task_id, actions in episodes:
        env.reset(options={"task_id": task_id})
        for action in actions:
            env.step(action)
    again = time.process_time() - again
    private, shared = _parts()
    return {
        "episodes": len(episodes),
        "steps": steps,
        "score": statistics.fmean(rewards),
        "steps_per_s": steps / spent,
        "repeated_steps_per_s": steps / again,
        "calibration_per_s": statistics.fmean(speeds),
        "step_us": {kind: 1e6 * statistics.fmean(times) for kind, times in kinds.items()},
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "private_megabytes": private,
        "shared_megabytes": shared,
    }


def _search(world: Mapping[str, Any], scripts: str) -> dict[str, Any]:
    """Every recorded query once."""
    episodes = json.loads(Path(scripts).read_text("utf-8"))
    queries = [action[7:-1] for _, actions in episodes for action in actions if _kind(action) == "search"]
    searcher = load_world(**world).shop.searcher

    def find(query: str, k: int) -> object:
        return searcher.ids(query, k) if isinstance(searcher, Bm25Searcher) else searcher.search([query], k)

    find("a first one", RESULTS_SHOWN)
    times = []
    for query in dict.fromkeys(queries):
        start = time.thread_time()
        find(query, RESULTS_SHOWN)
        times.append(1e3 * (time.thread_time() - start))
    return {
        "search_p50_ms": statistics.median(times),
        "search_p95_ms": sorted(times)[int(0.95 * len(times))],
    }


def _sessions(world: Mapping[str, Any], scripts: str) -> dict[str, Any]:
    """A thousand episodes, all of them on their way."""
    episodes = json.loads(Path(scripts).read_text("utf-8"))
    opened: WebShopWorld = load_world(**world)
    before = resident()
    running = []
    for number in range(SESSIONS):
        task_id, actions = episodes[number % len(episodes)]
        session = opened.open(task_id, 0)
        session.start()
        session.admissible_actions()
        for action in actions[:2]:
            session.act(action)
            session.admissible_actions()
        running.append(session)
    after = resident()
    return {
        "sessions_megabytes": after / 1e6,
        "session_kilobytes": (after - before) / 1e3 / len(running),
    }


def _kind(action: str) -> str:
    if action.startswith("search["):
        return "search"
    name = action[6:-1]
    if name == BUY:
        return "buy"
    return "open" if len(name) <= 10 and name.startswith("b0") else "choose"


def _parts() -> tuple[float, float]:
    """Megabytes of this process alone, of files that it has mapped."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {name: text for name, _, text in (line.partition(":") for line in lines)}
    private, shared = (int(sizes[name].split()[0]) / 1e3 for name in ("RssAnon", "RssFile"))
    return private, shared


def _entries(root: Path) -> set[tuple[str, int]]:
    """Finished folders of the cache with their ages."""
    found = [entry for kind in ("webshop", "search") for entry in (root / kind).glob("[!.]*")]
    return {(str(entry), entry.stat().st_mtime_ns) for entry in found}


_TASKS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "build": _build,
    "record": _record,
    "start": _start,
    "play": _play,
    "search": _search,
    "sessions": _sessions,
}


def _fresh(task: str, cache: Mapping[str, str], *arguments: Any) -> dict[str, Any]:
    """Run one measurement in a process of its own; its standard error is this one's, for progress."""
    environment = {
        **os.environ,
        **cache,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "CRAFT_BENCH_STARTED": str(time.time()),
    }
    command = [sys.executable, "-m", "craft_envs.webshop.benchmark", task, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        raise CraftError(f"the measurement {task!r} failed", where=" ".join(command), remedy="see above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_report(report: ShopReport, path: str | Path) -> None:
    """Write a report as JSON, in one piece."""
    write_json(path, asdict(report))


def main(arguments: Sequence[str]) -> None:
    """One measurement of this process; its result goes to standard output as JSON."""
    task, words = arguments
    sys.stdout.write(json.dumps(_TASKS[task](*json.loads(words))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
