"""Which craft produced a report."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from craft_envs import __version__


@functools.cache
def source_version() -> str:
    """Version number, followed by commit and a mark for local changes where craft runs from a git checkout.

    Example: ``0.1.0``, ``0.1.0+g3fa21c0``, ``0.1.0+g3fa21c0.changed``.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return __version__
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return __version__
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "craft_envs", "craft_rl")
    return f"{__version__}+g{commit}" + (".changed" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
