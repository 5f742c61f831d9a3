"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
SHELL = re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0])
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "it shows something"


def test_the_two_commands_are_those_of_the_checks() -> None:
    shown = "\n".join(SHELL)
    checks = (ROOT / ".ci" / "run").read_text("utf-8")
    for extras in ("train,servers", "dev"):
        install = f'pip install -c constraints.txt -e ".[{extras}]"'
        assert install in shown
        assert install.removeprefix("pip ") in checks.replace("install -q", "install")
    assert "craft quickstart" in shown and "pytest" in shown


def test_every_command_that_is_shown_exists() -> None:
    from craft_rl.cli import COMMANDS

    named = set(re.findall(r"(?:^|[\s`&|])craft ([a-z]+)", "\n".join(SHELL)))
    assert named <= set(COMMANDS), named - set(COMMANDS)


def pins() -> dict[str, str]:
    rows = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {canonicalize_name(name): version for name, version in (row.split("==") for row in rows if row)}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    listed = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    return [r for r in map(Requirement, listed) if canonicalize_name(r.name) != PROJECT["name"]]


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    pinned = pins()
    for requirement in requirements():
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement} does not allow {version}"


def test_what_the_dependencies_need_is_pinned_too() -> None:
    """Down to the last package that the core, train, servers, dev pull in, as far as it is installed here."""
    pinned, seen = pins(), set()
    wanted = list(map(Requirement, PROJECT["dependencies"]))
    for extra in ("train", "servers", "dev"):
        wanted += map(Requirement, PROJECT["optional-dependencies"][extra])
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or name in (PROJECT["name"], "setuptools"):  # the latter comes with Python
            continue
        seen.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        assert name in pinned, f"{name} is not in constraints.txt"
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                wanted.append(need)
