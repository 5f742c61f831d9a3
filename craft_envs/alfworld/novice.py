"""A player of ALFWorld that knows what it wants when it stands before it, but never where to go."""

from __future__ import annotations

import hashlib

import numpy as np

from craft_envs.alfworld.scripted import ScriptedAgent
from craft_envs.types import StepInfo

_GO, _OPEN = "go to ", "open "


class NoviceAgent(ScriptedAgent):
    """The scripted player without its know-how of places.

    It takes what is wanted, treats it, puts it away, switches lamps on, wherever one of these is possible.
    Between them it walks to any other place of the room, all equally likely, and opens what it finds shut:
    it neither knows which places can hold a thing nor what sinks, microwaves, fridges are for, and it comes
    back to places that it has already seen. This is the player whom a bank of skills would help.

    Its generator starts anew in every episode from (seed, task id).
    """

    def __init__(self, env: object = None, *, seed: int = 0) -> None:
        """Ready for ``reset``; an environment is accepted, as by every agent with a name, but never read."""
        super().__init__(env)
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def reset(self, task_info: StepInfo) -> None:
        """Read the instruction of a new episode, start its generator.

        Raises:
            ConfigError: the instruction names no known object with a known receptacle or lamp.
        """
        super().reset(task_info)
        digest = hashlib.blake2b(f"{self.seed}\x00{task_info['task_id']}".encode(), digest_size=8).digest()
        self._rng = np.random.default_rng(int.from_bytes(digest, "big"))

    def act(self, observation: str, info: StepInfo) -> str:
        """The next action, always one of the admissible ones."""
        planned = super().act(observation, info)
        can = info["admissible_actions"]
        if not planned.startswith((_GO, _OPEN, "examine ", "look")):
            return planned
        shut = [a for a in can if a.startswith(_OPEN) and a.removeprefix(_OPEN) not in self._looked]
        if shut:
            return shut[0]
        ways = [a for a in can if a.startswith(_GO)]
        return ways[int(self._rng.integers(len(ways)))] if ways else planned
