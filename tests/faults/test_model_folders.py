"""Broken model folders, full disks: a clear error, nothing lost."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from transformers import T5Config

from craft_envs.errors import ConfigError, CraftError, DataNotFound
from craft_rl.models import load
from craft_rl.models.load import load_policy, save_policy
from tests.rl.tiny_policy import policy


@pytest.fixture
def folder(tmp_path):
    return save_policy(policy(), tmp_path / "policy")


@pytest.mark.parametrize(
    ("gone", "said"),
    [("tokenizer*", "no tokenizer"), ("model.safetensors", "no weights"), ("config.json", "no config.json")],
)
def test_incomplete_folders(folder, gone, said):
    for file in folder.glob(gone):
        file.unlink()
    with pytest.raises(ConfigError, match="has " + said):
        load_policy(folder)


def test_weights_cut_in_half(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(ConfigError, match="the weights"):
        load_policy(folder)


def test_weights_of_another_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] += 16
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="the weights"):
        load_policy(folder)


def test_tokenizer_cut_in_half(folder):
    file = folder / "tokenizer.json"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ConfigError, match="the tokenizer"):
        load_policy(folder)


def test_config_that_is_not_json(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        load_policy(folder)


def test_models_that_do_not_generate(folder):
    T5Config(d_model=32, num_layers=1, num_heads=2).save_pretrained(folder)
    with pytest.raises(ConfigError, match="not a causal language model"):
        load_policy(folder)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "", "a/b/c"])
def test_no_such_folder(name):
    with pytest.raises(DataNotFound, match="no model folder"):
        load_policy(name)


def test_hub_id_without_a_network():
    with pytest.raises(DataNotFound, match="HF_HUB_OFFLINE"):
        load_policy("nobody-at-all/no-such-model")


def test_unknown_device_and_dtype(folder):
    with pytest.raises(ConfigError, match="dtype"):
        load_policy(folder, dtype="int4")
    with pytest.raises(ConfigError, match="Device"):
        load_policy(folder, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="cuda"):
            load_policy(folder, device="cuda")


def _contents(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir()}


def test_a_full_disk_keeps_the_older_model(folder, monkeypatch):
    before = _contents(folder)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(policy().tokenizer.__class__, "save_pretrained", full)
    with pytest.raises(CraftError, match="disk is full"):
        save_policy(policy(), folder)
    assert _contents(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    with pytest.raises(CraftError, match="disk is full"):
        save_policy(policy(), folder.parent / "new")
    assert not (folder.parent / "new").exists()


def test_a_rename_that_fails_puts_the_older_model_back(folder, monkeypatch):
    before = _contents(folder)
    real = load.Path.rename

    def rename(self, target):
        if load.Path(target) == folder and not self.name == "was":
            raise OSError(5, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(load.Path, "rename", rename)
    with pytest.raises(CraftError, match="not saved"):
        save_policy(policy(seed=31), folder)
    assert _contents(folder) == before


def test_saving_again_replaces(folder):
    other = policy(seed=32)
    save_policy(other, folder)
    opened = load_policy(folder)
    for a, b in zip(opened.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CraftError, match="not saved"):
        save_policy(policy(), tmp_path / "file" / "policy")


def test_pickled_weights_are_not_opened(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    (folder / "model.safetensors").unlink()
    torch.save({"x": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no weights \(model\.safetensors\)"):
        load_policy(folder)
    assert not (tmp_path / "ran").exists()


def test_code_that_comes_with_a_model_is_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    config |= {"model_type": "own", "auto_map": own}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ConfigError, match="own Python code"):
        load_policy(folder)
    shutil.rmtree(folder)
