"""Settings of the quickstart: phases, sizes, budgets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from craft_envs.errors import ConfigError
from craft_rl.assemble import DialogueSettings
from craft_rl.config import SFTConfig, TrainConfig
from craft_rl.skill_mix import SkillMix
from craft_rl.worlds import LATER


@dataclass(frozen=True, kw_only=True)
class QuickstartConfig:
    """Everything that the quickstart decides; ``craft_rl.recipes`` holds settings that work.

    Raises:
        ConfigError: settings that contradict each other.
    """

    recipe: str
    """Name of the settings to start from. Any other option changes one of them."""
    seed: int = 0
    """Seed of everything: tasks, noise, weights, batches, sampling."""
    out: Path | None = None
    """Folder of the run; runs/quickstart-RECIPE-SEED when absent."""
    overwrite: bool = False
    """Replace a folder that is already there."""
    panels: tuple[str, ...]
    """Frozen panels of the evaluations, of the world that is trained in; the first is the headline."""
    model_size: str
    """Size of the embedded policy, a row of craft_rl.models.small.SIZES."""
    vocab_size: int
    """Vocabulary of its tokenizer."""
    whole: tuple[str, ...] = field(default=(), metadata=LATER)
    """Texts that are one token each, beside the tags of the answers."""
    lookback: tuple[int, ...] = field(default=(), metadata=LATER)
    """Distances in tokens that heads of the first layer begin by looking back: helps to learn copying."""
    max_context: int
    """Most tokens of an episode's dialogue."""
    tokenizer_tasks: int = 200
    """Tasks whose texts the tokenizer is trained on."""
    demonstrations: int
    """Episodes that are imitated, spread evenly over the training tasks."""
    demonstrator: str = field(default="scripted", metadata=LATER)
    """Agent that is imitated. The oracle knows what it could not know from the observations."""
    noise: float
    """Share of slips in them, shown but not imitated."""
    no_slips: tuple[str, ...] = ("help", "look", "inventory")
    """Actions that slips never are: long replies that teach nothing."""
    skill_mix: SkillMix = field(default=SkillMix(), metadata=LATER)
    """Skills in the prompts of some demonstrations; evaluations have none."""
    threads: int | None = None
    """Threads of the matrix library; its own choice when absent."""
    sft: SFTConfig
    """Cloning."""
    train: TrainConfig
    """Reinforcement learning; its world, prompt, sampling hold for the whole quickstart."""
    train_minutes: float | None = None
    """The reinforcement learning ends early after this wall time; a run that it cuts does not repeat."""
    eval_seeds: tuple[int, ...] = (0,)
    """Evaluation seeds."""
    eval_max_steps: int | None = None
    """Step limit of evaluations with demonstrations; that of the training episodes when absent."""
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
        for name in ("panels", "ladder", "eval_seeds"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                shown = ", ".join(map(str, values))
                raise ConfigError(f"{name} repeats a value: {shown}", remedy="name each once")
        for name in ("panels", "eval_seeds"):
            if not getattr(self, name):
                raise ConfigError(
                    f"{name} is empty, so nothing would be evaluated", remedy="name at least one"
                )
        for name in ("demonstrations", "tokenizer_tasks"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", remedy="give at least 1")
        if self.train_minutes is not None and self.train_minutes <= 0:
            raise ConfigError(
                f"train_minutes is {self.train_minutes}", remedy="give minutes above 0, or none"
            )

    @property
    def training(self) -> TrainConfig:
        """``train`` with the seed of everything."""
        return replace(self.train, seed=self.seed)

    @property
    def cloning(self) -> SFTConfig:
        """``sft`` with the seed of everything."""
        return replace(self.sft, seed=self.seed)

    @property
    def step_limit(self) -> int | None:
        """Step limit of evaluations with demonstrations; None is the benchmark's own."""
        return self.train.world.max_steps if self.eval_max_steps is None else self.eval_max_steps

    @property
    def folder(self) -> Path:
        """Where the results will lie."""
        return self.out if self.out is not None else Path("runs") / f"quickstart-{self.recipe}-{self.seed}"

    @property
    def dialogue(self) -> DialogueSettings:
        """How the policy is spoken to, in every phase."""
        return DialogueSettings(
            prompt=self.train.prompt,
            max_new_tokens=self.train.sampling.max_new_tokens,
            max_context=self.max_context,
        )
