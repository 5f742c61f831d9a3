"""What a generated land consists of: entities with facts about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from craft_envs.draw import Draw

Size = Literal["full", "small"]
SIZE_NAMES: Final[tuple[Size, ...]] = ("full", "small")
VERSIONS: Final[dict[Size, str]] = {"full": "1", "small": "2"}
"""Part of every key of the generator: another number draws another world, hence is another data set."""

MONTHS: Final = (
    "January February March April May June July August September October November December"
).split()
WORKS: Final = ("novel", "opera", "painting", "film")
ORGANISATIONS: Final = ("university", "museum", "theatre", "publisher", "studio")
EVENTS: Final = ("battle", "expedition", "exhibition")
_WITH_ARTICLE: Final = frozenset({"river", "museum", "theatre", *EVENTS})


class Date(NamedTuple):
    """A day of the common calendar."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        """``3 May 1874``."""
        return f"{self.day} {MONTHS[self.month - 1]} {self.year}"

    @property
    def number(self) -> int:
        """Grows from day to day; for comparisons."""
        return (self.year * 12 + self.month) * 31 + self.day

    def american(self) -> str:
        """``May 3, 1874``."""
        return f"{MONTHS[self.month - 1]} {self.day}, {self.year}"

    def forms(self) -> tuple[str, ...]:
        """Every form that counts as an answer."""
        return str(self), self.american(), f"{self.year:04d}-{self.month:02d}-{self.day:02d}"


class Measure(NamedTuple):
    """A number with its unit.

    Example: ``str(Measure(2314, "m"))`` is ``2,314 m``.
    """

    value: int
    unit: Literal["", "m", "km"]

    def __str__(self) -> str:
        """With a comma between the thousands."""
        return f"{self.value:,} {self.unit}".rstrip()

    def forms(self) -> tuple[str, ...]:
        """Every form that counts as an answer; commas do not matter to the scorer."""
        number = f"{self.value:,}"
        words = {"": (), "m": ("metres", "meters"), "km": ("kilometres", "kilometers")}[self.unit]
        return tuple(dict.fromkeys((str(self), *(f"{number} {word}" for word in words), number)))


@dataclass(slots=True, eq=False, repr=False)
class Entity:
    """One person, place, work, organisation or event; compared by identity.

    Example: ``Entity(kind="person", name="Maren Toll", title="Maren Toll", trade="painter", female=True)``.
    """

    kind: str
    """What relations it has: ``person``, ``town``, ``novel``, ..."""
    name: str
    """What texts call it."""
    title: str
    """Of its passage; unique in the data set."""
    long: str = ""
    """The full name, where texts begin with one."""
    aliases: tuple[str, ...] = ()
    """Further names that count as the same answer."""
    trade: str = ""
    """What a person was."""
    female: bool = False
    shared: bool = False
    """Another entity of the land has the same name."""
    facts: dict[str, Fact] = field(default_factory=dict)
    """Relation -> the one thing that it holds of; every fact stands in the passage."""
    back: dict[str, list[Entity]] = field(default_factory=dict)
    """Relation -> the entities of whose facts it is the value."""

    def __repr__(self) -> str:
        # Without its facts: these lead to other entities, from there back to this one.
        return f"Entity({self.kind!r}, {self.title!r})"

    @property
    def mention(self) -> str:
        """A phrase that means this entity alone: ``the painter Maren Toll`` where two share the name."""
        if self.shared:
            return f"the {self.trade or self.kind} {self.name}"
        return f"the {self.name}" if self.kind in _WITH_ARTICLE else self.name

    def forms(self) -> tuple[str, ...]:
        """Every form that counts as an answer, the usual one first."""
        return tuple(dict.fromkeys((self.name, self.long or self.name, *self.aliases)))

    def relate(self, relation: str, fact: Fact) -> None:
        """State a fact, known from both ends."""
        self.facts[relation] = fact
        if isinstance(fact, Entity):
            fact.back.setdefault(relation, []).append(self)

    def of(self, relation: str) -> Entity:
        """The entity that a relation leads to.

        Raises:
            KeyError: there is none.
        """
        fact = self.facts[relation]
        if not isinstance(fact, Entity):
            raise KeyError(relation)
        return fact

    def day(self, relation: str) -> Date:
        """The date of a relation.

        Raises:
            KeyError: there is none.
        """
        fact = self.facts[relation]
        if not isinstance(fact, Date):
            raise KeyError(relation)
        return fact

    def year(self, relation: str) -> int:
        """The year of a relation, be it told as a year or as a date.

        Raises:
            KeyError: there is none.
        """
        fact = self.facts[relation]
        if isinstance(fact, Date):
            return fact.year
        if not isinstance(fact, int):
            raise KeyError(relation)
        return fact


Fact = Entity | Date | Measure | int | str


@dataclass(slots=True, repr=False)
class Land:
    """A closed part of the world: no relation leads out of it, so a split is a set of lands."""

    number: int
    split: str
    entities: list[Entity] = field(default_factory=list)
    by_kind: dict[str, list[Entity]] = field(default_factory=dict)

    def add(self, entity: Entity) -> Entity:
        """Keep an entity; returns it."""
        self.entities.append(entity)
        self.by_kind.setdefault(entity.kind, []).append(entity)
        return entity

    def of_kind(self, kind: str) -> list[Entity]:
        """The entities of a kind, in the order in which they were made; treat the list as read-only."""
        return self.by_kind.get(kind, [])


def forms_of(fact: Fact) -> tuple[str, ...]:
    """Every form of a fact that counts as an answer, the usual one first."""
    if isinstance(fact, Entity | Date | Measure):
        return fact.forms()
    return (str(fact),)


def some_day(draw: Draw, year: int) -> Date:
    """A day of the year; none after the 28th of its month."""
    return Date(year, draw.between(1, 12), draw.between(1, 28))
