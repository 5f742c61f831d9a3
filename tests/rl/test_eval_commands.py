"""craft eval, compare, demos: options, files, what is refused, what is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from craft_envs.errors import ConfigError, DataNotFound
from craft_envs.panels import Panel
from craft_envs.registration import load_world
from craft_rl.assemble import DialogueSettings, save_dialogue
from craft_rl.commands import compare as compare_command
from craft_rl.commands import demos as demos_command
from craft_rl.commands import eval as eval_command
from craft_rl.engine.hf import HFEngine
from craft_rl.models.load import save_policy
from craft_rl.models.small import build_small
from craft_rl.report.evaluation import score_so_far
from craft_rl.rollout.record import load_trajectories
from craft_rl.types import TaskResult, TrajectoryStatus


@pytest.fixture(scope="module")
def panel_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight tasks of the bundled small houses."""
    whole = Panel.load("alfworld-bundled-small-valid_seen")
    part = Panel(
        name="eight",
        env_id=whole.env_id,
        split=whole.split,
        world=whole.world,
        entries=whole.entries[::26][:8],
    )
    path = tmp_path_factory.mktemp("panel") / "eight.jsonl"
    part.write(path)
    return str(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = load_world("craft/ALFWorld-v0", data="bundled", size="small")
    texts = [world.tasks.task(i).instruction for i in world.tasks.task_ids("train")[:50]]
    folder = tmp_path_factory.mktemp("model") / "m"
    policy = build_small(texts, layers=1, width=32, heads=1, vocab_size=400, max_context=2048)
    save_policy(policy, folder)
    save_dialogue(folder, DialogueSettings(max_new_tokens=5, max_context=2000))
    return folder


def test_agents_are_evaluated_and_compared(
    tmp_path: Path, panel_file: str, capsys: pytest.CaptureFixture[str]
):
    for agent in ("oracle", "random"):
        assert eval_command.main([agent, "--panel", panel_file, "--out", str(tmp_path / agent)]) == 0
    shown = capsys.readouterr().out
    assert "8/8 episodes scored" in shown and "100.0 %" in shown and "pick_two_obj_and_place" in shown
    assert json.loads((tmp_path / "oracle" / "report.json").read_text())["mean"] == 1.0
    assert compare_command.main([str(tmp_path / "random"), str(tmp_path / "oracle" / "report.json")]) == 0
    shown = capsys.readouterr().out
    assert "points" in shown and ("B is better" in shown or "Too small to tell" in shown)


def test_a_model_is_spoken_to_as_it_was_trained(tmp_path: Path, panel_file: str, model: Path):
    arguments = [f"hf:{model}", "--panel", panel_file, "--max-steps", "2", "--num-envs", "3"]
    assert eval_command.main([*arguments, "--out", str(tmp_path / "a")]) == 0
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["prompt_version"] == DialogueSettings().prompt.version
    assert (
        report["decoding"] | {"max_new_tokens": 5, "max_context": 2000, "max_steps": 2} == report["decoding"]
    )
    assert report["scored"] == 8
    assert eval_command.main([*arguments, "--history", "window", "--out", str(tmp_path / "b")]) == 0
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    assert "history=window:2" in report["prompt_version"] and "compact/1" in report["prompt_version"]


def test_running_again_plays_only_what_is_missing(
    tmp_path: Path, panel_file: str, model: Path, monkeypatch: pytest.MonkeyPatch
):
    def run(out: Path, num_envs: int) -> tuple[dict, int]:
        """The report, with the number of responses that were sampled for it."""
        sampled = []
        generate = HFEngine.generate

        def counted(self, requests):
            sampled.extend(r for r in requests if r.session_id.startswith("evaluation"))
            return generate(self, requests)

        monkeypatch.setattr(HFEngine, "generate", counted)
        arguments = [f"hf:{model}", "--panel", panel_file, "--max-steps", "2", "--temperature", "1.0"]
        assert eval_command.main([*arguments, "--num-envs", str(num_envs), "--out", str(out)]) == 0
        monkeypatch.undo()
        return json.loads((out / "report.json").read_text()), len(sampled)

    whole, played = run(tmp_path / "a", 1)
    assert played == 16
    assert run(tmp_path / "b", 8) == (whole, 16)
    rows = tmp_path / "b" / "rows.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[:4]) + lines[4][:20])
    assert run(tmp_path / "b", 3) == (whole, 10)
    assert run(tmp_path / "b", 3) == (whole, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orakel"], "oracle"),
        (["oracle", "--temperature", "0.5"], "no effect"),
        (["oracle", "--panel", "alfworld-bundled-tiny"], "panel"),
        (["oracle", "--seeds", "1", "1"], "seeds"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, panel_file: str, arguments: list[str], said: str):
    panel = [] if "--panel" in arguments else ["--panel", panel_file]
    with pytest.raises(ConfigError, match=said):
        eval_command.main([*arguments, *panel, "--out", str(tmp_path)])


def test_a_missing_model_is_named(tmp_path: Path, panel_file: str):
    with pytest.raises(DataNotFound, match="nowhere"):
        eval_command.main(["hf:./nowhere", "--panel", panel_file, "--out", str(tmp_path)])


def test_demonstrations_are_recorded_in_the_policys_tokens(tmp_path: Path, model: Path):
    out = tmp_path / "d.jsonl"
    arguments = [str(model), str(out), "--world.size", "small", "--world.tasks", "5", "--noise", "0.3"]
    assert (
        demos_command.main([*arguments, "--dialogue.max-new-tokens", "64", "--dialogue.max-context", "9000"])
        == 0
    )
    trajectories = list(load_trajectories(out))
    assert len(trajectories) == 5 and all(t.success for t in trajectories)
    assert not all(s.imitate for t in trajectories for s in t.steps)
    with pytest.raises(ConfigError, match="prompts"):
        demos_command.main([*arguments, "--dialogue.prompt.history", "window"])


def test_evaluation_without_a_model_needs_neither_torch_nor_skills():
    script = (
        "import sys, craft_rl.commands.eval, craft_rl.commands.compare, craft_rl.rollout.demonstrate\n"
        "print([m for m in ('torch', 'transformers', 'craft_skills') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_score_so_far_is_never_one_of_broken_episodes() -> None:
    def row(status: str, score: float) -> TaskResult:
        return TaskResult(
            task_id="t",
            task_type="",
            seed=0,
            status=TrajectoryStatus(status),
            score=score,
            steps=1,
            valid_actions=1,
        )

    broken = row("error_env", 0.0)
    assert score_so_far([]) == {}
    assert score_so_far([broken, broken]) == {"broken": 2}
    assert score_so_far([row("solved", 1.0), row("failed", 0.0)]) == {"score": 0.5}
    assert score_so_far([row("solved", 1.0), broken]) == {"score": 1.0, "broken": 1}
