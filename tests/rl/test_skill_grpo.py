"""skill_grpo: skills in the policy's own prompts in training, evaluation without them untouched."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
from craft_skills import save_bank

from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_rl.assemble import DialogueSettings
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import DistillConfig, TeacherConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.method_cost import extra, measure
from craft_rl.models.small import CHAT_TEMPLATE
from craft_rl.report.jsonl import read_metrics
from craft_rl.rollout.scheduler import collect, group_specs
from craft_rl.skilled import open_preface
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.insert import Inserter, Piece
from craft_rl.trainer import Trainer
from tests.rl.tiny_teacher import learner, played, recording, teaching_config, tiny_bank, tiny_teacher
from tests.rl.tiny_training import (
    PROMPT,
    LuckyWorld,
    same_weights,
    tiny_config,
    tiny_io,
    tiny_policy,
    tiny_trainer,
)
from tests.rl.toy_rollout import ToyTasks

READING = TeacherConfig(strategy="task_type")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "tiny.json"
    save_bank(tiny_bank(), path)
    return str(path)


def skill_config(bank, **settings):
    words = {"updates": 2, "teacher": READING, "skills": bank, "kl_coef": 0.01}
    return tiny_config(method="skill_grpo", **{**words, **settings})


def trainer(config, folder):
    policy, world = tiny_policy(), LuckyWorld()
    preface = open_preface(config, policy, world.tasks)
    io = dataclasses.replace(tiny_io(policy, config.prompt), preface=preface)
    engine = HFEngine(policy.model, slots=16, max_context=256)
    return Trainer(config, policy, world, engine, io, folder)


@pytest.mark.parametrize("history", ["full", "window"])
@pytest.mark.parametrize("placement", ["system", "user", "prefix", "reencoded"])
def test_training_prompts_show_the_skills(bank, tmp_path, placement, history):
    prompt = dataclasses.replace(PROMPT, history=history)
    reading = dataclasses.replace(READING, placement=placement, round_trip=_trip(placement))
    run = trainer(skill_config(bank, teacher=reading, prompt=prompt), tmp_path)
    row, groups = run.one_update()
    plain = tiny_trainer(tiny_config(prompt=prompt), tmp_path / "plain").one_update()[1]
    decode = run.policy.tokenizer.decode
    for group, other in zip(groups, plain, strict=True):
        kind = "Go on." if group.trajectories[0].task_type == "even" else "Turn."
        for trajectory, untold in zip(group.trajectories, other.trajectories, strict=True):
            own = decode(untold.steps[0].prompt_ids)
            for step in trajectory.steps:
                text = decode(step.prompt_ids)
                assert text.count("Say five letters.") == 1 and text.count(kind) == 1
            text = decode(trajectory.steps[0].prompt_ids)
            head = "<|system|>" if placement == "system" else "[Privileged Skill Information]\n"
            before = {"user": "<|user|>"}.get(placement, "")
            assert text.startswith(before + head)
            # what the student reads without skills is all there, behind the text
            assert text.endswith(own if placement != "user" else own.removeprefix("<|user|>"))
    assert row["prompt_skills/specific"] == 1.0 and row["prompt_skills/none"] == 0.0
    assert ("prompt_skills/changed_prompts" in row) == (placement == "reencoded")
    assert run.identity["skills"] == tiny_bank().content_hash
    assert not any(key.startswith("teacher/") for key in row) and np.isfinite(row["loss"])


def _trip(placement):
    return "count" if placement == "reencoded" else "error"


def test_told_nothing_it_is_grpo(bank, tmp_path):
    silent = trainer(skill_config(bank, teacher=TeacherConfig(control="empty")), tmp_path / "silent")
    assert silent.io.preface is None
    silent.run()
    base = tiny_trainer(tiny_config(updates=2, kl_coef=0.01), tmp_path / "base")
    base.run()
    assert same_weights(silent.policy.model, base.policy.model)
    rows = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("silent", "base")]
    assert [set(row) for row in rows[0]] == [set(row) for row in rows[1]]
    told = trainer(skill_config(bank), tmp_path / "told")
    told.run()
    assert not same_weights(told.policy.model, base.policy.model)


def test_evaluation_without_skills_after_training_with_them(bank, tmp_path):
    """The trained policy's prompts on a panel are byte by byte those of a policy that never read a skill."""
    run = trainer(skill_config(bank), tmp_path)
    run.run()
    specs = group_specs(["valid/0", "valid/1"], group_size=1, run_seed=0, update=0)
    engine = HFEngine(run.policy.model, slots=4, max_context=256)
    other = tiny_policy()
    untouched = HFEngine(other.model, slots=4, max_context=256)
    after = collect(specs, LuckyWorld(), engine, tiny_io(run.policy), num_envs=2)
    before = collect(specs, LuckyWorld(), untouched, tiny_io(other), num_envs=2)
    for a, b in zip(after, before, strict=True):
        assert a.steps[0].prompt_ids.tobytes() == b.steps[0].prompt_ids.tobytes()
        assert not any("Say five" in run.policy.tokenizer.decode(s.prompt_ids) for s in a.steps)
    assert Panel.of(LuckyWorld().tasks, "valid").entries  # the panel knows nothing of skills either


