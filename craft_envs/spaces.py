"""A Gymnasium space of strings over all of Unicode."""

from __future__ import annotations

from typing import Any, TypeGuard

import gymnasium as gym
import numpy as np

from craft_envs.errors import ConfigError

_SURROGATES = range(0xD800, 0xE000)


class TextSpace(gym.Space[str]):
    """Every string of at most ``max_length`` code points, the empty one included.

    ``gymnasium.spaces.Text`` needs a listed character set, hence refuses most of what people or models
    write. Samples are short (``sample_length`` code points at most), because long noise helps
    nobody; they mix plain letters with arbitrary code points so that a world meets both.

    Example: ``"go to desk 1" in TextSpace(max_length=100)``.

    Raises:
        ConfigError: ``max_length`` is not a positive whole number.
    """

    def __init__(
        self,
        max_length: int,
        *,
        sample_length: int = 64,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        """Bound the space; ``seed`` starts the private generator of ``sample``."""
        if not isinstance(max_length, int) or isinstance(max_length, bool) or max_length < 1:
            raise ConfigError(f"TextSpace needs a positive whole max_length, got {max_length!r}")
        self.max_length = max_length
        self.sample_length = min(sample_length, max_length)
        super().__init__(shape=None, dtype=None, seed=seed)

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """A random string; half of the draws are lower-case words, half any Unicode without surrogates.

        Raises:
            ConfigError: a mask or a probability is given; neither has a meaning here.
        """
        if mask is not None or probability is not None:
            raise ConfigError("TextSpace.sample takes neither a mask nor a probability")
        rng = self.np_random
        length = int(rng.integers(0, self.sample_length + 1))
        if rng.random() < 0.5:
            letters = "abcdefghijklmnopqrstuvwxyz 0123456789"
            return "".join(letters[i] for i in rng.integers(0, len(letters), size=length))
        points = rng.integers(0, 0x110000 - len(_SURROGATES), size=length)
        return "".join(chr(p if p < _SURROGATES.start else p + len(_SURROGATES)) for p in points.tolist())

    def contains(self, x: Any) -> TypeGuard[str]:
        """Whether ``x`` is a string within the bound."""
        return isinstance(x, str) and len(x) <= self.max_length

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no fixed-size array form."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace) and self.max_length == other.max_length

    def __hash__(self) -> int:
        return hash((TextSpace, self.max_length))

    def __repr__(self) -> str:
        return f"TextSpace(max_length={self.max_length})"
