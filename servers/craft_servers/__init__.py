"""Loopback services that other processes talk to: retrieval, shop site, environments over HTTP."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("craft-agents")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+checkout"

__all__ = ["__version__"]
