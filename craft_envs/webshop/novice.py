"""A shopper that searches well, then buys what it finds first as it lies there."""

from __future__ import annotations

from collections.abc import Sequence

from craft_envs.types import StepInfo
from craft_envs.webshop.pages import BUY, QUERY_SLOT
from craft_envs.webshop.scripted import ScriptedAgent, results


class NoviceShopper(ScriptedAgent):
    """The scripted shopper without its know-how of products.

    It searches with the same words, opens the first product of the list whatever it costs, chooses no option,
    buys: it knows neither that the price has a limit nor that sizes and colours must be clicked. This is the
    shopper whom a bank of skills would help.
    """

    def act(self, observation: str, info: StepInfo) -> str:
        """The next action, always an admissible one where there are any."""
        can: Sequence[str] = info["admissible_actions"]
        buy = f"click[{BUY}]"
        if buy in can:
            return buy
        listed = results(observation) if QUERY_SLOT not in can else []
        first = next((a for line in listed if (a := f"click[{line.asin.lower()}]") in can), None)
        return first or super().act(observation, info)
