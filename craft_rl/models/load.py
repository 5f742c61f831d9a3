"""Policies as Hugging Face folders: opened, saved."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from craft_envs.errors import ConfigError, CraftError, DataNotFound

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
"""Weights that cannot hold code; pickled ones (``pytorch_model.bin``) can, they are refused."""
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt")


@dataclass(slots=True)
class Policy:
    """A causal language model with its tokenizer."""

    model: Any
    """A ``transformers`` causal language model."""
    tokenizer: Any
    """Its fast tokenizer, with a chat template."""
    name: str
    """Where it came from: folder, hub id, or size of a fresh small policy."""


def load_policy(
    path_or_hub_id: str | os.PathLike[str],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    trust_remote_code: bool = False,
) -> Policy:
    """Open any causal language model: a folder, or an id of the Hugging Face hub.

    A folder with an adapter gives the LoRA policy, see ``models/lora.py``.

    Args:
        path_or_hub_id: an existing folder wins; otherwise ``owner/name`` on the hub (or in its local cache).
        device: as torch names it, ``cpu`` or ``cuda:0``.
        dtype: float32, bfloat16, float16 or float64.
        trust_remote_code: run Python code that comes with the model. Off: such a model is refused.

    Raises:
        DataNotFound: no such folder, or the hub does not know the id, or cannot be reached.
        ConfigError: device or dtype unknown; no tokenizer, weights or chat template; not a causal language
        model.
    """
    name = os.fspath(path_or_hub_id)
    torch_dtype, torch_device = _dtype(dtype), _device(device)
    local = bool(name) and Path(name).is_dir()
    if local and (Path(name) / "adapter_config.json").is_file():
        from craft_rl.models.lora import load_adapter  # it needs this file

        return load_adapter(Path(name), device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    if local:
        _check_folder(Path(name))
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or not name:
        raise DataNotFound(
            f"There is no model folder {name!r}.", where="load_policy", remedy="Check the path."
        )
    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    try:
        config = AutoConfig.from_pretrained(name, **options)
    except Exception as error:  # transformers and the hub client raise many types; the message is what helps
        raise _unopened(name, local, "config.json", error) from error
    if type(config) not in AutoModelForCausalLM._model_mapping and not hasattr(config, "auto_map"):
        raise ConfigError(
            f"{name!r} is a {config.model_type} model, not a causal language model.",
            where="load_policy",
            remedy="Choose a model whose card says 'text-generation'.",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:
        raise _unopened(name, local, "the tokenizer", error) from error
    try:
        with _no_bars(local):
            model = AutoModelForCausalLM.from_pretrained(
                name, dtype=torch_dtype, use_safetensors=True, **options
            )
    except Exception as error:
        raise _unopened(name, local, "the weights", error) from error
    model = model.to(torch_device)
    model.eval()
    return Policy(model=model, tokenizer=tokenizer, name=name)


def save_policy(policy: Policy, folder: str | os.PathLike[str]) -> Path:
    """Save as an ordinary Hugging Face folder, completely or not at all; of a LoRA policy the adapter alone.

    The files are written into a folder beside the target and renamed when they are complete; an older folder
    of that name stays until then.

    Returns:
        The folder.

    Raises:
        CraftError: the disk is full or not writable. What was there before is still there.
    """
    target = Path(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise _unsaved(target, error) from error
    try:
        with _no_bars():
            if hasattr(policy.model, "peft_config"):
                from craft_rl.models.lora import save_adapter

                save_adapter(policy, beside)
            else:
                policy.model.save_pretrained(beside)
                policy.tokenizer.save_pretrained(beside)
        for file in beside.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        beside.chmod(0o755)
        _replace(beside, target)
    except CraftError:
        raise
    except Exception as error:  # safetensors reports a full disk with a type of its own
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise _unsaved(target, error) from error
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


@contextlib.contextmanager
def _no_bars(wanted: bool = True) -> Iterator[None]:
    """No progress bars for work on local files; downloads keep theirs."""
    shown = logging.is_progress_bar_enabled()
    if wanted:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _replace(beside: Path, target: Path) -> None:
    """Put ``beside`` in the place of ``target``; on failure the old folder is put back."""
    if not target.exists():
        beside.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent)) / "was"
    target.rename(old)
    try:
        beside.rename(target)
    except OSError:
        old.rename(target)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)


def _unsaved(target: Path, error: Exception) -> CraftError:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    what = "The disk is full" if full else f"Saving failed ({error})"
    return CraftError(
        f"{what}; the model was not saved, and what was there before is unchanged.",
        where=str(target),
        remedy="Free some space or save elsewhere." if full else "Check that the folder can be written.",
    )


def _unopened(name: str, local: bool, part: str, error: Exception) -> CraftError:
    detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "trust_remote_code" in str(error):
        return ConfigError(
            f"{name!r} wants to run its own Python code.",
            where="load_policy",
            remedy="Read that code; if you trust it, pass trust_remote_code=True.",
        )
    if local:
        return ConfigError(
            f"Cannot read {part} of {name!r}: {detail}",
            where="load_policy",
            remedy="Is the folder complete? It should come from save_pretrained.",
        )
    return DataNotFound(
        f"Cannot get {part} of {name!r}: {detail}",
        where="load_policy",
        remedy="If it is a folder, check the path. If it is a hub id, check its spelling, the network, and "
        "HF_HUB_OFFLINE.",
    )


def _check_folder(folder: Path) -> None:
    missing = ""
    if not (folder / "config.json").is_file():
        missing = "config.json"
    elif not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        missing = "weights (model.safetensors)"
    elif not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        missing = "tokenizer (tokenizer.json)"
    if missing:
        raise ConfigError(
            f"The folder {str(folder)!r} has no {missing}.",
            where="load_policy",
            remedy="Save model and tokenizer into the same folder with save_pretrained.",
        )


def _dtype(name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise ConfigError(
            f"No dtype {name!r}.", where="load_policy", remedy=f"Choose one of {', '.join(_DTYPES)}."
        )
    return _DTYPES[name]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"Device {name!r} cannot be used: {str(error).splitlines()[0]}",
            where="load_policy",
            remedy="Use 'cpu', or install a torch build for your accelerator.",
        ) from error
    return device
