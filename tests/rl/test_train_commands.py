"""craft sft, craft train: from nothing to a trained policy, on from where it stopped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from craft_envs.errors import CheckpointMismatch, ConfigError, DataMismatch
from craft_envs.panels import Panel
from craft_rl.assemble import load_dialogue
from craft_rl.checkpoint import best
from craft_rl.commands import eval as eval_command
from craft_rl.commands import sft as sft_command
from craft_rl.commands import train as train_command
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.methods import METHODS
from craft_rl.models.load import load_policy
from craft_rl.report.evaluation import load_report
from craft_rl.report.jsonl import read_metrics
from craft_rl.skill_mix import save_skills_read
from craft_rl.types import EvalReport

SFT = "--episodes 6 --world.max-steps 4 --epochs 1 --batch-tokens 2048 --vocab-size 400 --max-new-tokens 16"
TRAIN = (
    "--updates 2 --tasks-per-update 2 --group-size 2 --num-envs 4 --world.size small --world.max-steps 2 "
    "--optim.learning-rate 1e-4 --checkpoint-every 1"
)


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a hasty cloning."""
    out = tmp_path_factory.mktemp("cloned")
    assert sft_command.main(["--out", str(out), *SFT.split()]) == 0
    return out


@pytest.fixture
def four_tasks(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a frozen panel, of which only four tasks are played."""
    whole = Panel.load("alfworld-bundled-small-valid_unseen")
    part = dataclasses.replace(whole, entries=whole.entries[::50])
    monkeypatch.setattr(Panel, "load", classmethod(lambda cls, name: part))
    return part.name


def evaluated(agent: str, panel: str, out: Path) -> EvalReport:
    """What craft eval says of an agent."""
    assert eval_command.main([agent, "--panel", panel, "--max-steps", "2", "--out", str(out)]) == 0
    return load_report(out / "report.json")


def test_cloning_leaves_an_ordinary_model_folder(cloned):
    policy = load_policy(cloned / "model")
    assert policy.tokenizer.chat_template
    dialogue = load_dialogue(cloned / "model")
    assert dialogue is not None
    assert dialogue.prompt.history == "full"
    assert dialogue.max_new_tokens == 16
    assert (cloned / "curves.png").is_file()
    assert read_metrics(cloned / "metrics.jsonl")[-1]["phase"] == "clone"


def test_training_takes_the_prompts_of_its_model(cloned, tmp_path):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split()]
    command = train_command.parse(words)
    assert command.train.prompt.template == "compact/1"
    assert command.train.sampling.max_new_tokens == 16
    assert train_command.main(words) == 0
    assert load_dialogue(tmp_path / "model") == load_dialogue(cloned / "model")
    assert load_dialogue(tmp_path / "checkpoints" / "update-000002" / "model") is not None
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 2
    # on from there with nothing but the folder; the run may be prolonged
    assert train_command.main(["--resume", "--out", str(tmp_path), "--updates", "3"]) == 0
    assert [row["update"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    with pytest.raises(CheckpointMismatch, match="group_size: 2 -> 3"):
        train_command.main(["--resume", "--out", str(tmp_path), "--group-size", "3"])
    before = (tmp_path / "command.json").read_text()
    with pytest.raises(ConfigError, match="already holds a run"):
        train_command.main([*words, "--seed", "9"])
    assert (tmp_path / "command.json").read_text() == before


def test_speaking_otherwise_than_learned_is_refused(cloned, tmp_path):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split()]
    with pytest.raises(ConfigError, match="has learned prompts of version"):
        train_command.main([*words, "--prompt.history", "window"])


def test_method_brings_its_defaults(tmp_path):
    command = train_command.parse(
        ["--model", "m", "--out", str(tmp_path), "--method", "rloo", "--updates", "7"]
    )
    assert command.train.method == "rloo"
    assert command.train.reward_scale == 1.0
    assert command.train.updates == 7


def test_help_shows_the_defaults_of_the_method(capsys):
    shown = {}
    for name in ("grpo", "ibpo"):
        with pytest.raises(SystemExit):
            train_command.parse(["--method", name, "--help"])
        shown[name] = capsys.readouterr().out
    assert "(default: 0.6)" in shown["ibpo"] and "(default: 0.6)" not in shown["grpo"]
    assert all(name in " ".join(shown["grpo"].split()) for name in METHODS)
    with pytest.raises(ConfigError, match="did you mean 'ibpo'"):
        train_command.parse(["--method", "ibop", "--help"])
    with pytest.raises(SystemExit):
        train_command.parse(["--method", "craft", "--out", "x"])
    assert "--model" in capsys.readouterr().err


def test_the_teacher_reads_as_the_policy_has_learned_to(tmp_path):
    reading = TeacherConfig(strategy="task_type", budget=120)
    save_skills_read(tmp_path, reading)
    words = ["--model", str(tmp_path), "--out", str(tmp_path / "run"), "--skills", "alfworld"]
    teacher = train_command.parse([*words, "--method", "sdar"]).train.teacher
    assert teacher == dataclasses.replace(reading, too_long="shorter")
    other = train_command.parse([*words, "--method", "sdar", "--teacher.budget", "60"]).train.teacher
    assert (other.strategy, other.budget) == ("task_type", 60)
    with pytest.raises(ConfigError, match="skills"):
        train_command.parse([*words, "--method", "grpo"])
    assert train_command.parse([*words[:4], "--method", "grpo"]).train.teacher == TeacherConfig()


def test_recorded_ids_of_another_tokenizer(tmp_path):
    with pytest.raises(ConfigError, match="another tokenizer"):
        sft_command.main(["--out", str(tmp_path), "--demonstrations", str(tmp_path / "x.jsonl")])


def test_panel_without_interval(cloned, tmp_path):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split()]
    with pytest.raises(ConfigError, match="give both or neither"):
        train_command.main([*words, "--panel", "alfworld-bundled-small-valid_unseen"])


def test_the_panel_chooses_the_best_checkpoint(cloned, tmp_path, four_tasks):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split()]
    assert train_command.main([*words, "--panel", four_tasks, "--eval-every", "1"]) == 0
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["eval/errors"] for row in rows] == [0.0, 0.0]
    marked = best(tmp_path / "checkpoints")
    assert marked is not None and marked[1] == max(row["eval/score"] for row in rows)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    # what it has evaluated itself is what craft eval measures on the saved policy
    report = evaluated(f"hf:{tmp_path / 'model'}", four_tasks, tmp_path / "eval")
    assert report.mean == rows[-1]["eval/score"]
    # the panel goes on with the run
    assert train_command.main(["--resume", "--out", str(tmp_path), "--updates", "3"]) == 0
    assert "eval/score" in read_metrics(tmp_path / "metrics.jsonl")[-1]


def test_a_panel_that_does_not_fit_stops_before_training(cloned, tmp_path, four_tasks):
    out = tmp_path / "run"
    words = ["--model", str(cloned / "model"), "--out", str(out), *TRAIN.split(), "--eval-every", "1"]
    with pytest.raises(ConfigError, match="of another world"):
        train_command.main([*words, "--panel", four_tasks, "--world.size", "full"])
    with pytest.raises(DataMismatch, match="are in panel"):
        train_command.main([*words, "--panel", four_tasks, "--world.split", "valid_unseen"])
    assert not out.exists()


def test_tensorboard_events(cloned, tmp_path):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split()]
    assert train_command.main([*words, "--tensorboard", "--updates", "1"]) == 0
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_damaged_dialogue_file(tmp_path):
    (tmp_path / "craft_dialogue.json").write_text('{"prompt": {')
    with pytest.raises(DataMismatch, match="not JSON"):
        load_dialogue(tmp_path)
    (tmp_path / "craft_dialogue.json").write_text(json.dumps({"promt": {}}))
    with pytest.raises(ConfigError, match="did you mean 'prompt'"):
        load_dialogue(tmp_path)


def test_a_taught_run_from_the_command_line(cloned, tmp_path):
    words = ["--model", str(cloned / "model"), "--out", str(tmp_path), *TRAIN.split(), "--method", "sdar"]
    with pytest.raises(ConfigError, match="no skills are given"):
        train_command.main(words)
    with pytest.raises(ConfigError, match="longer than the model's"):
        train_command.main([*words, "--skills", "alfworld", "--teacher.strategy", "full"])
    taught = ["--skills", "alfworld", "--teacher.strategy", "ucb", "--teacher.options", "count=2"]
    assert train_command.main([*words, *taught]) == 0
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert len(rows) == 2
    for row in rows:
        assert row["loss/sdar"] != 0 and 0 < row["teacher/gate_active"] < 1
        assert row["teacher/tokens"] > 0 and row["teacher/gap_mean"] != 0
        assert row["teacher/skills_specific"] + row["teacher/skills_general"] == 1.0
        assert row["teacher/shortened"] == row["teacher/without_room"] == 0
    assert train_command.main(["--resume", "--out", str(tmp_path), "--updates", "3"]) == 0
    assert "teacher/tokens" in read_metrics(tmp_path / "metrics.jsonl")[-1]
