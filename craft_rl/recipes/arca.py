"""Recipes of ARCA for the embedded policy: the quickstart of each world, an adapter instead of all weights.

The cloned policy is the base; what reinforcement learning adds is a LoRA adapter.
"""

from __future__ import annotations

from dataclasses import replace

from craft_rl.adapter_settings import LoraConfig
from craft_rl.config import OptimConfig
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.recipes import alfworld, searchqa, webshop


def small() -> QuickstartConfig:
    """Small houses."""
    return _adapted(alfworld.small())


def small_shop() -> QuickstartConfig:
    """Small shop."""
    return _adapted(webshop.small())


def small_questions() -> QuickstartConfig:
    """Questions about a small world."""
    return _adapted(searchqa.small())


def _adapted(base: QuickstartConfig) -> QuickstartConfig:
    train = replace(
        base.train,
        method="arca",
        lora=LoraConfig(rank=16),
        # an adapter starts from 0 and takes five times the rate that all weights do
        optim=OptimConfig(learning_rate=1e-3),
    )
    return replace(base, recipe=f"{base.recipe}-arca", train=train)
