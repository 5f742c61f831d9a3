"""Program of a study's processes: ``python -m craft_rl.study.worker OUT SEED [LABEL]``."""

from __future__ import annotations

import sys
from pathlib import Path

from craft_rl.study.cell import Job
from craft_rl.study.schedule import work

if __name__ == "__main__":
    out, seed, *label = sys.argv[1:]
    sys.exit(work(Path(out), Job(seed=int(seed), label=label[0] if label else None)))
