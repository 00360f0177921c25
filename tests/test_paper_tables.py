"""A result as CSV, LaTeX and PDF."""

import csv
import io

import pytest
from small_evaluation import SMALL

from inpaintx import evaluate
from inpaintx.evaluation.paper import latex, plot_pdf, spreadsheet
from inpaintx.viz.plots import Curve, Panel


@pytest.fixture
def result(five_faces, toys):
    return evaluate(five_faces, ["telea", "dice", "my_net=learned"], "out", **SMALL).result


def test_every_figure_is_in_the_spreadsheet(result):
    rows = list(csv.DictReader(io.StringIO(spreadsheet(result))))
    assert len(rows) == len(result["table"])
    for row, figure in zip(rows, result["table"], strict=True):
        assert (row["method"], row["group"], row["metric"]) == (figure["method"], figure["group"], figure["metric"])
        assert float(row["mean"]) == pytest.approx(figure["estimate"]["mean"], rel=1e-5)
        assert (row["untrained"] == "True") == (row["method"] == "my_net")


def test_the_best_trained_method_is_bold_in_latex(result):
    text = latex(result)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 1 + 4 * 4  # a head; four measures of four methods
    assert all(line.count("&") == lines[0].count("&") for line in lines)
    assert text.count("{") == text.count("}")
    untrained = [line for line in lines if r"my\_net" in line]
    assert len(untrained) == 4
    assert all(r"\emph{(untrained)}" in line and r"\textbf" not in line for line in untrained)
    psnr = lines[1:5]
    for column in range(2, lines[0].count("&") + 1):
        cells = [line.rstrip("\\ ").split(" & ")[column] for line in psnr[:3]]
        means = [float(cell.replace(r"\textbf{", "").split("}")[0].split(" ")[0]) for cell in cells]
        assert [r"\textbf" in cell for cell in cells] == [mean == max(means) for mean in means]
    assert r"discard 20\%" in lines[0]


def test_lower_errors_are_better(result):
    mae = [line for line in latex(result).split(r"\midrule")[3].splitlines() if line.endswith(r"\\")]
    cells = [line.rstrip("\\ ").split(" & ")[2] for line in mae[:3]]
    means = [float(cell.replace(r"\textbf{", "").split("}")[0].split(" ")[0]) for cell in cells]
    assert [r"\textbf" in cell for cell in cells] == [mean == min(means) for mean in means]


def test_the_plot_is_a_pdf_that_comes_out_the_same():
    panels = [
        Panel("irregular", [Curve("a_b", [5, 15], [20, 19], [19, 18], [21, 20]), Curve("c", [5], [3], [None], [4])])
    ]
    one, other = (plot_pdf(panels, x_label="hole ratio, %", y_label="dB") for _ in range(2))
    assert one.startswith(b"%PDF")
    assert one == other
