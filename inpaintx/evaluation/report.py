"""What a result folder holds: figures as JSON, CSV and Markdown, the frozen list, a gallery and a plot."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inpaintx.evaluation.entries import EntryRecord
from inpaintx.evaluation.features import of_sets
from inpaintx.evaluation.paper import further_measures, latex, plot_pdf, spreadsheet
from inpaintx.evaluation.protocol import Protocol
from inpaintx.evaluation.results import Measured, Row
from inpaintx.evaluation.summary import RESAMPLES, Estimate
from inpaintx.io.photo import write_photo
from inpaintx.nn.metrics import MOST_PSNR
from inpaintx.plugin.metrics import higher_is_better
from inpaintx.viz.contact_sheet import Cell, contact_sheet, show_hole
from inpaintx.viz.plots import Curve, Panel, draw

__all__ = ["FILES", "as_json", "markdown", "write_all"]

FILES = {
    "results.json": "protocol, methods with the SHA-256 of their weights, versions, and every figure",
    "masks.json": "the frozen list: every image and every hole, with digests",
    "images.csv": "the values of each image, for tests of your own",
    "table.md": "the tables",
    "table.csv": "every figure of the tables, a row each",
    "table.tex": "the hole's PSNR, SSIM and MAE, and further metrics, in LaTeX (booktabs), best in bold",
    "gallery.png": "fills side by side; it shows images of the set, whose terms hold for it",
    "psnr_by_hole_ratio.png": "hole PSNR against hole ratio, with 95 % intervals",
    "psnr_by_hole_ratio.pdf": "the same in vectors",
}
COLUMNS = {  # of a group's table: heading, output, region, metric, digits
    "PSNR hole": ("composite", "hole", "psnr", 2),
    "SSIM hole": ("composite", "hole", "ssim", 4),
    "MAE hole": ("composite", "hole", "mae", 2),
    "MSE hole": ("composite", "hole", "mse", 1),
    "PSNR full": ("composite", "full", "psnr", 2),
    "SSIM full": ("composite", "full", "ssim", 4),
    "MAE full": ("composite", "full", "mae", 3),
    "MSE full": ("composite", "full", "mse", 2),
    "raw PSNR full": ("raw", "full", "psnr", 2),
    "raw SSIM full": ("raw", "full", "ssim", 4),
}
ARROWS = {True: "↑", False: "↓", None: "→1"}
FOREGROUND = {
    f"{prefix}{heading}": (output, "foreground", metric, digits)
    for output, prefix in (("composite", ""), ("raw", "raw "))
    for heading, metric, digits in (("PSNR", "psnr", 2), ("SSIM", "ssim", 4), ("MAE", "mae", 3), ("MSE", "mse", 2))
}


def as_json(
    protocol: Protocol,
    records: Sequence[EntryRecord],
    measured: dict[str, Measured],
    rows: Sequence[Row],
    baseline: str,
    environments: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Everything but the list of images and holes, as plain values; NaN is null."""
    speed = {label: _speed(protocol, one) for label, one in measured.items()}
    return {
        "format": "inpaintx evaluation 1",
        "protocol": {
            **protocol.model_dump(mode="json", exclude={"pictures", "holes"}),
            "images": len(protocol.pictures),
            "digest": protocol.digest,
            "psnr_at_most": MOST_PSNR,
            "interval": f"95 %, percentile bootstrap over images, {RESAMPLES} resamples",
            "of_several_samples": "the mean over samples of each measure; features and pictures are of the first",
        },
        "baseline": baseline,
        "methods": [
            {**r.model_dump(mode="json"), "untrained": r.weights == "random", **speed[r.label]} for r in records
        ],
        "environments": list(environments),
        "checks": ["MAE <= RMSE in every row"],
        "higher_is_better": {  # null: 1 is best
            name: None if name == "sharpness" else higher_is_better(name)
            for name in dict.fromkeys(row.metric for row in rows)
        },
        "table": [
            {**asdict(row), "estimate": _plain(row.estimate), "difference": _plain(row.difference)} for row in rows
        ],
    }


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {key: None if math.isnan(value) else value for key, value in asdict(estimate).items()}


def _speed(protocol: Protocol, one: Measured) -> dict[str, Any]:
    fills = len(protocol.pictures) * protocol.samples
    return {
        "images_per_second": fills * len(protocol.groups) / float(one.seconds.sum()),
        "images_per_second_by_group": {
            group.name: fills / float(seconds) for group, seconds in zip(protocol.groups, one.seconds, strict=True)
        },
        "peak_bytes": None if math.isnan(one.peak) else int(one.peak),
    }


