"""docs/RESULTS.md from a result folder: ``python docs/results.py RESULT [NOTE ...]``.

RESULT is what ``inpaintx evaluate`` wrote on the test split with ``--baseline telea``; its tables and its plot go to
docs/results/, and the figures beside the papers' into the READMEs of plugins.
"""

import json
import shutil
import sys
from pathlib import Path

import beside

from inpaintx.evaluation.report import markdown
from inpaintx.training.begin import seen_in

DOCS = Path(__file__).parent
TRAINED = DOCS.parent / "tests" / "acceptance" / "results"
CLASSICAL = ("mean_colour", "ns", "telea", "harmonic", "tv", "patchmatch", "efros_leung")
SEARCHES = ("yeh", "qiang")
NAMES = {  # labels of PD-GAN's paper's order
    "pdgan": "improved PD-GAN",
    "pdgan_printed": "PD-GAN as printed",
    "pdgan_prior": "their prior (the PConv of their papers)",
    "pconv_prior": "the best network of partial convolutions",
}
PAIRS = (
    ("pdgan", "pdgan_printed"),
    ("pdgan_printed", "pdgan_prior"),
    ("pdgan", "pdgan_prior"),
    ("pdgan", "pconv_prior"),
)
PAPERS = """\
## The papers' own tables

None of them can be compared with the figures above: other faces, other holes, other measures.

- **Shi, Wang and Zhang** (improved PD-GAN), PSNR / SSIM: PConv 21.35 / 0.9307, PD-GAN 22.44 / 0.9448, FAN only
  22.77 / 0.9390, mask only 23.43 / 0.9562, full 24.02 / 0.9593. CelebAMask-HQ at 256², measured on the images and
  masks of training; which SSIM is not stated.
- **Qiang et al.**, PSNR / SSIM with 20, 40, 60, 80 % of the pixels discarded: Yeh 19.87 / .9517, 19.02 / .8975,
  18.26 / .8547, 15.80 / .7823; Qiang 20.06 / .9533, 19.98 / .9089, 19.88 / .8892, 19.74 / .8461. CelebA at 64²; the
  PSNR hardly depends on the hole, so it is not of the composite.
- **Talluri, Pasumarthy and Konda** (Pix2Pix with attention): 21.57 / 0.889, for white squares of unstated size.
- **Jam et al.** (foreground-guided), in the foreground: PConv 29.24 / .87, gated convolution 35.33 / .95, theirs
  37.38 / .96. CelebA-HQ at 256², QuickDraw holes of 1 to 60 %.
- **Salem** (HOG-guided): pictures only.
"""


def budget(weights: str) -> str:
    """Images that published weights have seen, by the name of their file."""
    path = next((DOCS.parent / "plugins").glob(f"*/{weights}"), None)
    if path is None or path.suffix != ".safetensors":
        return ""
    seen = seen_in(path)
    return f"{seen.total:,}" if seen.whole else f"≥ {seen.total:,}"


def main(folder: Path, *notes: str) -> None:
    """Write docs/RESULTS.md; notes are added to the result's own."""
    result = json.loads((folder / "results.json").read_text())
    table = {(r["method"], r["group"], r["output"], r["region"], r["metric"]): r for r in result["table"]}
    groups = list(dict.fromkeys(r["group"] for r in result["table"]))
    methods = [m["label"] for m in result["methods"]]

    def value(method, group, metric="psnr", region="hole"):
        return table[method, group, "composite", region, metric]

    def mean(row):
        return row["estimate"]["mean"]

    def interval(row, digits, sign=""):
        e = row.get("estimate", row)
        return f"{e['mean']:{sign}.{digits}f} [{e['low']:{sign}.{digits}f}, {e['high']:{sign}.{digits}f}]"

    def grid(cell):
        yield "| method | " + " | ".join(groups) + " |"
        yield "|---" * (len(groups) + 1) + "|"
        for method in methods:
            yield f"| {method} | " + " | ".join(cell(method, group) for group in groups) + " |"

    def difference(method, group):
        row = value(method, group)["difference"]
        return interval(row, 2, "+") if row else "-"

    protocol = result["protocol"]
    lines = [
        "# Results on faces that no training has seen",
        "",
        "Written by `python docs/results.py` from a result of `inpaintx evaluate`; all of its tables are in",
        "[results/table.md](results/table.md). The images may not be shown here: research use only.",
        "",
        f"{protocol['images']} images at {protocol['size']} x {protocol['size']}, one hole of each kind for each; "
        "brackets are 95 % bootstrap intervals over images.",
        "",
        *(f"- {note}" for note in (*protocol["notes"], *notes)),
        "",
        "![Hole PSNR against hole ratio](results/psnr_by_hole_ratio.png)",
        "",
        "## Hole PSNR in dB",
        "",
        *grid(lambda m, g: f"{mean(value(m, g)):.2f}"),
        "",
        "## Difference to Telea, image by image, in dB",
        "",
        *grid(difference),
        "",
        "## SSIM of the whole composite",
        "",
        *grid(lambda m, g: f"{mean(value(m, g, 'ssim', 'full')):.4f}"),
        "",
        "## Weights and speed",
        "",
        "Images seen: in training, with those of earlier runs; ≥: of the last run alone, where the file says no more.",
        "",
        "| method | weights | images seen | trained at | blend | images/s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {m['label']} | {m['weights']} {(m['sha256'] or '')[:12]} | {budget(m['weights'])} | "
            f"{m['side'] or m['options'].get('size', 'any size')} | {m['blend']} | {m['images_per_second']:.3g} |"
            for m in result["methods"]
        ),
        "",
        "## What was hoped for, and what holds",
        "",
        *held(methods, groups, value, mean, interval),
        *elsewhere(),
        "",
        (DOCS / "results" / "photos.md").read_text(),
        "## Learning curves",
        "",
        "Written by `python docs/curves.py record` from the runs that made the weights; with `compare` it holds a run",
        "that is started anew against them.",
        "",
        "![Hole PSNR on validation faces against steps](results/curves.png)",
        "",
        PAPERS,
    ]
    (DOCS / "RESULTS.md").write_text("\n".join(lines))
    (DOCS / "results" / "table.md").write_text(markdown(result))
    beside.update()
    shutil.copyfile(folder / "psnr_by_hole_ratio.png", DOCS / "results" / "psnr_by_hole_ratio.png")


