"""LoRA policies: what is trained, what lies on disk, what a foreign folder may hold."""

from __future__ import annotations

import json

import numpy as np
import peft
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_rl.adapter_settings import LoraConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.engine.plain import PlainEngine
from craft_rl.models.load import Policy, load_policy, save_policy
from craft_rl.models.lora import base_digest, has_adapter, merged, with_lora
from tests.rl.tiny_lora import lora_policy
from tests.rl.tiny_policy import request
from tests.rl.tiny_training import same_weights, tiny_policy

IDS = torch.arange(10, 40)[None]


def logits(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(input_ids=IDS).logits


def test_a_fresh_adapter_changes_nothing_and_is_all_that_is_trained():
    before = torch.get_rng_state()
    made = lora_policy()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(logits(made), logits(tiny_policy()))
    trained = {name for name, p in made.model.named_parameters() if p.requires_grad}
    assert trained and all(".lora_" in name for name in trained)
    # all linear layers of the one block, two matrices each
    assert len(trained) == 2 * 7
    assert not made.model.training
    assert same_weights(made.model, lora_policy().model)
    other = with_lora(tiny_policy(), LoraConfig(rank=4), seed=1)
    assert not same_weights(made.model, other.model)
    assert with_lora(tiny_policy(), LoraConfig(), seed=0).model.__class__.__name__ == "Qwen2ForCausalLM"


def test_engines_sample_from_the_adapted_weights():
    made = lora_policy(moved=2.0)
    asked = [request("a", np.arange(10, 20, dtype=np.int32), seed=3)]
    fast = HFEngine(made.model, slots=4, max_context=64).generate(asked)[0]
    plain = PlainEngine(made.model, max_context=64).generate(asked)[0]
    below = HFEngine(tiny_policy().model, slots=4, max_context=64).generate(asked)[0]
    assert fast.token_ids.tolist() == plain.token_ids.tolist()
    assert np.allclose(fast.logprobs, plain.logprobs, atol=1e-5)
    assert fast.token_ids.tolist() != below.token_ids.tolist()


def test_a_fresh_base_is_saved_with_the_adapter(tmp_path):
    made = lora_policy(moved=1.0)
    folder = save_policy(made, tmp_path / "adapter")
    found = load_policy(folder)
    assert has_adapter(found.model) and same_weights(found.model, made.model)
    assert torch.equal(logits(found), logits(made))
    assert base_digest(found.model) == base_digest(made.model) == base_digest(tiny_policy().model)


def test_half_precision_below_an_exact_adapter(tmp_path):
    base = save_policy(tiny_policy(), tmp_path / "start")
    made = with_lora(load_policy(base, dtype="bfloat16"), LoraConfig(rank=2), seed=0)
    kinds = {p.requires_grad: p.dtype for p in made.model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    with torch.no_grad():
        for name, weight in made.model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.3)
    folder = save_policy(made, tmp_path / "adapter")
    assert torch.equal(logits(load_policy(folder, dtype="bfloat16")), logits(made))
    # in another precision the base is read from its own folder again
    wide = load_policy(folder)
    assert logits(wide).dtype == torch.float32
    torch.testing.assert_close(logits(wide), logits(made).float(), rtol=0.1, atol=0.05)


def test_a_base_with_a_folder_is_named_with_its_digest(tmp_path):
    base = save_policy(tiny_policy(), tmp_path / "start")
    made = with_lora(load_policy(base), LoraConfig(rank=2, targets=("q_proj", "v_proj")), seed=0)
    with torch.no_grad():
        for name, weight in made.model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    folder = save_policy(made, tmp_path / "adapter")
    names = {path.name for path in folder.rglob("*")}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "craft_base.json"}
    found = load_policy(folder)
    assert torch.equal(logits(found), logits(made)) and not torch.equal(logits(found), logits(tiny_policy()))
    # PEFT itself reads it too
    theirs = peft.PeftModel.from_pretrained(load_policy(base).model, folder).eval()
    assert torch.equal(theirs(input_ids=IDS).logits, logits(made))
    # merged: an ordinary folder that computes the same but for rounding
    plain = load_policy(save_policy(merged(made), tmp_path / "merged"))
    assert not has_adapter(plain.model) and has_adapter(made.model)
    torch.testing.assert_close(logits(plain), logits(made), rtol=1e-5, atol=1e-5)
    # a LoRA policy is a start as any other: its adapter is merged before the next
    again = with_lora(found, LoraConfig(rank=2), seed=1)
    torch.testing.assert_close(logits(again), logits(made), rtol=1e-5, atol=1e-5)
    # other weights below are refused, so is their absence
    save_policy(tiny_policy(seed=1), base)
    with pytest.raises(DataMismatch, match="not those that the adapter was trained on"):
        load_policy(folder)
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(DataNotFound, match="start"):
        load_policy(folder)


def test_any_causal_model_takes_an_adapter():
    config = GPT2Config(vocab_size=320, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    made = with_lora(
        Policy(model=GPT2LMHeadModel(config).eval(), tokenizer=None, name="g"), LoraConfig(rank=2), seed=0
    )
    assert {n for n, p in made.model.named_parameters() if p.requires_grad and ".lora_" not in n} == set()
    with made.model.disable_adapter():
        off = logits(made)
    assert torch.equal(off, logits(made))


def test_what_no_adapter_can_be_put_on_is_refused():
    with pytest.raises(ConfigError, match="cannot take the adapter") as error:
        with_lora(tiny_policy(), LoraConfig(rank=2, targets=("c_attn",)), seed=0)
    assert "q_proj" in str(error.value)
    with pytest.raises(ConfigError, match="take no adapter"):
        with_lora(tiny_policy(), LoraConfig(rank=2, targets=("q_proj", "lm_head")), seed=0)
    for bad in ({"rank": -1}, {"rank": 2, "alpha": 0.0}, {"alpha": 4.0}, {"targets": ("q_proj",)}):
        with pytest.raises(ConfigError, match=r"setting lora\."):
            LoraConfig(**bad)


def test_foreign_folders(tmp_path):
    """Plain LoRA of another tool is read; what we do not understand, or what could hold code, is refused."""
    base = save_policy(tiny_policy(), tmp_path / "start")
    theirs = peft.get_peft_model(load_policy(base).model, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    theirs.save_pretrained(tmp_path / "theirs")
    found = load_policy(tmp_path / "theirs")
    assert torch.equal(logits(found), theirs.eval()(input_ids=IDS).logits)
    settings = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    path = tmp_path / "theirs" / "adapter_config.json"
    for change, message in (
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"base_model_name_or_path": ""}, "does not say which model"),
        ({"r": 3}, "does not fit"),
    ):
        path.write_text(json.dumps(settings | change))
        with pytest.raises(ConfigError, match=message):
            load_policy(tmp_path / "theirs")
    path.write_text("{")
    with pytest.raises(ConfigError, match="not readable JSON"):
        load_policy(tmp_path / "theirs")
    path.write_text(json.dumps(settings))
    weights = tmp_path / "theirs" / "adapter_model.safetensors"
    weights.rename(weights.with_name("adapter_model.bin"))
    with pytest.raises(ConfigError, match="pickled files"):
        load_policy(tmp_path / "theirs")
