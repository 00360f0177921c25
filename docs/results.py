"""docs/RESULTS.md from a result folder: ``python docs/results.py RESULT [NOTE ...]``.

RESULT is what ``inpaintx evaluate`` wrote on the test split with ``--baseline telea``; its tables and its plot go to
docs/results/, and the figures beside the papers' into the READMEs of plugins.
"""

import csv
import json
import math
import re
import shutil
import sys
from pathlib import Path

import beside
import numpy as np

from inpaintx.evaluation.report import markdown
from inpaintx.evaluation.summary import estimates, per_image
from inpaintx.training.begin import seen_in

DOCS = Path(__file__).parent
TRAINED = DOCS.parent / "tests" / "acceptance" / "results"
CLASSICAL = ("mean_colour", "ns", "telea", "harmonic", "tv", "patchmatch", "efros_leung", "harmonic_texture")
PAPERS = {  # plugin: the paper, and the orders that it claims: better, worse, what of it
    "pdgan": (
        "Probabilistic Diverse GAN Based Human Face Inpainting (Shi, Wang and Zhang)",
        [("pdgan", "pdgan_printed"), ("pdgan_printed", "pdgan_prior"), ("pdgan", "pdgan_prior")],
        ("hole/psnr", "full/ssim", "distance"),
    ),
    "hog_guided": (
        "A Novel Face Inpainting Approach Based on Guided Deep Learning (Salem, Mahdi and Abbas)",
        [
            ("hog_guided", other)
            for other in ("deepfill_v1", "deepfill", "pconv_prior", "pix2pix_attention", "context_encoder", "pdgan")
        ],
        ("hole/psnr", "distance", "full/landmarks_in_hole"),
    ),
    "pix2pix_attention": (
        "Face Image Inpainting using GANs (Talluri, Pasumarthy and Konda)",
        [],
        (),
    ),
    "foreground": (
        "Foreground-guided Facial Inpainting with Fidelity Preservation (Jam et al.)",
        [("foreground", "context_encoder"), ("foreground", "pconv_prior"), ("foreground", "deepfill")],
        ("foreground/psnr", "foreground/ssim", "full/psnr"),
    ),
    "latent_search": (
        "Face inpainting by a search in the latent space (Qiang et al.)",
        [],
        (),
    ),
}


def budget(weights: str) -> str:
    """Images that published weights have seen, by the name of their file."""
    path = next((DOCS.parent / "weights").glob(f"*/{weights}"), None)
    if path is None or path.suffix != ".safetensors":
        return ""
    seen = seen_in(path)
    return f"{seen.total:,}" if seen.whole else f"≥ {seen.total:,}"


class Result:
    """The figures of a result folder."""

    def __init__(self, folder: Path) -> None:
        self.result = json.loads((folder / "results.json").read_text())
        self.rows = {
            (r["method"], r["group"], f"{r['region']}/{r['metric']}"): r
            for r in self.result["table"]
            if r["output"] == "composite"
        }
        self.groups = list(dict.fromkeys(r["group"] for r in self.result["table"]))
        self.methods = [m["label"] for m in self.result["methods"]]
        features = self.result["protocol"]["features"]
        self.distance = next((f"full/{name}" for name in features if name.startswith("distance")), "")
        self.sets = next((f"full/{name}" for name in features if name.startswith(("fid", "fd_"))), "")
        with open(folder / "images.csv", newline="") as file:
            self.images = list(csv.DictReader(file))

    def mean(self, method: str, group: str, key: str = "hole/psnr") -> float:
        """The mean of a figure; NaN where it is not there."""
        row = self.rows.get((method, group, key))
        return row["estimate"]["mean"] if row else math.nan

    def grid(self, cell):
        """The lines of a table: methods down, kinds of holes across."""
        yield "| method | " + " | ".join(self.groups) + " |"
        yield "|---" * (len(self.groups) + 1) + "|"
        for method in self.methods:
            yield f"| {method} | " + " | ".join(cell(method, group) for group in self.groups) + " |"

    def paired(self, better: str, worse: str, key: str, group: str):
        """Mean and interval of the differences of two methods, image by image; of ``..., all`` over its kinds."""
        family = group.removesuffix(", all")
        kinds = {g["name"] for g in self.result["protocol"]["groups"] if g["family"] == family} or {group}
        values: dict[str, dict[str, list[float]]] = {better: {}, worse: {}}
        for row in self.images:
            if row["group"] in kinds and row["method"] in values:
                cell = row[f"composite/{key}"]
                values[row["method"]].setdefault(row["image"], []).append(float(cell) if cell else math.nan)
        a, b = (np.array([one[image] for image in sorted(one)]) for one in values.values())
        image = np.repeat(np.arange(len(a)), a.shape[1])
        return estimates(per_image((a - b).reshape(-1, 1), image), seed=self.result["protocol"]["seed"])[0]


