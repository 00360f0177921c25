"""docs/papers.md: every row says where, and whether it is right; every file and name in it is there."""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "papers.md").read_text()
PAPERS = dict(re.findall(r"^## (\d{3}): .*?\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def rows(text):
    """The cells of each row below a table's head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def names(path):
    """Functions, classes, methods and variables of a Python file."""
    found = set()

    def visit(body, prefix):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{node.name}.")
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(target.id for target in targets if isinstance(target, ast.Name))

    visit(ast.parse((ROOT / path).read_text()).body, "")
    return found


def test_all_five_are_there():
    assert list(PAPERS) == ["000", "001", "002", "003", "004"]


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_no_row_is_empty(paper):
    assert len(rows(PAPERS[paper])) >= 30
    for row in rows(PAPERS[paper]):
        assert len(row) == 3, row
        assert all(row), row
        assert re.fullmatch(r"right(: .+)?|(departs|not done): .+", row[2]), row


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_references_lead_somewhere(paper):
    for statement, where, _ in rows(PAPERS[paper]):
        references = re.findall(r"`([^`]+)`", where)
        assert references, statement
        assert re.sub(r"`[^`]+`", "", where).strip(", ") == "", statement
        for reference in references:
            path, _, name = reference.partition("::")
            assert (ROOT / path).is_file(), reference
            assert not name or name in names(path), reference


def beside():
    """The script that writes our figures beside the papers'."""
    spec = importlib.util.spec_from_file_location("beside", ROOT / "docs" / "beside.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("plugin", ["pdgan", "hog_guided", "pix2pix_attention", "foreground"])
def test_figures_beside_the_papers_are_those_of_the_results(plugin):
    """If this fails, docs/results/table.md has changed: run ``python docs/beside.py``."""
    text = (ROOT / "plugins" / plugin / "README.md").read_text()
    assert beside().updated(text) == text
    for mark in re.findall("<!-- ours: (.+): ", text):
        assert {"pdgan", "foreground", "hog_guided"} <= set(beside().measured(mark)), mark
    stale = re.sub(r"(\| ours, `\w+`[^|]*\|) [^|]+", r"\1 0.5 ", text)
    assert stale != text
    assert beside().updated(stale) == text


def test_a_missing_name_would_be_found():
    assert "spd_map" in names("inpaintx/ops/spd_map.py")
    assert "spd_mop" not in names("inpaintx/ops/spd_map.py")