def markdown(result: dict[str, Any]) -> str:
    """The tables of a result (as :func:`as_json` gives it)."""
    return "\n".join(_markdown(result)) + "\n"


def _markdown(result: dict[str, Any]) -> Iterator[str]:
    protocol, methods, baseline = result["protocol"], result["methods"], result["baseline"]
    titles = {m["label"]: m["label"] + (" **(untrained)**" if m["untrained"] else "") for m in methods}
    arrows = {metric: ARROWS[more] for metric, more in result["higher_is_better"].items()}
    cells = {(r["method"], r["group"], r["output"], r["region"], r["metric"]): r for r in result["table"]}
    groups = list(dict.fromkeys(r["group"] for r in result["table"]))
    split = f", split {protocol['split']}" if protocol["split"] else ""
    yield f"# Evaluation on {protocol['data']}{split}\n"
    yield (
        f"{protocol['images']} images at {protocol['size']} x {protocol['size']}; seed {protocol['seed']}, "
        f"{protocol['samples']} sample{'s' * (protocol['samples'] > 1)} an image. MSE and MAE on the 0-255 scale, PSNR "
        f'with peak 255, SSIM 11 x 11 Gaussian. Brackets: 95 % bootstrap intervals over images. "vs {baseline}": mean '
        "of the paired differences, image by image. Composite: known pixels are the photo's; raw: the method's own "
        "output everywhere. Sharpness: differences of neighbours in the hole, as a share of the truth's. ↑: more is "
        "better, ↓: less is, →1: 1 is. MAE <= RMSE was checked in every row.\n"
    )
    if any(m["untrained"] for m in methods):
        yield "**(untrained)**: random weights; these fills mean nothing until the method is trained.\n"
    for note in protocol["notes"]:
        yield f"- {note}"
    for name, network in protocol["features"].items():
        yield f"- {name}: {network}"
    yield "\n## Hole PSNR in dB\n"
    yield from _table(
        ["method", *groups],
        ([titles[m], *(_figure(cells.get((m, g, "composite", "hole", "psnr")), 2) for g in groups)] for m in titles),
    )
    further = {name: ("composite", *measure) for name, measure in further_measures(result).items()}
    for group in groups:
        yield f"\n## {group}\n"
        yield from _group_table(cells, titles, arrows, group, baseline, {**COLUMNS, **further})
    if protocol["foreground"]:
        distance = of_sets(protocol["features"])
        columns = FOREGROUND | ({distance: ("composite", "foreground", distance, 2)} if distance else {})
        for group in groups:
            yield f"\n## Foreground ({protocol['foreground']}): {group}\n"
            yield from _group_table(cells, titles, arrows, group, baseline, columns)
    yield "\n## Speed and weights\n"
    yield from _table(
        ["method", "images/s", "peak memory, MiB", "filled at", "blend", "preset", "weights", "SHA-256"],
        (
            [
                titles[m["label"]],
                f"{m['images_per_second']:.3g}",
                "-" if m["peak_bytes"] is None else f"{m['peak_bytes'] / 2**20:.0f}",
                str(m["side"] or protocol["size"]),
                m["blend"],
                m["preset"],
                m["weights"],
                (m["sha256"] or "-")[:12],
            ]
            for m in methods
        ),
    )
    devices = sorted({f"{e['device']} (threads: {e['threads']}, torch {e['torch']})" for e in result["environments"]})
    yield (
        f"\nMeasured on {'; '.join(devices)}, the fill alone, in batches of {protocol['batch']}. Peak memory: of the "
        "GPU's allocator, or on a CPU of the whole process, libraries included."
    )


def _group_table(
    cells: dict[Any, Any],
    titles: dict[str, str],
    arrows: dict[str, str],
    group: str,
    baseline: str,
    columns: dict[str, tuple[Any, ...]],
) -> Iterator[str]:
    there = {h: c for h, c in columns.items() if any((m, group, *c[:3]) in cells for m in titles)}
    if not there:
        yield "No hole touches it."
        return
    first, (output, region, metric, digits) = next(iter(there.items()))
    rows = []
    for m, title in titles.items():
        row = cells.get((m, group, output, region, metric))
        against = row and row["difference"] and {"estimate": row["difference"]}
        others = (_figure(cells.get((m, group, *c[:3])), c[3]) for c in list(there.values())[1:])
        rows.append([title, _figure(row, digits), _figure(against, digits, sign="+"), *others])
    head = [f"{h} {arrows[c[2]]}" for h, c in there.items()]
    yield from _table(["method", head[0], f"{first} vs {baseline}", *head[1:]], rows)


