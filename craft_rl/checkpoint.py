"""Checkpoints: folders that are whole or absent.

A checkpoint is written into a folder beside its place, its manifest last, and then renamed; whatever
interrupts that leaves earlier checkpoints untouched. The manifest lists size and digest of every file, so
that a damaged checkpoint is refused by name instead of being loaded.

Layout of a run::

    run/checkpoints/update-000010/{model/, optimizer.pt, manifest.json}
    run/checkpoints/best.json
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft_envs.data import write_json
from craft_envs.errors import CheckpointMismatch, CraftError

FORMAT = 1
"""Version of the layout; a checkpoint of another version is refused."""
MANIFEST = "manifest.json"
BEST = "best.json"
_PART = ".part-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One complete checkpoint on disk."""

    path: Path
    update: int
    """Updates that its weights have seen."""
    state: Mapping[str, Any]
    """What the trainer put beside the weights: configuration, data cursor, offsets."""

    @property
    def model(self) -> Path:
        """The policy as an ordinary Hugging Face folder."""
        return self.path / "model"


def save(folder: Path, update: int, state: Mapping[str, Any], write: Callable[[Path], None]) -> Checkpoint:
    """Write one checkpoint atomically.

    Args:
        folder: the run's ``checkpoints`` folder.
        update: updates that the weights have seen; decides the name.
        state: plain data for the manifest.
        write: writes all files into the empty folder that it is given.

    Raises:
        CraftError: the disk is full, or not writable. Earlier checkpoints are intact, no part is left behind.
    """
    target = folder / f"update-{update:06d}"
    part = folder / f"{_PART}{target.name}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        write(part)
        files = {str(p.relative_to(part)): _measure(p) for p in sorted(part.rglob("*")) if p.is_file()}
        manifest = {"format": FORMAT, "update": update, "state": dict(state), "files": files}
        write_json(part / MANIFEST, manifest)
        _sync_folder(part)
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
        _sync_folder(folder)
    except Exception as error:
        # torch as well as safetensors report a full disk in error types of their own, hence the wide net
        shutil.rmtree(part, ignore_errors=True)
        last = latest(folder)
        kept = f"the run can be resumed from {last.path}" if last else "no earlier checkpoint exists"
        raise CraftError(
            f"the checkpoint of update {update} could not be written ({type(error).__name__}: {error})",
            where=str(target),
            remedy=f"free space or choose another folder; {kept}",
        ) from error
    return Checkpoint(target, update, dict(state))


def load(path: Path) -> Checkpoint:
    """Open one checkpoint, having checked every file.

    Raises:
        CheckpointMismatch: no manifest, another format, a file missing or altered.
    """
    remedy = "use another checkpoint of the run"
    try:
        manifest = json.loads((path / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointMismatch("no complete checkpoint", where=str(path), remedy=remedy) from error
    if manifest.get("format") != FORMAT:
        raise CheckpointMismatch(
            f"checkpoint format {manifest.get('format')!r}, this version of craft reads {FORMAT}",
            where=str(path),
            remedy="resume with the version of craft that wrote it",
        )
    for name, wanted in manifest["files"].items():
        file = path / name
        if not file.is_file() or _measure(file) != wanted:
            state = "altered" if file.is_file() else "missing"
            raise CheckpointMismatch(
                f"file {name} of the checkpoint is {state}", where=str(path), remedy=remedy
            )
    return Checkpoint(path, manifest["update"], manifest["state"])


def checkpoints(folder: Path) -> list[Path]:
    """Paths of the complete checkpoints in ``folder``, oldest first."""
    found = [p for p in folder.glob("update-*") if (p / MANIFEST).is_file()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("update-")))


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is undamaged, or None when there is none at all.

    Raises:
        CheckpointMismatch: there are checkpoints and every one is damaged.
    """
    damage: CheckpointMismatch | None = None
    for path in reversed(checkpoints(folder)):
        try:
            return load(path)
        except CheckpointMismatch as error:
            damage = damage or error
    if damage is not None:
        raise damage
    return None


def mark_best(folder: Path, update: int, score: float) -> None:
    """Remember the checkpoint of ``update`` as the best so far."""
    write_json(folder / BEST, {"update": update, "score": score})


def best(folder: Path) -> tuple[Path, float] | None:
    """Path with score of the best checkpoint, when one is marked."""
    try:
        entry = json.loads((folder / BEST).read_text())
    except (OSError, ValueError):
        return None
    path = folder / f"update-{entry['update']:06d}"
    return (path, float(entry["score"])) if (path / MANIFEST).is_file() else None


def prune(folder: Path, keep: int) -> None:
    """Delete all but the ``keep`` newest checkpoints with the best one, also parts left by a crash."""
    marked = best(folder)
    for path in checkpoints(folder)[:-keep]:
        if marked is None or path != marked[0]:
            # without its manifest a half-deleted checkpoint cannot be taken for a whole one
            (path / MANIFEST).unlink()
            shutil.rmtree(path)
    for path in folder.glob("update-*"):
        if not (path / MANIFEST).is_file():
            shutil.rmtree(path, ignore_errors=True)
    for part in folder.glob(f"{_PART}*"):
        shutil.rmtree(part, ignore_errors=True)
    for part in folder.glob(f".{BEST}.*.part"):
        part.unlink(missing_ok=True)


def _measure(path: Path) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        os.fsync(file.fileno())
    return {"bytes": path.stat().st_size, "blake2b": digest.hexdigest()}


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