def held(methods, groups, value, mean, interval):
    """One line for each expectation, with the figures that decide it."""
    large = [g for g in groups if g.split()[-1] in ("20-30%", "30-40%", "40-50%", "50-60%")]
    from_30 = [g for g in large if g.split()[-1] != "20-30%"]
    learned = [m for m in methods if m not in CLASSICAL]
    direct = [m for m in learned if m not in SEARCHES]

    def over(method, group):
        return value(method, group)["difference"]["mean"]

    def verdict(yes):
        return "**holds**" if yes else "**does not hold**"

    if direct and from_30:
        best = max(direct, key=lambda m: sum(over(m, g) for g in large))
        gains = [over(best, g) for g in large]
        figures = ", ".join(f"{g.split()[-1]} {x:+.2f}" for g, x in zip(large, gains, strict=True))
        yield f"- The best feed-forward method ({best}) at least +3 dB over Telea from 20 % up ({figures}):"
        yield f"  {verdict(min(gains) >= 3)}."
        if "centre" in groups:
            best = max(direct, key=lambda m: over(m, "centre"))
            yield f"- +5.5 dB for the centre square ({best} {over(best, 'centre'):+.2f}):"
            yield f"  {verdict(over(best, 'centre') >= 5.5)}."
        for m in direct:
            gains = [over(m, g) for g in from_30]
            yield f"- {m} above Telea in each bin from 30 % up (least {min(gains):+.2f} dB): {verdict(min(gains) > 0)}."
        floor = max((m for m in methods if m in CLASSICAL), key=lambda m: sum(mean(value(m, g)) for g in large))
        kinds = [*large, *(g for g in groups if g == "centre")]
        for m in direct:
            gains = [mean(value(m, g)) - mean(value(floor, g)) for g in kinds]
            figures = ", ".join(f"{g.split()[-1]} {x:+.2f}" for g, x in zip(kinds, gains, strict=True))
            yield f"- {m} above the best classical method ({floor}) in each of these ({figures}):"
            yield f"  {verdict(min(gains) > 0)}."
    if {"yeh", "qiang"} <= set(learned) and "centre" in groups:
        a, b = (value(m, "centre", "ssim", "full") for m in ("qiang", "yeh"))
        yield f"- Qiang's search above Yeh's in SSIM for the centre ({interval(a, 4)} against {interval(b, 4)}):"
        yield f"  {verdict(mean(a) > mean(b))}."
    for better, worse in PAIRS:
        if {better, worse} <= set(learned):
            yield f"- {NAMES[better]} above {NAMES[worse]}:"
            for metric, region, digits in (("psnr", "hole", 2), ("ssim", "full", 4)):
                of = {m: [mean(value(m, g, metric, region)) for g in groups] for m in (better, worse)}
                gains = {g: a - b for g, a, b in zip(groups, of[better], of[worse], strict=True)}
                figures = ", ".join(f"{g.split()[-1]} {gains[g]:+.{digits}f}" for g in large)
                line = f"  {metric.upper()} from 20 % up ({figures}) {verdict(min(gains[g] for g in large) > 0)}"
                if "centre" in groups:
                    line += f", for the centre ({gains['centre']:+.{digits}f}) {verdict(gains['centre'] > 0)}"
                yield line + (";" if metric == "psnr" else ".")


def elsewhere():
    """Orderings that are measured at 64 x 64, where a search or a pair of trainings takes minutes."""
    search = json.loads((TRAINED / "latent_search_faces.json").read_text())
    yeh, qiang = (search[name]["ssim_blended"] for name in SEARCHES)
    gap, error = search["ssim_difference"], search["ssim_difference_standard_error"]
    settled = "**holds**" if gap > 2 * error else "the sign is as printed, **not settled** by so few"
    yield f"- Qiang's search above Yeh's in SSIM, centre holes, 64 x 64, {search['faces']} faces, one start"
    yield f"  ({qiang:.4f} against {yeh:.4f}, paired difference {gap:.4f} ± {error:.4f}, a standard error): {settled}."
    guided = json.loads((TRAINED / "foreground_guidance.json").read_text())
    means = {name: guided[f"foreground_mse_{name}"] for name in ("guided", "unguided")}
    gap, error = guided["paired_difference"], guided["standard_error"]
    yield f"- The foreground's squared error lower with guidance than without, 64 x 64, {guided['faces']} faces"
    yield f"  ({means['guided']:,.0f} against {means['unguided']:,.0f}, difference {gap:,.0f} ± {error:,.0f}):"
    yield f"  {'**holds**' if gap > 2 * error else '**does not hold**'}."
    yield "- PD-GAN's rows side by side, 64 x 64: [the table](../tests/acceptance/results/ablation.md)."


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
