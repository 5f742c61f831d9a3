"""Variables that decide how torch computes are set before anything loads torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WATCH = """
import importlib.abc, os, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("TORCH", os.environ.get("MKL_CBWR"), os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
"""
PROGRAM = "import craft_rl.cli; craft_rl.cli.main(['train', '--resume', '--out', 'nowhere', '--model', 'm'])"


def seen_by_torch(words: list[str], folder: Path, **variables: str) -> str:
    """The values at the moment in which a program first asks for torch."""
    (folder / "watch.py").write_text(WATCH)
    inherited = {k: v for k, v in os.environ.items() if k not in ("MKL_CBWR", "OMP_WAIT_POLICY")}
    places = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, *words],
        env={**inherited, "PYTHONPATH": places, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("TORCH"))
    return line


@pytest.mark.parametrize(
    "words",
    [
        ["-c", f"import watch; {PROGRAM}"],
        ["-c", "import watch; import craft_rl.loss.policy"],
        ["-m", "pytest", "-p", "watch", "-q", "-s", "--collect-only", "tests/rl/test_loss_terms.py"],
    ],
    ids=["program", "library", "tests"],
)
def test_set_in_time(words: list[str], tmp_path: Path) -> None:
    assert seen_by_torch(words, tmp_path) == "TORCH AUTO PASSIVE"


def test_the_users_choice_stays(tmp_path: Path) -> None:
    words = ["-c", f"import watch; {PROGRAM}"]
    assert seen_by_torch(words, tmp_path, OMP_WAIT_POLICY="ACTIVE") == "TORCH AUTO ACTIVE"
