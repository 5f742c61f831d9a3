"""A recipe under another method takes the row's settings, leaves those of the method it had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from craft_envs.errors import ConfigError
from craft_rl.commands.quickstart import parse
from craft_rl.config import TrainConfig
from craft_rl.methods import METHODS
from craft_rl.quickstart import quickstart
from craft_rl.recipes import arca, craft, ibpo
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.recipes.studies import STUDIES, study_of
from craft_rl.recipes.under_method import method_changes, under_method

SKILLED = ("small-skills", "webshop-small-skills", "searchqa-small-skills")
TOLD = sorted(name for name, row in METHODS.items() if row.teacher != "none" or row.reads)


@pytest.mark.parametrize("recipe", SKILLED)
@pytest.mark.parametrize("name", TOLD)
def test_a_teacher_reads_what_the_policy_learns_to_read(recipe: str, name: str) -> None:
    base = quickstart_recipe(recipe)
    train = under_method(base, name)
    assert train.method == name and train.skills == base.skill_mix.bank is not None
    assert train.teacher.strategy == "task_type" and train.teacher.too_long == "shorter"
    assert train.optim == base.train.optim and train.reward_scale == base.train.reward_scale


def test_the_default_quickstart_takes_a_method_on_its_command_line() -> None:
    default = parse([])
    assert default.train.method == "craft" and default.train.skills == "alfworld"
    plain = parse(["--train.method", "grpo"])
    assert plain.demonstrations == default.demonstrations and plain.skill_mix == default.skill_mix
    assert plain.train.skills is None and plain.train.teacher == TrainConfig().teacher
    assert plain.train.kl_coef == default.train.kl_coef > 0  # what was polarised stays
    assert parse(["--train.method=sdar"]).train.distill.coef == METHODS["sdar"].defaults["distill"].coef
    assert parse(["--recipe", "small-craft", "--train.method", "craft"]) == default
    skilled = ["--recipe", "small-skills", "--train.method"]
    assert parse([*skilled, "craft"]).train == under_method(quickstart_recipe("small-skills"), "craft")
    sdar = parse([*skilled, "sdar", "--train.skills=alfworld"]).train
    assert sdar.distill.coef == 0.01 and sdar.kl_coef == 0.0 and sdar.reward_scale == 1.0


def test_a_recipe_without_skills_has_them_named(tmp_path: Path) -> None:
    for words, said in (
        (["--recipe", "small", "--train.method", "sdar"], "has a teacher, but no skills are given"),
        (["--recipe", "small", "--train.method", "skill_grpo"], "shows skills to its policy, but no skills"),
        (["--train.skills", "alfword"], "alfword"),
        (["--train.skills", "webshop"], "webshop"),
    ):
        with pytest.raises(ConfigError, match=said):
            quickstart(parse([*words, "--out", str(tmp_path / "run")]))
    assert list(tmp_path.iterdir()) == []  # before the first demonstration
    told = parse(["--recipe", "small", "--train.method", "craft", "--train.skills", "alfworld"]).train
    assert told.method == "craft" and told.teacher.strategy == "keyword"  # nothing to read like
    with pytest.raises(ConfigError, match="skills"):
        parse(["--train.method", "grpo", "--train.skills", "alfworld"])
    with pytest.raises(ConfigError, match="no method"):
        under_method(quickstart_recipe("small"), "grop")


def test_the_ablations_of_the_paper_are_a_study() -> None:
    trainings = study_of("craft-ablations", "small-skills").trainings
    assert set(trainings) == {"grpo", "craft", *(f"craft-{name}" for name in craft.ABLATIONS)}
    for name, pillars in craft.ABLATIONS.items():
        assert trainings[f"craft-{name}"] == craft.with_pillars(trainings["craft"], pillars())


def test_what_a_method_set_leaves_with_it() -> None:
    skilled = quickstart_recipe("small-skills").train
    sdar = under_method(quickstart_recipe("small-skills"), "sdar")
    assert sdar.distill != skilled.distill
    assert method_changes(sdar, "grpo")["distill"] == TrainConfig().distill
    assert method_changes(sdar, "rlsd")["distill"] == METHODS["rlsd"].defaults["distill"]


@pytest.mark.parametrize("recipe", SKILLED)
def test_the_study_of_craft_trains_as_the_recipes_do(recipe: str) -> None:
    trainings = study_of("craft", recipe).trainings
    base = quickstart_recipe(recipe)
    adapted, corrected = arca.small().train, ibpo.small().train
    assert trainings["arca"].lora == adapted.lora and trainings["arca"].optim == adapted.optim
    assert trainings["ibpo"].ibpo == corrected.ibpo
    for label in ("craft", "sdar", "adaptive_cringe"):
        own = under_method(base, label)
        for name in ("method", "kl_coef", "distill", "craft", "skills", "teacher", "optim", "cringe"):
            assert getattr(trainings[label], name) == getattr(own, name), (label, name)
    assert trainings["craft-paper"].craft == craft.literal()
    assert trainings["craft-group-tilt"].craft == craft.group_tilt()
    assert trainings["craft-shuffled"].craft == craft.shuffled_siblings()
    assert trainings["craft-no-gap"].craft == craft.no_gap()
    assert trainings["grpo-kl"] == replace(trainings["grpo"], kl_coef=trainings["craft"].kl_coef)
    assert set(trainings) == {text.partition(":")[0] for text in STUDIES["craft"]}
