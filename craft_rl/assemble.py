"""Opening what settings name: the world, the policy's dialogue, the engine."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft_envs.core import World
from craft_envs.data import write_json
from craft_envs.errors import ConfigError, DataMismatch
from craft_envs.panels import FROZEN, Panel
from craft_rl.agent.policy_io import PolicyIO, Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.config import WorldConfig, from_mapping, to_mapping
from craft_rl.models.load import Policy
from craft_rl.tokens.encode import ChatCodec

DIALOGUE_FILE = "craft_dialogue.json"
"""Lies in a model's folder, beside the weights that were trained on this dialogue."""


@dataclass(frozen=True, kw_only=True)
class DialogueSettings:
    """How a policy has learned to be spoken to.

    Example: ``DialogueSettings(prompt=PromptSettings(history="full"), max_new_tokens=24, max_context=2048)``.
    """

    prompt: PromptSettings = dataclasses.field(
        default_factory=lambda: PromptSettings(template="compact/1", history="full", think="off")
    )
    """Wording of prompts. The default suits the embedded policy."""
    max_new_tokens: int = 32
    """Most tokens of one response."""
    max_context: int = 2048
    """Most tokens of an episode's dialogue (or of one prompt with its response, with a window)."""

    def io(self, policy: Policy, **sampling: Any) -> PolicyIO:
        """Prompts and sampling for ``policy``; ``sampling`` as in ``Sampling``."""
        return PolicyIO(
            codec=ChatCodec(policy.tokenizer),
            prompt=self.prompt,
            sampling=Sampling(**{"max_new_tokens": self.max_new_tokens, **sampling}),
        )


def save_dialogue(folder: Path, dialogue: DialogueSettings) -> None:
    """Write the dialogue into a model's folder."""
    write_json(folder / DIALOGUE_FILE, to_mapping(dialogue))


def load_dialogue(folder: str | Path) -> DialogueSettings | None:
    """The dialogue that lies in a model's folder; None where there is none.

    Raises:
        DataMismatch: the file is damaged.
        ConfigError: it holds settings that this version does not know.
    """
    path = Path(folder) / DIALOGUE_FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise DataMismatch(
            "the file is not JSON", where=str(path), remedy="delete it and name the prompt"
        ) from error
    return from_mapping(DialogueSettings, values, where=str(path))


def open_world(config: WorldConfig) -> World:
    """The world of a configuration, shared by the whole process.

    Raises:
        ConfigError: unknown environment or data.
        DataNotFound: official files are missing.
    """
    from craft_envs.registration import load_world

    options: dict[str, Any] = _tasks_of(config)
    if config.data_dir is not None:
        options["data_dir"] = config.data_dir
    return load_world(config.env, **options)


def open_panels(names: Sequence[str], config: WorldConfig) -> tuple[Panel, ...]:
    """Frozen panels of the configured world, found whole there, apart from its training split.

    Raises:
        ConfigError: no such panel, or one of another world.
        DataNotFound: official files are missing.
        DataMismatch: the world lacks tasks of a panel, or trains on some.
    """
    panels = tuple(Panel.load(name) for name in names)
    tasks = _tasks_of(config)
    for panel in panels:
        if (panel.env_id, dict(panel.world)) != (config.env, tasks):
            fitting = [name for name, (env, keys, _) in FROZEN.items() if (env, keys) == (config.env, tasks)]
            raise ConfigError(
                f"panel {panel.name!r} is of another world, {_in_words(panel.env_id, panel.world)}",
                where=f"the configured world is {_in_words(config.env, tasks)}",
                remedy=f"name panels of this world ({', '.join(fitting) or 'there are none'}), or change it",
            )
    world = open_world(config)
    for panel in panels:
        panel.verify(world.tasks)
        panel.assert_disjoint(world.tasks, config.split)
    return panels


def check_dialogue(folder: str | Path, wanted: PromptSettings) -> None:
    """Refuse to speak to a policy otherwise than it has learned.

    Raises:
        ConfigError: the model's folder names other prompt settings than ``wanted``.
    """
    known = load_dialogue(folder)
    if known is not None and known.prompt != wanted:
        raise ConfigError(
            f"the policy has learned prompts of version {known.prompt.version!r}, asked for are "
            f"{wanted.version!r}",
            where=str(Path(folder) / DIALOGUE_FILE),
            remedy="drop the prompt settings, or delete the file to switch on purpose",
        )


def _tasks_of(config: WorldConfig) -> dict[str, str]:
    """The keywords that decide which tasks a world holds, as panels name them."""
    return {"data": config.data} | ({"size": config.size} if config.data == "bundled" else {})


def _in_words(env: str, tasks: Mapping[str, str]) -> str:
    return f"{env} with {', '.join(f'{name}={value}' for name, value in tasks.items())}"
