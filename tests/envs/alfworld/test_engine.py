"""The native engine's oddities one by one, each copied from the original."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from craft_envs.alfworld.engine import HELP, NOTHING, AlfSession, state_words
from craft_envs.alfworld.facts import GameFacts, Goal
from craft_envs.alfworld.game import CLEAN, COOL, HOT, SLICED, display_names, listed
from craft_envs.alfworld.world import load_world


def _play(session: AlfSession, *commands: str) -> str:
    """Play admissible commands; the last answer."""
    answer = ""
    for command in commands:
        answer, _, _, valid = session.act(command)
        assert valid, f"{command!r} is not among {session.admissible_actions()}"
    return answer


def test_the_intro_lists_all_receptacles_while_look_sees_nothing(odd_session: AlfSession) -> None:
    assert odd_session.start() == (
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, "
        "you see a desk 1, a drawer 2, a drawer 1, a fridge 1, a microwave 1, a shelf 2, a shelf 1, "
        "and a sinkbasin 1.\n\nYour task is to: put a hot apple in desk."
    )
    assert _play(odd_session, "look") == (
        "You are in the middle of a room. Looking quickly around you, you see nothing."
    )


def test_numbers_run_downwards_over_every_mentioned_id() -> None:
    names = display_names(["Mug_bar_2", "Mug_bar_1", "mug_bar_3", "Sink_bar_1_bar_SinkBasin", "Sink_bar_2"])
    assert names == {
        "mug_bar_1": "mug 3",
        "mug_bar_2": "mug 2",
        "mug_bar_3": "mug 1",
        "sink_bar_1_bar_sinkbasin": "sinkbasin 1",
        "sink_bar_2": "sink 1",
    }


def test_an_untyped_id_takes_a_number_of_its_class(odd_session: AlfSession) -> None:
    """``Apple_bar_0_bar_Slice`` is only mentioned, it is the apple 3."""
    assert {name for name in odd_session.game.item_index if name.startswith("apple")} == {
        "apple 1",
        "apple 2",
        "apple 3",
    }
    assert "apple 2" in _play(odd_session, "go to desk 1")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "nothing"),
        (["apple 1"], "a apple 1"),
        (["apple 1", "egg 1"], "a apple 1, and a egg 1"),
        (["apple 1", "egg 1", "mug 1"], "a apple 1, a egg 1, and a mug 1"),
    ],
)
def test_lists(names: list[str], text: str) -> None:
    assert listed(names) == text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (0, ""),
        (HOT, "hot"),
        (COOL, "cold"),
        (CLEAN, "clean"),
        (SLICED, ""),
        (HOT | CLEAN, "hot and clean"),
        (COOL | CLEAN, "cool and clean"),
        (HOT | SLICED, "hot sliced"),
        (COOL | SLICED, "cool sliced"),
        (CLEAN | SLICED, "clean sliced"),
        (HOT | CLEAN | SLICED, "hot and clean sliced"),
        (COOL | CLEAN | SLICED, "cool and clean sliced"),
    ],
)
def test_words_of_a_state(state: int, words: str) -> None:
    assert state_words(state) == words


def test_places_shared_by_receptacles(odd_session: AlfSession) -> None:
    assert _play(odd_session, "go to desk 1") == (
        "You arrive at desk 1. On the desk 1, you see a apple 2, and a desklamp 1."
    )
    actions = odd_session.admissible_actions()
    assert not {"go to desk 1", "go to shelf 2", "go to drawer 2"} & set(actions)
    assert {"examine desk 1", "examine shelf 2", "examine drawer 2", "open drawer 2"} <= set(actions)
    assert odd_session.act("go to shelf 2") == (NOTHING, 0.0, False, False)
    assert _play(odd_session, "look") == (
        "You are facing the desk 1, drawer 2, and shelf 2. Next to it, you see nothing."
    )


def test_only_the_held_object_can_be_examined(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1")
    assert "examine apple 2" not in odd_session.admissible_actions()
    assert _play(odd_session, "take apple 2 from desk 1") == "You pick up the apple 2 from the desk 1."
    assert _play(odd_session, "examine apple 2") == "There's nothing special about apple 2."
    assert _play(odd_session, "inventory") == "You are carrying: a apple 2."


def test_an_object_in_two_receptacles_stays_in_the_other(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1", "take apple 2 from desk 1")
    assert _play(odd_session, "examine shelf 2") == "On the shelf 2, you see a apple 2."
    assert _play(odd_session, "move apple 2 to shelf 2") == "You move the apple 2 to the shelf 2."
    assert _play(odd_session, "examine shelf 2") == "On the shelf 2, you see a apple 2."
    assert "Next to it, you see a apple 2." in _play(odd_session, "look")


def test_next_to_it_lists_an_object_once_for_each_receptacle_it_left(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1", "open drawer 2", "take knife 1 from drawer 2")
    assert "Next to it, you see nothing." in _play(odd_session, "look"), "it is in hand"
    _play(odd_session, "move knife 1 to desk 1")
    assert "Next to it, you see a knife 1." in _play(odd_session, "look")
    _play(odd_session, "take knife 1 from desk 1", "move knife 1 to shelf 2")
    assert "Next to it, you see a knife 1, and a knife 1." in _play(odd_session, "look")
    _play(odd_session, "take knife 1 from shelf 2", "move knife 1 to drawer 2")
    assert "Next to it, you see a knife 1, and a knife 1." in _play(odd_session, "look")


def test_closed_appliances_work(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1", "take apple 2 from desk 1", "go to microwave 1")
    assert _play(odd_session, "examine microwave 1") == "The microwave 1 is closed."
    assert _play(odd_session, "heat apple 2 with microwave 1") == (
        "You heat the apple 2 using the microwave 1."
    )
    assert _play(odd_session, "examine apple 2") == "This is a hot apple 2."
    assert _play(odd_session, "cool apple 2 with fridge 1") == "You cool the apple 2 using the fridge 1."
    assert _play(odd_session, "examine apple 2") == "This is a cold apple 2."
    _play(odd_session, "go to sinkbasin 1", "clean apple 2 with sinkbasin 1")
    assert _play(odd_session, "examine apple 2") == "This is a cool and clean apple 2."


def test_a_pan_recorded_inside_itself_is_not_listed(odd_session: AlfSession) -> None:
    _play(odd_session, "go to shelf 1", "take pan 1 from shelf 1")
    text = "This is a normal pan 1. In it, you see a book 1."
    assert _play(odd_session, "examine pan 1") == text
    _play(odd_session, "go to sinkbasin 1", "clean pan 1 with sinkbasin 1")
    assert _play(odd_session, "examine pan 1") == text


def test_a_lamp_in_a_closed_drawer_can_be_used_again_and_again(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1")
    assert odd_session.admissible_actions().count("use desklamp 1") == 1
    for _ in range(2):
        assert _play(odd_session, "use desklamp 1") == "You turn on the desklamp 1."
    _play(odd_session, "take desklamp 1 from desk 1")
    assert "use desklamp 1" in odd_session.admissible_actions(), "it is in the closed drawer as well"
    assert _play(odd_session, "examine desklamp 1") == "This desklamp 1 is on."


def test_slicing_follows_recorded_locations(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1", "open drawer 2", "take knife 1 from drawer 2")
    assert _play(odd_session, "slice apple 2 with knife 1") == "You sliced the apple 2 with the knife 1."
    assert "slice apple 1 with knife 1" not in odd_session.admissible_actions()
    _play(odd_session, "go to shelf 1")
    assert "slice apple 1 with knife 1" in odd_session.admissible_actions(), "a stale location counts"
    _play(odd_session, "go to fridge 1", "slice apple 1 with knife 1")


def test_open_and_close(odd_session: AlfSession) -> None:
    assert _play(odd_session, "go to fridge 1") == "You arrive at fridge 1. The fridge 1 is closed."
    assert _play(odd_session, "open fridge 1") == (
        "You open the fridge 1. The fridge 1 is open. In it, you see a apple 1."
    )
    assert "open fridge 1" not in odd_session.admissible_actions()
    assert _play(odd_session, "close fridge 1") == "You close the fridge 1."
    assert not any(action.startswith("take") for action in odd_session.admissible_actions())


def test_help_begins_without_a_newline_and_ends_with_one(odd_session: AlfSession) -> None:
    assert _play(odd_session, "help") == HELP
    assert HELP.startswith("Available commands:\n  look:    ")
    assert HELP.endswith("sharp object\n")
    assert "\n  move (object) to (receptacle):  place" in HELP


@pytest.mark.parametrize("padded", ["  look", "look\n", "\u3000look\u00a0", "\u2028look\x1f\x85"])
def test_outer_white_space_is_dropped(odd_session: AlfSession, padded: str) -> None:
    assert odd_session.act(padded).action_valid


@pytest.mark.parametrize(
    "wrong", ["", "Look", "go  to desk 1", "look\x00", "\u200blook", "\ufefflook", "take"]
)
def test_anything_else_does_nothing(odd_session: AlfSession, wrong: str) -> None:
    before = odd_session.anchor(), odd_session.admissible_actions()
    assert odd_session.act(wrong) == ("Nothing happens.", 0.0, False, False)
    assert (odd_session.anchor(), odd_session.admissible_actions()) == before


def test_winning_gives_reward_and_end(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1", "take apple 2 from desk 1", "go to microwave 1")
    assert odd_session.act("heat apple 2 with microwave 1").reward == 0.0
    _play(odd_session, "go to desk 1")
    assert odd_session.act("move apple 2 to desk 1")[1:] == (1.0, True, True)
    assert odd_session.success
    assert odd_session.score == 1.0


def test_two_objects_must_be_in_one_receptacle(
    make_odd_house: Callable[..., GameFacts], make_session: Callable[[GameFacts], AlfSession]
) -> None:
    goal = Goal(task_type="pick_two_obj_and_place", object_type="Apple", target_type="Shelf")
    session = make_session(make_odd_house(goal))
    _play(session, "go to fridge 1", "open fridge 1", "take apple 1 from fridge 1", "go to shelf 1")
    _play(session, "move apple 1 to shelf 1")
    assert not session.success, "the other apple lies on the other shelf"
    _play(session, "take apple 1 from shelf 1", "go to shelf 2", "move apple 1 to shelf 2")
    assert session.success


@pytest.mark.parametrize("lamp_first", [True, False])
def test_looking_in_light_works_in_either_order(
    lamp_first: bool,
    make_odd_house: Callable[..., GameFacts],
    make_session: Callable[[GameFacts], AlfSession],
) -> None:
    goal = Goal(task_type="look_at_obj_in_light", object_type="Knife", target_type="DeskLamp")
    session = make_session(make_odd_house(goal))
    take = ["open drawer 2", "take knife 1 from drawer 2"]
    order = ["use desklamp 1", *take] if lamp_first else [*take, "use desklamp 1"]
    _play(session, "go to desk 1", *order[:-1])
    assert not session.success
    _play(session, order[-1])
    assert session.success
    _play(session, "go to shelf 1")
    assert not session.success, "as in the original, the goal is about the present"


def test_a_goal_that_holds_at_the_start_ends_with_the_first_step(
    make_odd_house: Callable[..., GameFacts], make_session: Callable[[GameFacts], AlfSession]
) -> None:
    goal = Goal(task_type="pick_and_place_simple", object_type="Book", target_type="Shelf")
    session = make_session(make_odd_house(goal))
    assert session.act("no such thing") == (NOTHING, 1.0, True, False)


def test_starting_at_a_receptacle(
    make_odd_house: Callable[..., GameFacts], make_session: Callable[[GameFacts], AlfSession]
) -> None:
    session = make_session(make_odd_house(None, "loc_bar_2"))
    assert "You are facing the shelf 1. Next to it, you see nothing.\n\n" in session.start()


def test_a_copy_goes_its_own_way(odd_session: AlfSession) -> None:
    _play(odd_session, "go to desk 1")
    twin = odd_session.copy()
    assert twin.anchor() == odd_session.anchor()
    before = list(odd_session.admissible_actions())
    _play(twin, "take apple 2 from desk 1", "go to shelf 1", "move apple 2 to shelf 1")
    assert odd_session.admissible_actions() == before
    assert _play(odd_session, "examine desk 1") == "On the desk 1, you see a apple 2, and a desklamp 1."


def _visible(session: AlfSession) -> tuple[object, ...]:
    """Everything a player can find out without changing anything."""
    twin = session.copy()
    actions = twin.admissible_actions()
    asks = [a for a in actions if a in ("look", "inventory") or a.startswith("examine ")]
    return (*actions, *((ask, twin.act(ask).observation) for ask in asks))


def test_anchors_are_equal_iff_what_is_visible_is_equal(
    make_odd_house: Callable[..., GameFacts], make_session: Callable[[GameFacts], AlfSession]
) -> None:
    rng = random.Random(3)
    bundled = load_world(size="small")
    games: list[Callable[[], AlfSession]] = [lambda: make_session(make_odd_house())]
    for task_id in rng.sample(list(bundled.tasks.task_ids("train")), 5):
        games.append(lambda task_id=task_id: make_session(bundled.tasks.facts(task_id)))  # type: ignore[misc]
    for open_session in games:
        seen: dict[str, tuple[object, ...]] = {}
        for _ in range(15):
            session = open_session()
            for _ in range(30):
                visible = _visible(session)
                assert seen.setdefault(session.anchor(), visible) == visible
                _play(session, rng.choice(session.admissible_actions()))
        assert len(set(seen.values())) == len(seen) > 20


def test_random_play_keeps_the_admissible_list_sorted_without_duplicates() -> None:
    rng = random.Random(5)
    world = load_world()
    for task_id in rng.sample(list(world.tasks.task_ids("train")), 20):
        session = world.open(task_id, 0)
        for _ in range(40):
            actions = session.admissible_actions()
            assert actions == sorted(set(actions))
            assert {"help", "inventory", "look"} <= set(actions)
            assert session.act(rng.choice(actions)).action_valid
