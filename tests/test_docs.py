"""Examples in docstrings run, and the documents name only what exists."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch

import inpaintx

ROOT = Path(__file__).parents[1]
MODULES = [
    m.name for m in pkgutil.walk_packages(inpaintx.__path__, "inpaintx.") if not m.name.endswith(("_C", "__main__"))
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    if name.endswith("_triton"):
        pytest.importorskip("triton")
    module = importlib.import_module(name)
    if "inpaintx.ops" in name or name in ("inpaintx.inference.pipeline", "inpaintx.testing"):
        torch.manual_seed(0)
    result = doctest.testmod(module, extraglobs={"torch": torch, "inpaintx": inpaintx})
    assert result.failed == 0


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("inpaintx.ops.")])
def test_a_module_is_not_hidden_by_a_function_of_its_name(name):
    module = importlib.import_module(name)
    parent, _, last = name.rpartition(".")
    assert getattr(importlib.import_module(parent), last) is module


def test_every_public_op_has_an_example():
    lacking = [
        name
        for name in inpaintx.ops.__all__
        if name[0].islower() and not name.endswith("_ref") and ">>>" not in (getattr(inpaintx.ops, name).__doc__ or "")
    ]
    assert not lacking


def test_documents_name_every_method_and_op():
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)`", readme, re.M))
    ours = {n for n in inpaintx.methods() if inpaintx.plugin.registry.registry().plugin_of(n).package == "inpaintx"}
    assert ours <= listed
    functions = [n for n in inpaintx.ops.__all__ if n[0].islower() and not n.endswith("_ref")]
    page = (ROOT / "docs" / "ops.md").read_text()
    assert not [n for n in functions if not re.search(rf"`(inpaintx\.ops\.)?{n}`", page)]


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "weights/README.md",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md")),
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("plugins/*/README.md")),
    ],
)
def test_links_lead_somewhere(document):
    path = ROOT / document
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#:]+)\)", prose)
    assert not [link for link in links if not (path.parent / link).exists()]
