"""The cards: one for each method, a line for each metric that real runs write."""

from __future__ import annotations

import dataclasses
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import craft_rl
from craft_rl.adapter_settings import LoraConfig
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.methods import METHODS
from craft_rl.models.lora import with_lora
from craft_rl.report.jsonl import read_metrics
from craft_rl.skilled import SkillPreface
from craft_rl.trainer import Trainer
from tests.rl.tiny_teacher import tiny_teacher
from tests.rl.tiny_training import LuckyWorld, tiny_config, tiny_io, tiny_policy

CARDS = Path(craft_rl.__file__).parent / "cards"
METRICS = (CARDS / "metrics.md").read_text("utf-8")
PATTERNS = [
    name
    for line in METRICS.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])
]


def test_every_method_has_its_card() -> None:
    text = (CARDS / "methods.md").read_text("utf-8")
    cards = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    assert cards == list(METHODS)
    for name, card in zip(cards, re.split(r"^## \w+$", text, flags=re.MULTILINE)[1:], strict=True):
        assert re.search(r"arXiv \d{4}\.\d{5}|paper has not been read", card), f"{name}: no source"
        if name not in ("rloo", "opsd", "adaptive_cringe"):  # without an own part that could be off
            assert "Off" in card or "is GRPO" in card, f"{name}: no off-switch"
        distill = METHODS[name].defaults.get("distill")
        if distill is not None:
            assert f"{distill.coef:g}" in card, f"{name}: the default weight is not told"


def test_cards_name_settings_that_exist() -> None:
    text = (CARDS / "methods.md").read_text("utf-8")
    config = TrainConfig()
    for part, name in re.findall(r"`(distill|teacher|craft|cringe|arca|ibpo|lora)\.(\w+)", text):
        assert name in {f.name for f in dataclasses.fields(getattr(config, part))}, f"{part}.{name}"


def short_run(name: str, folder: Path) -> Trainer:
    row = METHODS[name]
    defaults = dict(row.defaults)
    if row.teacher != "none" or row.reads:
        defaults |= {"skills": "tiny", "teacher": TeacherConfig(strategy="task_type")}
    if row.token_weights:
        defaults["lora"] = LoraConfig(rank=2)
    config = tiny_config(method=name, updates=1, **defaults)
    policy = tiny_policy()
    if row.token_weights:
        policy = with_lora(policy, config.lora, seed=0)
    io = tiny_io(policy, config.prompt)
    if row.reads:
        io = dataclasses.replace(io, preface=SkillPreface(tiny_teacher(policy), bank="tiny"))
    engine = HFEngine(policy.model, slots=16, max_context=256)
    teacher = tiny_teacher(policy) if config.has_teacher else None
    return Trainer(config, policy, LuckyWorld(), engine, io, folder, teacher=teacher)


@pytest.mark.parametrize("name", METHODS)
def test_every_metric_is_in_the_glossary(name: str, tmp_path: Path) -> None:
    short_run(name, tmp_path).run()
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    unknown = [key for key in row if not any(fnmatchcase(key, pattern) for pattern in PATTERNS)]
    assert not unknown
    wanted = {"entropy", "response_tokens", "mixed_groups", "reference_kl", "cut_off_context"}
    if METHODS[name].teacher != "none":
        wanted |= {"teacher/gap_mean", "teacher/gap_bin_to_0", "teacher/skills_specific"}
        wanted |= {"teacher/shortened", "teacher/without_room"}
    assert wanted <= set(row)
