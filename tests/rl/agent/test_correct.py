"""The correction prompt: frozen wording, both attempts in it, no verdict; the answer read back."""

from __future__ import annotations

import time

import pytest

from craft_rl.agent.correct import CORRECTIONS, corrected_actions, correction_messages, correction_version
from craft_rl.agent.parse import FORMS, SEARCH_FORMS, Form
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.agent.prompt import PromptSettings
from tests.rl.toy_rollout import ToyCodec

PUBLISHED = {
    "correct/1": "150062cca0ec84e26c13438d9534f202",
    "correct-compact/1": "3daf413b11ba5772f3b6df5c1d152e34",
}
"""Content hash of every published version. A line here is never edited: a new wording gets a new line."""


def io(form: Form = "tags", template: str = "") -> PolicyIO:
    template = template or ("search/1" if form in SEARCH_FORMS else "instruct/1")
    return PolicyIO(codec=ToyCodec(), prompt=PromptSettings(template=template, form=form))


def test_published_versions_never_change() -> None:
    assert {name: template.content_hash for name, template in CORRECTIONS.items()} == PUBLISHED


@pytest.mark.parametrize("template", ["instruct/1", "compact/1"])
def test_the_prompt_shows_both_attempts_without_a_verdict(template: str) -> None:
    messages = correction_messages(io(template=template), "find a mug", ["go north", ""], ["go south"])
    (message,) = messages
    text = message["content"]
    assert message["role"] == "user" and "find a mug" in text
    assert text.index("<action>go north</action>") < text.index("<action>go south</action>")
    assert CORRECTIONS[correction_version(io(template=template))].nothing in text
    for word in ("success", "solved", "fail", "wrong", "incorrect", "reward"):
        assert word not in text.lower()


@pytest.mark.parametrize("form", FORMS)
def test_a_written_list_is_read_back(form: Form) -> None:
    actions = ["search[old maps]", "answer[12 (of 30)]"] if form in SEARCH_FORMS else ["look", "go to desk 1"]
    own = io(form)
    text = "<think>first <action>no</action></think>\n" + "\n".join(own.write(a) for a in actions)
    assert corrected_actions(text, form=form) == actions
    assert "<" not in "".join(actions) and own.writer is not None
    shown = correction_messages(own, "t", actions, ["x"])[0]["content"]
    assert all(own.write(action) in shown for action in actions)


def test_what_cannot_be_read_is_left_out() -> None:
    assert corrected_actions("I would go north.", form="tags") == []
    assert corrected_actions("<action> </action><action>look", form="tags") == []
    assert corrected_actions("<action>a<action>b</action>", form="tags") == ["b"]
    assert corrected_actions("<think><action>a</action>", form="tags") == []
    drafted = "perhaps <action>a</action>? no</think><action>b</action>"  # the prompt opened the thought
    assert corrected_actions(drafted, form="tags") == ["b"]
    assert corrected_actions("<search></search><answer></answer>", form="search_tags") == ["answer[]"]


def test_hostile_text_takes_linear_time() -> None:
    started = time.process_time()
    for text in ("<action>" * 100_000, "<think>" * 100_000, "<" * 500_000, "<action><b" * 100_000):
        assert corrected_actions(text, form="tags") == []
    assert time.process_time() - started < 5
