"""Settings of the quickstart: phases, sizes, budgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from craft_envs.errors import ConfigError
from craft_rl.agent.policy_io import Sampling
from craft_rl.agent.prompt import PromptSettings
from craft_rl.assemble import DialogueSettings
from craft_rl.config import OptimConfig, SFTConfig, TrainConfig, WorldConfig


def _prompt() -> PromptSettings:
    return PromptSettings(template="compact/1", history="full", admissible=True, think="off")


def _train() -> TrainConfig:
    return TrainConfig(
        updates=40,
        tasks_per_update=16,
        group_size=8,
        num_envs=64,
        world=WorldConfig(size="small", max_steps=20),
        prompt=_prompt(),
        sampling=Sampling(temperature=1.0, max_new_tokens=24),
        reward_scale=1.0,
        invalid_penalty=0.1,
        kl_coef=0.0,
        entropy_coef=0.0,
        optim=OptimConfig(learning_rate=3e-4),
        checkpoint_every=0,
    )


def _sft() -> SFTConfig:
    return SFTConfig(epochs=4.0)


@dataclass(frozen=True, kw_only=True)
class QuickstartConfig:
    """Everything that the quickstart decides; the defaults fit into ten minutes on two cores.

    Raises:
        ConfigError: settings that contradict each other.
    """

    seed: int = 0
    """Seed of everything: tasks, noise, weights, batches, sampling."""
    out: Path | None = None
    """Folder of the run; runs/quickstart-SEED when absent."""
    overwrite: bool = False
    """Replace a folder that is already there."""
    model_size: str = "1M"
    """Size of the embedded policy, a row of craft_rl.models.small.SIZES."""
    vocab_size: int = 1024
    """Vocabulary of its tokenizer."""
    max_context: int = 2048
    """Most tokens of an episode's dialogue."""
    tokenizer_tasks: int = 200
    """Tasks whose texts the tokenizer is trained on."""
    demonstrations: int = 600
    """Episodes of the scripted agent that are imitated."""
    noise: float = 0.15
    """Share of random steps in them, shown but not imitated."""
    no_slips: tuple[str, ...] = ("help", "look", "inventory")
    """Actions that random steps never are: long replies that teach nothing."""
    threads: int | None = None
    """Threads of the matrix library; its own choice when absent."""
    sft: SFTConfig = field(default_factory=_sft)
    """Cloning."""
    train: TrainConfig = field(default_factory=_train)
    """Reinforcement learning; its world, prompt, sampling hold for the whole quickstart."""
    train_minutes: float | None = 6.0
    """The reinforcement learning ends early after this wall time. None: never, then runs repeat exactly."""
    panel: str = "alfworld-bundled-small-valid_unseen"
    """Frozen panel of the evaluations."""
    eval_seeds: tuple[int, ...] = (0,)
    """Evaluation seeds."""
    eval_temperature: float = 0.0
    """0 takes the most likely token."""
    ladder: tuple[str, ...] = ("random", "scripted", "oracle")
    """Agents without a model that are evaluated beside the policy."""
    exhibits: int = 3
    """Episodes told in full on the page: that many solved, that many not."""

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        for name in ("sft", "train"):
            if getattr(self, name).seed != 0:
                raise ConfigError(
                    f"{name}.seed is set, the quickstart has one seed", remedy="use seed instead"
                )
        for name in ("demonstrations", "tokenizer_tasks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", remedy="give at least 1")
        if self.train_minutes is not None and self.train_minutes <= 0:
            raise ConfigError(
                f"train_minutes is {self.train_minutes}", remedy="give minutes above 0, or none"
            )

    @property
    def folder(self) -> Path:
        """Where the results will lie."""
        return self.out if self.out is not None else Path("runs") / f"quickstart-{self.seed}"

    @property
    def dialogue(self) -> DialogueSettings:
        """How the policy is spoken to, in every phase."""
        return DialogueSettings(
            prompt=self.train.prompt,
            max_new_tokens=self.train.sampling.max_new_tokens,
            max_context=self.max_context,
        )
