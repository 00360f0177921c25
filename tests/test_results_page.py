"""docs/RESULTS.md is written from a result folder: its tables, the budgets, and a section for each paper."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from small_evaluation import SMALL

from inpaintx import evaluate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The module docs/results.py, at work in a copy of what it reads and writes."""
    for folder in ("docs/results", "tests/acceptance/results"):
        shutil.copytree(ROOT / folder, tmp_path / "tree" / folder)
    for readme in ROOT.glob("plugins/*/README.md"):
        target = tmp_path / "tree" / readme.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copyfile(readme, target)
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("results_page", ROOT / "docs" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for one in (module, module.beside):
        monkeypatch.setattr(one, "DOCS", tmp_path / "tree" / "docs")
    monkeypatch.setattr(module, "TRAINED", tmp_path / "tree" / "tests" / "acceptance" / "results")
    yield module
    sys.modules.pop("beside", None)


@pytest.mark.usefixtures("toys")
def test_the_page_of_a_result(page, five_faces, tmp_path):
    methods = ["telea", "pdgan=dice", "pdgan_printed=pasted", "foreground=telea"]
    evaluate(five_faces, methods, "out", **SMALL | {"masks": ["centre", "bins:strokes"]})
    page.main(Path("out"), "a note of its own")
    text = (tmp_path / "tree" / "docs" / "RESULTS.md").read_text()
    assert "5 images at 32 x 32" in text
    assert "- a note of its own" in text
    for heading in ("Hole PSNR in dB", "Difference to Telea", "SSIM of the whole", "Sharpness of the hole"):
        assert f"## {heading}" in text
    assert "Distance from the truth" not in text  # no features were given
    assert "**holds**" in text or "**does not hold**" in text
    for title, _, _ in page.PAPERS.values():
        assert f"\n## {title}\n" in text
    assert "<!--" not in text
    rows = [line for line in text.splitlines() if line.startswith("| pdgan less pdgan_printed | hole: psnr |")]
    assert len(rows) == 1
    found = page.Result(Path("out"))
    for group in ("centre", "strokes by hole ratio, all"):
        gap = found.paired("pdgan", "pdgan_printed", "hole/psnr", group)
        expected = found.mean("pdgan", group) - found.mean("pdgan_printed", group)
        assert gap.mean == pytest.approx(expected, abs=1e-3)
        assert gap.low <= gap.mean <= gap.high
        assert f" {page.in_words(gap, 2)} |" in rows[0]


def test_a_heading_is_found_with_its_arrow(page, tmp_path):
    table = "\n## centre\n\n| method | PSNR full ↑ | sharpness →1 |\n|---|---|---|\n| pdgan | 20.10 [19, 21] | 0.8 |\n"
    (tmp_path / "tree" / "docs" / "results" / "table.md").write_text(table)
    assert page.beside.measured("centre") == {"pdgan": {"PSNR full": "20.10", "sharpness": "0.8"}}
