"""Search-QA behind the Gymnasium interface, single or batched."""

from __future__ import annotations

from typing import Any

from craft_envs.core import TextEnv
from craft_envs.searchqa.world import load_world
from craft_envs.vector import TextVectorEnv


class SearchQAEnv(TextEnv):
    """``craft/SearchQA-v0``: answer a question by searching a corpus.

    Args:
        split: part of the questions that tasks are taken from.
        max_steps: ``None`` means the protocol's limit: 4 in ``verl_agent``, 5 in ``search_r1``.
        render_mode: ``"ansi"`` or nothing.
        world: the keywords of ``load_world``: ``data``, ``data_dir``, ``questions``, ``corpus``,
            ``retriever``, ``retriever_url``, ``encoder``, ``topk``, ``obs_format``, ``protocol``,
            ``scoring``, ``reward``, ``on_retrieval_error``.

    Raises:
        ConfigError: a value is unknown, or contradicts another one.
        TypeError: there is no such keyword.
        DataNotFound: the official files are not there.
        DataMismatch: they are damaged.
    """

    def __init__(
        self,
        *,
        split: str = "train",
        max_steps: int | None = None,
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """See the class."""
        super().__init__(load_world(**world), split=split, max_steps=max_steps, render_mode=render_mode)


class SearchQAVectorEnv(TextVectorEnv):
    """Many ``craft/SearchQA-v0`` over one world; their searches of a step are one call of the retriever.

    Keywords as in ``SearchQAEnv`` or ``TextVectorEnv``.
    """

    def __init__(
        self,
        *,
        num_envs: int = 1,
        split: str = "train",
        max_steps: int | None = None,
        autoreset_mode: Any = "NextStep",
        render_mode: str | None = None,
        **world: Any,
    ) -> None:
        """See the class."""
        super().__init__(
            load_world(**world),
            num_envs=num_envs,
            split=split,
            max_steps=max_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
