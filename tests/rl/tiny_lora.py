"""The tiny policy with an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from craft_rl.adapter_settings import LoraConfig
from craft_rl.config import TrainConfig
from craft_rl.engine.hf import HFEngine
from craft_rl.models.load import Policy
from craft_rl.models.lora import with_lora
from craft_rl.trainer import Trainer
from tests.rl.tiny_training import LuckyWorld, tiny_config, tiny_io, tiny_policy

LORA = LoraConfig(rank=4)


def lora_config(method: str = "arca", **settings: Any) -> TrainConfig:
    """A tiny configuration of a LoRA run without a reference."""
    return tiny_config(method=method, **{"lora": LORA, "kl_coef": 0.0, **settings})


def lora_policy(*, moved: float = 0.0, dtype: torch.dtype = torch.float32, lora: LoraConfig = LORA) -> Policy:
    """A fresh adapter; ``moved`` is the scale of random B, which are 0 otherwise."""
    policy = tiny_policy()
    policy.model.to(dtype)
    policy = with_lora(policy, lora, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name and moved:
                weight.copy_(moved * torch.randn(weight.shape, generator=generator))
    return policy


def lora_trainer(config: TrainConfig, folder: Path, **settings: Any) -> Trainer:
    """Everything built afresh from seeds."""
    policy = with_lora(tiny_policy(), config.lora, seed=config.seed)
    engine = HFEngine(policy.model, slots=16, max_context=256)
    return Trainer(config, policy, LuckyWorld(), engine, tiny_io(policy, config.prompt), folder, **settings)
