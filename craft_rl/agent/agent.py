"""ModelAgent: a model behind the agents' own protocol, for ``run_episode`` in any Gymnasium loop."""

from __future__ import annotations

from craft_envs.errors import ConfigError
from craft_envs.types import StepInfo
from craft_rl.agent.history import Dialogue
from craft_rl.agent.policy_io import PolicyIO
from craft_rl.engine.protocol import Engine, Request
from craft_rl.rollout.seeds import named_seed, step_seed


class ModelAgent:
    """Answers one observation at a time with an engine.

    For many episodes ``craft_rl.rollout.scheduler.collect`` is the fast way: it batches. Prompts, parsing and
    sampling are the same here.

    Example: ``run_episode(env, ModelAgent(engine, policy_io), task_id=...)``.
    """

    def __init__(self, engine: Engine, policy_io: PolicyIO, *, seed: int = 0) -> None:
        """``seed`` tells one sampling agent from another; greedy ones ignore it."""
        self._engine = engine
        self._io = policy_io
        self._seed = seed
        self._dialogue: Dialogue | None = None
        self._session_id = ""
        self._episode_seed = 0
        self._steps = 0
        self._episodes = 0

    def reset(self, task_info: StepInfo) -> None:
        """Start an episode; the one before is forgotten, in the engine too."""
        self._engine.release(self._session_id)
        self._dialogue = Dialogue(self._io, task_info["instruction"], task_id=task_info["task_id"])
        self._episodes += 1
        # The engine's name counts episodes, the seed does not: a task's result is independent of its turn.
        self._session_id = f"agent:{id(self)}:{self._episodes}"
        self._episode_seed = named_seed("agent", self._seed, task_info["task_id"])
        self._steps = 0

    def act(self, observation: str, info: StepInfo) -> str:
        """The model's action; empty when its response could not be read.

        Raises:
            ConfigError: ``reset`` was not called, or the prompt leaves no room for a response.
            EngineFailure: the engine broke.
        """
        if self._dialogue is None:
            raise ConfigError(
                "act was called before reset", where="ModelAgent", remedy="call reset(info) after env.reset()"
            )
        sampling = self._io.sampling
        prompt = self._dialogue.ask(observation, info["admissible_actions"])
        if len(prompt) + sampling.max_new_tokens > self._engine.max_context:
            raise ConfigError(
                f"the prompt has {len(prompt)} tokens, a response may have {sampling.max_new_tokens}, the "
                f"engine's context has {self._engine.max_context}",
                where=f"step {self._steps} of {info['task_id']}",
                remedy="use history=window or an engine with a larger max_context",
            )
        request = Request(
            request_id=f"{self._session_id}#{self._steps}",
            session_id=self._session_id,
            prompt_ids=prompt,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=step_seed(self._episode_seed, self._steps),
            stop_ids=self._io.codec.stop_ids,
        )
        (completion,) = self._engine.generate([request])
        parsed = self._io.read(self._io.codec.decode(completion.token_ids), cut=completion.finish == "length")
        self._dialogue.answer(completion.token_ids, parsed)
        self._steps += 1
        return parsed.action
