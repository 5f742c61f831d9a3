"""The cost of a method, counted: what a teacher adds is one forward pass without gradient."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from craft_skills import save_bank

from craft_rl.assemble import DialogueSettings
from craft_rl.commands import bench_methods
from craft_rl.config import TrainConfig
from craft_rl.distillation_settings import DistillConfig, TeacherConfig
from craft_rl.method_cost import Passes, extra, measure
from craft_rl.worlds import WorldConfig
from tests.rl.tiny_teacher import TEACHING, teaching_config, tiny_bank
from tests.rl.tiny_training import PROMPT, LuckyWorld, tiny_config, tiny_policy

DIALOGUE = DialogueSettings(prompt=PROMPT, max_new_tokens=4, max_context=256)
WEIGHTS = {"kl_coef": 0.01, "entropy_coef": 0.001, "micro_batch_tokens": 1}  # each sequence by itself


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "bank.json"
    save_bank(tiny_bank(), path)
    return str(path)


def teaching(name, bank, **settings):
    chosen = TeacherConfig(strategy="task_type")
    return teaching_config(name, skills=bank, teacher=chosen, tensorboard=False, **WEIGHTS | settings)


def cost(config: TrainConfig):
    return measure(config, tiny_policy(), LuckyWorld(), DIALOGUE)


@pytest.fixture(scope="module")
def grpo():
    return cost(tiny_config(tensorboard=False, **WEIGHTS))


def test_only_sampled_tokens_get_logits(grpo):
    """One pass gives log-probs as well as entropies, the output layer sees the sampled tokens alone."""
    assert grpo.learning.calls == grpo.learning.sequences > 0
    assert grpo.learning.tokens > grpo.learning.positions == grpo.loss_tokens > 0
    assert grpo.scoring == Passes() and grpo.teacher_tokens == 0
    assert grpo.reference == grpo.learning
    # the reference's KL keeps all sequences in the loss, with or without entropies
    assert cost(tiny_config(tensorboard=False, **WEIGHTS | {"entropy_coef": 0.0})).learning == grpo.learning


@pytest.mark.parametrize("name", TEACHING)
def test_a_teacher_is_one_pass_without_gradient(grpo, bank, name):
    found = cost(teaching(name, bank))
    assert found.loss_tokens == grpo.loss_tokens  # the same episodes
    sequences = grpo.learning.sequences
    told = Passes(sequences, sequences, found.teacher_tokens, grpo.loss_tokens)
    assert extra(found, grpo) == {"scoring": told}
    assert found.teacher_tokens > grpo.learning.tokens
    assert found.seconds["teacher"] > 0 == grpo.seconds["teacher"]


@pytest.mark.parametrize("name", ["craft", "adaptive_cringe", "token_cringe"])
def test_credit_costs_no_pass_beyond_sdars(bank, name):
    settings = {"skills": bank, "teacher": TeacherConfig(strategy="task_type"), "tensorboard": False}
    found, sdar = cost(tiny_config(method=name, **settings, **WEIGHTS)), cost(teaching("sdar", bank))
    assert extra(found, sdar) == {}
    assert found.seconds["credit"] > 0 == sdar.seconds["credit"]


def test_gates_known_ahead_cost_another_pass(grpo, bank):
    distill = DistillConfig(coef=0.01, signal="centred_gate")
    config = teaching("sdar", bank, distill=distill)
    more = extra(cost(config), grpo)
    assert more["scoring"].calls == 2 * grpo.learning.calls and set(more) == {"scoring"}
    entropy = replace(config, distill=DistillConfig(coef=0.01, gate="entropy"))
    assert extra(cost(entropy), grpo)["scoring"].calls == grpo.learning.calls


def test_the_command(tmp_path, capsys):
    out = tmp_path / "cost.json"
    settings = bench_methods.BenchMethodsSettings(
        methods=("sdar",),
        model="small-0.3M",
        tasks=2,
        group_size=2,
        max_steps=2,
        out=out,
        world=WorldConfig(size="small"),
    )
    costs = bench_methods.run(settings)
    assert [one.method for one in costs] == ["grpo", "sdar"]
    said = capsys.readouterr().out
    assert "sdar over grpo: +1 pass without gradient" in said and "nothing else; the teacher took" in said
    assert json.loads(out.read_text())[1]["scoring"]["positions"] == costs[0].loss_tokens


def test_the_command_compares_with_any_method(capsys):
    """CRAFT reads what SDAR's teacher said: nothing is asked of the model beyond that."""
    costs = bench_methods.run(
        bench_methods.BenchMethodsSettings(
            methods=("craft",),
            base="sdar",
            model="small-0.3M",
            tasks=2,
            group_size=2,
            max_steps=2,
            world=WorldConfig(size="small"),
        )
    )
    assert [one.method for one in costs] == ["sdar", "craft"]
    assert "craft over sdar: no pass, nothing else" in capsys.readouterr().out
