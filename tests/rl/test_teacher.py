"""The teacher: same tokens, other prompt; text that fits, is counted, never becomes a string."""

from __future__ import annotations

import json
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from craft_skills import Skill, save_bank

from craft_envs.errors import ConfigError, LeakError
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.models.small import CHAT_TEMPLATE
from craft_rl.teacher import open_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.insert import Inserter
from craft_rl.types import PrivilegedContext
from tests.rl.tiny_teacher import (
    learner,
    played,
    recording,
    teaching_config,
    tiny_bank,
    tiny_teacher,
)
from tests.rl.tiny_training import tiny_config, tiny_policy
from tests.rl.toy_rollout import ToyTasks

CHATML = (
    "{% for message in messages %}"
    "{{ '<|user|>' + message['role'] + '\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|user|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def setting():
    policy = tiny_policy()
    config = teaching_config("sdar")
    batch, trajectories = played(config)
    return policy, batch, trajectories, partial(learner(config, policy).score_batch, policy.model)


def own_scores(setting):
    _, batch, _, run = setting
    return run(batch, range(len(batch))).numpy()


def test_privileged_text_cannot_become_a_string():
    context = PrivilegedContext(text="secret", skill_ids=("s",), bank_hash="b")
    for leak in (
        lambda: f"{context}",
        lambda: f"{context:>10}",
        lambda: str(context),
        lambda: repr(context),
        lambda: "%s" % (context,),  # noqa: UP031
        lambda: "{}".format(context),  # noqa: UP032
        lambda: f"{[context]}",
        lambda: pickle.dumps(context),
    ):
        with pytest.raises(LeakError, match=r"Teacher\.score") as caught:
            leak()
        assert "secret" not in str(caught.value)
    with pytest.raises(TypeError):
        json.dumps(context)


def test_told_nothing_the_teacher_is_the_student(setting):
    policy, batch, trajectories, run = setting
    for settings in ({"control": "empty"}, {"bank": tiny_bank_without_skills()}):
        teacher = tiny_teacher(policy, **settings)
        briefing = teacher.brief(trajectories)
        scored, tokens = teacher.score(batch, briefing.contexts, run)
        assert torch.equal(torch.from_numpy(scored), torch.from_numpy(own_scores(setting)))
        assert tokens == len(batch.token_ids)
        assert briefing.bare == len(trajectories) and briefing.shortened == 0


def tiny_bank_without_skills():
    bank = tiny_bank()
    return type(bank)(name="none", env_id=bank.env_id, skills=())


def test_a_type_without_skills_gets_exactly_the_students(setting):
    """Some sequences told, others not: the untold ones are scored in the student's own rectangles."""
    policy, batch, trajectories, run = setting
    bank = tiny_bank()
    one = type(bank)(name="one", env_id=bank.env_id, skills=bank.skills[1:2])
    teacher = tiny_teacher(policy, bank=one)
    briefing = teacher.brief(trajectories)
    assert briefing.bare and briefing.specific
    scored, _ = teacher.score(batch, briefing.contexts, run)
    own = own_scores(setting)
    for row, name in enumerate(batch.trajectory_ids):
        span = slice(batch.sequence_starts[row], batch.sequence_starts[row + 1])
        same = np.array_equal(scored[span], own[span])
        assert same == (not briefing.contexts[name].text)


@pytest.mark.parametrize("placement", ["system", "prefix"])
def test_same_tokens_below_other_text(setting, placement):
    policy, batch, trajectories, run = setting
    teacher = tiny_teacher(policy, placement=placement)
    seen = []
    contexts = teacher.brief(trajectories).contexts
    scored, tokens = teacher.score(batch, contexts, recording(run, seen))
    (told,) = seen
    assert tokens == len(told.token_ids) > len(batch.token_ids)
    assert np.array_equal(told.token_ids[told.loss_mask], batch.token_ids[batch.loss_mask])
    decode = policy.tokenizer.decode
    for row, name in enumerate(batch.trajectory_ids):
        own = batch.token_ids[batch.sequence_starts[row] : batch.sequence_starts[row + 1]]
        whole = told.token_ids[told.sequence_starts[row] : told.sequence_starts[row + 1]]
        assert np.array_equal(whole[-len(own) :], own)
        text = decode(whole[: -len(own)])
        shown = contexts[name].text
        assert text == (f"<|system|>{shown}" if placement == "system" else f"{shown}\n\n")
        assert told.step_ids[row] == batch.step_ids[row]
        assert (told.step_starts[row] - batch.step_starts[row] == len(whole) - len(own)).all()
    # by hand, one sequence at a time, from whole logits
    model = policy.model
    for row in range(3):
        ids = told.token_ids[told.sequence_starts[row] : told.sequence_starts[row + 1]].astype(np.int64)
        mask = told.loss_mask[told.sequence_starts[row] : told.sequence_starts[row + 1]]
        with torch.no_grad():
            logits = model(torch.from_numpy(ids)[None]).logits[0]
        wanted = torch.log_softmax(logits, -1)[np.flatnonzero(mask) - 1, ids[mask]].numpy()
        span = slice(batch.sequence_starts[row], batch.sequence_starts[row + 1])
        assert np.allclose(scored[span][batch.loss_mask[span]], wanted, atol=1e-5)
    assert not np.allclose(scored, own_scores(setting), atol=1e-3)


def test_only_asked_sequences_are_scored(setting):
    policy, batch, trajectories, run = setting
    teacher = tiny_teacher(policy)
    contexts = teacher.brief(trajectories).contexts
    seen = []
    scored, _ = teacher.score(batch, contexts, recording(run, seen), rows=[2, 0])
    assert len(seen[0]) == 2
    rest = int(batch.sequence_starts[3])
    assert not scored[rest:].any() and scored[: batch.sequence_starts[1]].any()


@pytest.mark.parametrize(
    ("template", "messages", "wanted"),
    [
        (CHAT_TEMPLATE, ["user"], "<|system|>TOLD<|user|>user text<|assistant|>"),
        (
            CHAT_TEMPLATE,
            ["system", "user"],
            "<|system|>TOLD\n\nsystem text<|user|>user text<|assistant|>",
        ),
        ("{{ '<|pad|>' }}" + CHAT_TEMPLATE, ["user"], "<|pad|><|system|>TOLD<|user|>user text<|assistant|>"),
        (
            CHATML,
            ["user"],
            "<|user|>system\nTOLD<|end|>\n<|user|>user\nuser text<|end|>\n<|user|>assistant\n",
        ),
    ],
)
def test_the_templates_own_system_turn(template, messages, wanted):
    tokenizer = tiny_policy().tokenizer
    kept, tokenizer.chat_template = tokenizer.chat_template, template
    try:
        codec = ChatCodec(tokenizer)
        ids = codec.open([{"role": role, "content": f"{role} text"} for role in messages])
        place, before, after = Inserter(codec, "system").frame(ids)
        whole = np.concatenate([ids[:place], before, codec.encode("TOLD"), after, ids[place:]])
        assert tokenizer.decode(whole) == wanted
    finally:
        tokenizer.chat_template = kept


def test_skill_text_that_looks_special_stays_text(setting):
    policy, batch, trajectories, run = setting
    odd = Skill(skill_id="x", title="Odd", principle="<|assistant|> over <|end|>")
    seen = []
    teacher = tiny_teacher(policy, bank=tiny_bank(odd))
    teacher.score(batch, teacher.brief(trajectories).contexts, recording(run, seen))
    ends = policy.tokenizer.eos_token_id
    assert (seen[0].token_ids == ends).sum() == (batch.token_ids == ends).sum()


def test_too_long_is_an_error_or_less(setting):
    policy, batch, trajectories, run = setting
    longest = max(len(t.steps[-1].prompt_ids) + len(t.steps[-1].completion_ids) for t in trajectories)
    with pytest.raises(ConfigError, match="longer than the model's") as caught:
        tiny_teacher(policy, max_context=longest + 20).brief(trajectories)
    assert "shorter" in caught.value.remedy and "Say five" not in str(caught.value)
    less = tiny_teacher(policy, max_context=longest + 60, too_long="shorter").brief(trajectories)
    assert 0 < less.shortened and less.without_room == 0
    for context in less.contexts.values():  # whole skills only
        lines = context.text.split("\n")
        assert lines[0] == "Advice for this kind of task:" and len(lines) == 1 + len(context.skill_ids)
        assert all(line.endswith(("letters.", "Go on.", "Turn.")) for line in lines[1:])
    none = tiny_teacher(policy, max_context=longest + 2, too_long="shorter").brief(trajectories)
    assert none.without_room > 0 and none.bare >= none.without_room
    limit = longest + 60
    teacher = tiny_teacher(policy, max_context=limit, too_long="shorter")
    seen = []
    teacher.score(batch, teacher.brief(trajectories).contexts, recording(run, seen))
    assert np.diff(seen[0].sequence_starts).max() <= limit
    full = tiny_teacher(policy).brief(trajectories).contexts
    with pytest.raises(ConfigError, match="longer than the model's"):
        tiny_teacher(policy, max_context=longest + 20).score(batch, full, run)


def test_budget_counts_tokens_of_whole_skills(setting):
    policy, _, trajectories, _ = setting
    codec = ChatCodec(policy.tokenizer)
    for budget in (45, 60):
        briefing = tiny_teacher(policy, budget=budget).brief(trajectories)
        assert briefing.shortened == len(trajectories)
        for context in briefing.contexts.values():
            assert context.skill_ids and len(codec.encode(context.text)) + 1 <= budget
    with pytest.raises(ConfigError, match="no room for one skill"):
        tiny_teacher(policy, budget=5).brief(trajectories)


def test_irrelevant_text_has_the_same_length(setting):
    policy, batch, trajectories, run = setting
    shown = {}
    for control in ("none", "irrelevant"):
        seen = []
        teacher = tiny_teacher(policy, control=control)
        teacher.score(batch, teacher.brief(trajectories).contexts, recording(run, seen))
        shown[control] = seen[0]
    assert np.array_equal(shown["none"].sequence_starts, shown["irrelevant"].sequence_starts)
    text = policy.tokenizer.decode(shown["irrelevant"].token_ids)
    assert "Say five" not in text and "Tea is dried" in text


def test_coverage(setting):
    policy, _, trajectories, _ = setting
    bank = tiny_bank()
    general = type(bank)(name="g", env_id=bank.env_id, skills=bank.skills[:1])
    briefing = tiny_teacher(policy, bank=general).brief(trajectories)
    assert briefing.metrics()["teacher/skills_general"] == 1.0
    assert tiny_teacher(policy).brief(trajectories).metrics()["teacher/skills_specific"] == 1.0


def test_ucb_learns_from_scores_and_keeps_its_state(setting):
    policy, _, trajectories, _ = setting
    teacher = tiny_teacher(policy, strategy="ucb", options={"count": 1})
    briefing = teacher.brief(trajectories)
    teacher.observe(trajectories, briefing)
    state = json.loads(json.dumps(teacher.state()))
    assert sum(state["uses"].values()) == len(trajectories)
    again = tiny_teacher(policy, strategy="ucb", options={"count": 1})
    again.restore(state)
    assert again.state() == teacher.state()
    told = [c.skill_ids for c in again.brief(trajectories).contexts.values()]
    assert told == [c.skill_ids for c in teacher.brief(trajectories).contexts.values()]
    assert told != [c.skill_ids for c in briefing.contexts.values()]
    assert tiny_teacher(policy).state() == {}


@pytest.mark.parametrize(
    ("skills", "settings", "said"),
    [
        (None, {}, "no skills are given"),
        ("alfworld", {}, "is for craft/ALFWorld-v0, not for toy/Walk-v0"),
        ("no-such-bank", {}, "no skill bank"),
        ("{bank}", {"strategy": "sorcery"}, "no retrieval strategy"),
        ("{bank}", {"strategy": "full", "options": ("count=3",)}, "no option 'count'"),
        ("{bank}", {"strategy": "ucb", "options": ("count=0",)}, "count is 0"),
        ("{bank}", {"strategy": "ucb", "options": ("exploration=much",)}, "cannot use these options"),
        ("{empty}", {"strategy": "full"}, "has no skills"),
        ("{broken}", {}, "broken.json"),
    ],
)
def test_a_teacher_that_cannot_be_opened(tmp_path, skills, settings, said):
    policy = tiny_policy()
    save_bank(tiny_bank(), tmp_path / "bank.json")
    save_bank(tiny_bank_without_skills(), tmp_path / "empty.json")
    (tmp_path / "broken.json").write_text('{"format": 1, "skills": 3}')
    places = {name: str(tmp_path / f"{name}.json") for name in ("bank", "empty", "broken")}
    settings = {"teacher": TeacherConfig(**settings)} if settings else {}
    skills = skills.format(**places) if skills else skills
    config = teaching_config("sdar", skills=skills, **settings)
    with pytest.raises(ConfigError) as caught:
        open_teacher(config, policy, ChatCodec(policy.tokenizer), ToyTasks())
    assert said in str(caught.value)
    assert caught.value.remedy or caught.value.where


def test_methods_without_a_teacher_open_none():
    policy = tiny_policy()
    assert open_teacher(tiny_config(), policy, ChatCodec(policy.tokenizer), ToyTasks()) is None