def test_its_update_costs_what_its_longer_prompts_cost(bank):
    dialogue = DialogueSettings(prompt=PROMPT, max_new_tokens=4, max_context=256)
    settings = {"tensorboard": False, "kl_coef": 0.01, "micro_batch_tokens": 1}
    base = measure(tiny_config(**settings), tiny_policy(), LuckyWorld(), dialogue)
    told = measure(skill_config(bank, **settings), tiny_policy(), LuckyWorld(), dialogue)
    assert "scoring" not in extra(told, base) and told.learning.tokens > base.learning.tokens


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"skills": None, "teacher": TeacherConfig()}, "no skills are given"),
        ({"skills": "webshop"}, "is for craft/WebShop-v0"),
        ({"teacher": TeacherConfig(strategy="ucb")}, "learns from the episodes of a teacher"),
        ({"teacher": TeacherConfig(strategy="sorcery")}, "no retrieval strategy"),
    ],
)
def test_skills_that_cannot_be_shown(bank, settings, said):
    with pytest.raises(ConfigError, match=said):
        open_preface(skill_config(bank, **settings), tiny_policy(), ToyTasks())


def test_refused(bank, tmp_path):
    with pytest.raises(ConfigError, match="distill"):
        skill_config(bank, distill=DistillConfig(coef=0.1))
    with pytest.raises(ConfigError, match="needs prompts with skills"):
        tiny_trainer(skill_config(bank), tmp_path)
    run = trainer(skill_config(bank), tmp_path)
    with pytest.raises(ConfigError, match="has prompts without skills"):
        Trainer(tiny_config(), run.policy, run.world, run.engine, run.io, tmp_path)
    with pytest.raises(ConfigError, match=r"teacher\.round_trip"):
        TeacherConfig(round_trip="count")
    with pytest.raises(ConfigError, match=r"teacher\.placement"):
        TeacherConfig(placement="suffix")
    with pytest.raises(ConfigError, match="no other text"):
        TeacherConfig(placement="reencoded", control="irrelevant")
    assert TrainConfig.for_method("skill_grpo").skills is None


# ---------------------------------------------------------------- the published round trip of a teacher


def scored(teacher, batch, trajectories, run):
    seen = []
    out, tokens = teacher.score(batch, teacher.brief(trajectories).contexts, recording(run, seen))
    return out, tokens, seen[0]


