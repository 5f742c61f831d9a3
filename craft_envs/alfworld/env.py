"""ALFWorld behind the Gymnasium interface, single or batched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft_envs.alfworld.world import load_world
from craft_envs.core import TextEnv
from craft_envs.vector import TextVectorEnv


class ALFWorldEnv(TextEnv):
    """``craft/ALFWorld-v0``: find, clean, heat, cool, carry, light things in a house of text.

    Args:
        data: ``"bundled"`` (generated houses) or ``"official"`` (the user's files).
        split: ``train``, ``valid_seen``, ``valid_unseen``.
        size: ``"full"`` or ``"small"`` houses; only bundled data has small ones.
        data_dir: folder of the official files; else ``CRAFT_DATA``, else the user's data folder.
        max_steps: 50, as in the papers.
        backend: ``"native"``, or ``"textworld"`` for the original engine (extra ``alfworld``).
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
        data_dir: str | Path | None = None,
        max_steps: int | None = 50,
        backend: str = "native",
        render_mode: str | None = None,
    ) -> None:
        """See the class."""
        world = load_world(data=data, size=size, data_dir=data_dir, backend=backend)
        super().__init__(world, split=split, max_steps=max_steps, render_mode=render_mode)


class ALFWorldVectorEnv(TextVectorEnv):
    """Many ``craft/ALFWorld-v0`` over one world; keywords as in ``ALFWorldEnv`` or ``TextVectorEnv``."""

    def __init__(
        self,
        *,
        num_envs: int = 1,
        data: str = "bundled",
        size: str = "full",
        data_dir: str | Path | None = None,
        backend: str = "native",
        max_steps: int | None = 50,
        **kwargs: Any,
    ) -> None:
        """See the class."""
        world = load_world(data=data, size=size, data_dir=data_dir, backend=backend)
        super().__init__(world, num_envs=num_envs, max_steps=max_steps, **kwargs)
