"""The bundled shop: generated products with goals, split by product, made anew in each process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from typing import Final, Literal, cast

from craft_envs.draw import Draw
from craft_envs.errors import check_one_of
from craft_envs.webshop.catalogue import MemoryCatalogue
from craft_envs.webshop.generate import SHAPES, VERSION, Made, ShapeName, products
from craft_envs.webshop.generate_goals import goals
from craft_envs.webshop.product import Goal

Register = Literal["synthetic", "human"]

SPLITS: Final = ("train", "valid", "test")
REGISTERS: Final[tuple[Register, ...]] = ("synthetic", "human")
_SHARES: Final = (("test", 12), ("valid", 8))
"""Percentage of the products of each panel; the others are for training."""

DATA_HASHES: Final[dict[ShapeName, str]] = {
    "full": "9d6b04a0c55103eaf56e6b223343a6f5",
    "small": "aa7ce409be6f909bb74c7d0c607cd4e5",
}
"""Size -> ``measured_hash`` of its shop, recorded so that a change cannot pass unseen.

A change of the generator that moves them needs a new ``generate.VERSION`` with new hashes.
"""


@dataclass(frozen=True)
class BundledShop:
    """One generated shop; read-only, shared by the whole process, safe between threads.

    Relatives are in one split, so that no panel asks for what differs from a training product in one word.

    Example: ``bundled_shop("full").goals("test", "synthetic")[0].instruction``.
    """

    size: ShapeName

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """Every product with what its goals are made of, in catalogue order."""
        return tuple(products(SHAPES[self.size]))

    @cached_property
    def catalogue(self) -> MemoryCatalogue:
        """Every product, of all splits: whoever shops for a panel's goal sees the training products too."""
        return MemoryCatalogue(
            (one.product for one in self.made),
            {one.product.asin: one.nouns for one in self.made},
            nouns_source="generated",
        )

    @cached_property
    def split_of(self) -> dict[str, str]:
        """Asin -> split."""
        members: dict[int, list[str]] = {}
        for one in self.made:
            members.setdefault(one.family, []).append(one.product.asin)
        # Kinds take turns in the order of families, so that a step through it visits all departments.
        draw = Draw(f"{VERSION}/{self.size}/splits")
        kinds = SHAPES[self.size].kinds
        rounds = [sorted(members)[start : start + kinds] for start in range(0, len(members), kinds)]
        order = [family for turn in draw.shuffled(rounds) for family in draw.shuffled(turn)]
        out: dict[str, str] = {}
        rest = iter(order)
        for split, share in _SHARES:
            taken = 0
            while taken * 100 < len(self.made) * share:
                relatives = members[next(rest)]
                out.update(dict.fromkeys(relatives, split))
                taken += len(relatives)
        out.update((asin, "train") for family in rest for asin in members[family])
        return out

    def goals(self, split: str, register: Register) -> tuple[Goal, ...]:
        """The goals of a split in one register, in catalogue order.

        Args:
            split: ``train``, ``valid`` or ``test``.
            register: ``synthetic`` ("Find me ..."), or ``human`` for the one that sounds like people.

        Raises:
            ConfigError: there is no such split or register.
        """
        check_one_of("split", split, SPLITS, where="bundled WebShop data")
        check_one_of("register", register, REGISTERS, where="bundled WebShop data")
        return self._goals[split, register]

    @cached_property
    def _goals(self) -> dict[tuple[str, str], tuple[Goal, ...]]:
        parts: dict[tuple[str, str], list[Goal]] = {
            (split, register): [] for split in SPLITS for register in REGISTERS
        }
        for goal in goals(self.made, SHAPES[self.size]):
            parts[self.split_of[goal.asin], "human" if goal.human else "synthetic"].append(goal)
        return {key: tuple(found) for key, found in parts.items()}

    def measured_hash(self) -> str:
        """Hex digest over the catalogue with all goals, computed; what a test compares with the record."""
        digest = blake2b(self.catalogue.content_hash.encode(), digest_size=16)
        for (split, register), found in self._goals.items():
            for goal in found:
                parts = (split, register, goal.goal_id, goal.asin, goal.instruction, *goal.attributes)
                digest.update("\x00".join((*parts, *goal.option_values, str(goal.price_upper))).encode())
                digest.update(b"\n")
        return digest.hexdigest()


def bundled_shop(size: str = "full") -> BundledShop:
    """The shop of a size, one per process; making it takes about half a second.

    Args:
        size: ``full``, or ``small``: fewer kinds, shorter pages, at most two option groups, identities of
            four digits, instructions of at most two properties, for policies of a few million weights.

    Raises:
        ConfigError: the size is unknown.
    """
    check_one_of("size", size, tuple(SHAPES), where="bundled WebShop data")
    return _shop(cast(ShapeName, size))


@cache
def _shop(size: ShapeName) -> BundledShop:
    return BundledShop(size)