def main(folder: Path, *notes: str) -> None:
    """Write docs/RESULTS.md; notes are added to the result's own."""
    found = Result(folder)
    protocol = found.result["protocol"]
    (DOCS / "results" / "table.md").write_text(markdown(found.result))
    beside.update()
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
        *(f"- {name}: {network}" for name, network in protocol["features"].items()),
        "",
        "![Hole PSNR against hole ratio](results/psnr_by_hole_ratio.png)",
        "",
        *tables(found),
        "## Weights and speed",
        "",
        "Images seen: in training, with those of earlier runs; ≥: of the last run alone, where the file says no more.",
        "",
        "| method | weights | images seen | trained at | blend | images/s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {m['label']} | {m['weights']} {(m['sha256'] or '')[:12]} | {budget(m['weights'])} | "
            f"{m['side'] or m['options'].get('size', 'any size')} | {m['blend']} | {m['images_per_second']:.3g} |"
            for m in found.result["methods"]
        ),
        "",
        "## What was hoped for, and what holds",
        "",
        *hoped(found),
        *elsewhere(),
        "",
        *papers(found),
        (DOCS / "results" / "photos.md").read_text(),
        "## Learning curves",
        "",
        "Written by `python docs/curves.py record` from the runs that made the weights; with `compare` it holds a run",
        "that is started anew against them.",
        "",
        "![Hole PSNR on validation faces against steps](results/curves.png)",
        "",
    ]
    (DOCS / "RESULTS.md").write_text("\n".join(lines))
    shutil.copyfile(folder / "psnr_by_hole_ratio.png", DOCS / "results" / "psnr_by_hole_ratio.png")


def tables(found: Result):
    """One table for each figure that is worth a look, methods down and kinds of holes across."""

    def difference(method, group):
        row = found.rows[method, group, "hole/psnr"]["difference"]
        return in_words(row, 2) if row else "-"

    yield from ("## Hole PSNR in dB", "", *found.grid(lambda m, g: f"{found.mean(m, g):.2f}"), "")
    yield from ("## Difference to Telea, image by image, in dB", "", *found.grid(difference), "")
    further = {
        "SSIM of the whole composite": ("full/ssim", 4),
        "Distance from the truth in features of a VGG16": (found.distance, 3),
        "Sharpness of the hole (1: the truth's)": ("hole/sharpness", 2),
        "Fréchet distance of the fills as a set": (found.sets, 2),
        "Error of the face's landmarks in the hole, as a share of their box": ("full/landmarks_in_hole", 4),
    }
    for heading, (key, digits) in further.items():
        if any((method, group, key) in found.rows for method in found.methods for group in found.groups):
            cells = found.grid(lambda m, g, key=key, digits=digits: number(found.mean(m, g, key), digits))
            yield from (f"## {heading}", "", *cells, "")


