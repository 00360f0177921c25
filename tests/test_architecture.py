"""The floors of the house: who may import whom."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up: a package imports itself and what stands before it. ``errors``, ``_build`` and ``_C`` carry all.
FLOORS = (
    "io",
    "viz",
    "data",
    "ops",
    "nn",
    "plugin",
    "inference",
    "cluster",
    "training",
    "evaluation",
    "demo",
    "web",
    "cli",
)
GROUND = {"errors", "_build", "_C"}
LOOSE = {"__init__", "__main__", "_build", "errors", "testing"}
FILES = sorted((ROOT / "inpaintx").rglob("*.py"))
# What a plugin may use: the door, the rooms that methods are built from, and what draws, not the loops nor the command
# line.
PUBLIC = {"data", "demo", "errors", "io", "nn", "ops", "plugin", "testing", "inference", "viz"}


def module(path):
    """The dotted name of a file under the root."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path, typing=True):
    """The modules of inpaintx that a file imports anywhere; without those under TYPE_CHECKING if ``typing`` is off."""
    tree = ast.parse(path.read_text())
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {target(node.module, alias.name) for alias in node.names}
    return {name for name in found if name.split(".")[0] == "inpaintx"}


def target(package, name):
    """The module that ``from package import name`` loads."""
    place = ROOT.joinpath(*package.split("."))
    return f"{package}.{name}" if (place / f"{name}.py").exists() or (place / name).is_dir() else package


def room(name):
    """The package of inpaintx that a module is of."""
    return name.split(".")[1] if "." in name else ""


def test_no_module_lies_loose():
    assert {path.stem for path in (ROOT / "inpaintx").glob("*.py")} == LOOSE
    assert {path.name for path in (ROOT / "inpaintx").iterdir() if (path / "__init__.py").exists()} == set(FLOORS) | {
        "benchmark"
    }


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_package_imports_only_what_lies_below_it(path):
    here = room(module(path))
    if here not in FLOORS:
        return  # the door (__init__), testing, benchmark
    allowed = set(FLOORS[: FLOORS.index(here) + 1]) | GROUND | ({"testing"} if here == "cli" else set())
    upward = {name for name in imports(path) if room(name) not in allowed and name != "inpaintx"}
    assert not upward


def test_no_files_import_each_other_in_a_circle():
    graph = {module(path): imports(path, typing=False) - {"inpaintx"} for path in FILES if module(path) != "inpaintx"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_plugins_come_in_by_the_public_door(path):
    assert not {name for name in imports(path) if room(name) not in PUBLIC | {""}}


@pytest.mark.parametrize("folder", sorted(p for p in (ROOT / "plugins").iterdir() if p.is_dir()), ids=lambda p: p.name)
def test_a_plugin_has_no_circle(folder):
    graph = {}
    for path in folder.glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        graph[path.stem] = {
            name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.level == 1
            for name in ([node.module] if node.module else [alias.name for alias in node.names])
        }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{folder.name}: {' -> '.join(error.args[1])}")


def test_opencv_is_imported_in_one_place():
    def uses_cv2(path):
        nodes = ast.walk(ast.parse(path.read_text()))
        names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
        return "cv2" in names

    assert [module(path) for path in [*FILES, *(ROOT / "plugins").rglob("*.py")] if uses_cv2(path)] == [
        "inpaintx.io.opencv"
    ]