def test_a_round_trip_that_keeps_the_ids_is_the_prefix():
    policy, config = tiny_policy(), teaching_config("sdar")
    batch, trajectories = played(config)
    run = partial(learner(config, policy).score_batch, policy.model)
    by_ids = scored(tiny_teacher(policy, placement="prefix"), batch, trajectories, run)
    teacher = tiny_teacher(policy, placement="reencoded")
    by_text = scored(teacher, batch, trajectories, run)
    assert teacher.changed == 0
    assert np.array_equal(by_ids[2].token_ids, by_text[2].token_ids)
    assert np.array_equal(by_ids[0], by_text[0]) and by_ids[1] == by_text[1]


def test_a_round_trip_that_changes_the_ids_is_refused_or_counted():
    """Text that only looks special becomes special when it is encoded again."""
    policy, config = tiny_policy(), teaching_config("sdar")
    batch, trajectories = played(config)
    codec = ChatCodec(policy.tokenizer)
    run = partial(learner(config, policy).score_batch, policy.model)
    odd = codec.encode(" <|end|>")
    starts, ids, mask = [0], [], []
    for row in range(len(batch)):  # every prompt begins with words that look like the end of a turn
        span = slice(batch.sequence_starts[row], batch.sequence_starts[row + 1])
        ids.append(np.concatenate([batch.token_ids[span][:1], odd, batch.token_ids[span][1:]]))
        mask.append(np.concatenate([[False], np.zeros(len(odd), bool), batch.loss_mask[span][1:]]))
        starts.append(starts[-1] + len(ids[-1]))
    zeros = np.zeros(starts[-1], np.float32)
    spoilt = dataclasses.replace(
        batch,
        token_ids=np.concatenate(ids).astype(np.int32),
        loss_mask=np.concatenate(mask),
        behaviour_logprobs=zeros,
        advantages=zeros,
        sequence_starts=np.asarray(starts, np.int32),
        step_starts=tuple((s + len(odd)).astype(np.int32) for s in batch.step_starts),
    )
    with pytest.raises(ConfigError, match="other ids than the student read") as caught:
        scored(tiny_teacher(policy, placement="reencoded"), spoilt, trajectories, run)
    assert "Say five" not in str(caught.value)
    teacher = tiny_teacher(policy, placement="reencoded", round_trip="count")
    out, _, seen = scored(teacher, spoilt, trajectories, run)
    assert teacher.changed == len(batch)
    # the sampled tokens are the student's own nevertheless
    assert np.array_equal(seen.token_ids[seen.loss_mask], spoilt.token_ids[spoilt.loss_mask])
    assert (out != 0).sum() == spoilt.loss_mask.sum()
    _, metrics = teacher.teach(spoilt, trajectories, run, range(len(batch)))
    assert metrics["teacher/changed_prompts"] == len(batch)
    _, metrics = tiny_teacher(policy).teach(batch, trajectories, run, range(len(batch)))
    assert "teacher/changed_prompts" not in metrics


def test_pieces():
    dialogue = np.arange(6, dtype=np.int32)
    piece = Piece(0, 3, np.array([9, 0, 1, 2], np.int32))
    assert piece.into(dialogue).tolist() == [9, 0, 1, 2, 3, 4, 5] and piece.keeps(dialogue)
    assert not Piece(0, 3, np.array([9, 0, 1, 7], np.int32)).keeps(dialogue)
    assert not Piece(0, 3, np.array([2], np.int32)).keeps(dialogue)
    policy = tiny_policy()
    codec = ChatCodec(policy.tokenizer)
    assert policy.tokenizer.chat_template == CHAT_TEMPLATE
    ids = codec.open([{"role": "user", "content": "What now?"}])
    shown = Inserter(codec, "user").piece(ids, len(ids), "TOLD").into(ids)
    assert policy.tokenizer.decode(shown) == "<|user|>TOLD\n\nWhat now?<|assistant|>"
    with pytest.raises(ConfigError, match="does not begin"):
        Inserter(codec, "user").piece(ids[1:], len(ids) - 1, "TOLD")
