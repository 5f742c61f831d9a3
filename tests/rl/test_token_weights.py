"""ARCA in the trainer: weights out of two looks at the policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from craft_envs.errors import ConfigError
from craft_rl.adapter_settings import ArcaConfig, LoraConfig
from craft_rl.config import TrainConfig
from craft_rl.credit.adapter_residual import SCHEMES, concentration
from craft_rl.grading import grade
from craft_rl.report.jsonl import read_metrics
from craft_rl.token_weights import token_weights
from craft_rl.tokens.pack import pack
from craft_rl.update import Learner
from tests.rl.tiny_lora import lora_config, lora_policy, lora_trainer
from tests.rl.tiny_training import same_weights, tiny_config, tiny_groups, tiny_policy, tiny_trainer


def played(config):
    graded = grade(tiny_groups(prompt=config.prompt), config)
    return pack(graded.trajectories, graded.advantages)


def look(policy, config, batch=None):
    """Learner with its batch and what it saw."""
    batch = batch or played(config)
    learner = Learner(policy.model, config, temperature=1.0)
    return batch, learner, learner.look(batch, range(len(batch)))


@pytest.mark.parametrize("autocast", ["none", "bf16"])
def test_a_fresh_adapter_weighs_all_tokens_the_same(autocast):
    """B = 0: w is exactly 1 / T, so the first step is GRPO's, bit for bit."""
    config = lora_config(autocast=autocast)
    batch, learner, seen = look(lora_policy(), config)
    assert not seen.residual.any() and seen.logprobs.any()
    for scheme in ("arca", "divergence"):
        settings = ArcaConfig(scheme=scheme)
        _, w, unit = token_weights(batch, range(len(batch)), seen, settings)
        counts = torch.bincount(unit)[unit].float()
        assert torch.equal(w, 1.0 / counts)
    columns = learner.columns(batch)
    assert torch.equal(columns.advantages, torch.from_numpy(batch.advantages))
    assert columns.weighing["arca/gini"] < 1e-6 and columns.weighing["arca/residual_max"] == 0.0


@pytest.mark.parametrize("per", ["step", "trajectory"])
@pytest.mark.parametrize("scheme", SCHEMES[1:])
def test_weights_of_every_scheme(scheme, per):
    config = lora_config(arca=ArcaConfig(scheme=scheme, per=per), minibatches=2)
    batch, learner, seen = look(lora_policy(moved=0.5), config)
    chosen, w, unit = token_weights(batch, range(len(batch)), seen, config.arca)
    assert chosen.tolist() == np.flatnonzero(batch.loss_mask).tolist()
    assert not w.requires_grad and (w >= 0).all()
    sums = torch.zeros(int(unit.max()) + 1).index_add_(0, unit, w)
    torch.testing.assert_close(sums, torch.ones_like(sums))
    pieces = sum(len(ids) for ids in batch.step_ids) if per == "step" else len(set(batch.trajectory_ids))
    assert len(sums) == pieces
    columns = learner.columns(batch)
    # A T w: the mean over a unit stays A, prompts stay 0
    counts = torch.bincount(unit)[unit]
    given = torch.from_numpy(batch.advantages)
    torch.testing.assert_close(columns.advantages[chosen], given[chosen] * counts * w)
    assert not columns.advantages[~torch.from_numpy(batch.loss_mask)].any()
    spread = concentration(w, unit, len(sums))
    assert columns.weighing["arca/gini"] == pytest.approx(float(spread.gini.mean()))
    assert columns.weighing["arca/effective_tokens"] == pytest.approx(float(spread.effective_ratio.mean()))
    assert ("arca/residual_mean" in columns.weighing) == (scheme in ("arca", "divergence"))
    # log-probs of the policy at the start are looked at once: the ratio's denominator is the same
    assert learner._old_logprobs(batch, columns, [True] * len(batch)) is columns.seen.logprobs


