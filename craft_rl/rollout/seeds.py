"""Seeds by hashing names, so that no random number depends on an order or on a neighbour."""

from __future__ import annotations

import hashlib

SEED_BITS = 63
"""Seeds fit into a signed 64-bit integer."""


def named_seed(*names: str | int) -> int:
    """A seed in [0, 2^63) from names; equal names give equal seeds on every machine.

    Example: ``named_seed("eval", 0, "valid_seen/...")``.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        part = f"{type(name).__name__}:{name}".encode()
        # The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(len(part).to_bytes(4, "little"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "little") >> (64 - SEED_BITS)


def episode_seed(run_seed: int, update: int, task_id: str, sibling: int) -> int:
    """Seed of one training episode."""
    return named_seed("episode", run_seed, update, task_id, sibling)


def step_seed(seed: int, step: int) -> int:
    """Seed of the sampler for one step of an episode with this seed."""
    return named_seed("step", seed, step)
