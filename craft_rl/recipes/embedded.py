"""Settings that all recipes of the embedded policy share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from craft_rl.agent.parse import Form
from craft_rl.agent.policy_io import Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.config import OptimConfig, SFTConfig, TrainConfig
from craft_rl.distillation_settings import TeacherConfig
from craft_rl.quickstart_settings import QuickstartConfig
from craft_rl.skill_mix import SkillMix
from craft_rl.worlds import WorldConfig


def embedded(
    recipe: str,
    *,
    panels: Sequence[str],
    world: WorldConfig,
    max_context: int,
    demonstrations: int,
    epochs: float,
    updates: int,
    tasks_per_update: int = 16,
    vocab_size: int = 1024,
    max_new_tokens: int = 24,
    noise: float = 0.15,
    form: Form = "tags",
    admissible: bool = False,
    copies: bool = False,
    **changes: Any,
) -> QuickstartConfig:
    """A quickstart of the smallest policy; ``changes`` are further fields of ``QuickstartConfig``.

    Where names unseen in training must be copied, ``copies`` teaches copying before the demonstrations.

    Without the list of admissible actions prompts stay short, but the policy must know what can be done.

    Budgets are counted in steps, never in minutes, so that a recipe with the same seed repeats exactly.
    """
    return QuickstartConfig(
        recipe=recipe,
        panels=tuple(panels),
        model_size="0.3M",
        vocab_size=vocab_size,
        max_context=max_context,
        demonstrations=demonstrations,
        noise=noise,
        eval_temperature=0.4,  # the papers' evaluation
        eval_seeds=(0, 1),
        sft=_cloning(epochs, max_context, copies),
        train=_training(world, updates, tasks_per_update, form, max_new_tokens, admissible),
        lookback=(1, 2, 3) if copies else (),
        **changes,
    )


def that_reads(base: QuickstartConfig, bank: str, *, budget: int) -> QuickstartConfig:
    """``base`` for methods with a teacher: most demonstrations show the skills of their task.

    Where none are shown, or other text of the same length is, somebody plays who does not act on them.

    Args:
        base: a recipe.
        bank: of skills.
        budget: most tokens of them in a prompt.
    """
    reading = TeacherConfig(strategy="task_type", budget=budget)
    mix = SkillMix(bank=bank, share=0.6, decoys=0.15, reading=reading)
    return replace(base, recipe=f"{base.recipe}-skills", skill_mix=mix)


def _cloning(epochs: float, max_context: int, copies: bool) -> SFTConfig:
    return SFTConfig(
        epochs=epochs,
        copy_steps=480 if copies else 0,
        copy_length=256 if copies else 64,
        copy_stages=6 if copies else 1,
        # A small policy gains more from many steps than from smooth gradients, but an episode must fit.
        batch_tokens=max(2048, max_context),
        optim=OptimConfig(
            optimizer="muon",
            learning_rate=5e-3,
            schedule="cosine",
            warmup=0.05,
            weight_decay=0.01,
            beta2=0.98,
        ),
    )


def _training(
    world: WorldConfig, updates: int, tasks: int, form: Form, max_new_tokens: int, admissible: bool
) -> TrainConfig:
    return TrainConfig(
        updates=updates,
        tasks_per_update=tasks,
        group_size=8,
        num_envs=128,  # speed only
        world=world,
        prompt=PromptSettings(
            template="compact/1", history="full", admissible=admissible, think="off", form=form
        ),
        sampling=Sampling(temperature=1.0, max_new_tokens=max_new_tokens),
        reward_scale=1.0,
        invalid_penalty=0.1,
        kl_coef=0.0,  # a cloned policy of this size has nothing else worth keeping
        entropy_coef=0.0,
        minibatches=2,
        optim=OptimConfig(learning_rate=2e-4),
        checkpoint_every=0,
    )
