"""inpaintx new-plugin: what it writes works as it is."""

import importlib.util
import subprocess
import sys

import pytest

import inpaintx
from inpaintx.cli import run
from inpaintx.testing import check_method


def module_of(folder, name):
    spec = importlib.util.spec_from_file_location(f"inpaintx_{name}", folder / f"inpaintx_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("flags", [[], ["--trained"]])
def test_it_keeps_the_contract_and_is_installed(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["new-plugin", "soft_fill", *flags]) == 0
    assert "wrote inpaintx-soft-fill" in capsys.readouterr().out
    folder = tmp_path / "inpaintx-soft-fill"
    assert {p.name for p in folder.iterdir()} == {
        "README.md", "inpaintx_soft_fill.py", "pyproject.toml", "test_soft_fill.py",
    }  # fmt: skip
    assert not [p for p in folder.iterdir() if "$" in p.read_text()]
    method = module_of(folder, "soft_fill").SoftFill
    check_method(method)
    assert bool(method.is_trainable()) == bool(flags)
    pytest.importorskip("ruff")  # of the extra [dev]
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,I,D1", "--line-length", "120", "."]
    done = subprocess.run([*ruff, "--ignore", "D105,D107"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_method_is_trained(tmp_path, toy_faces):
    assert run(["new-plugin", "soft_fill", "--trained", "-o", str(tmp_path / "p")]) == 0
    method = module_of(tmp_path / "p", "soft_fill").SoftFill()
    options = {"size": 32, "width": 4, "batch_size": 2}
    inpaintx.train(method, toy_faces, tmp_path / "run", preset="tiny", steps=2, options=options)
    exported = inpaintx.export(tmp_path / "run", tmp_path / "w.safetensors", method=method)
    assert exported.path.is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("telea", "exists already"),
        ("Soft", "letters a-z"),
        ("a-b", "letters a-z"),
        ("class", "letters a-z"),
    ],
)
def test_names_that_cannot_be(name, words, tmp_path, capsys):
    assert run(["new-plugin", name, "-o", str(tmp_path / "p")]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "p").mkdir()
    assert run(["new-plugin", "soft_fill", "-o", str(tmp_path / "p")]) == 2
    assert "exists" in capsys.readouterr().err
    assert not list((tmp_path / "p").iterdir())
