"""Content hashes of games: equal content gives equal digests on every platform."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import blake2b

from craft_envs.alfworld.facts import GameFacts, Receptacle, Thing

_RECEPTACLE_FIELDS = tuple(field.name for field in fields(Receptacle))
_THING_FIELDS = tuple(field.name for field in fields(Thing))


def content_hash(facts: GameFacts) -> str:
    """Hex digest (32 digits) over everything that decides how a game plays: text, state, goal.

    The id, the split and a recorded walkthrough do not count, nor does the order in which things are told.
    """
    content = {
        "task": facts.task,
        "goal": asdict(facts.goal),
        "start": facts.start,
        "receptacles": sorted([getattr(r, name) for name in _RECEPTACLE_FIELDS] for r in facts.receptacles),
        "things": sorted([getattr(t, name) for name in _THING_FIELDS] for t in facts.things),
        "can_contain": _pairs_digest(facts.can_contain),
    }
    return digest([json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))])


def digest(lines: Iterable[str]) -> str:
    """Hex digest (32 digits) over lines of text in their order."""
    state = blake2b(digest_size=16)
    for line in lines:
        state.update(line.encode())
        state.update(b"\n")
    return state.hexdigest()


@lru_cache(maxsize=128)
def _pairs_digest(pairs: frozenset[tuple[str, str]]) -> str:
    # Games share few tables of what may hold what, while sorting one takes as long as building a game.
    return digest(f"{receptacle} {kind}" for receptacle, kind in sorted(pairs))
