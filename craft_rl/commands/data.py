"""craft data: the official files, from the release to the data folder; the panels frozen from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tyro
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from craft_envs.data import cache_root, data_root
from craft_envs.data import download as fetch
from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_envs.panels import FROZEN, Panel, freeze, frozen_names
from craft_envs.registration import load_place
from craft_envs.releases import RELEASES, release
from craft_rl.cli import Command, dispatch

_HERE = "craft_rl.commands.data"
COMMANDS = {
    "list": Command(f"{_HERE}:show", "what is here, what could be fetched, which panels are frozen"),
    "download": Command(f"{_HERE}:download", "fetch an official release, then import it"),
    "import": Command(f"{_HERE}:import_", "check files of your own, convert them once"),
    "freeze-panels": Command(f"{_HERE}:freeze_panels", "rebuild the shipped panels, compare or replace them"),
}

Benchmark = Annotated[Literal["alfworld", "webshop", "searchqa"], tyro.conf.Positional]


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """One benchmark's own files."""

    env_id: str
    importer: str
    """``module:function`` that checks and converts them."""
    finder: str
    """``module:function`` from a data folder to where they are; ``None`` or ``DataNotFound`` where they are
    not."""
    bundled: str
    """What there is without them."""
    comparable: str
    """What to import for a score that others can compare."""
    called: str = "files"
    """What the files are called in lists."""
    partial: bool = False
    """The importer can accept incomplete files."""
    optional: bool = False
    """A panel may be a question set of its own, which an import need not bring."""


OFFICIAL: Mapping[str, Official] = {
    "alfworld": Official(
        env_id="craft/ALFWorld-v0",
        importer="craft_envs.alfworld.official:import_official",
        finder=f"{_HERE}:official_games",
        bundled="houses",
        comparable="the release 0.4.0",
        called="games",
        partial=True,
    ),
    "webshop": Official(
        env_id="craft/WebShop-v0",
        importer="craft_envs.webshop.official:import_official",
        finder=f"{_HERE}:official_catalogue",
        bundled="shop",
        comparable="the catalogue of 1,000 products",
    ),
    "searchqa": Official(
        env_id="craft/SearchQA-v0",
        importer="craft_envs.searchqa.official:import_official",
        finder="craft_envs.searchqa.official:official_folder",
        bundled="questions",
        comparable="the question sets together with their corpus",
        optional=True,
    ),
}
"""Name on the command line -> its files."""


def main(words: Sequence[str]) -> int:
    """Hand over to the subcommand."""
    return dispatch("craft data", COMMANDS, words)


def show() -> None:
    """List data folders, releases, panels."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"data folder   {data_root()}")
    console.print(f"cache folder  {cache_root()}")
    for name, benchmark in OFFICIAL.items():
        place = official_place(name)
        told = f"bundled {benchmark.bundled}: ready; official {benchmark.called}: {place or 'not here'}"
        console.print(f"{name:<13} {told}", markup=False)
    for entry in RELEASES.values():
        size = (
            f"{entry.size / 1e6:.1f} MB" if entry.size is not None else f"up to {entry.limit / 1e6:,.0f} MB"
        )
        about = f"; {entry.about}" if entry.about else ""
        console.print(
            f"  craft data download {entry.name}: {size}, {entry.licence}, {entry.files[0].url}{about}",
            markup=False,
        )
    for name in frozen_names():
        panel = Panel.load(name)
        console.print(f"panel         {name}: {len(panel)} tasks, hash {panel.hash[:16]}")


def official_place(name: str) -> Path | None:
    """Where a benchmark's official files are on this machine; nothing is read or converted.

    Args:
        name: key of ``OFFICIAL``.
    """
    root = data_root().absolute()
    try:
        return cast("Path | None", load_place(OFFICIAL[name].finder)(root)) if root.exists() else None
    except DataNotFound:
        return None


def official_games(root: Path) -> Path | None:
    """Where the official ALFWorld games are, raw or converted."""
    from craft_envs.alfworld.official import IMPORTED
    from craft_envs.alfworld.origin import candidates, holds_games

    for imported in (root / "alfworld" / IMPORTED, root / IMPORTED):
        if imported.is_file():
            return imported
    return next((path for path in candidates(root) if holds_games(path)), None)


def official_catalogue(root: Path) -> Path:
    """Where the original shop's catalogue is."""
    from craft_envs.webshop.official import found_files

    return found_files(root).items