def test_micro_batches_change_nothing():
    seen = {}
    batch = None
    for tokens in (8192, 40, 1):
        config = lora_config(micro_batch_tokens=tokens)
        batch, learner, _ = look(lora_policy(moved=0.5), config, batch)
        seen[tokens] = learner.columns(batch).advantages
    for tokens in (40, 1):
        torch.testing.assert_close(seen[tokens], seen[8192], rtol=1e-4, atol=1e-5)


def test_weights_do_not_depend_on_the_scale_of_the_residual():
    """Methods 3.4: exactly when the residual itself scales, to first order when the adapter does."""
    batch, _, seen = look(lora_policy(moved=0.5), lora_config())
    rows, settings = range(len(batch)), ArcaConfig()
    _, w, _ = token_weights(batch, rows, seen, settings)
    _, scaled, _ = token_weights(batch, rows, seen._replace(residual=seen.residual * 4), settings)
    torch.testing.assert_close(w, scaled, rtol=1e-6, atol=1e-7)
    small = [look(lora_policy(moved=s, dtype=torch.float64), lora_config(), batch)[2] for s in (1e-5, 2e-5)]
    a, b = (token_weights(batch, rows, part, settings)[1] for part in small)
    assert float(small[1].residual.sum() / small[0].residual.sum()) == pytest.approx(2.0, abs=1e-3)
    assert float((a - b).abs().max()) < 1e-3 < float((a - 1.0 / 3).abs().max())


def test_bounds_of_the_paper():
    """Propositions 1 and 2: surprisal's weights stay the base's, divergence's scores stay below 2 L beta."""
    config = lora_config()
    for moved in (0.01, 0.1, 1.0):
        policy = lora_policy(moved=moved, dtype=torch.float64)
        batch, _, seen = look(policy, config)
        head = policy.model.get_output_embeddings().weight.detach()
        # the operator norm from the Euclidean norm to the largest entry: logits move by L beta at most
        bound = float(head.norm(dim=-1).max())
        mask = torch.from_numpy(batch.loss_mask)
        assert mask.any()
        rows = range(len(batch))
        divergence = (seen.logprobs - seen.reference).abs()[mask]
        chosen, w, unit = token_weights(batch, rows, seen, ArcaConfig(scheme="surprisal", eps=1e-12))
        below = seen._replace(logprobs=seen.reference)
        _, base, _ = token_weights(batch, rows, below, ArcaConfig(scheme="surprisal", eps=1e-12))
        units = int(unit.max()) + 1
        largest = torch.zeros(units, dtype=w.dtype).scatter_reduce_(
            0, unit, seen.residual[chosen], reduce="amax"
        )
        total = torch.zeros(units, dtype=w.dtype).index_add_(0, unit, -seen.reference[chosen])
        apart = torch.zeros(units, dtype=w.dtype).index_add_(0, unit, (w - base).abs())
        counts = torch.bincount(unit)
        assert (divergence <= 2 * bound * largest[unit] * (1 + 1e-6)).all() and divergence.any()
        # the paper's 4 L beta / sum alpha bounds one token's share; a unit of T tokens has T of them
        assert (apart <= 4 * bound * largest * counts / total * (1 + 1e-6)).all() and apart.any()


def test_the_adapter_comes_back_also_after_an_exception():
    policy = lora_policy(moved=0.5)
    ids = torch.arange(10, 30)[None]
    before = policy.model(input_ids=ids).logits
    trained = [name for name, p in policy.model.named_parameters() if p.requires_grad]
    config = lora_config()
    batch, learner, _ = look(policy, config)
    calls = []
    whole = learner._scored

    def breaks(model, micro, **settings):
        calls.append(micro)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return whole(model, micro, **settings)

    learner._scored = breaks
    with pytest.raises(RuntimeError, match="out of memory"):
        learner.columns(batch)
    assert len(calls) == 2
    assert torch.equal(policy.model(input_ids=ids).logits, before)
    assert [name for name, p in policy.model.named_parameters() if p.requires_grad] == trained


