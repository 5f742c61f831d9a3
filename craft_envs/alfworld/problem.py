"""Writer of PDDL problems for the original engine, the reverse of ``pddl.GameFile.read``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from craft_envs.alfworld.facts import GameFacts, Goal

# Types that the domain names itself, so that every problem must declare them.
_OBJECT_TYPES: Final = frozenset({"Knife", "ButterKnife"})
_RECEPTACLE_TYPES: Final = frozenset({"SinkBasin", "Microwave", "Fridge"})
_FLAGS: Final = (
    ("pickupable", "pickupable"),
    ("isReceptacleObject", "receptacle_object"),
    ("toggleable", "toggleable"),
    ("isToggled", "toggled"),
    ("cleanable", "cleanable"),
    ("heatable", "heatable"),
    ("coolable", "coolable"),
    ("sliceable", "sliceable"),
    ("isClean", "clean"),
    ("isHot", "hot"),
    ("isCool", "cool"),
    ("isSliced", "sliced"),
)
_STATES: Final = {
    "pick_clean_then_place_in_recep": "(cleanable ?o) (isClean ?o)",
    "pick_heat_then_place_in_recep": "(heatable ?o) (isHot ?o)",
    "pick_cool_then_place_in_recep": "(coolable ?o) (isCool ?o)",
    "pick_and_place_simple": "",
}


def problem_text(facts: GameFacts) -> str:
    """The game as a PDDL problem of ALFWorld's domain."""
    objects = "\n    ".join(f"{name} - {kind}" for name, kind in _declared(facts))
    init = "\n    ".join(f"({fact})" for fact in _init(facts))
    return (
        "(define (problem game)\n(:domain alfred)\n"
        f"(:objects\n    {objects})\n(:init\n    {init})\n(:goal {_goal(facts.goal)}))\n"
    )


def _declared(facts: GameFacts) -> Iterator[tuple[str, str]]:
    yield "agent1", "agent"
    places = {facts.start, *(r.location for r in facts.receptacles if r.location)}
    for thing in facts.things:
        places.update(thing.locations)
        yield thing.id, "object"
    for receptacle in facts.receptacles:
        yield receptacle.id, "receptacle"
    yield from ((place, "location") for place in sorted(places))
    object_types = {facts.goal.object_type, *_OBJECT_TYPES, *(t.type for t in facts.things if t.type)}
    object_types.update(thing for _, thing in facts.can_contain)
    receptacle_types = {*_RECEPTACLE_TYPES, *(r.type for r in facts.receptacles if r.type)}
    receptacle_types.update(receptacle for receptacle, _ in facts.can_contain)
    if facts.goal.task_type == "look_at_obj_in_light":
        object_types.add(facts.goal.target_type)
    else:
        receptacle_types.add(facts.goal.target_type)
    yield from ((f"{name}Type", "otype") for name in sorted(object_types))
    yield from ((f"{name}Type", "rtype") for name in sorted(receptacle_types))


def _init(facts: GameFacts) -> Iterator[str]:
    yield f"atLocation agent1 {facts.start}"
    yield from (f"canContain {r}Type {t}Type" for r, t in sorted(facts.can_contain))
    for receptacle in facts.receptacles:
        if receptacle.type:
            yield f"receptacleType {receptacle.id} {receptacle.type}Type"
        if receptacle.location:
            yield f"receptacleAtLocation {receptacle.id} {receptacle.location}"
        if receptacle.openable:
            yield f"openable {receptacle.id}"
        if receptacle.opened:
            yield f"opened {receptacle.id}"
    for thing in facts.things:
        if thing.type:
            yield f"objectType {thing.id} {thing.type}Type"
        yield from (f"inReceptacle {thing.id} {holder}" for holder in thing.receptacles)
        yield from (f"objectAtLocation {thing.id} {place}" for place in thing.locations)
        yield from (f"inReceptacleObject {thing.id} {outer}" for outer in thing.inside)
        yield from (f"{predicate} {thing.id}" for predicate, name in _FLAGS if getattr(thing, name))


def _goal(goal: Goal) -> str:
    thing, target = f"{goal.object_type}Type", f"{goal.target_type}Type"
    if goal.task_type == "look_at_obj_in_light":
        return (
            "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and"
            f" (objectType ?ot {target}) (toggleable ?ot) (isToggled ?ot) (receptacleAtLocation ?r ?l)"
            " (atLocation ?a ?l) (inReceptacle ?ot ?r)))"
            f" (exists (?o - object ?a - agent) (and (objectType ?o {thing}) (holds ?a ?o))))"
        )
    if goal.task_type == "pick_two_obj_and_place":
        return (
            "(exists (?r - receptacle) (exists (?o1 - object) (and"
            f" (objectType ?o1 {thing}) (receptacleType ?r {target}) (inReceptacle ?o1 ?r)"
            " (exists (?o2 - object) (and (not (= ?o1 ?o2))"
            f" (objectType ?o2 {thing}) (receptacleType ?r {target}) (inReceptacle ?o2 ?r))))))"
        )
    return (
        "(exists (?r - receptacle) (exists (?o - object) (and"
        f" (inReceptacle ?o ?r) (objectType ?o {thing}) (receptacleType ?r {target})"
        f" {_STATES[goal.task_type]})))"
    )
