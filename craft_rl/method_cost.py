"""What one update of a method costs: forward passes counted exactly, phases timed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import nn

from craft_envs.core import World
from craft_rl.assemble import DialogueSettings
from craft_rl.config import TrainConfig
from craft_rl.engine.hf import open_engine
from craft_rl.models.load import Policy
from craft_rl.skilled import open_preface
from craft_rl.teacher import open_teacher
from craft_rl.tokens.encode import ChatCodec
from craft_rl.tokens.score import token_logprobs
from craft_rl.trainer import Trainer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Passes:
    """Calls of a model that score given tokens; those of the sampler are not among them."""

    calls: int = 0
    sequences: int = 0
    tokens: int = 0
    """Padding included."""
    positions: int = 0
    """Positions at which the output layer ran, recomputation on the way back included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCost:
    """One update of one method."""

    method: str
    learning: Passes
    """With gradient."""
    scoring: Passes
    """Of the policy without gradient: its teacher, earlier log-probs, gates known ahead."""
    reference: Passes
    """Of the frozen reference."""
    loss_tokens: int
    """Sampled tokens under the loss mask."""
    teacher_tokens: int
    """Tokens that the teacher read, padding left out; 0 without a teacher."""
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU time of this process: ``rollout``, ``teacher``, ``credit`` of tokens, ``learning`` (reference
    included)."""

    @property
    def total(self) -> float:
        """Seconds of the update."""
        return sum(self.seconds.values())


def measure(
    config: TrainConfig, policy: Policy, world: World, dialogue: DialogueSettings, *, updates: int = 1
) -> MethodCost:
    """Run real updates; counts are those of the first, times the best of all.

    Args:
        config: method with settings; prompts and sampling must fit ``dialogue``.
        policy: trained in place.
        world: what is played.
        dialogue: context of the episodes.
        updates: how many.

    Raises:
        CraftError: as ``Trainer`` or ``open_teacher``.
    """
    codec = ChatCodec(policy.tokenizer)
    io = dialogue.io(policy, temperature=config.sampling.temperature)
    io = replace(io, preface=open_preface(config, policy, world.tasks))
    engine = open_engine(policy.model, slots=config.num_envs, max_context=dialogue.max_context)
    teacher = open_teacher(config, policy, codec, world.tasks)
    clock = _Clock()
    if teacher is not None:
        teacher.teach = clock.timed("teacher", teacher.teach)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, policy, world, engine, io, Path(folder), teacher=teacher)
        trainer.learner.learn = clock.timed("learning", trainer.learner.learn)  # type: ignore[method-assign]
        if trainer.credit is not None:
            trainer.credit.assess = clock.timed("credit", trainer.credit.assess)  # type: ignore[method-assign]
        update = clock.timed("update", trainer.one_update)
        with counted(policy.model) as (learning, scoring), _reference(trainer) as reference:
            row, _ = update()
        for _ in range(updates - 1):
            update()
    best = {"teacher": 0.0, "credit": 0.0} | {phase: min(spent) for phase, spent in clock.seconds.items()}
    return MethodCost(
        method=config.method,
        learning=learning,
        scoring=scoring,
        reference=reference,
        loss_tokens=int(row["loss_tokens"]),
        teacher_tokens=int(row.get("teacher/tokens", 0)),
        seconds={
            "rollout": best["update"] - best["learning"] - best["teacher"] - best["credit"],
            "teacher": best["teacher"],
            "credit": best["credit"],
            "learning": best["learning"],
        },
    )


class _Clock:
    """CPU seconds of calls, by the name of their phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def timed(self, phase: str, call: Callable[P, R]) -> Callable[P, R]:
        def timed(*args: P.args, **words: P.kwargs) -> R:
            started = time.process_time()
            try:
                return call(*args, **words)
            finally:
                self.seconds.setdefault(phase, []).append(time.process_time() - started)

        return timed


@contextmanager
def counted(model: nn.Module) -> Iterator[tuple[Passes, Passes]]:
    """Count the scoring passes of a model inside the block: those with gradient, those without."""
    body, head = _parts(model)
    device = next(model.parameters()).device
    ids = torch.zeros(1, 2, dtype=torch.long, device=device)
    with torch.no_grad():  # the first call tries out which parts the model has; that is not counted
        token_logprobs(model, ids, torch.tensor([[False, True]], device=device))
    found = Passes(), Passes()
    inside: list[Passes] = []

    def called(_: nn.Module, args: Any, words: dict[str, Any]) -> None:
        inside.clear()
        if words.get("use_cache") is False:
            passes = found[0] if torch.is_grad_enabled() else found[1]
            passes.calls += 1
            passes.sequences += words["input_ids"].shape[0]
            passes.tokens += words["input_ids"].numel()
            inside.append(passes)

    def shown(_: nn.Module, args: Any) -> None:
        for passes in inside:
            passes.positions += args[0].reshape(-1, args[0].shape[-1]).shape[0]

    hooks = [body.register_forward_pre_hook(called, with_kwargs=True), head.register_forward_pre_hook(shown)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _reference(trainer: Trainer) -> Iterator[Passes]:
    reference = trainer.learner.reference
    if reference is None:
        yield Passes()
    else:
        with counted(reference) as (_, without):
            yield without


def _parts(model: Any) -> tuple[nn.Module, nn.Module]:
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(causal, causal.base_model_prefix), causal.get_output_embeddings()


def extra(cost: MethodCost, base: MethodCost) -> dict[str, Passes]:
    """What an update has beyond that of ``base``: kind of pass -> differences, those of 0 left out."""
    out = {}
    for kind in ("learning", "scoring", "reference"):
        own, other = getattr(cost, kind), getattr(base, kind)
        names = ("calls", "sequences", "tokens", "positions")
        difference = Passes(*(getattr(own, name) - getattr(other, name) for name in names))
        if difference != Passes():
            out[kind] = difference
    return out