def test_there_is_no_dropout_in_either_look():
    policy = lora_policy(moved=0.5)
    for name, module in policy.model.named_modules():
        if "lora_dropout" in name:
            assert not any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in module.modules())
    batch, _, first = look(policy, lora_config())
    policy.model.train()
    _, learner, second = look(policy, lora_config(), batch)
    assert not learner.model.training
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_reference_is_the_policy_below_the_adapter(tmp_path):
    """KL against the switched-off adapter equals KL against a copy of the start; no copy is kept."""
    config = lora_config("grpo", kl_coef=0.1, minibatches=2)
    trainer = lora_trainer(config, tmp_path)
    trainer.run()
    learner, batch = trainer.learner, played(config)
    assert learner.reference is None
    copied = learner.score_batch(tiny_policy().model, batch, range(len(batch)))
    found = learner.columns(batch).reference
    assert torch.equal(found, copied)
    assert not torch.equal(found, learner.score_batch(learner.model, batch, range(len(batch))))
    rows = read_metrics(tmp_path / "metrics.jsonl")
    # the minibatches of the first update begin at the start, where the KL is 0; later ones do not
    assert rows[-1]["loss/kl"] > 0
    # arca has looked at it already
    weighing = Learner(trainer.policy.model, replace(config, method="arca"), temperature=1.0)
    columns = weighing.columns(batch)
    assert columns.reference is columns.seen.reference and torch.equal(columns.reference, copied)


def test_a_run_trains_the_adapter_alone(tmp_path):
    trainer = lora_trainer(lora_config(), tmp_path)
    start = {name: value.clone() for name, value in trainer.policy.model.state_dict().items()}
    trainer.run()
    moved = {n for n, v in trainer.policy.model.state_dict().items() if not torch.equal(v, start[n])}
    assert moved and all(".lora_" in name for name in moved)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert rows[0]["arca/gini"] == pytest.approx(0.0, abs=1e-6) and rows[0]["arca/residual_max"] == 0.0
    assert all(0 < row["arca/gini"] < 1 and 0 < row["arca/effective_tokens"] < 1 for row in rows[1:])
    assert all(0 < row["arca/residual_mean"] <= row["arca/residual_max"] for row in rows[1:])
    other = lora_trainer(lora_config("grpo"), tmp_path / "grpo")
    other.run()
    assert not same_weights(trainer.policy.model, other.policy.model)


def test_settings_that_mean_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no token weights"):
        tiny_config(arca=ArcaConfig(scheme="surprisal"))
    with pytest.raises(ConfigError, match=r"arca\.eps.*all equal"):
        ArcaConfig(scheme="uniform", eps=1e-3)
    with pytest.raises(ConfigError, match=r"arca\.eps is 0"):
        ArcaConfig(eps=0.0)
    with pytest.raises(ConfigError, match="policy_coef is 0"):
        lora_config(policy_coef=0.0, entropy_coef=0.1)
    assert TrainConfig.for_method("arca").arca == ArcaConfig()


def test_a_policy_without_adapter_is_refused_before_the_first_token(tmp_path):
    for scheme in ("arca", "uniform"):
        with pytest.raises(ConfigError, match=r"all weights are to be trained.*set lora\.rank"):
            tiny_trainer(tiny_config(method="arca", arca=ArcaConfig(scheme=scheme)), tmp_path)
    with pytest.raises(ConfigError, match="the policy has no adapter"):
        tiny_trainer(tiny_config(lora=LoraConfig(rank=4)), tmp_path)
    trainer = lora_trainer(lora_config("grpo"), tmp_path)
    with pytest.raises(ConfigError, match="the policy has an adapter"):
        type(trainer)(tiny_config(), trainer.policy, trainer.world, trainer.engine, trainer.io, tmp_path)
    assert not list(tmp_path.iterdir())
