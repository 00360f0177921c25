"""The site: it builds without a warning, its reference has every public name, its pages and notebooks run."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

import inpaintx
from inpaintx.cli import make_app
from inpaintx.cli.ray import spell_address

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDED = [
    *PAGES,
    *ROOT.glob("plugins/*/README.md"),
    ROOT / "weights/README.md",
    ROOT / "docs/example_plugin/README.md",
]
RUN = [page for page in PAGES if "```python" in page.read_text()]


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site without what runs code, built with warnings as errors."""
    pytest.importorskip("sphinx")
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-c",
        "docs",
        "-d",
        out / "doctrees",
        ".",
        out,
    ]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "DOCS_RUN": "0"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def objects_of(site):
    """What the reference describes, by name; the objects themselves, too, as one may stand there under another name."""
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    names = {name for kind, entries in inventory.items() if kind.startswith("py:") for name in entries}
    found = set()
    for name in names:
        module, _, last = name.rpartition(".")
        if module in sys.modules and hasattr(sys.modules[module], last):
            found.add(id(getattr(sys.modules[module], last)))
    return names, found


@pytest.mark.slow
def test_it_builds_and_its_reference_has_every_public_name(site):
    assert (site / "index.html").exists()
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.rst"))
    modules = re.findall(r"^\.\. automodule:: (\S+)\n(?!   :no-members:)", pages, re.M)
    assert {"inpaintx.ops", "inpaintx.testing", "inpaintx.benchmark", "inpaintx.nn.losses"} <= set(modules)
    public = [(m, name) for m in map(importlib.import_module, ("inpaintx", *modules)) for name in m.__all__]
    names, found = objects_of(site)
    submodules = {("inpaintx", "ops"), ("inpaintx", "testing")}
    missing = [
        f"{module.__name__}.{name}"
        for module, name in public
        if f"{module.__name__}.{name}" not in names
        and id(getattr(module, name)) not in found
        and (module.__name__, name) not in submodules
    ]
    assert not missing


def test_the_reference_has_the_modules_that_plugins_import():
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "api").glob("*.rst"))
    described = set(re.findall(r"^\.\. automodule:: (\S+)", pages, re.M)) | {"inpaintx", "inpaintx.errors"}
    sources = [path.read_text() for path in (ROOT / "plugins").rglob("*.py")]
    imported = {name for source in sources for name in re.findall(r"^\s*from (inpaintx\S*) import", source, re.M)}
    of_ops = {name for name in imported if name.startswith("inpaintx.ops.")}
    elsewhere = {"inpaintx.plugin", "inpaintx.plugin.method"}  # names of these stand in the page of inpaintx
    assert not imported - described - of_ops - elsewhere


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """What the pages take for granted: a photo, a mask and faces as files, and tensors of them."""
    monkeypatch.chdir(tmp_path)
    photo = cv2.imread(str(files("inpaintx") / "demo" / "eileen_collins.png"))[20:260, 110:350]
    photo = cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA)
    hole = np.zeros((96, 96), np.uint8)
    hole[40:60, 30:50] = 255
    cv2.imwrite("photo.jpg", photo)
    cv2.imwrite("mask.png", hole)
    image = torch.from_numpy(photo[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    mask = torch.from_numpy(hole)[None, None] / 255
    return {
        "inpaintx": inpaintx, "torch": torch, "image": image, "mask": mask, "photos": [("photo.jpg", "mask.png")],
        "x": image, "weight": torch.rand(4, 3, 3, 3), "bias": torch.zeros(4),
    }  # fmt: skip


@pytest.mark.parametrize("page", RUN, ids=relative)
def test_a_page_runs(page, desk):
    document = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()]).parse(page)
    document.namespace.update(desk)
    if page.name == "data.md":
        for i in range(4):
            Path("faces/train").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(f"faces/train/{i}.png", cv2.imread("photo.jpg"))
    for example in document.examples():
        example.evaluate()


@pytest.mark.slow
def test_the_page_of_ops_in_two_processes(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "ops.md").read_text(), re.S)
    [script] = [block for block in blocks if "init_process_group" in block]
    (tmp_path / "ddp.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "ddp.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "the weights are equal in 2 processes" in done.stdout, done.stderr


def commands(page):
    """The command lines of a page that call inpaintx, in fences and in indented blocks."""
    fenced = False
    for line in page.read_text().replace("\\\n", " ").splitlines():
        fenced ^= line.startswith("```")
        match = re.match(r"(?:    |pip install .*&& )?(?:\.venv/bin/)?inpaintx (.*)", line)
        if match and (fenced or line.startswith("    ")):
            yield re.split(r"\s#|\s[<>]\s|&&", match[1])[0].strip()


@pytest.mark.parametrize("page", COMMANDED, ids=relative)
def test_commands_of_a_page_have_the_options_that_it_gives_them(page):
    group = typer.main.get_command(make_app())
    for line in commands(page):
        words, command = spell_address(shlex.split(line)), group
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        if "..." not in words and not {"-h", "--help", "--version"} & set(words):
            command.make_context(line, words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_has_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
