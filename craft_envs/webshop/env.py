"""WebShop behind the Gymnasium interface, single or batched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft_envs.core import TextEnv
from craft_envs.vector import TextVectorEnv
from craft_envs.webshop.world import load_world


class WebShopEnv(TextEnv):
    """``craft/WebShop-v0``: search a shop, compare products, choose options, buy what was asked for.

    Args:
        data: ``"bundled"`` (a generated catalogue) or ``"official"`` (the original's files).
        split: ``train``, ``valid``, ``test``; official data also ``legacy``, ``legacy_train``.
        size: ``"full"`` or ``"small"`` shop; only bundled data has a small one.
        products: bundled data only: the same goals in a generated catalogue of this many products.
        data_dir: official files; else ``CRAFT_DATA``, else the user's data folder.
        goals: ``"synthetic"`` or ``"human"`` instructions.
        compat: ``"strict"``, or ``"upstream"`` for the original with its mistakes.
        engine: ``"native"``, or ``"pyserini"`` for the original's search (extra ``pyserini``).
        observation: ``"text"``, ``"text_rich"``, ``"html"`` or ``"url"``.
        max_steps: 15, as in the papers.
        render_mode: ``"ansi"`` or nothing.

    Raises:
        ConfigError: a value is unknown, or contradicts another one.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged.
    """

    def __init__(
        self,
        *,
        data: str = "bundled",
        split: str = "train",
        size: str = "full",
        products: int | None = None,
        data_dir: str | Path | None = None,
        goals: str = "synthetic",
        compat: str = "strict",
        engine: str = "native",
        observation: str = "text",
        max_steps: int | None = 15,
        render_mode: str | None = None,
    ) -> None:
        """See the class."""
        world = load_world(
            data=data,
            size=size,
            products=products,
            data_dir=data_dir,
            goals=goals,
            compat=compat,
            engine=engine,
            observation=observation,
        )
        super().__init__(world, split=split, max_steps=max_steps, render_mode=render_mode)


class WebShopVectorEnv(TextVectorEnv):
    """Many ``craft/WebShop-v0`` over one world; keywords as in ``WebShopEnv`` or ``TextVectorEnv``."""

    def __init__(
        self,
        *,
        num_envs: int = 1,
        data: str = "bundled",
        size: str = "full",
        products: int | None = None,
        data_dir: str | Path | None = None,
        goals: str = "synthetic",
        compat: str = "strict",
        engine: str = "native",
        observation: str = "text",
        max_steps: int | None = 15,
        **kwargs: Any,
    ) -> None:
        """See the class."""
        world = load_world(
            data=data,
            size=size,
            products=products,
            data_dir=data_dir,
            goals=goals,
            compat=compat,
            engine=engine,
            observation=observation,
        )
        super().__init__(world, num_envs=num_envs, max_steps=max_steps, **kwargs)
