"""The shared WebShop of a process: catalogue, search, tasks, sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal, cast

from craft_envs.data import data_root
from craft_envs.errors import ConfigError, check_one_of, shown
from craft_envs.progress import TerminalProgress
from craft_envs.search.hits import Searcher
from craft_envs.webshop.product import Catalogue, document_text
from craft_envs.webshop.render_text import Header
from craft_envs.webshop.session import ShopSession
from craft_envs.webshop.shop import COMPATS, OBSERVATIONS, Compat, Observation, Shop
from craft_envs.webshop.splits import ENV_ID, ShopTasks

MAX_STEPS: Final = 15
"""Step limit of the papers."""

Register = Literal["synthetic", "human"]
_DATA: Final = ("bundled", "official")
_REGISTERS: Final[tuple[Register, ...]] = ("synthetic", "human")
_ENGINES: Final = ("native", "pyserini")
_KEPT_HEADERS: Final = 4_096
_FEWEST, _MOST = 1_200, 100_000_000
"""Products of a generated catalogue: those that the goals ask for, what the format of the cache can hold."""


class WebShopWorld:
    """WebShop over one catalogue under one set of rules; read-only, safe between threads.

    Args:
        shop: catalogue, search, rules.
        tasks: the goals as tasks.
    """

    def __init__(self, shop: Shop, tasks: ShopTasks) -> None:
        """See the class."""
        self.shop = shop
        self._tasks = tasks
        self._header = lru_cache(maxsize=_KEPT_HEADERS)(Header)

    @property
    def env_id(self) -> str:
        """``craft/WebShop-v0``."""
        return ENV_ID

    @property
    def tasks(self) -> ShopTasks:
        """The tasks that ``open`` accepts."""
        return self._tasks

    @property
    def catalogue(self) -> Catalogue:
        """All products."""
        return self.shop.catalogue

    @property
    def max_steps(self) -> int:
        """15, the limit of the papers."""
        return MAX_STEPS

    def open(self, task_id: str, seed: int) -> ShopSession:
        """Start an episode; the seed matters only to the original's operator ``<r>``.

        Raises:
            ConfigError: there is no such task.
        """
        goal = self._tasks.goal(task_id)
        number = None if self.shop.strict else self._tasks.number(goal)
        return ShopSession(
            self.shop,
            self._tasks.task(task_id),
            goal,
            header=self._header(goal.instruction),
            name=goal.goal_id if number is None else str(number),
            seed=seed,
        )


def load_world(
    *,
    data: str = "bundled",
    size: str = "full",
    products: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    goals: str = "synthetic",
    compat: str = "strict",
    engine: str = "native",
    observation: str = "text",
) -> WebShopWorld:
    """The world of this configuration, one per process; configurations share catalogue and search.

    Args:
        data: ``"bundled"`` (generated) or ``"official"`` (the original's files), never one for the other.
        size: ``"full"`` or ``"small"`` shop, for bundled data only.
        products: bundled data of full size only: play the same goals in a generated catalogue of this many
            products, kept memory-mapped in the cache folder; the first call makes it, some seconds for each
            100,000. The bundled 1,200 in memory when ``None``.
        data_dir: official data only: their folder or file; else ``CRAFT_DATA``, else the user's data folder.
        goals: ``"synthetic"`` ("Find me ..."), or ``"human"`` for instructions as people write them.
        compat: ``"strict"``, or ``"upstream"`` for the original with its mistakes.
        engine: ``"native"``, or ``"pyserini"`` for the original's search (extra ``pyserini``).
        observation: ``"text"``, ``"text_rich"``, ``"html"`` or ``"url"``.

    Raises:
        ConfigError: a value is unknown or contradicts another one; the engine is not installed.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged.
        OSError: the cache folder cannot be written.
    """
    check_one_of("data", data, _DATA)
    check_one_of("goals", goals, _REGISTERS)
    check_one_of("compat", compat, COMPATS)
    check_one_of("engine", engine, _ENGINES)
    check_one_of("observation", observation, OBSERVATIONS)
    if data == "bundled" and data_dir is not None:
        raise ConfigError(
            "data_dir is given for bundled data, which needs no files", remedy='use data="official"'
        )
    if data == "official" and size != "full":
        raise ConfigError(
            f"the official shop comes in one size, size is {shown(size)}",
            remedy='leave size out, or use data="bundled"',
        )
    if products is not None:
        _check_products(products, data, size)
    folder = None if data == "bundled" else data_root(data_dir).absolute()
    return _load(
        data,
        size,
        products,
        folder,
        cast(Register, goals),
        cast(Compat, compat),
        engine,
        cast(Observation, observation),
    )


@cache
def _load(
    data: str,
    size: str,
    products: int | None,
    folder: Path | None,
    register: Register,
    compat: Compat,
    engine: str,
    observation: Observation,
) -> WebShopWorld:
    catalogue, tasks = _tasks(data, size, products, folder, register)
    searcher = _searcher(data, size, products, folder, engine)
    shop = Shop(catalogue, searcher, compat=compat, observation=observation)
    return WebShopWorld(shop, tasks)


@cache
def _tasks(
    data: str, size: str, products: int | None, folder: Path | None, register: Register
) -> tuple[Catalogue, ShopTasks]:
    if data == "official":
        from craft_envs.webshop.official import official_shop

        official = official_shop(folder)
        parts, numbers = official.parts(register)
        if not parts:
            raise ConfigError(
                f"these files have no {register} goals",
                where=str(folder),
                remedy="put items_human_ins.json beside them, or use the other kind of goals",
            )
        return official.catalogue, ShopTasks(official.catalogue, parts, numbers)
    from craft_envs.webshop.bundled import SPLITS, bundled_shop

    bundled = bundled_shop(size)
    generated = {split: bundled.goals(split, register) for split in SPLITS}
    catalogue = bundled.catalogue if products is None else _generated(products)
    return catalogue, ShopTasks(catalogue, generated)


@cache
def _generated(count: int) -> Catalogue:
    from craft_envs.webshop.store import generated_catalogue

    with TerminalProgress("generating products") as progress:
        return generated_catalogue(count, progress=progress)


@cache
def _searcher(data: str, size: str, products: int | None, folder: Path | None, engine: str) -> Searcher:
    return searcher_of(_tasks(data, size, products, folder, "synthetic")[0], engine=engine)


def searcher_of(catalogue: Catalogue, *, engine: str = "native") -> Searcher:
    """The search over a catalogue; its index is built once, then kept in the cache folder.

    Args:
        catalogue: the products.
        engine: ``"native"`` or ``"pyserini"``.

    Raises:
        ConfigError: the engine is not installed.
        OSError: the cache folder cannot be written.
    """
    if engine == "pyserini":
        from craft_envs.search.lucene import LuceneSearcher

        return LuceneSearcher(_documents(catalogue))
    from craft_envs.search.bm25 import Bm25Searcher
    from craft_envs.search.index import cached_index

    with TerminalProgress("indexing products") as progress:
        index = cached_index(
            lambda: _documents(catalogue),
            name="webshop",
            content_hash=catalogue.content_hash,
            progress=progress,
            total=len(catalogue),
        )
    return Bm25Searcher(index)


def _documents(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    return ((asin, document_text(catalogue.product(asin))) for asin in catalogue.asins())


def _check_products(products: object, data: str, size: str) -> None:
    if data == "official" or size != "full":
        raise ConfigError(
            f"products is {shown(products)}, which only the generated shop of full size can have",
            where=f"data={data}, size={size}",
            remedy="leave products out",
        )
    if not isinstance(products, int) or isinstance(products, bool) or not _FEWEST <= products <= _MOST:
        raise ConfigError(
            f"products is {shown(products)}", remedy=f"give a whole number from {_FEWEST} to {_MOST}"
        )