def _figure(row: dict[str, Any] | None, digits: int, sign: str = "") -> str:
    if not row:
        return "-"
    e = row["estimate"]
    bounds = "" if e["low"] is None else f" [{e['low']:{sign}.{digits}f}, {e['high']:{sign}.{digits}f}]"
    return f"{e['mean']:{sign}.{digits}f}{bounds}"


def _table(head: list[str], rows: Any) -> Iterator[str]:
    first, *further = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows))
    yield from (first, "|" + "---|" * len(head), *further)


def write_all(
    folder: Path,
    protocol: Protocol,
    records: Sequence[EntryRecord],
    measured: dict[str, Measured],
    result: dict[str, Any],
    *,
    gallery: bool,
) -> None:
    """Write the files of :data:`FILES` into a folder."""
    result["files"] = {name: what for name, what in FILES.items() if gallery or name != "gallery.png"}
    (folder / "results.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    listed = protocol.model_dump(mode="json", include={"pictures", "groups", "holes"})
    (folder / "masks.json").write_text(json.dumps(listed, allow_nan=False) + "\n")
    (folder / "images.csv").write_text(_csv(protocol, measured), encoding="utf-8")
    (folder / "table.md").write_text(markdown(result), encoding="utf-8")
    (folder / "table.csv").write_text(spreadsheet(result), encoding="utf-8")
    (folder / "table.tex").write_text(latex(result), encoding="utf-8")
    panels, labels = (
        _panels(protocol, records, result["table"]),
        {"x_label": "hole ratio, %", "y_label": "hole PSNR, dB"},
    )
    write_photo(folder / "psnr_by_hole_ratio.png", draw(panels, **labels))
    (folder / "psnr_by_hole_ratio.pdf").write_bytes(plot_pdf(panels, **labels))
    if gallery:
        write_photo(folder / "gallery.png", _gallery(protocol, records, measured))


def _csv(protocol: Protocol, measured: dict[str, Measured]) -> str:
    """A row a method, kind of hole and image; an empty cell: not defined there."""
    out = io.StringIO()
    keys = sorted({key for one in measured.values() for key in one.values})
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["method", "group", "image", "hole_ratio", *keys])
    for label, one in measured.items():
        for g, group in enumerate(protocol.groups):
            for n, picture in enumerate(protocol.pictures):
                values = (one.values[key][g, n] if key in one.values else math.nan for key in keys)
                figures = ("" if math.isnan(value) else f"{value:.6g}" for value in values)
                table.writerow([label, group.name, picture.name, f"{protocol.holes[g][n].ratio:.4f}", *figures])
    return out.getvalue()


def _panels(protocol: Protocol, records: Sequence[EntryRecord], rows: list[dict[str, Any]]) -> list[Panel]:
    found = {(r["method"], r["group"]): r["estimate"] for r in rows if _is_hole_psnr(r)}
    panels = []
    for family in dict.fromkeys(group.family for group in protocol.groups):
        members = [(i, group.name) for i, group in enumerate(protocol.groups) if group.family == family]
        x = [100 * sum(h.ratio for h in protocol.holes[i]) / len(protocol.pictures) for i, _ in members]
        curves = []
        for record in records:
            points = [found[record.label, name] for _, name in members]
            y, low, high = ([p[key] for p in points] for key in ("mean", "low", "high"))
            curves.append(Curve(record.title, x, y, low, high, dashed=record.weights == "random"))
        panels.append(Panel(family, curves))
    return panels


def _is_hole_psnr(row: dict[str, Any]) -> bool:
    return bool((row["output"], row["region"], row["metric"]) == ("composite", "hole", "psnr"))


def _gallery(protocol: Protocol, records: Sequence[EntryRecord], measured: dict[str, Measured]) -> Any:
    sheet = []
    for g, group in enumerate(protocol.groups):
        n = protocol.shown(g)
        _, truth, hole = measured[records[0].label].pictures[g]
        row = [Cell(show_hole(truth, hole), [group.name, f"hole {hole.mean():.1%}"])]
        for record in records:
            psnr = measured[record.label].values["composite/hole/psnr"][g, n]
            row.append(Cell(measured[record.label].pictures[g][0], [record.title, f"{psnr:.2f} dB"]))
        sheet.append([*row, Cell(truth, ["truth"])])
    title = f"Images of {protocol.data}: its terms hold for this picture. Do not publish it unless they allow that."
    return contact_sheet(sheet, tile=max(128, protocol.size), title=title)
