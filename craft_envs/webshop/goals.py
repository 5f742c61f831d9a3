"""Goals of a catalogue, drawn as the original draws them, with ids that survive any order."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from craft_envs.errors import DataMismatch, shown
from craft_envs.webshop.product import NO_LIMIT, Catalogue, Goal, Product

SHUFFLE_SEED: Final = 233
"""The original's, for the order that its goal numbers count in."""
_LIMITS: Final = tuple(10.0 * i for i in range(1, 100))
_LIMITS_IN_REACH: Final = 4


def synthetic_goals(
    catalogue: Catalogue, ins: Mapping[str, Mapping[str, Any]], rng: random.Random, *, where: str = ""
) -> list[Goal]:
    """One goal for each combination of options of each product that has an instruction.

    Args:
        catalogue: the products; goals come in their order.
        ins: asin -> record of ``items_ins_v2*.json`` with ``instruction``, ``instruction_attributes``.
        rng: draws the price limits; the original uses the generator that drew the price ranges.
        where: the file, for error texts.

    Raises:
        DataMismatch: an instruction comes without attributes, or something is of another type.
    """
    goals: list[Goal] = []
    uses: Counter[str] = Counter()
    for product in _products(catalogue, ins):
        asked = asked_in(ins[product.asin], product.asin, where)
        if asked is None:
            continue
        for goal in variants(product, *asked, drawn_limit(product.price, rng)):
            goals.append(goal)
            uses.update(goal.attributes)
    return [replace(goal, weight=weight_of(goal.attributes, uses)) for goal in goals]


def asked_in(record: Mapping[str, Any], asin: str, where: str = "") -> tuple[str, tuple[str, ...]] | None:
    """Instruction and attributes of a record of ``items_ins_v2*.json``; ``None`` where it has none.

    Raises:
        DataMismatch: an instruction comes without attributes, or something is of another type.
    """
    instruction = record.get("instruction")
    if instruction is None:
        return None
    attributes = _words(record, "instruction_attributes", asin, where)
    if not attributes or not isinstance(instruction, str):
        raise DataMismatch(f"the instruction of {asin!r} has no attributes, or is not text", where=where)
    return instruction, attributes


def variants(
    product: Product, instruction: str, attributes: tuple[str, ...], limit: tuple[float, str]
) -> Iterator[Goal]:
    """The goals of one product, one for each combination of its options; weights are left at 1.

    Args:
        product: the product.
        instruction: what is asked for, without options or limit.
        attributes: properties asked for.
        limit: what ``drawn_limit`` gave.
    """
    names = sorted(product.options)
    for number, values in enumerate(itertools.product(*(product.options[name] for name in names))):
        options = dict(zip(names, values, strict=True))
        asked = ", and ".join(f"{name}: {value}" for name, value in options.items())
        yield _goal(
            product,
            goal_id=goal_id(product.asin, "synthetic", number, options),
            instruction=f"{instruction}{' with ' + asked if asked else ''}{limit[1]}",
            attributes=attributes,
            options=options,
            price_upper=limit[0],
        )


def weight_of(attributes: Sequence[str], uses: Mapping[str, int]) -> float:
    """The mean of 1 / (goals that ask for it) over the attributes of a goal."""
    return sum(1.0 / uses[word] for word in attributes) / len(attributes)


def human_goals(
    catalogue: Catalogue,
    instructions: Mapping[str, Sequence[Mapping[str, Any]]],
    rng: random.Random,
    *,
    where: str = "",
) -> list[Goal]:
    """One goal for each human instruction that names an attribute.

    Args:
        catalogue: the products; goals come in their order.
        instructions: asin -> records of ``items_human_ins*.json``.
        rng: draws the price limits.
        where: the file, for error texts.

    Raises:
        DataMismatch: a record lacks a key, or something is of another type.
    """
    goals: list[Goal] = []
    for product in _products(catalogue, instructions):
        records = instructions[product.asin]
        if not isinstance(records, list | tuple):
            raise DataMismatch(f"the instructions of {product.asin!r} are not a list", where=where)
        for number, record in enumerate(records):
            attributes = _words(record, "instruction_attributes", product.asin, where)
            if not attributes:
                continue
            options = _words(record, "instruction_options", product.asin, where)
            instruction = record.get("instruction")
            if not isinstance(instruction, str):
                raise DataMismatch(f"an instruction of {product.asin!r} is not text", where=where)
            limit, limit_text = drawn_limit(product.price, rng)
            goals.append(
                _goal(
                    product,
                    goal_id=goal_id(product.asin, "human", number, options),
                    instruction=instruction.strip(".") + limit_text,
                    attributes=attributes,
                    options=options,
                    price_upper=limit,
                    human=True,
                )
            )
    return goals


def drawn_limit(price: float, rng: random.Random) -> tuple[float, str]:
    """A price limit above a price, with the words for it: the larger of two of the next four tens of dollars.

    Nothing is drawn, no limit set, for a price above 980 dollars.
    """
    above = [limit for limit in _LIMITS if limit > price][:_LIMITS_IN_REACH]
    if len(above) < 2:
        return NO_LIMIT, ""
    limit = max(rng.sample(above, 2))
    return limit, f", and price lower than {limit:.2f} dollars"


def shuffled(goals: Iterable[Goal]) -> list[Goal]:
    """The goals in the order that the original numbers them in."""
    out = list(goals)
    random.Random(SHUFFLE_SEED).shuffle(out)
    return out


def goal_id(asin: str, kind: str, number: int, options: Mapping[str, str] | Sequence[str]) -> str:
    """Twelve hex digits that name a goal for ever, without telling the product.

    Args:
        asin: the product.
        kind: ``synthetic``, ``human``, or a generator's own.
        number: of the goal among those of this product and kind; tells repeated ones apart.
        options: what it asks for.
    """
    asked = list(options.items()) if isinstance(options, Mapping) else list(options)
    text = json.dumps([asin, kind, number, asked], separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _products(catalogue: Catalogue, wanted: Mapping[str, Any]) -> Iterable[Product]:
    return (catalogue.product(asin) for asin in catalogue.asins() if asin in wanted)


def _goal(product: Product, **values: Any) -> Goal:
    return Goal(
        asin=product.asin,
        query=product.query,
        category=product.category,
        product_category=product.product_category,
        **values,
    )


def _words(record: Any, key: str, asin: str, where: str) -> tuple[str, ...]:
    values = record.get(key) if isinstance(record, Mapping) else None
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise DataMismatch(f"{key} of {shown(asin)} is not a list of words: {shown(values)}", where=where)
    return tuple(values)
