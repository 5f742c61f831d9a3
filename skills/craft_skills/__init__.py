"""Privileged text for agents: skill banks, matching, rendering.

Only a teacher, or an agent that declares it, may read what this package returns; evaluation never imports it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("craft-agents")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+checkout"

__all__ = ["__version__"]
