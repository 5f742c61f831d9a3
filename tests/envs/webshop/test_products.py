"""The bundled goals in a larger generated catalogue."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import craft_envs.webshop.world as world_module
from craft_envs.agents import make_agent, run_episode
from craft_envs.core import TextEnv
from craft_envs.errors import ConfigError
from craft_envs.progress import TerminalProgress
from craft_envs.webshop.bundled import bundled_shop
from craft_envs.webshop.world import load_world
from craft_rl.cli import main
from craft_rl.worlds import WorldConfig, open_world


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "cache"))
    for kept in (world_module._load, world_module._tasks, world_module._searcher, world_module._generated):
        kept.cache_clear()


def test_every_kind_of_goal_is_reached_among_many_more_products() -> None:
    env = gym.make("craft/WebShop-v0", data="bundled", products=2_500, split="test")
    inner = env.unwrapped
    assert isinstance(inner, TextEnv)
    small = TextEnv(load_world(), split="test")
    assert inner.task_ids == small.task_ids
    oracle = make_agent("oracle", env)
    for task_id in inner.task_ids[::9]:
        assert run_episode(env, oracle, task_id=task_id).score == 1.0
    # More products are another shop: a score in it is none on the frozen panel.
    first = inner.task_ids[0]
    assert inner.world.tasks.task(first).content_hash != small.world.tasks.task(first).content_hash


def test_the_fewest_products_are_the_bundled_ones() -> None:
    shop = load_world(products=1_200)
    assert shop.catalogue.content_hash == bundled_shop().catalogue.content_hash
    assert shop.tasks.data_hash == load_world().tasks.data_hash


def test_settings_can_say_it() -> None:
    opened = open_world(WorldConfig(env="craft/WebShop-v0", options=("products=1300",)))
    assert opened is load_world(products=1_300)
    batch = gym.make_vec("craft/WebShop-v0", num_envs=2, products=1_300)
    assert batch.reset(seed=0)[0][0].startswith("WebShop")


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"data": "official", "products": 5_000}, "generated shop"),
        ({"size": "small", "products": 5_000}, "generated shop"),
        ({"products": 1_199}, "1200 to"),
        ({"products": 0}, "1200 to"),
        ({"products": True}, "1200 to"),
        ({"products": 5e4}, "1200 to"),
        ({"products": "5000"}, "1200 to"),
        ({"products": 10**12}, "1200 to"),
    ],
)
def test_what_contradicts_it_is_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_world(**keywords)


def test_an_interruption_leaves_no_broken_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: TerminalProgress, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TerminalProgress, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_world(products=6_000)
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert all(path.name.endswith(".lock") for path in left)
    assert len(load_world(products=6_000).catalogue) == 6_000


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    whole = load_world(products=1_250)
    hits = whole.shop.hits(("wool", "scarf"))
    for name in ("postings.bin", "docs.bin", "products.bin", "meta.json", "index.json"):
        for path in (tmp_path / "cache").rglob(name):
            path.write_bytes(path.read_bytes()[:7])
    for kept in (world_module._load, world_module._tasks, world_module._searcher, world_module._generated):
        kept.cache_clear()
    assert load_world(products=1_250).shop.hits(("wool", "scarf")) == hits


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("craft_envs.progress._QUIET_S", 0.0)
    monkeypatch.setattr("craft_envs.progress._EVERY_S", 0.0)
    terminal, pipe = _Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with TerminalProgress("indexing products", stream=stream) as progress:
            progress(5_000, 9_000)
            progress(7, 0)
    assert "indexing products: 5,000 of 9,000" in terminal.getvalue() and pipe.getvalue() == ""
    assert terminal.getvalue().endswith("\r")


@pytest.mark.slow
def test_the_benchmark_measures_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.json"
    words = ["bench", "webshop", "--products", "1300", "--episodes", "25", "--passes", "1", "--out", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1,300 products" in said and "making the catalogue" in said
    report = json.loads(out.read_text())
    assert report["episodes"] == 25 and report["steps"] > 75 and report["score"] > 0.5
    assert report["sessions_megabytes"] > 10 and report["built"]["wall_s"] > 0
    assert report["disk_megabytes"] > 1
    assert main([*words, "--baseline", str(out)]) == 0
    said = capsys.readouterr().out
    assert "speed / baseline" in said and "making the catalogue" not in said
