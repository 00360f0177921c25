"""The workflows do what make does: each step that builds or tests is one of its targets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} == {"test", "wheels", "docs", "benchmark"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_is_a_target(path):
    called = [word for words in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", path.read_text()) for word in words.split()]
    assert called
    assert set(called) <= TARGETS
