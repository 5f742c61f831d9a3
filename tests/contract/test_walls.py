"""The walls of the house: who may import whom, found by reading the source, followed to the end."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "craft_envs": ROOT / "craft_envs",
    "craft_rl": ROOT / "craft_rl",
    "craft_skills": ROOT / "skills" / "craft_skills",
    "craft_servers": ROOT / "servers" / "craft_servers",
}
LEARNING = {"torch", "transformers", "vllm", "peft", "accelerate"}


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of all four packages."""
    out = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _statements(tree: ast.AST, *, top_only: bool) -> Iterator[ast.AST]:
    """Every statement; with ``top_only`` those that run at import, so not the bodies of functions."""
    for child in ast.iter_child_nodes(tree):
        if _type_checking(child):
            continue
        yield child
        if top_only and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield from _statements(child, top_only=top_only)


@cache
def imports(name: str, *, top_only: bool = False) -> frozenset[str]:
    """Names that a module imports: ours as known modules, others as their first part.

    A text ``"package.module:attribute"`` counts too: tables name what is imported when first used.
    """
    path = modules()[name]
    found: set[str] = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _statements(ast.parse(path.read_text("utf-8")), top_only=top_only):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not top_only:
            place, colon, attribute = node.value.partition(":")
            if colon and attribute.isidentifier() and place in modules():
                found.add(place)
    known = {_known(entry) for entry in found}
    return frozenset(entry for entry in known if entry and entry != name)


def _known(name: str) -> str:
    """The longest known module that a dotted name lies in, or the first part of a foreign one."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return parts[0]
    while parts and ".".join(parts) not in modules():
        parts.pop()
    return ".".join(parts)


def reach(name: str, *, top_only: bool = False) -> dict[str, tuple[str, ...]]:
    """Everything a module imports, itself or through others of ours, with the way there.

    Importing ``a.b.c`` runs ``a`` with ``a.b`` too, so parents are on the way.
    """
    ways: dict[str, tuple[str, ...]] = {name: (name,)}
    queue = [name]
    while queue:
        here = queue.pop(0)
        if here not in modules():
            continue
        nexts = set(imports(here, top_only=top_only))
        for entry in (*nexts, here):
            parts = entry.split(".")
            if parts[0] in PACKAGES:
                nexts.update(".".join(parts[:k]) for k in range(1, len(parts)))
        for entry in sorted(nexts):
            if entry not in ways:
                ways[entry] = (*ways[here], entry)
                queue.append(entry)
    return ways


def assert_cannot_reach(start: str, forbidden: set[str], *, top_only: bool = False) -> None:
    for entry, way in reach(start, top_only=top_only).items():
        parts = entry.split(".")
        prefixes = {".".join(parts[:k]) for k in range(1, len(parts) + 1)}
        assert not prefixes & forbidden, f"{start} must not reach {entry}, but: {' -> '.join(way)}"


def inside(*prefixes: str) -> list[str]:
    found = [m for m in modules() if any(m == p or m.startswith(p + ".") for p in prefixes)]
    assert found, f"no module lies in {prefixes}"
    return found


@pytest.mark.parametrize("name", inside("craft_envs"))
def test_worlds_know_no_models_no_skills_no_trainer(name: str) -> None:
    assert_cannot_reach(name, LEARNING | {"craft_skills", "craft_rl", "craft_servers", "flask"})


@pytest.mark.parametrize("name", inside("craft_skills"))
def test_skills_know_no_models_no_worlds_no_trainer(name: str) -> None:
    assert_cannot_reach(name, LEARNING | {"craft_envs", "craft_rl", "craft_servers", "gymnasium"})


@pytest.mark.parametrize("name", inside("craft_servers"))
def test_servers_know_no_trainer(name: str) -> None:
    assert_cannot_reach(name, {"craft_rl", "craft_skills"})


@pytest.mark.parametrize("name", inside("craft_rl.evaluate", "craft_rl.agent", "craft_rl.rollout"))
def test_evaluation_cannot_reach_skills(name: str) -> None:
    assert_cannot_reach(name, {"craft_skills", "craft_rl.teacher"})


SKILL_READERS = {"craft_rl.bank", "craft_rl.teacher", "craft_rl.skilled", "craft_rl.commands.skills"}
"""The bank that a training reads, the teacher, the declared prompts with skills, the command."""


def test_evaluating_reaches_skills_only_where_prompts_with_skills_are_declared() -> None:
    """``craft eval`` imports what reads skills in the branch of ``--with-skills`` alone."""
    assert_cannot_reach("craft_rl.commands.eval", {"craft_skills", "craft_rl.skilled"}, top_only=True)
    tree = ast.parse(modules()["craft_rl.commands.eval"].read_text("utf-8"))
    functions = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
    assert [f.name for f in functions if "craft_rl.skilled" in ast.unparse(f)] == ["_preface"]


def test_only_the_teacher_with_declared_prompts_imports_skills() -> None:
    readers = {
        name for name in inside("craft_rl") if any(i.startswith("craft_skills") for i in imports(name))
    }
    assert readers <= SKILL_READERS


_STDLIB = set(sys.stdlib_module_names)
_MATHEMATICS = ("craft_rl.advantage", "craft_rl.credit", "craft_rl.loss")


@pytest.mark.parametrize(
    "name",
    inside(*_MATHEMATICS),
)
def test_the_mathematics_knows_torch_with_the_types_alone(name: str) -> None:
    foreign = {
        entry
        for entry in imports(name)
        if entry.partition(".")[0] not in _STDLIB
        and entry not in ("torch", "numpy", "craft_rl", "craft_rl.types", "craft_envs.errors", "craft_envs")
        and not entry.startswith(_MATHEMATICS)
    }
    assert not foreign, f"{name} imports {sorted(foreign)}"


@pytest.mark.parametrize("library", ["transformers", "vllm"])
def test_model_libraries_stay_in_their_rooms(library: str) -> None:
    users = {name for name in inside("craft_rl") if library in imports(name)}
    allowed = set(inside("craft_rl.engine", "craft_rl.models"))
    assert users <= allowed, f"{sorted(users - allowed)} import {library}"


def test_the_program_starts_without_torch() -> None:
    light = ["craft_rl", "craft_rl.cli", "craft_rl.types"]
    light += [f"craft_rl.commands.{name}" for name in ("data", "doctor", "bench", "eval", "compare")]
    for name in light:
        assert_cannot_reach(name, {"torch", "transformers", "matplotlib", "tensorboard"}, top_only=True)


def test_importing_worlds_loads_nothing_heavy() -> None:
    program = "import sys, craft_envs; print(' '.join(sys.modules))"
    heavy = LEARNING | {
        "java",
        "jnius",
        "pyserini",
        "flask",
        "httpx2",
        "textworld",
        "alfworld",
        "rich",
        "tyro",
    }
    path = f"import sys; sys.path[:0] = {[str(ROOT)]!r};"
    done = subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "craft_envs" in loaded and not loaded & heavy


def test_the_walk_follows_every_kind_of_import() -> None:
    """The tests above could pass by seeing nothing; these are known to be there."""
    assert "craft_envs.core" in imports("craft_envs")
    assert "httpx2" in reach("craft_envs.data") and "httpx2" not in reach("craft_envs.data", top_only=True)
    assert "craft_envs.alfworld.oracle" in reach("craft_envs.registration")  # named by a table only
    assert "torch" in reach("craft_rl.commands.train") and "gymnasium" in reach("craft_rl.evaluate")
    with pytest.raises(AssertionError, match=r"craft_rl\.commands\.train -> "):
        assert_cannot_reach("craft_rl.commands.train", {"torch"})
