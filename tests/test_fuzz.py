"""The fuzzers themselves: they know every op, find nothing in a few cases, and report a fault that is planted."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"


def fuzzer(name):
    spec = importlib.util.spec_from_file_location(name, FUZZ / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_registered_op_is_called():
    native = fuzzer("native")
    assert native.registered().keys() == native.FITTING.keys()


@pytest.mark.parametrize("command", ["files.py photos 20", "files.py weights 10"])
def test_a_few_cases_show_no_fault(command):
    name, *arguments = command.split()
    done = subprocess.run([sys.executable, FUZZ / name, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "0 faults" in done.stdout


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: 1, "exit code 1"),
        (lambda: 1 // 0, "ZeroDivisionError"),
        (lambda: 2, "refused without a word"),
        (lambda: print("no such thing: a photo") or Path("part").touch() or 2, r"left: \['part'\]"),
        (lambda: 0, r"files are left: \[\]"),
    ],
)
def test_a_fault_is_seen(tmp_path, monkeypatch, work, words):
    monkeypatch.chdir(tmp_path)
    files = fuzzer("files")
    assert files.fault_of(tmp_path, work, set(), "out.png")
    assert re.search(words, files.fault_of(tmp_path, work, set(), "out.png"))
