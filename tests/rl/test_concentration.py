"""The figure of the card on token weights: what is measured, what is said about it."""

from __future__ import annotations

import json

import pytest

from craft_envs.errors import ConfigError
from craft_rl.assemble import DialogueSettings, save_dialogue
from craft_rl.cli import main
from craft_rl.concentration import RIVALS, ConcentrationConfig, ordering, spreads, summary
from craft_rl.credit.adapter_residual import SCHEMES
from craft_rl.models.load import save_policy
from craft_rl.models.small import build_small
from craft_rl.update import Learner
from tests.rl.tiny_lora import lora_config, lora_policy
from tests.rl.tiny_training import TEXT, tiny_groups


def rows(per="step", **ginis):
    """Two updates of two seeds; the first update is not counted, seed 1 lies 0.1 higher."""
    return [
        {
            "per": per,
            "rank": 4,
            "seed": seed,
            "update": update,
            "scheme": scheme,
            "gini": gini + 0.1 * seed if update == 2 else 9.0,
            "effective_tokens": 1 - gini,
            "tokens": 5.0,
        }
        for scheme, gini in ginis.items()
        for seed in (0, 1)
        for update in (1, 2)
    ]


def test_means_over_the_later_half_of_every_seed():
    (told,) = summary(rows(arca=0.3))
    assert told["gini"] == pytest.approx(0.35)
    assert (told["gini_least"], told["gini_most"]) == pytest.approx((0.3, 0.4))
    assert told["effective_tokens"] == pytest.approx(0.7) and told["tokens"] == 5.0


def test_the_ordering_is_counted_run_by_run():
    rivals = {"surprisal": 0.9, "entropy_reduction": 0.2, "divergence": 0.8}
    both = [r for per in ("step", "trajectory") for r in rows(per, arca=0.3, **rivals)]
    assert set(RIVALS) == set(rivals)
    wanted = {"surprisal": 1.0, "entropy_reduction": 0.0, "divergence": 1.0, "middle": 0.0}
    assert ordering(both) == {"step": wanted, "trajectory": wanted}
    even = [r for per in ("step", "trajectory") for r in rows(per, arca=0.0, **rivals)]
    # at 0 ARCA is uniform, not between: seed 1 lies at 0.1
    assert ordering(even)["step"]["middle"] == 0.5


def test_all_schemes_look_at_the_same_tokens():
    learner = Learner(lora_policy(moved=0.5).model, lora_config(), temperature=1.0)
    found = spreads(learner, tiny_groups(), eps=1e-8)
    named = {(row["per"], row["scheme"]): row for row in found}
    assert len(named) == len(found) == 2 * len(SCHEMES) - 1
    assert named["step", "uniform"]["gini"] == pytest.approx(0.0, abs=1e-6)
    assert named["step", "uniform"]["effective_tokens"] == pytest.approx(1.0)
    assert named["trajectory", "arca"]["tokens"] > named["step", "arca"]["tokens"] > 1
    for scheme in (*RIVALS, "arca"):
        assert 0 < named["step", scheme]["gini"] < 1
        assert 0 < named["step", scheme]["effective_tokens"] < 1


def test_the_command(tmp_path, capsys):
    policy = build_small([TEXT] * 2, layers=1, width=32, heads=1, vocab_size=320, max_context=1024)
    save_dialogue(
        save_policy(policy, tmp_path / "start"), DialogueSettings(max_new_tokens=8, max_context=1024)
    )
    words = ["--ranks", "2", "--seeds", "0", "--updates", "2", "--tasks-per-update", "2", "--group-size", "2"]
    words += ["--world.max-steps", "2", "--out", str(tmp_path / "out"), "--model", str(tmp_path / "start")]
    assert main(["plot", "concentration", *words]) == 0
    told = json.loads((tmp_path / "out" / "concentration.json").read_text())
    assert told["settings"]["ranks"] == [2] and told["settings"]["updates"] == 2
    assert len(told["rows"]) == 2 * (2 * len(SCHEMES) - 1)
    assert {row["scheme"] for row in told["summary"]} == set(SCHEMES)
    assert (tmp_path / "out" / "concentration.png").read_bytes()[:4] == b"\x89PNG"
    printed = capsys.readouterr().out
    assert "per step: arca is less concentrated than" in printed and "surprisal" in printed


@pytest.mark.parametrize("bad", [{"ranks": ()}, {"seeds": ()}, {"ranks": (0,)}, {"updates": 0}])
def test_settings_without_a_figure_are_refused(bad):
    with pytest.raises(ConfigError):
        ConcentrationConfig(model="m", **bad)
