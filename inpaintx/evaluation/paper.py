"""A result in the forms that papers take: a table for spreadsheets, LaTeX, and a plot in vectors."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from inpaintx.viz.plots import Panel

__all__ = ["further_measures", "latex", "plot_pdf", "spreadsheet"]

MEASURES = {  # of the composite: heading, region, metric, digits
    "PSNR (dB)": ("hole", "psnr", 2),
    "SSIM": ("hole", "ssim", 4),
    "MAE": ("hole", "mae", 2),
}
ARROWS = {True: r"\uparrow", False: r"\downarrow", None: r"\to 1"}
BETTER: dict[bool | None, Callable[[float], float]] = {  # more, less, or 1 is best
    True: lambda mean: mean,
    False: lambda mean: -mean,
    None: lambda mean: -abs(mean - 1),
}
SPECIAL = str.maketrans({c: "\\" + c for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"})


def spreadsheet(result: dict[str, Any]) -> str:
    """Every figure of a result (what ``results.json`` holds), a row each, as CSV."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    parts = ("mean", "low", "high")
    table.writerow(
        ["method", "untrained", "group", "output", "region", "metric", *parts, "images"]
        + [f"minus_{result['baseline']}_{part}" for part in parts]
    )
    untrained = {m["label"]: m["untrained"] for m in result["methods"]}
    for row in result["table"]:
        estimate, difference = row["estimate"], row["difference"] or {}
        names = [row["method"], untrained[row["method"]], row["group"], row["output"], row["region"], row["metric"]]
        table.writerow(
            names
            + [_cell(estimate[part]) for part in parts]
            + [estimate["count"]]
            + [_cell(difference.get(part)) for part in parts]
        )
    return out.getvalue()


def latex(result: dict[str, Any]) -> str:
    """The table of a result in LaTeX (package booktabs): the composite's hole and what is measured besides, best means
    in bold."""
    groups = list(dict.fromkeys(row["group"] for row in result["table"]))
    lines = [
        f"% {result['protocol']['images']} images of {_escaped(result['protocol']['data'])}; needs booktabs; "
        "intervals: 95 %, bootstrap over images",
        rf"\begin{{tabular}}{{ll{'r' * len(groups)}}}",
        r"\toprule",
        " & ".join(["", "Method", *map(_escaped, groups)]) + r" \\",
    ]
    for heading, measure in (MEASURES | further_measures(result)).items():
        lines += [r"\midrule", *_block(result, groups, heading, *measure)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def further_measures(result: dict[str, Any]) -> dict[str, tuple[str, str, int]]:
    """By heading, the region, metric and digits of what is measured besides the pixels: features, plugins' metrics."""
    return {
        name: (region, name, 4)
        for region, name in dict.fromkeys((row["region"], row["metric"]) for row in result["table"])
        if name not in ("psnr", "ssim", "mae", "mse") and region != "foreground"
    }


def _block(
    result: dict[str, Any], groups: Sequence[str], heading: str, region: str, metric: str, digits: int
) -> Iterator[str]:
    """The lines of one measure; methods without trained weights take no part in what is best."""
    found = {
        (row["method"], row["group"]): row["estimate"]
        for row in result["table"]
        if (row["output"], row["region"], row["metric"]) == ("composite", region, metric)
    }
    better = BETTER[result["higher_is_better"][metric]]
    trained = [m["label"] for m in result["methods"] if not m["untrained"]]
    best = {
        group: max(means, key=better)
        for group in groups
        if (means := [round(found[m, group]["mean"], digits) for m in trained if (m, group) in found])
    }
    for number, method in enumerate(result["methods"]):
        label = method["label"]
        cells = [_figure(found.get((label, group)), digits, best.get(group), method["untrained"]) for group in groups]
        name = _escaped(label) + (r" \emph{(untrained)}" if method["untrained"] else "")
        first = f"{_escaped(heading)} ${ARROWS[result['higher_is_better'][metric]]}$"
        yield " & ".join(["" if number else first, name, *cells]) + r" \\"


def _figure(estimate: dict[str, Any] | None, digits: int, best: float | None, untrained: bool) -> str:
    if estimate is None:
        return "--"
    text = f"{estimate['mean']:.{digits}f}"
    if not untrained and round(estimate["mean"], digits) == best:
        text = rf"\textbf{{{text}}}"
    if estimate["low"] is None:
        return text
    return rf"{text} {{\scriptsize [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]}}"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\textbackslash ").translate(SPECIAL)


def plot_pdf(panels: Sequence[Panel], *, x_label: str, y_label: str) -> bytes:
    """Draw panels of curves with their intervals by matplotlib, as PDF; the same figures give the same bytes."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        for curve in panel.curves:
            (line,) = axes.plot(curve.x, curve.y, "--o" if curve.dashed else "-o", markersize=3, label=curve.label)
            points = [p for p in zip(curve.x, curve.low, curve.high, strict=True) if p[1] is not None]
            x, low, high = ([p[i] for p in points] for i in range(3))
            axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set_title(panel.title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend(fontsize="x-small")
    out = io.BytesIO()
    canvas: Any = FigureCanvasPdf(figure)
    canvas.print_pdf(out, metadata={"CreationDate": None, "Producer": None, "Creator": "inpaintx"})
    return out.getvalue()
