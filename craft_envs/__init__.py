"""Text worlds for language agents as Gymnasium environments.

Importing registers ``craft/ALFWorld-v0``::

    import gymnasium as gym, craft_envs
    env = gym.make("craft/ALFWorld-v0", split="valid_unseen")
"""

from craft_envs.core import Outcome, Session, TextEnv, World
from craft_envs.errors import CraftError
from craft_envs.spaces import TextSpace
from craft_envs.types import StepInfo, Task, TaskSource

__version__ = "0.1.0"

__all__ = [
    "CraftError",
    "Outcome",
    "Session",
    "StepInfo",
    "Task",
    "TaskSource",
    "TextEnv",
    "TextSpace",
    "World",
    "__version__",
]
