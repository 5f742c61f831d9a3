"""LoRA policies: an adapter on any causal language model, its folder, its merging."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import peft
import torch
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from craft_envs.data import write_json
from craft_envs.errors import ConfigError, DataMismatch
from craft_rl.adapter_settings import LoraConfig
from craft_rl.models.load import Policy, load_policy

ADAPTER_CONFIG = "adapter_config.json"
"""As PEFT names it; a folder that holds it is a LoRA policy."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE_RECORD = "craft_base.json"
"""Digest of the weights below the adapter, with the precision in which they were digested."""
BASE_FOLDER = "base"
"""Weights below the adapter, where they lie in no folder of their own."""

_UNDERSTOOD = {
    *("peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "target_modules"),
    *("lora_dropout", "inference_mode", "init_lora_weights", "auto_mapping", "revision", "peft_version"),
    *("fan_in_fan_out",),
}
"""Entries of a foreign ``adapter_config.json`` that we follow or that change nothing in a finished adapter.
``auto_mapping`` names Python code, which is never run."""


def has_adapter(model: Any) -> bool:
    """Whether ``model`` is a LoRA policy's."""
    return isinstance(model, peft.PeftModel)


def with_lora(policy: Policy, lora: LoraConfig, *, seed: int) -> Policy:
    """The policy as training needs it: with a fresh adapter, or as an ordinary model where the rank is 0.

    An adapter that it already has is merged first, so that switching the new one off always gives the policy
    that was handed over.

    Args:
        policy: its model is changed in place.
        lora: the adapter.
        seed: of the adapter's private generator; the global generators are left as they were.

    Raises:
        ConfigError: the model has no layers of the given names, or the output layer is among them.
    """
    policy = merged(policy)
    return add_adapter(policy, lora, seed=seed) if lora.rank else policy


def add_adapter(policy: Policy, lora: LoraConfig, *, seed: int) -> Policy:
    """Freeze the model, put an adapter with B = 0 on it; see ``with_lora``."""
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha if lora.alpha is not None else 2 * lora.rank,
        target_modules=list(lora.targets) or "all-linear",
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    model = _wrap(policy.model, settings)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(_adapter_weights(model)):
            # as in nn.Linear; PEFT would draw from the global generator
            bound = 1.0 / math.sqrt(weight[0].numel())
            drawn = (2.0 * torch.rand(weight.shape, generator=generator) - 1.0) * bound
            weight.copy_(drawn) if "lora_A" in name else weight.zero_()
    return Policy(model=model, tokenizer=policy.tokenizer, name=policy.name)


def merged(policy: Policy) -> Policy:
    """An ordinary model that computes the same but for rounding; the policy itself where it has no adapter.

    The adapter is folded into a copy of the weights, so the given policy stays as it is.
    """
    if not has_adapter(policy.model):
        return policy
    model = copy.deepcopy(policy.model).merge_and_unload()
    model.requires_grad_(True)
    model.eval()
    return Policy(model=model, tokenizer=policy.tokenizer, name=policy.name)


def save_adapter(policy: Policy, folder: Path) -> None:
    """Write adapter, its settings, the digest of the weights below; those themselves if they have no folder.

    Args:
        policy: a LoRA policy.
        folder: exists; see ``save_policy`` for the whole-or-absent way.
    """
    model, base = policy.model, policy.model.get_base_model()
    values = model.peft_config["default"].to_dict()
    place = str(getattr(base.config, "_name_or_path", "") or "")
    if place and Path(place).is_dir():
        place = str(Path(place).resolve())
    values["base_model_name_or_path"] = place
    values = {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}
    write_json(folder / ADAPTER_CONFIG, values)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, _weights(folder))
    record = {"digest": base_digest(model), "dtype": str(_base_dtype(model)).removeprefix("torch.")}
    write_json(folder / BASE_RECORD, record)
    if not place:
        plain = copy.deepcopy(model).unload()
        plain.save_pretrained(folder / BASE_FOLDER)
        policy.tokenizer.save_pretrained(folder / BASE_FOLDER)


def load_adapter(folder: Path, *, device: str, dtype: str, trust_remote_code: bool = False) -> Policy:
    """A LoRA policy from its folder, adapter unmerged.

    The base is opened as any policy is, a LoRA folder among them, whose adapter is then merged.

    Args:
        folder: holds ``adapter_config.json``; ours or any that PEFT wrote for plain LoRA.
        device: as in ``load_policy``.
        dtype: precision of the base; the adapter of a half-precision base stays in float32.
        trust_remote_code: as in ``load_policy``; it concerns the base, adapters hold no code.

    Raises:
        ConfigError: another kind of adapter, or one that does not fit the base.
        DataMismatch: the base has other weights than those the adapter was trained on.
        DataNotFound: the base is not where it was.
    """
    where = str(folder)
    settings, place = _read_settings(folder)
    record = _read_json(folder / BASE_RECORD) if (folder / BASE_RECORD).is_file() else {}
    if (folder / BASE_FOLDER).is_dir():
        place = str(folder / BASE_FOLDER)
    if not place:
        raise ConfigError(
            "the adapter does not say which model it belongs to",
            where=where,
            remedy="name it as base_model_name_or_path in adapter_config.json",
        )
    first = record.get("dtype", dtype)
    opened = merged(load_policy(place, device=device, dtype=first, trust_remote_code=trust_remote_code))
    if record and base_digest(opened.model) != record["digest"]:
        raise DataMismatch(
            f"the weights of {place} are not those that the adapter was trained on",
            where=where,
            remedy="put the model back that was trained, or train a new adapter",
        )
    if first != dtype:
        # converting a model in memory would also convert tables that are kept exact, such as rotary angles
        opened = merged(load_policy(place, device=device, dtype=dtype, trust_remote_code=trust_remote_code))
    model = _wrap(opened.model, settings)
    restore_adapter(model, folder)
    return Policy(model=model, tokenizer=opened.tokenizer, name=where)


