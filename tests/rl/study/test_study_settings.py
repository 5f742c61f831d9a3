"""A study's settings: variants, what they share, what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from craft_envs.errors import ConfigError, CraftError
from craft_rl.cli import main
from craft_rl.config import TrainConfig, differences, to_mapping
from craft_rl.methods import METHODS
from craft_rl.recipes.quickstart import quickstart_recipe
from craft_rl.recipes.studies import STUDIES, study_of
from craft_rl.study.cell import Job, check_everything
from craft_rl.study.settings import StudyConfig, check_unchanged, resolved
from craft_rl.study.variants import Variant


def config(**changes: Any) -> StudyConfig:
    return StudyConfig(**{"name": "t", "variants": ("grpo", "sdar"), **changes})


def test_a_variant_is_a_method_with_changes():
    told = Variant.parse("sdar-irrelevant: method=sdar teacher.control=irrelevant distill.coef=0.1")
    assert (told.label, told.method) == ("sdar-irrelevant", "sdar")
    assert told.changes == {"teacher.control": "irrelevant", "distill.coef": 0.1}
    assert Variant.parse("grpo") == Variant(label="grpo", method="grpo")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("grop", "no method 'grop'.*did you mean 'grpo'"),
        ("x: method=sdra", "no method 'sdra'"),
        ("x: distill.coef=1", "names no method"),
        ("a b", "no usable label"),
        ("../x: method=grpo", "no usable label"),
        ("x: method=grpo kl_coef", "'kl_coef' is no setting"),
        ("x: method=grpo kl_coef=1 kl_coef=2", "kl_coef is set twice"),
        ("x: frozen=grpo", "'grpo' is no variant of craft with a controller.*variant x"),
        ("x: frozen=craft method=craft", "takes everything from the one"),
    ],
)
def test_malformed_variants(text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        config(variants=("grpo", text))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"variants": ()}, "variants is empty"),
        ({"variants": ("grpo", "grpo")}, "variants is grpo grpo"),
        ({"variants": ("grpo", "grpo: method=gigpo")}, "share a label"),
        ({"variants": ("sdar",)}, "baseline 'grpo' is no variant"),
        ({"seeds": ()}, "seeds is empty"),
        ({"seeds": (1, 1)}, "seeds is 1 1"),
        ({"eval_seeds": ()}, "eval_seeds is empty"),
        ({"updates": 0}, "updates is 0"),
        ({"jobs": 0}, "jobs is 0"),
        ({"minutes": 0.0}, "minutes is 0"),
        ({"recipe": "smal"}, "no quickstart recipe 'smal'"),
        ({"settings": ("train.updates=3",), "updates": 4}, "updates as well as train.updates"),
        ({"settings": ("eval_seeds=[0]",), "eval_seeds": (0,)}, "eval_seeds as well as"),
        ({"settings": ("seed=3",)}, "settings name seed.*use seeds"),
        ({"settings": ("train.method=sdar",)}, "use variants"),
        ({"settings": ("train.grup_size=3",)}, "no setting 'grup_size'.*settings"),
        ({"settings": ("train.group_size=many",)}, "another type.*settings"),
        ({"variants": ("grpo", "gigpo"), "teacher": ("budget=9",)}, "teacher would have no effect"),
        ({"teacher": ("bugdet=9",)}, "no setting 'bugdet'.*teacher"),
        ({"variants": ("grpo", "gigpo"), "skills": "alfworld"}, "skills would have no effect"),
        ({"variants": ("grpo", "x: method=grpo distill.beta=1")}, "no effect.*variant x"),
        ({"variants": ("grpo", "x: method=grpo teacher.control=irrelevant")}, "no skills.*variant x"),
        ({"variants": ("grpo", "x: method=sdar updates=9")}, "would differ between variants.*variant x"),
        ({"variants": ("grpo", "x: method=sdar seed=9")}, "would differ between variants"),
        ({"variants": ("grpo", "x: method=sdar distil.coef=9")}, "no setting 'distil'.*variant x"),
        ({"variants": ("grpo", "x: method=sdar distill.coef=much")}, "another type.*variant x"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told):
        config(**changes)


def test_every_variant_has_the_same_budget():
    study = config(variants=STUDIES["sdar"], updates=7)
    trainings = study.trainings
    recipe = quickstart_recipe("small").train
    for label, train in trainings.items():
        assert train.method == label and train.updates == 7 and train.optim == recipe.optim
        assert (train.tasks_per_update, train.group_size) == (recipe.tasks_per_update, recipe.group_size)
        assert train.kl_coef == recipe.kl_coef, (
            "the recipe's choice holds where the method has none of its own"
        )
        assert train.skills == ("alfworld" if METHODS[label].teacher != "none" else None)
    grpo, sdar = (to_mapping(trainings[name]) for name in ("grpo", "sdar"))
    changed = {line.split(":")[0].split(".")[0] for line in differences(grpo, sdar)}
    assert changed == {"method", "distill", "skills", "teacher"}


def test_a_start_that_has_learned_to_read_is_taught_from_the_same_bank():
    study = config(recipe="small-skills")
    mix = study.start.skill_mix
    teacher = study.trainings["sdar"].teacher
    assert study.trainings["sdar"].skills == mix.bank == "alfworld"
    assert (teacher.strategy, teacher.budget) == (mix.reading.strategy, mix.reading.budget)


def test_an_adapter_that_is_missing_is_refused_before_the_first_token():
    with pytest.raises(ConfigError, match=r"arca.*variant arca; lora.rank is 0"):
        check_everything(config(variants=("grpo", "arca: method=arca")))
    check_everything(config(variants=("grpo", "arca: method=arca lora.rank=4")))


def test_a_teacher_that_is_told_nothing():
    trainings = config(variants=("grpo", "e: method=sdar teacher.control=empty")).trainings
    assert trainings["e"].teacher.control == "empty"


def test_a_distillation_that_is_off_has_no_teacher():
    trainings = config(variants=("grpo", "sdar", "off: method=sdar distill.coef=0")).trainings
    assert trainings["off"].skills is None and isinstance(trainings["off"], TrainConfig)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("recipe", ["small", "webshop-small", "searchqa-small"])
def test_named_studies_fit_every_world(name: str, recipe: str):
    study = study_of(name, recipe)
    env = study.start.train.world.env
    assert {train.world.env for train in study.trainings.values()} == {env}
    assert study.folder == Path("runs") / f"study-{name}-{recipe}"


def test_a_frozen_controller_has_everything_else_of_its_model():
    study = config(variants=("grpo", "craft", "held: frozen=craft"))
    craft, held = study.trainings["craft"], study.trainings["held"]
    assert craft.craft.controller and not held.craft.controller and held.craft.variant == craft.craft.variant
    assert held.skills == craft.skills and held.kl_coef == craft.kl_coef == 0.01
    assert study.variant("held").frozen == "craft" == resolved(study)["variants"]["held"]["frozen"]
    assert Job(seed=1, label="held").needs(study) == (Job(seed=1), Job(seed=1, label="craft"))
    assert Job(seed=1, label="craft").needs(study) == (Job(seed=1),) and Job(seed=1).needs(study) == ()


def test_the_study_of_craft_goes_on_where_that_of_sdar_ended(tmp_path: Path):
    before, now = (resolved(study_of(name, "small-skills")) for name in ("sdar", "craft"))
    check_unchanged(before, now, tmp_path)
    assert set(before["variants"]) < set(now["variants"])


def test_unknown_study():
    with pytest.raises(ConfigError, match=r"no study 'sdra'.*did you mean 'sdar'"):
        study_of("sdra")


def test_a_bank_of_another_world_is_refused_before_the_first_token():
    with pytest.raises(CraftError, match=r"webshop.*variant sdar"):
        check_everything(config(skills="webshop"))
    with pytest.raises(CraftError, match="variant sdar"):
        check_everything(config(skills="nowhere/bank.md"))


def test_a_study_may_grow_but_not_change(tmp_path: Path):
    before = resolved(config(seeds=(0,)))
    check_unchanged(before, resolved(config(seeds=(0,), jobs=2, minutes=3.0)), tmp_path)
    check_unchanged(before, resolved(config(variants=("grpo", "sdar", "rlsd"), seeds=(0, 1))), tmp_path)
    for changes, told in (
        ({"seeds": (1,)}, "starts: 0 is there, not asked for"),
        ({"variants": ("grpo",)}, "variants: sdar is there, not asked for"),
        ({"updates": 9}, r"start.train.updates: 30 -> 9.*variants.grpo.updates: 30 -> 9"),
        ({"variants": ("grpo", "sdar: method=sdar distill.coef=0.5")}, r"sdar.distill.coef: 0.01 -> 0.5"),
        ({"teacher": ("budget=99",)}, r"sdar.teacher.budget: None -> 99"),
    ):
        with pytest.raises(ConfigError, match=told):
            check_unchanged(before, resolved(config(**{"seeds": (0,), **changes})), tmp_path)


def test_the_command_refuses_with_code_2(capsys: pytest.CaptureFixture[str]):
    assert main(["study", "run"]) == 2
    assert main(["study", "run", "sdar", "--variants", "grpo", "grop"]) == 2
    assert "did you mean 'grpo'" in capsys.readouterr().err
    assert main(["study", "list"]) == 0
    assert "sdar-controls" in capsys.readouterr().out
    assert main(["study", "table", "nowhere"]) == 1
    assert "no results of a study" in capsys.readouterr().err
