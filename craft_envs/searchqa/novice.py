"""A searcher that asks the whole question once, then answers with what stands nearest."""

from __future__ import annotations

from craft_envs.searchqa.scripted import ScriptedAgent
from craft_envs.types import StepInfo


class NoviceSearcher(ScriptedAgent):
    """The scripted searcher without its know-how of questions.

    It searches the question as it stands, never a second time, answers with the name, date or number whose
    sentence shares most words with the question: it neither takes a question apart nor looks for what a
    passage leads to. This is the searcher whom a bank of skills would help.
    """

    def reset(self, task_info: StepInfo) -> None:
        """Read the question of a new episode, understand nothing of it."""
        super().reset(task_info)
        self._plan = None

    def _next_guess(self) -> str:
        return "" if self._asked else self._question