def restore_weights(policy: Policy, folder: Path) -> None:
    """Read a checkpoint's weights into a policy of the same shape; of a LoRA policy those of the adapter.

    Raises:
        ConfigError: they are missing or damaged, or do not fit.
    """
    if has_adapter(policy.model):
        restore_adapter(policy.model, folder)
        return
    dtype = str(next(policy.model.parameters()).dtype).removeprefix("torch.")
    policy.model.load_state_dict(load_policy(folder, dtype=dtype).model.state_dict())


def restore_adapter(model: Any, folder: Path) -> None:
    """Read a folder's adapter into a model that has one of the same shape.

    Raises:
        ConfigError: the file is missing or damaged, or holds other weights.
    """
    remedy = "use the adapter with the model and the settings that it was trained with"
    try:
        state = load_file(_weights(folder))
        wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
        same = {n: v.shape for n, v in state.items()} == {n: v.shape for n, v in wanted.items()}
    except Exception as error:  # safetensors reports damage with a type of its own
        raise ConfigError(
            f"cannot read {ADAPTER_WEIGHTS}: {str(error).splitlines()[0]}",
            where=str(folder),
            remedy="is the folder complete? Adapters in pickled files can hold code, they are refused",
        ) from error
    if not same:
        raise ConfigError("the adapter does not fit the model", where=str(folder), remedy=remedy)
    set_peft_model_state_dict(model, state)


_DIGESTS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""LoRA model -> digest of what lies below; frozen, so that it is computed once."""


def base_digest(model: Any) -> str:
    """Hex digest over all weights but the adapter's, under the names they have without one."""
    if model in _DIGESTS:
        return _DIGESTS[model]
    digest = hashlib.blake2b(digest_size=16)
    plain = {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): value
        for name, value in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, value in sorted(plain.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    if has_adapter(model):
        _DIGESTS[model] = digest.hexdigest()
    return digest.hexdigest()


def _wrap(model: Any, settings: Any) -> Any:
    """PEFT's model around ``model``; only the adapter has gradients."""
    linear = sorted(
        {n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    )
    try:
        # PEFT draws weights that are replaced, and asks transformers for an attribute of an older name
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            made = peft.get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError(
            f"the model cannot take the adapter: {str(error).splitlines()[0]}",
            where=f"lora.targets is {settings.target_modules}",
            remedy=f"its linear layers are {', '.join(linear)}",
        ) from error
    made.eval()
    plain = made.get_base_model()
    for tables in (plain.get_input_embeddings(), plain.get_output_embeddings()):
        if tables is not None and hasattr(tables, "base_layer"):
            raise ConfigError(
                "embedding with output layer take no adapter: they may be one weight",
                where=f"lora.targets is {settings.target_modules}",
                remedy="adapt other layers",
            )
    return made


def _adapter_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, weight) for name, weight in model.named_parameters() if ".lora_" in name)


def _base_dtype(model: Any) -> torch.dtype:
    return next(p.dtype for name, p in model.named_parameters() if ".lora_" not in name)


def _weights(folder: Path) -> str:
    return str(folder / ADAPTER_WEIGHTS)


def _read_settings(folder: Path) -> tuple[Any, str]:
    """PEFT's settings with the place of the base."""
    values = _read_json(folder / ADAPTER_CONFIG)
    usual = peft.LoraConfig().to_dict()
    strange = sorted(
        name
        for name, value in values.items()
        if name not in _UNDERSTOOD and value != usual.get(name) and value not in (None, {}, [], False)
    )
    if values.get("peft_type") != "LORA" or strange:
        raise ConfigError(
            f"the adapter is not plain LoRA: peft_type {values.get('peft_type')!r}"
            + (f", {', '.join(strange)} set" if strange else ""),
            where=str(folder / ADAPTER_CONFIG),
            remedy="merge it with the tool that made it, then open the merged model",
        )
    settings = peft.LoraConfig(
        r=values["r"],
        lora_alpha=values["lora_alpha"],
        target_modules=values["target_modules"],
        fan_in_fan_out=bool(values.get("fan_in_fan_out")),
        task_type="CAUSAL_LM",
    )
    return settings, str(values.get("base_model_name_or_path") or "")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the file is not readable JSON", where=str(path), remedy="save the adapter again"
        ) from error