def number(value: float, digits: int) -> str:
    """A figure, or a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def in_words(estimate, digits: int) -> str:
    """A difference and its interval; a dash where no image has one."""
    if estimate is None:
        return "-"
    e = estimate if isinstance(estimate, dict) else vars(estimate)
    return f"{e['mean']:+.{digits}f} [{e['low']:+.{digits}f}, {e['high']:+.{digits}f}]"


def verdict(yes: bool) -> str:
    """In bold."""
    return "**holds**" if yes else "**does not hold**"


def hoped(found: Result):
    """One line for each expectation, with the figures that decide it."""
    ratio = {g: g.split()[-1] for g in found.groups if "%" in g and not g.startswith("discard") and "all" not in g}
    large = [g for g in ratio if ratio[g] in ("20-30%", "30-40%", "40-50%", "50-60%")]
    from_10 = [g for g in found.groups if g == "centre" or (g in ratio and ratio[g] != "1-10%")]
    direct = [m for m in found.methods if m not in CLASSICAL]
    if not direct or not large:
        return

    def over(method, group, other):
        return found.mean(method, group) - found.mean(other, group)

    best = max(direct, key=lambda m: sum(over(m, g, "telea") for g in large))
    gains = [over(best, g, "telea") for g in large]
    figures = ", ".join(f"{ratio[g]} {x:+.2f}" for g, x in zip(large, gains, strict=True))
    yield f"- The best feed-forward method ({best}) at least +3 dB over Telea from 20 % up ({figures}):"
    yield f"  {verdict(min(gains) >= 3)}."
    if "centre" in found.groups:
        first = max(direct, key=lambda m: over(m, "centre", "telea"))
        gain = over(first, "centre", "telea")
        yield f"- +5.5 dB for the centre square ({first} {gain:+.2f}): {verdict(gain >= 5.5)}."
    for other in ("telea", "harmonic"):
        if other not in found.methods:
            continue
        least = {m: min(over(m, g, other) for g in [*large, *({"centre"} & {*found.groups})]) for m in direct}
        yield f"- Each trained method above `{other}` in PSNR from 20 % up and in the centre (the least gain, in dB:"
        yield f"  {', '.join(f'{m} {gain:+.2f}' for m, gain in least.items())}): {verdict(min(least.values()) > 0)}."
    if found.distance and "harmonic" in found.methods:
        share = {
            m: max(found.mean(m, g, found.distance) / found.mean("harmonic", g, found.distance) for g in from_10)
            for m in direct
        }
        figures = ", ".join(f"{m} {x:.2f}" for m, x in share.items())
        yield "- Each trained method nearer to the truth than `harmonic` in features from 10 % up (the largest share of"
        yield f"  its distance: {figures}): {verdict(max(share.values()) < 1)}."


def papers(found: Result):
    """A section for each paper: the orders that it claims, and its table beside ours, from the plugin's README."""
    groups = [g for g in found.groups if g == "centre" or (g.endswith("all") and not g.startswith("discard"))]
    groups += [g for g in found.groups if g.endswith(("20-30%", "40-50%"))]
    for plugin, (title, pairs, keys) in PAPERS.items():
        yield from (f"## {title}", "")
        there = [pair for pair in pairs if set(pair) <= set(found.methods)]
        if there:
            yield from ("Orders that it claims, and what is found: differences image by image.", "")
            yield "| better, less worse | of the composite | " + " | ".join(groups) + " |"
            yield "|---" * (len(groups) + 2) + "|"
            for better, worse in there:
                for key in (found.distance if key == "distance" else key for key in keys):
                    if (better, groups[0], key) in found.rows:
                        digits = 2 if key.endswith("psnr") else 4
                        cells = (in_words(found.paired(better, worse, key, g), digits) for g in groups)
                        yield f"| {better} less {worse} | {key.replace('/', ': ')} | {' | '.join(cells)} |"
            yield ""
        text = (DOCS.parent / "plugins" / plugin / "README.md").read_text()
        section = re.search(r"^## Beside[^\n]*\n+(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
        assert section, f"plugins/{plugin}/README.md has no section 'Beside the paper'"
        yield beside.MARK.sub("", section[1].replace("](../../", "](../")).rstrip()
        yield ""


def elsewhere():
    """Orderings that are measured at 64 x 64, where a search or a pair of trainings takes minutes."""
    search = json.loads((TRAINED / "latent_search_faces.json").read_text())
    yeh, qiang = (search[name]["ssim_blended"] for name in ("yeh", "qiang"))
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
