"""The generated world of Search-QA: lands full of entities, a passage for each, questions about them.

Every question is answerable by construction: its answer stands in the passages that it names as gold, each of
which is found by the title that the question, or the passage before it, mentions.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from craft_envs.draw import Draw
from craft_envs.searchqa.corpus import Passage
from craft_envs.searchqa.generate_comparisons import comparisons
from craft_envs.searchqa.generate_entities import VERSIONS, Entity, Land, Size
from craft_envs.searchqa.generate_findable import Finder
from craft_envs.searchqa.generate_overviews import overviews
from craft_envs.searchqa.generate_people import add_people, enrol
from craft_envs.searchqa.generate_places import add_places
from craft_envs.searchqa.generate_questions import Asked, Questioner
from craft_envs.searchqa.generate_works import add_buildings, add_events, add_organisations, add_works
from craft_envs.searchqa.names import Names
from craft_envs.searchqa.questions import Question
from craft_envs.searchqa.sentences import passage_text

SPLITS: Final = ("train", "valid", "test")


class Scale(NamedTuple):
    """How much there is of everything, for one size."""

    lands: dict[str, int]
    """Split -> lands; no entity is in two lands."""
    towns: int
    rivers: int
    people: int
    namesakes: int
    organisations: int
    """Of each kind."""
    works: int
    """Of each kind."""
    events: int
    """Of each kind."""
    overviews: int
    chains: dict[str, dict[int, int]]
    """Split -> hops -> questions a land."""
    comparisons: dict[str, dict[int, int]]
    """The same for comparisons."""


SCALES: Final[dict[Size, Scale]] = {
    "full": Scale(
        lands={"train": 20, "valid": 3, "test": 5},
        towns=16,
        rivers=4,
        people=66,
        namesakes=8,
        organisations=3,
        works=14,
        events=3,
        overviews=12,
        chains={
            "train": {1: 40, 2: 48, 3: 24},
            "valid": {1: 24, 2: 32, 3: 16},
            "test": {1: 24, 2: 32, 3: 16},
        },
        comparisons={
            "train": {2: 24, 3: 12, 4: 12},
            "valid": {2: 12, 3: 6, 4: 12},
            "test": {2: 12, 3: 6, 4: 12},
        },
    ),
    "small": Scale(
        lands={"train": 100, "valid": 3, "test": 6},
        towns=8,
        rivers=2,
        people=20,
        namesakes=0,
        organisations=3,
        works=14,
        events=0,
        overviews=0,
        chains={"train": {1: 44, 2: 66}, "valid": {1: 24, 2: 36}, "test": {1: 24, 2: 36}},
        comparisons={"train": {}, "valid": {}, "test": {}},
    ),
}


class Generated(NamedTuple):
    """One data set."""

    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


def generate(size: Size) -> Generated:
    """The data set of a size: the same passages with the same questions for ever."""
    names = Names(size)
    lands: list[tuple[Draw, Land]] = []
    texts: dict[Entity, str] = {}
    titled: list[tuple[str, str]] = []
    for split in SPLITS:
        for _ in range(SCALES[size].lands[split]):
            draw = Draw(f"searchqa/{VERSIONS[size]}/{size}/land/{len(lands)}")
            land = fill_land(draw, names, Land(len(lands), split), size)
            for entity in land.entities:
                texts[entity] = passage_text(draw, land, entity, size)
                titled.append((entity.title, texts[entity]))
            titled += overviews(draw, land, SCALES[size].overviews)
            lands.append((draw, land))
    # In random order, so that neither ids nor neighbours tell what belongs together.
    shuffled = Draw(f"searchqa/{VERSIONS[size]}/{size}/order").shuffled(titled)
    passages = tuple(Passage(f"{i:05d}", title, text) for i, (title, text) in enumerate(shuffled))
    finder = Finder(passages)
    asked: dict[str, list[Asked]] = {split: [] for split in SPLITS}
    for draw, land in lands:
        asked[land.split] += _questions(Questioner(draw, land, texts, finder, size), size)
    ids = {passage.title: passage.passage_id for passage in passages}
    return Generated(passages, tuple(_numbered(asked, ids)))


def fill_land(draw: Draw, names: Names, land: Land, size: Size) -> Land:
    """Put all entities with their facts into an empty land; returns it."""
    scale, small = SCALES[size], size == "small"
    add_places(draw, names, land, towns=scale.towns, rivers=scale.rivers, small=small)
    add_people(draw, names, land, people=scale.people, namesakes=scale.namesakes, small=small)
    add_organisations(draw, names, land, each=scale.organisations, small=small)
    enrol(draw, land)
    add_works(draw, names, land, each=scale.works, small=small)
    add_events(draw, names, land, each=scale.events)
    add_buildings(draw, land, small=small)
    return land


def _questions(questioner: Questioner, size: Size) -> list[Asked]:
    scale, split = SCALES[size], questioner.land.split
    out: list[Asked] = []
    for hops, count in scale.chains[split].items():
        out += questioner.chains(hops, count)
    for hops, count in scale.comparisons[split].items():
        out += comparisons(questioner, hops, count)
    return out


def _numbered(asked: dict[str, list[Asked]], ids: dict[str, str]) -> list[Question]:
    out = []
    for split, found in asked.items():
        for number, one in enumerate(found):
            titles = tuple(entity.title for entity in one.gold)
            out.append(
                Question(
                    question_id=f"{one.question_type}{len(titles)}-{number:04d}",
                    data_source=one.question_type,
                    question=one.text,
                    answers=one.answers,
                    gold_titles=titles,
                    gold_ids=tuple(ids[title] for title in titles),
                    hops=len(titles),
                    question_type=one.question_type,
                    split=split,
                )
            )
    return out
