"""The quickstart's recipes: whole, overridable, each in its own world."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from craft_envs.errors import ConfigError
from craft_envs.panels import Panel
from craft_envs.registration import TABLE, world_keywords
from craft_rl.cli import main
from craft_rl.commands.quickstart import parse
from craft_rl.config import fingerprint, to_mapping
from craft_rl.phases import play_demonstrations
from craft_rl.recipes.quickstart import DEFAULT, FIRST, QUICKSTARTS, quickstart_recipe
from craft_rl.worlds import open_panels, open_world, world_words


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_a_recipe_names_itself_and_repeats_exactly(name: str) -> None:
    config = quickstart_recipe(name)
    assert config.recipe == name and config == quickstart_recipe(name)
    assert config.train_minutes is None and config.sft.minutes is None
    assert config.folder == Path(f"runs/quickstart-{name}-0")


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_panels_belong_to_the_world_that_is_trained_in(name: str) -> None:
    config = quickstart_recipe(name)
    for panel in map(Panel.load, config.panels):
        assert panel.env_id == config.train.world.env and panel.data == config.train.world.data
        assert panel.world.get("size", "full") == config.train.world.size


def test_the_default_panels_are_whole() -> None:
    config = quickstart_recipe(DEFAULT)
    assert [len(panel) for panel in open_panels(config.panels, config.train.world)] == [204]


@pytest.mark.slow
def test_the_panels_of_full_houses_are_whole() -> None:
    config = quickstart_recipe("full")
    assert [len(panel) for panel in open_panels(config.panels, config.train.world)] == [204, 204]


@pytest.mark.slow
def test_the_official_panels_are_whole(monkeypatch: pytest.MonkeyPatch, craft_data: Path) -> None:
    monkeypatch.setenv("CRAFT_DATA", str(craft_data))
    config = quickstart_recipe("official")
    assert [len(panel) for panel in open_panels(config.panels, config.train.world)] == [140, 134]


def test_no_words_mean_the_default() -> None:
    assert parse([]) == quickstart_recipe(DEFAULT)


@pytest.mark.parametrize(("world", "name"), FIRST.items())
def test_a_world_has_a_recipe_to_start_from(world: tuple[str, str], name: str) -> None:
    env, data = world
    config = quickstart_recipe(name)
    assert (config.train.world.env, config.train.world.data) == world
    assert parse(["--env", env, f"--data={data}"]) == config
    if data == "bundled":
        assert parse(["--env", env]) == config
    changed = parse(["--env", env, "--data", data, "--seed", "4", "--train.updates", "2"])
    assert changed.seed == 4 and changed.train.updates == 2 and changed.recipe == name


def test_every_world_of_the_table_is_trained_in() -> None:
    assert {env for env, _ in FIRST} == {entry.env_id for entry in TABLE}
    assert set(FIRST.values()) <= set(QUICKSTARTS) and DEFAULT == FIRST["craft/ALFWorld-v0", "bundled"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--env craft/WebShop", "did you mean 'craft/WebShop-v0'"),
        ("--data offical", "use bundled or official"),
        ("--recipe small --env craft/WebShop-v0", "the recipe 'small' has env=craft/ALFWorld-v0"),
        ("--recipe webshop --data official", "the recipe 'webshop' has data=bundled"),
    ],
)
def test_a_world_that_is_not_the_recipes_is_refused(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(words.split())
    assert said in str(caught.value)


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_options_of_a_recipe_reach_its_world(name: str) -> None:
    world = quickstart_recipe(name).train.world
    words = world_words(world)
    assert world_keywords(world.env, words) == words


@pytest.mark.parametrize("name", QUICKSTARTS)
@pytest.mark.parametrize("form", ["--recipe {}", "--recipe={}"])
def test_a_recipe_is_chosen_by_name(name: str, form: str) -> None:
    assert parse(form.format(name).split()) == quickstart_recipe(name)


def test_every_setting_can_be_changed() -> None:
    words = (
        "--seed 3 --recipe full --train.updates 7 --sft.optim.learning-rate 1e-3 --train.world.max-steps 9"
    )
    config = parse([*words.split(), "--panels", "alfworld-bundled-full-valid_seen", "--ladder", "random"])
    recipe = quickstart_recipe("full")
    assert config.seed == 3 and config.folder == Path("runs/quickstart-full-3")
    assert config.train.updates == 7 and config.train.optim == recipe.train.optim
    assert config.sft.optim.learning_rate == 1e-3 and config.sft.epochs == recipe.sft.epochs
    assert config.train.world.max_steps == 9 and config.train.world.size == "full"
    assert config.panels == ("alfworld-bundled-full-valid_seen",) and config.ladder == ("random",)


def test_an_unknown_recipe_stops_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--recipe", "offical"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'official'" in said and "use one of small, " in said and "webshop-official" in said
    with pytest.raises(ConfigError):
        quickstart_recipe("")


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_help_shows_the_defaults_of_the_recipe(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["quickstart", "--recipe", name, "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"the recipe '{name}'" in said and all(panel in said for panel in quickstart_recipe(name).panels)
    assert all(other in said for other in QUICKSTARTS)


@pytest.mark.parametrize(
    ("name", "settings", "training"),
    [
        ("small", "2ab621ec3924e7b1b215185d2c501694", "841d9ac640ebc5c857ad4dc7340767ce"),
        ("full", "07f195aee7b18c220b7a1850206e7283", "1d73571d96d284704cb20e730cefcff3"),
        ("official", "c6020ccc8134caf0b0f69bc8de2540bd", "eae4544279c5efd2a1a8386704ff4983"),
    ],
)
def test_recipes_with_published_results_keep_every_setting(name: str, settings: str, training: str) -> None:
    """The digests are those of the runs in the README; a changed number needs a recipe of another name."""
    config = quickstart_recipe(name)
    text = json.dumps(to_mapping(config), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:32] == settings
    assert fingerprint(config.train) == training


@pytest.mark.parametrize("name", QUICKSTARTS)
def test_only_a_recipe_that_names_a_bank_shows_skills(name: str) -> None:
    config = quickstart_recipe(name)
    assert ("skill_mix" in to_mapping(config)) is (config.skill_mix.bank is not None)
    assert (config.skill_mix.bank is not None) is name.endswith(("-skills", "-craft", "-amr-sd"))


def test_demonstrations_of_the_small_houses_show_the_skills_of_their_task() -> None:
    recipe = quickstart_recipe("small-skills")
    config = replace(recipe, demonstrations=40, tokenizer_tasks=12)
    policy, played = play_demonstrations(config, open_world(config.train.world), Console(file=io.StringIO()))
    heads = [policy.tokenizer.decode(t.steps[0].prompt_ids)[:600] for t in played]
    told = [head.startswith("<|system|>Advice for this kind of task:") for head in heads]
    decoys = [head.startswith("<|system|>Tea is dried soon") for head in heads]
    plain = [head.startswith("<|user|>") for head in heads]
    assert len(heads) == 40 == sum(told) + sum(decoys) + sum(plain)
    assert 15 <= sum(told) <= 33 and sum(decoys) >= 1 and sum(plain) >= 4
    solved = [t.success for t, shown in zip(played, told, strict=True) if shown]
    assert sum(solved) >= 0.8 * len(solved)  # slips cost a few
    assert max(len(t.steps[-1].prompt_ids) for t in played) < recipe.max_context - 200
    words = {"pick_heat_then_place_in_recep": "microwave", "pick_cool_then_place_in_recep": "fridge"}
    for trajectory, head, shown in zip(played, heads, told, strict=True):
        text = head.split("<|user|>")[0]
        if shown and trajectory.task_type in words:
            assert words[trajectory.task_type] in text