def import_(
    name: Benchmark, path: Annotated[Path, tyro.conf.Positional], *, allow_partial: bool = False
) -> None:
    """Check official files of your own, convert them into the data folder.

    Args:
        name: which benchmark.
        path: its archive, file or folder, as its authors publish it; or a folder that holds one of them.
        allow_partial: alfworld only: accept missing or broken games; the report counts them.
    """
    benchmark = OFFICIAL[name]
    if allow_partial and not benchmark.partial:
        raise ConfigError(f"allow_partial has no effect on {name}", remedy="drop it")
    console = Console(highlight=False, soft_wrap=True)
    settings = {"allow_partial": allow_partial} if benchmark.partial else {}
    with Progress(TextColumn(f"importing {name}"), BarColumn(), TextColumn("{task.completed} done")) as bar:
        report = load_place(benchmark.importer)(path, progress=_advance(bar), **settings)
    for line in _lines(report):
        console.print(line, markup=False)
    differing, absent = _panels_that_differ(benchmark, Path(getattr(report, "target", data_root())))
    if differing:
        raise DataMismatch(
            f"the files are imported, but do not hold the tasks of the frozen panels: {differing}",
            remedy="they can be trained on; for a score that others can compare use " + benchmark.comparable,
        )
    if absent:
        console.print(f"without the sets of the frozen panels {', '.join(absent)}", markup=False)
    else:
        console.print("the frozen panels fit")


def download(
    name: Annotated[str, tyro.conf.Positional], *, keep: bool = False, url: str | None = None
) -> None:
    """Fetch an official release into the data folder, check it, convert it.

    A download that was cut goes on where it stopped. Without internet: fetch the files elsewhere, then
    ``craft data import``.

    Args:
        name: which release; ``craft data list`` shows them.
        keep: keep what was fetched after the import.
        url: another place of the same file, a mirror; of a release with several files, their folder.
    """
    entry = release(name)
    folder = data_root() / "downloads" / entry.name
    console = Console(highlight=False, soft_wrap=True)
    paths = []
    for file in entry.files:
        place = file.url if url is None else url if len(entry.files) == 1 else f"{url}/{file.filename}"
        with Progress(TextColumn(file.filename), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
            target = folder / file.filename
            fetched = fetch(
                place,
                target,
                size=file.size,
                limit=file.limit,
                sha256=file.sha256,
                progress=_advance(bar),
            )
        paths.append(fetched)
    if any(file.sha256 is None for file in entry.files):
        console.print("The release states no checksum; the import compares the tasks with the frozen panels.")
    import_(cast("Any", entry.benchmark), paths[0] if len(paths) == 1 else folder)
    if not keep:
        for path in paths:
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


def _panels_that_differ(benchmark: Official, folder: Path) -> tuple[str, list[str]]:
    """The frozen panels that the imported files fail to hold, with those they need not hold."""
    out, absent = [], []
    for name in frozen_names():
        panel = Panel.load(name)
        if panel.env_id == benchmark.env_id and panel.data == "official":
            try:
                tasks = panel.open(data_dir=str(folder)).tasks
                if benchmark.optional and panel.split not in tasks.splits():
                    absent.append(name)
                else:
                    panel.verify(tasks)
            except DataMismatch as error:
                out.append(f"{name} ({error.what})")
            except DataNotFound as error:
                if benchmark.optional:  # questions without a corpus: a service has one
                    absent.append(name)
                else:
                    out.append(f"{name} ({error.what})")
    return "; ".join(out), absent


def _lines(report: Any) -> list[str]:
    """What an importer has to tell, whether it returns a report or a place."""
    if hasattr(report, "lines"):
        return list(report.lines())
    if dataclasses.is_dataclass(report):
        named = ((f.name.replace("_", " "), getattr(report, f.name)) for f in dataclasses.fields(report))
        return [f"{name}: {', '.join(v) if isinstance(v, tuple) else v}" for name, v in named]
    return [f"imported into {report}"]


def _advance(bar: Progress) -> Callable[[int, int], None]:
    row = bar.add_task("", total=None)
    return lambda done, total: bar.update(row, completed=done, total=total or None)
