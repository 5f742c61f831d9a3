"""Prompts with skills, where a run declares them: the teacher's own ids, told apart in every report."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch
from craft_skills import save_bank

from craft_envs.errors import ConfigError, DataMismatch
from craft_envs.panels import Panel
from craft_rl.assemble import DialogueSettings
from craft_rl.compare import compare
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.evaluate import ModelRunner, evaluate
from craft_rl.lead import OTHER, PROMPTS, _OtherTypes, lead_to_json, measure_lead
from craft_rl.report.evaluation import from_json, notes, to_json
from craft_rl.rollout.demonstrate import demonstrate, demonstration_specs
from craft_rl.rollout.scheduler import collect, group_specs
from craft_rl.skill_mix import READING_FILE, SkillMix, load_reading, save_reading
from craft_rl.skilled import SkillPreface, bank_texts, demonstrate_mix, skill_preface
from craft_rl.tokens.pack import pack
from tests.rl.tiny_teacher import learner, recording, teaching_config, tiny_bank, tiny_teacher
from tests.rl.tiny_training import PROMPT, LuckyWorld, tiny_io, tiny_policy
from tests.rl.toy_rollout import ToyTasks

READING = TeacherConfig(strategy="task_type")


class Chatterbox:
    """Says the same words whatever happens: its episodes do not depend on its prompts."""

    def __init__(self, word: str) -> None:
        self.word = word

    def act(self, observation, info):
        return self.word


@pytest.fixture
def bank(tmp_path):
    return str(save_bank(tiny_bank(), tmp_path / "tiny.json") or tmp_path / "tiny.json")


def told_io(policy, io, **settings):
    return dataclasses.replace(io, preface=SkillPreface(tiny_teacher(policy, **settings), bank="tiny"))


def chat(world, io, *, word="a", max_context=256):
    specs = demonstration_specs(world.tasks.task_ids("train")[:4])
    return demonstrate(specs, world, io, agent=lambda env: Chatterbox(word), max_context=max_context)


@pytest.mark.parametrize("history", ["full", "window"])
@pytest.mark.parametrize("settings", [{}, {"placement": "prefix"}, {"control": "irrelevant"}, {"budget": 45}])
def test_a_demonstration_with_skills_has_the_ids_that_the_teacher_reads(history, settings):
    policy, world = tiny_policy(), LuckyWorld()
    io = tiny_io(policy, dataclasses.replace(PROMPT, history=history))
    plain, told = chat(world, io), chat(world, told_io(policy, io, **settings))
    config = teaching_config("sdar")
    batch, seen = pack(plain), []
    run = partial(learner(config, policy).score_batch, policy.model)
    teacher = tiny_teacher(policy, **settings)
    teacher.score(batch, teacher.brief(plain).contexts, recording(run, seen))
    (read,), shown = seen, pack(told)
    assert len(read.token_ids) > len(batch.token_ids)
    assert np.array_equal(read.token_ids, shown.token_ids)
    assert np.array_equal(read.loss_mask, shown.loss_mask)
    assert np.array_equal(read.sequence_starts, shown.sequence_starts)


def test_a_task_without_skills_keeps_its_prompt():
    policy = tiny_policy()
    io = tiny_io(policy)
    silent = told_io(policy, io, control="empty")
    for a, b in zip(chat(LuckyWorld(), io), chat(LuckyWorld(), silent), strict=True):
        assert all(np.array_equal(x.prompt_ids, y.prompt_ids) for x, y in zip(a.steps, b.steps, strict=True))


def test_sampled_episodes_carry_the_text_through_every_step():
    policy, world = tiny_policy(), LuckyWorld()
    io = tiny_io(policy)
    engine = HFEngine(policy.model, slots=8, max_context=256)
    specs = group_specs(["train/0", "train/1"], group_size=4, run_seed=0, update=0)
    teacher = tiny_teacher(policy)
    told = collect(specs, world, engine, told_io(policy, io), num_envs=8)
    plain = collect(specs, world, engine, io, num_envs=8)
    for a, b in zip(told, plain, strict=True):
        first = teacher.told(a.task_id, b.steps[0].prompt_ids)
        assert len(first) > len(b.steps[0].prompt_ids)
        assert all(np.array_equal(step.prompt_ids[: len(first)], first) for step in a.steps)


def evaluated(policy, io, path=None):
    world = LuckyWorld()
    panel = Panel.of(world.tasks, "valid")
    engine = HFEngine(policy.model, slots=8, max_context=256)
    return evaluate(ModelRunner(engine, io, agent="tiny"), world, panel, rows_path=path)


def test_a_report_with_skills_says_so_to_everybody(tmp_path):
    policy = tiny_policy()
    io = tiny_io(policy)
    rows = tmp_path / "rows.jsonl"
    without, told = evaluated(policy, io, rows), evaluated(policy, told_io(policy, io))
    assert not without.skills and "skills" not in to_json(without)
    assert told.skills["bank"] == "tiny" and told.skills["text"] == "skills"
    assert from_json(json.loads(json.dumps(to_json(told)))).skills == told.skills
    assert any("with skills in the prompts" in line for line in notes(told))
    assert not any("skills" in line for line in notes(without))
    with pytest.raises(ConfigError, match="the other did not read the same"):
        compare(without, told)
    assert compare(without, told, across_skills=True).tasks == 12
    with pytest.raises(ConfigError, match="another evaluation"):
        evaluated(policy, told_io(policy, io), rows)


def test_a_mix_shows_skills_to_its_share_alone(bank):
    policy, world = tiny_policy(), LuckyWorld(count=60)
    io = tiny_io(policy)
    mix = SkillMix(bank=bank, share=0.5, decoys=0.2, untold="b", reading=READING)
    specs = demonstration_specs(world.tasks.task_ids("train"))
    played = demonstrate_mix(
        specs,
        world,
        io,
        policy,
        dataclasses.replace(mix, untold=lambda env: Chatterbox("b")),  # type: ignore[arg-type]
        agent=lambda env: Chatterbox("a"),
        max_context=256,
    )
    assert [t.task_id for t in played] == [spec.task_id for spec in specs]
    skills = skill_preface(bank, READING, policy, world.tasks)
    other = skill_preface(bank, READING, policy, world.tasks, control="irrelevant")
    kinds: dict[str, int] = {"told": 0, "decoy": 0, "untold": 0}
    unseen = demonstrate(specs, world, io, agent=lambda env: Chatterbox("c"), max_context=256)
    for trajectory, plain in zip(played, unseen, strict=True):
        own, first = plain.steps[0].prompt_ids, trajectory.steps[0].prompt_ids
        told, decoy = skills.told(plain.task_id, own), other.told(plain.task_id, own)
        assert len(told) == len(decoy) and not np.array_equal(told, decoy)
        forms = {"told": told, "decoy": decoy, "untold": own}
        (kind,) = [name for name, ids in forms.items() if np.array_equal(ids, first)]
        kinds[kind] += 1
        assert trajectory.steps[0].action == ("a" if kind == "told" else "b")
    assert 20 <= kinds["told"] <= 40 and 5 <= kinds["decoy"] <= 22 and sum(kinds.values()) == 60


def test_a_share_of_the_untold_is_played_by_the_agent_who_knows(bank):
    policy, world = tiny_policy(), LuckyWorld(count=60)
    io, specs = tiny_io(policy), demonstration_specs(world.tasks.task_ids("train"))

    def said(knowing: float) -> list[tuple[tuple[int, ...], str]]:
        mix = SkillMix(bank=bank, share=0.2, decoys=0.3, knowing=knowing, reading=READING)
        if knowing < 1:
            mix = dataclasses.replace(mix, untold=lambda env: Chatterbox("b"))  # type: ignore[arg-type]
        played = demonstrate_mix(
            specs, world, io, policy, mix, agent=lambda env: Chatterbox("a"), max_context=256
        )
        return [(tuple(t.steps[0].prompt_ids), t.steps[0].action) for t in played]

    none, half, all_ = said(0.0), said(0.5), said(1.0)
    prompts = [[prompt for prompt, _ in words] for words in (none, half, all_)]
    assert prompts[0] == prompts[1] == prompts[2], "who plays changes no prompt"
    told = [action == "a" for _, action in none]
    shown = [action == "a" for _, action in half]
    assert 5 <= sum(told) <= 20 and all(now for now, before in zip(shown, told, strict=True) if before)
    assert 12 <= sum(shown) - sum(told) <= 36
    assert all(action == "a" for _, action in all_)


def test_a_mix_without_effect_is_refused():
    for settings, part in (
        ({"share": 0.3}, "share"),
        ({"decoys": 0.0}, "decoys"),
        ({"untold": "scripted"}, "untold"),
        ({"reading": READING}, "reading"),
        ({"knowing": 0.5}, "knowing"),
        ({"bank": "x", "knowing": -0.5}, "knowing"),
        ({"bank": "x", "share": 1.0, "decoys": 0.0, "knowing": 0.5}, "all have skills"),
        ({"bank": "x", "knowing": 1.0, "untold": "random"}, "the usual agent plays all"),
        ({"bank": "x", "share": 0.0}, "no demonstration would show skills"),
        ({"bank": "x", "share": 0.8, "decoys": 0.3}, "more than all"),
        ({"bank": "x", "share": 1.5}, "share"),
        ({"bank": "x", "reading": TeacherConfig(control="irrelevant")}, "control"),
    ):
        with pytest.raises(ConfigError, match=part):
            SkillMix(**settings)
    with pytest.raises(ConfigError, match="names no bank"):
        demonstrate_mix([], LuckyWorld(), tiny_io(tiny_policy()), tiny_policy(), SkillMix(), max_context=9)


def test_bad_banks_are_told_apart(bank):
    tasks = ToyTasks()
    with pytest.raises(ConfigError, match="without text"):
        skill_preface(bank, READING, tiny_policy(), tasks, control="empty")
    with pytest.raises(ConfigError, match="no skill bank"):
        skill_preface("nowhere", READING, tiny_policy(), tasks)
    with pytest.raises(ConfigError, match="is for craft/ALFWorld-v0"):
        list(bank_texts("alfworld", tasks.env_id))
    assert len(list(bank_texts(bank, tasks.env_id))) == 3


def test_how_a_policy_reads_lies_beside_its_weights(tmp_path):
    assert load_reading(tmp_path) == TeacherConfig()
    save_reading(tmp_path, SkillMix())
    assert not (tmp_path / READING_FILE).exists()
    reading = TeacherConfig(strategy="task_type", budget=120)
    save_reading(tmp_path, SkillMix(bank="alfworld", reading=reading))
    assert load_reading(tmp_path) == reading
    (tmp_path / READING_FILE).write_text("{")
    with pytest.raises(DataMismatch):
        load_reading(tmp_path)


def lead_of(policy, bank, **settings):
    world = LuckyWorld(count=8)
    dialogue = DialogueSettings(prompt=PROMPT, max_new_tokens=4, max_context=128)
    return measure_lead(
        policy,
        dialogue,
        world,
        Panel.of(world.tasks, "valid"),
        bank=bank,
        reading=READING,
        temperature=1.0,
        player=lambda env: Chatterbox("a"),
        **settings,
    )


def test_the_lead_compares_one_policy_under_four_prompts(bank):
    lead = lead_of(tiny_policy(), bank)
    assert tuple(lead.reports) == PROMPTS and {c.tasks for c in lead.leads.values()} == {8}
    assert set(lead.over) == set(PROMPTS) - {"without", "skills"} and set(lead.gaps) == set(lead.leads)
    texts = [report.skills.get("text") for report in lead.reports.values()]
    assert texts == [None, "skills", "irrelevant", "skills of another type of task"]
    for name, paired in lead.leads.items():
        assert paired.difference == pytest.approx(lead.reports[name].mean - lead.reports["without"].mean)
    values = json.loads(json.dumps(lead_to_json(lead)))
    assert values["gaps"]["skills"]["tokens"] > 8 and values["prompts"]["other"]["scored"] == 8


def test_the_gap_is_the_difference_of_log_probs_on_the_players_tokens(bank):
    policy, world = tiny_policy(), LuckyWorld(count=8)
    found = lead_of(policy, bank, prompts=("without", "skills")).gaps["skills"]
    io = DialogueSettings(prompt=PROMPT, max_new_tokens=4, max_context=128).io(policy)
    skills = skill_preface(bank, READING, policy, world.tasks)
    means = []
    specs = demonstration_specs(world.tasks.task_ids("valid"))
    voices = (io, dataclasses.replace(io, preface=skills))
    both = [
        demonstrate(specs, world, voice, agent=lambda env: Chatterbox("a"), max_context=256)
        for voice in voices
    ]
    for pair in zip(*both, strict=True):
        scores = []
        for trajectory in pair:
            tokens = []
            for step in trajectory.steps:
                ids = torch.tensor(np.concatenate([step.prompt_ids, step.completion_ids]))[None].long()
                with torch.no_grad():
                    logp = policy.model(input_ids=ids).logits.float().log_softmax(-1)
                at = torch.arange(len(step.prompt_ids), ids.shape[1])
                tokens += logp[0, at - 1, ids[0, at]].tolist()
            scores.append(np.mean(tokens))
        means.append(scores[1] - scores[0])
    assert found.mean == pytest.approx(float(np.mean(means)), abs=1e-5) and found.mean != 0
    assert found.tasks == 8 and found.interval[0] <= found.mean <= found.interval[1]


def test_skills_of_another_type_need_another_type(bank):
    with pytest.raises(ConfigError, match="use without skills"):
        lead_of(tiny_policy(), bank, prompts=("without", "irrelevant"))
    with pytest.raises(ConfigError, match="use without skills"):
        lead_of(tiny_policy(), bank, prompts=("without", "skills", "no such"))
    other = _OtherTypes(ToyTasks(8), ToyTasks(8).task_ids("valid"))
    for number in range(8):
        task, own = other.task(f"valid/{number}"), ToyTasks(8).task(f"valid/{number}")
        assert task.task_id == own.task_id and task.task_type != own.task_type
    with pytest.raises(ConfigError, match=OTHER):
        _OtherTypes(ToyTasks(8), ["valid/0", "valid/4"])
