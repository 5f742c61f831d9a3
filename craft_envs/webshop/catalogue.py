"""A catalogue in memory, made from records in the original's schema."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Final, Protocol

from craft_envs.errors import ConfigError, DataMismatch, shown
from craft_envs.webshop.nouns import nouns_for
from craft_envs.webshop.product import FALLBACK_PRICE, Product

NO_ATTRIBUTES: Final = ("DUMMY_ATTR",)
"""Attributes of a product that the attribute file does not know, as in the original."""
_ASIN_LIMIT: Final = 10
_NOT_PRICE: Final = re.compile(r"[^\d.]")


class SupportsGet(Protocol):
    """The part of a mapping that records are looked up with."""

    def get(self, asin: str) -> Mapping[str, Any] | None:
        """The record of a product, if there is one."""
        ...


class MemoryCatalogue:
    """Products in a dictionary; read-only, safe between threads.

    Example: ``MemoryCatalogue.from_records(json.load(items), json.load(ins), price_seed=0)``.

    Args:
        products: in catalogue order, asins unique.
        nouns: asin -> nouns of its title, for every product.
        nouns_source: what ``info["title_nouns_source"]`` says.
    """

    def __init__(
        self, products: Iterable[Product], nouns: Mapping[str, Sequence[str]], *, nouns_source: str
    ) -> None:
        """See the class."""
        self._products = {product.asin: product for product in products}
        self._asins = tuple(self._products)
        self._nouns = {asin: tuple(nouns[asin]) for asin in self._asins}
        self.nouns_source = nouns_source

    @classmethod
    def from_records(
        cls,
        items: Iterable[Mapping[str, Any]],
        ins: Mapping[str, Mapping[str, Any]],
        *,
        nouns: Mapping[str, Sequence[str]] | None = None,
        nouns_source: str | None = None,
        price_rng: random.Random | None = None,
        prices: Mapping[str, float] | None = None,
        where: str = "",
    ) -> MemoryCatalogue:
        """Clean records of ``items_shuffle*.json`` with those of ``items_ins_v2*.json``.

        Left out, as in the original: asins called ``nan``, longer than ten characters, or seen before.

        Args:
            items: one record a product, in catalogue order.
            ins: asin -> record with ``attributes``; products may be missing.
            nouns: asin -> nouns of the title; missing ones are guessed.
            nouns_source: name of where ``nouns`` come from, when it is not a file.
            price_rng: draws the price of a product that is shown with a range, in catalogue order.
            prices: asin -> price, instead of drawing.
            where: the file, for error texts.

        Raises:
            DataMismatch: a record lacks a key, or holds something of another type.
            ConfigError: a product has a price range, and neither ``price_rng`` nor its price is given.
        """
        kept = clean_products(items, ins, price_rng=price_rng, prices=prices, where=where)
        products = {product.asin: product for product in kept}
        found, source = nouns_for({asin: product.title for asin, product in products.items()}, nouns)
        if source == "file" and nouns_source is not None:
            source = nouns_source
        return cls(products.values(), found, nouns_source=source)

    @cached_property
    def content_hash(self) -> str:
        """Hex digest over every product with its price, attributes, nouns; their order counts."""
        digest = hashlib.sha256()
        for asin in self._asins:
            digest.update(canonical(self._products[asin], self._nouns[asin]))
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._asins)

    def asins(self) -> Sequence[str]:
        """Identities in catalogue order."""
        return self._asins

    def product(self, asin: str) -> Product:
        """The product of this identity.

        Raises:
            ConfigError: there is none.
        """
        try:
            return self._products[asin]
        except KeyError:
            raise _unknown(asin) from None

    def nouns(self, asin: str) -> tuple[str, ...]:
        """Lower-cased nouns of the product's title, in order, with repeats.

        Raises:
            ConfigError: there is no such product.
        """
        try:
            return self._nouns[asin]
        except KeyError:
            raise _unknown(asin) from None


def clean_products(
    items: Iterable[Any],
    ins: SupportsGet,
    *,
    price_rng: random.Random | None = None,
    prices: Mapping[str, float] | None = None,
    where: str = "",
) -> Iterator[Product]:
    """The products of records, one by one; see ``MemoryCatalogue.from_records``."""
    seen: set[str] = set()
    for number, record in enumerate(items):
        asin = _asin(record, number, where)
        if asin == "nan" or len(asin) > _ASIN_LIMIT or asin in seen:
            continue
        seen.add(asin)
        try:
            product = cleaned(record, ins.get(asin), price_rng=price_rng, prices=prices)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise DataMismatch(
                f"product {number} ({shown(asin)}) is malformed: {type(error).__name__} {error}",
                where=where,
                remedy="mend or remove the record",
            ) from error
        yield product


def canonical(product: Product, nouns: Sequence[str]) -> bytes:
    """One line of JSON over all of a product that a page shows or a reward reads."""
    values = [
        product.asin,
        product.title,
        product.description,
        product.bullets,
        product.attributes,
        list(product.options.items()),
        product.price,
        product.price_text,
        product.query,
        product.category,
        product.product_category,
        list(nouns),
    ]
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def cleaned(
    record: Mapping[str, Any],
    ins: Mapping[str, Any] | None,
    *,
    price_rng: random.Random | None = None,
    prices: Mapping[str, float] | None = None,
) -> Product:
    """One product of its record in ``items_shuffle*.json`` with that of ``items_ins_v2*.json``.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record is not of the schema.
        ConfigError: its price is a range, and nothing says how to draw it.
    """
    asin = record["asin"]
    bounds, price_text = parsed_price(record.get("pricing"))
    price = bounds[0]
    if prices is not None:
        price = float(prices[asin])
    elif len(bounds) > 1:
        if price_rng is None:
            raise ConfigError(
                f"the price of {asin!r} is a range", remedy="give price_rng or prices to from_records"
            )
        price = price_rng.uniform(*bounds)
    options, option_images = _options(record["customization_options"])
    features = record["small_description"]
    attributes = ins.get("attributes") if ins else None
    images = record.get("images")
    return Product(
        asin=asin,
        title=_text(record["name"], "name"),
        description=_text(record["full_description"], "full_description"),
        bullets=_texts(features if isinstance(features, list) else [features], "small_description"),
        attributes=NO_ATTRIBUTES if attributes is None else _texts(attributes, "attributes"),
        options=options,
        price=price,
        price_text=price_text,
        query=_text(record["query"], "query").lower().strip(),
        category=_text(record["category"], "category"),
        product_category=_text(record["product_category"], "product_category"),
        image=images[0] if images and isinstance(images[0], str) else "",
        option_images=option_images or None,
    )


def parsed_price(pricing: Any) -> tuple[tuple[float, ...], str]:
    """One or two dollar amounts, with the text that a page shows.

    Example: ``parsed_price("$10.99 - $1,018.5")`` gives ``((10.99, 1018.5), "$10.99 to $1018.5")``; nothing
    gives ``((100.0,), "$100.0")``.

    Raises:
        ValueError: there is text without a dollar amount in it.
        TypeError: it is not text.
    """
    if not pricing:
        return (FALLBACK_PRICE,), f"${FALLBACK_PRICE}"
    try:
        amounts = tuple(float(Decimal(_NOT_PRICE.sub("", part))) for part in pricing.split("$")[1:])[:2]
    except (InvalidOperation, AttributeError) as error:
        raise ValueError(f"the price {shown(pricing)} is not a dollar amount") from error
    if not amounts or not all(math.isfinite(amount) for amount in amounts):
        raise ValueError(f"the price {shown(pricing)} is not a dollar amount")
    return amounts, " to ".join(f"${amount}" for amount in amounts)


def _options(groups: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    options: dict[str, tuple[str, ...]] = {}
    images: dict[str, str] = {}
    for name, contents in (groups or {}).items():
        if contents is None:
            continue
        values = []
        for content in contents:
            value = content["value"].strip().replace("/", " | ").lower()
            values.append(value)
            image = content.get("image")
            if isinstance(image, str):
                images[value] = image
        options[name.lower()] = tuple(values)
    return options, images


def _asin(record: Any, number: int, where: str) -> str:
    asin = record.get("asin") if isinstance(record, Mapping) else None
    if not isinstance(asin, str):
        raise DataMismatch(
            f"product {number} has no asin: {shown(record, 80)}",
            where=where,
            remedy="a catalogue is a list of objects, each with an asin",
        )
    if not asin.strip() or not asin.isprintable():
        raise DataMismatch(
            f"product {number} has the asin {shown(asin)}, which no page can link to",
            where=where,
            remedy="mend or remove the record",
        )
    return asin


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{key} is {type(value).__name__}, not text")
    return value


def _texts(values: Any, key: str) -> tuple[str, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError(f"{key} is {type(values).__name__}, not a list")
    return tuple(_text(value, key) for value in values)


def _unknown(asin: object) -> ConfigError:
    return ConfigError(f"the catalogue has no product {shown(asin)}", remedy="take one from asins()")
