"""A disk that fills up in the middle of a training run: a clear error, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.rl.tiny_training import same_weights, tiny_config, tiny_trainer

PROGRAM = """
import resource, signal, sys
from pathlib import Path
from craft_envs.errors import CraftError
from tests.rl.tiny_training import tiny_config, tiny_trainer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
trainer = tiny_trainer(tiny_config(updates=6), Path(sys.argv[1]))
# every further file ends after 16 kB, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))
try:
    trainer.run(resume=True)
except CraftError as error:
    print(error)
"""


def test_the_run_can_go_on_from_the_last_checkpoint(tmp_path):
    straight = tiny_trainer(tiny_config(updates=6), tmp_path / "straight")
    straight.run()
    folder = tmp_path / "full"
    tiny_trainer(tiny_config(updates=2), folder).run()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the checkpoint of update 4 could not be written" in done.stdout
    assert "update-000002" in done.stdout
    assert [p.name for p in (folder / "checkpoints").glob("*update*")] == ["update-000002"]
    resumed = tiny_trainer(tiny_config(updates=6), folder)
    resumed.run(resume=True)
    assert same_weights(straight.policy.model, resumed.policy.model)
