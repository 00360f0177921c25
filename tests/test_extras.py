"""The core does without the extras, and a command that needs one names it."""

import subprocess
import sys
from pathlib import Path

import pytest

from inpaintx.cli import doctor

DEMO = Path(__file__).parents[1] / "inpaintx" / "demo"
EXTRAS = ("lightning_fabric", "tensorboard", "torchmetrics", "matplotlib", "huggingface_hub", "onnx", "gradio", "ray")
EXTRAS += ("pyarrow",)
# An environment without the extras: their modules are not found, wherever they are asked for.
RUN = f"""
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere())
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    try:
        return found(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = find_spec
from inpaintx.cli import run
sys.exit(run(sys.argv[1:]))
"""


def command(*arguments, at):
    return subprocess.run([sys.executable, "-c", RUN, *map(str, arguments)], cwd=at, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("methods",),
        ("inpaint", DEMO / "eileen_collins.png", DEMO / "eileen_collins_mask.png", "-o", "out.png", "--faces", "none"),
        ("check", "telea"),
        ("weights", "list"),
        ("doctor",),
    ],
    ids=lambda a: a[0],
)
def test_the_core_does_without(arguments, tmp_path):
    done = command(*arguments, at=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "pconv", "faces", "-o", "run"), "train"),
        (("evaluate", "faces", "-m", "telea", "-o", "table"), "eval"),
        (("weights", "get", "hf://owner/repo/w.safetensors", "-o", "w.safetensors"), "hub"),
        (("web",), "web"),
        (("inpaint", "photos", "masks", "-o", "out", "--ray"), "ray"),
        (("evaluate", "faces", "-m", "telea", "-o", "table", "--workers", "2"), "ray"),
        (("prepare", "faces", "-o", "out", "--ray"), "ray"),
    ],
    ids=lambda a: a if isinstance(a, str) else a[0],
)
def test_a_command_names_the_extra_that_it_needs(arguments, extra, tmp_path):
    done = command(*arguments, at=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'inpaintx[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_doctor_names_what_an_extra_lacks(monkeypatch):
    version = doctor.importlib.metadata.version

    def without(package):
        if package in ("tensorboard", "gradio"):
            raise doctor.importlib.metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(doctor.importlib.metadata, "version", without)
    extras = doctor.examine()["extras"]
    assert extras["train"] == "tensorboard missing: pip install 'inpaintx[train]'"
    assert extras["web"] == "gradio missing: pip install 'inpaintx[web]'"
    assert extras["eval"] == "installed"
    assert {"train", "eval", "faces", "hub", "onnx", "web", "ray"} <= extras.keys()
    assert not {"all", "dev", "test", "bench"} & extras.keys()
