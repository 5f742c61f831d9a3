"""craft data: the official files, from the release to the data folder; the panels frozen from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from craft_envs.data import RELEASES, cache_root, data_root, release
from craft_envs.data import download as fetch
from craft_envs.errors import ConfigError, DataMismatch
from craft_envs.panels import FROZEN, Panel, freeze, frozen_names
from craft_envs.registration import load_world
from craft_rl.cli import Command, dispatch

_HERE = "craft_rl.commands.data"
COMMANDS = {
    "list": Command(f"{_HERE}:show", "what is here, what could be fetched, which panels are frozen"),
    "download": Command(f"{_HERE}:download", "fetch an official release, then import it"),
    "import": Command(f"{_HERE}:import_", "check files of your own, convert them once"),
    "freeze-panels": Command(f"{_HERE}:freeze_panels", "rebuild the shipped panels, compare or replace them"),
}

Name = Annotated[Literal["alfworld"], tyro.conf.Positional]


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand."""
    return dispatch("craft data", COMMANDS, words)


def show() -> None:
    """List data folders, releases, panels."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"data folder   {data_root()}")
    console.print(f"cache folder  {cache_root()}")
    place = official_games()
    console.print(f"alfworld      bundled houses: ready; official games: {place or 'not here'}")
    for entry in RELEASES.values():
        console.print(
            f"  craft data download {entry.name}: {entry.size / 1e6:.1f} MB, {entry.licence}, {entry.url}"
        )
    for name in frozen_names():
        panel = Panel.load(name)
        console.print(f"panel         {name}: {len(panel)} tasks, hash {panel.hash[:16]}")


def official_games() -> Path | None:
    """Where the official ALFWorld games are on this machine, raw or converted; nothing is converted."""
    from craft_envs.alfworld.official import IMPORTED
    from craft_envs.alfworld.origin import candidates, holds_games

    root = data_root().absolute()
    for imported in (root / "alfworld" / IMPORTED, root / IMPORTED):
        if imported.is_file():
            return imported
    return next((path for path in candidates(root) if holds_games(path)), None) if root.exists() else None


def import_(name: Name, path: Annotated[Path, tyro.conf.Positional], *, allow_partial: bool = False) -> None:
    """Check official files of your own, convert them into the data folder.

    Args:
        name: which benchmark.
        path: the release's archive or folder, or a folder that holds one of them.
        allow_partial: accept missing or broken games; the report counts them.
    """
    from craft_envs.alfworld.official import import_official

    console = Console(highlight=False, soft_wrap=True)
    with Progress(TextColumn(f"importing {name}"), BarColumn(), TextColumn("{task.completed} games")) as bar:
        report = import_official(path, allow_partial=allow_partial, progress=_advance(bar))
    for line in report.lines():
        console.print(line, markup=False)
    differing = _panels_that_differ(Path(report.target))
    if differing:
        raise DataMismatch(
            f"the games are imported, but are not those of the frozen panels: {differing}",
            remedy="they can be trained on; for a score that others can compare use the release 0.4.0",
        )
    console.print("the frozen panels fit")


def download(name: Name, *, keep: bool = False, url: str | None = None) -> None:
    """Fetch an official release into the data folder, check it, convert it.

    A download that was cut goes on where it stopped. Without internet: fetch the file elsewhere, then
    ``craft data import``.

    Args:
        name: which benchmark.
        keep: keep the archive after the import.
        url: another place of the same file, a mirror.
    """
    entry = release(name)
    target = data_root() / entry.name / entry.filename
    console = Console(highlight=False, soft_wrap=True)
    with Progress(TextColumn(entry.filename), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
        path = fetch(url or entry.url, target, size=entry.size, sha256=entry.sha256, progress=_advance(bar))
    if entry.sha256 is None:
        console.print("The release states no checksum; the import compares the games with the frozen panels.")
    import_(name, path)
    if not keep:
        path.unlink()


def freeze_panels(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    replace: bool = False,
    data_dir: str | None = None,
    folder: Path | None = None,
) -> None:
    """Build the shipped panels from their data, then compare them with the files, or replace these.

    The oracle must solve every task; none may be in train. A panel that changes makes old numbers
    incomparable: it needs a new environment version.

    Args:
        names: which panels; all of them when empty.
        replace: write panels that differ.
        data_dir: folder of the official files.
        folder: where the panel files are; the package's own when absent.

    Raises:
        ConfigError: unknown name.
        DataMismatch: a panel differs from its file.
    """
    import craft_envs

    console = Console(highlight=False, soft_wrap=True)
    target = folder or Path(craft_envs.__file__).parent / "panels"
    differing = []
    for name in names or tuple(FROZEN):
        if name not in FROZEN:
            raise ConfigError(f"no panel {name!r} is planned", remedy=f"one of {', '.join(FROZEN)}")
        official = FROZEN[name][1].get("data") == "official"
        panel = freeze(name, **({"data_dir": data_dir} if official and data_dir else {}))
        path = target / f"{name}.jsonl"
        same = path.is_file() and path.read_text("utf-8") == panel.dumps()
        if not same and (replace or not path.exists()):
            panel.write(path)
        elif not same:
            differing.append(name)
        state = "unchanged" if same else "differs" if name in differing else "written"
        console.print(f"{name}: {len(panel)} tasks, hash {panel.hash[:16]}, {state}")
    if differing:
        raise DataMismatch(f"{', '.join(differing)} differ from their files", remedy="--replace writes them")


def _panels_that_differ(imported: Path) -> str:
    source = load_world("craft/ALFWorld-v0", data="official", data_dir=imported).tasks
    out = []
    for name in frozen_names():
        panel = Panel.load(name)
        if panel.data == "official":
            try:
                panel.verify(source)
            except DataMismatch as error:
                out.append(f"{name} ({error.what})")
    return "; ".join(out)


def _advance(bar: Progress) -> Callable[[int, int], None]:
    row = bar.add_task("", total=None)
    return lambda done, total: bar.update(row, completed=done, total=total)
