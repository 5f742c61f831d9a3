"""Official files as users have them: a folder tree, or an archive of any kind."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

_TAR_MODES = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}


def tree(files: dict[str, bytes], root: Path) -> Path:
    """Write name -> content below ``root``."""
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return root


def archive(files: dict[str, bytes], path: Path) -> Path:
    """Write name -> content into a zip or tar file, as the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, _TAR_MODES[path.suffix]) as packed:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return path
