"""The parser: typed outcomes, the published rule, hostile text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft_rl.agent.parse import parse, write_response
from craft_rl.types import ParseOutcome as O


@pytest.mark.parametrize(
    ("response", "action", "outcome"),
    [
        ("<action>go to desk 1</action>", "go to desk 1", O.ok),
        ("Well.\n<action>\n  Go To desk 1 \t</action> Done.", "Go To desk 1", O.ok),
        ("<think>maybe <action>look</action></think><action>help</action>", "help", O.ok),
        ("the template had opened the thought</think><action>look</action>", "look", O.ok),
        ("<action>look</action><think>was that right?</think>", "look", O.ok),
        ("", "", O.no_action),
        ("go to desk 1", "", O.no_action),
        ("<action>go to desk 1", "", O.no_action),
        ("</action>look<action>", "", O.no_action),
        ("<think>never closed <action>look</action>", "", O.no_action),
        ("<ACTION>look</ACTION>", "", O.no_action),
        ("<action>look</action><action>look</action>", "", O.many_actions),
        ("<action><action>look</action>", "", O.many_actions),
        ("<action> \n </action>", "", O.empty_action),
        ("<act<think></think>ion>look</action>", "", O.no_action),
    ],
)
def test_tags(response: str, action: str, outcome: O):
    assert parse(response) == (action, outcome)


def test_required_thought():
    assert parse("<action>look</action>", think="required") == ("", O.no_think)
    assert parse("<think></think><action>look</action>", think="required") == ("look", O.ok)
    assert parse("<action>look</action>", think="off") == ("look", O.ok)


def test_cut_responses_name_the_limit_only_when_their_action_is_missing():
    assert parse("<think>long", cut=True).outcome is O.cut_off
    assert parse("<action>go to", cut=True).outcome is O.cut_off
    assert parse("<action>look</action> and th", cut=True) == ("look", O.ok)
    assert parse("<action>a</action><action>b</action>", cut=True).outcome is O.many_actions


@pytest.mark.parametrize(
    ("response", "action", "outcome"),
    [
        ("<think>a</think><action>Go To Desk 1</action>", "go to desk 1", O.ok),
        ("<action>Look</action>", "look", O.no_think),
        ("<think>你</think><action>look</action>", "look", O.foreign_script),
        (
            "I would rather GO to the Desk number 1 in the corner",
            "the desk number 1 in the corner"[-30:],
            O.no_action,
        ),
        ("<think>a</think><action>a</action><action>b</action>", "a", O.ok),
        ("<action>look", "<action>look", O.no_action),
    ],
)
def test_legacy(response: str, action: str, outcome: O):
    parsed = parse(response, form="legacy")
    assert parsed == (action, outcome)


@pytest.mark.parametrize("form", ["tags", "legacy"])
@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "</think>",
        "<action>",
        "</action>",
        "<think></think>",
        "<action></action>",
        "<",
        "\x00",
        "İ",
    ],
)
def test_hostile_megabytes_take_linear_time(piece: str, form: str):
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    parsed = parse(text, form=form)
    # A quadratic rule would need minutes here; the bound leaves room for a busy machine.
    assert time.process_time() - started < 2.0
    assert isinstance(parsed.outcome, O)


@given(
    st.text(alphabet="<>/actionthink \n你", max_size=200), st.sampled_from(["optional", "required", "off"])
)
def test_any_text_has_an_outcome(text: str, think: str):
    parsed = parse(text, think=think)
    assert (parsed.outcome is O.ok) == bool(parsed.action)


@given(
    st.text(alphabet=st.characters(blacklist_characters="<>"), min_size=1), st.none() | st.just("a thought")
)
def test_written_responses_read_back(action: str, thought: str | None):
    parsed = parse(write_response(action, thought=thought))
    assert parsed.action == action.strip()
