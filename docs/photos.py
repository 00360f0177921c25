"""The default method on whole photos: ``python docs/photos.py [--faces FOLDER] [--vgg FILE] [--photos N]``.

Photos are made from the test faces of FOLDER (``faces256`` and ``syn256``, with ``masks/irregular``), pasted by a
similarity on surroundings of the two demo portraits, a third of them with a second face; holes are NVIDIA's masks, one
over each face and one over the background. Writes docs/results/photos.md and the section "Whole photos" of
docs/RESULTS.md; no picture is kept. Without FOLDER nothing is done.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from inpaintx.data.align import AlignedCrop
from inpaintx.demo import HERE, PORTRAITS
from inpaintx.evaluation.summary import estimates
from inpaintx.inference.canvas import ArrayCanvas
from inpaintx.inference.faces import Face
from inpaintx.inference.pipeline import inpainter_for
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import read_photo
from inpaintx.nn.distance import FeatureDistance
from inpaintx.nn.metrics import sharpness

DOCS = Path(__file__).parent
TITLE = "## Whole photos"
HEIGHT, WIDTH, SIDE = 900, 1200, 256
BINS = ("10-20", "20-30", "30-40", "40-50", "50-60")
EYES = np.array([[-0.147, -0.07], [0.147, -0.07]])  # from the middle of the square, in sides
COLUMNS = ("face, dB", "outside, dB", "distance", "sharpness")


def backgrounds():
    """Parts of the portraits without the face, as large as a photo."""
    cv2 = import_cv2()
    collins, hopper = (read_photo(HERE / f"{name}{suffix}").pixels for name, suffix in PORTRAITS.items())
    parts = (collins[:, :140], collins[260:], hopper[330:], hopper[:, 390:], hopper[:, :120])
    return [cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for part in parts]


def paste(photo, hole, face, mask, rng, taken):
    """Paste a face and its hole where no other one is; its square, or None where there is no room."""
    cv2 = import_cv2()
    for _ in range(50):
        side = SIDE * float(np.exp(rng.uniform(np.log(0.5), np.log(3.0)))) * (0.6 if taken else 1)
        angle = float(np.radians(rng.uniform(-45, 45)))
        reach = side / 2 * (abs(np.cos(angle)) + abs(np.sin(angle)))
        if 2 * reach >= min(HEIGHT, WIDTH):
            continue
        x, y = rng.uniform(reach, WIDTH - reach), rng.uniform(reach, HEIGHT - reach)
        if all(np.hypot(x - t.x, y - t.y) > 0.75 * (side + t.side) for t in taken):
            break
    else:
        return None
    cut = AlignedCrop(float(x) - 0.5, float(y) - 0.5, side, angle)
    matrix = cut.matrix(SIDE)
    soft = np.zeros((SIDE, SIDE), np.float32)
    soft[8:-8, 8:-8] = 1
    layers = (face, cv2.blur(soft, (13, 13)), mask)
    ways = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)
    pasted, alpha, gap = (
        cv2.warpAffine(layer, matrix, (WIDTH, HEIGHT), flags=way | cv2.WARP_INVERSE_MAP)
        for layer, way in zip(layers, ways, strict=True)
    )
    photo[...] = np.rint(pasted * alpha[..., None] + photo * (1 - alpha[..., None]))
    hole |= gap > 127
    return cut


def photos(folder, count):
    """Yield photo, hole, and for each face its true square and its bin."""
    rng = np.random.default_rng(0)
    pools = [sorted((folder / name / "test").glob("*.jpg")) for name in ("faces256", "syn256")]
    masks = {name: sorted((folder / "masks" / "irregular" / name).glob("*.png")) for name in ("01-10", *BINS)}

    def mask(name):
        pixels = read_photo(masks[name][rng.integers(len(masks[name]))]).pixels
        return pixels if pixels.ndim == 2 else pixels[..., 0].copy()

    cv2 = import_cv2()
    places = backgrounds()
    for number in range(count):
        photo = places[number % len(places)].copy()
        gap = cv2.resize(mask("01-10"), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 127
        hole, cuts = np.zeros((HEIGHT, WIDTH), bool), []
        for second in range(1 + (number % 3 == 0)):
            name = BINS[(number + second) % len(BINS)]
            pool = pools[(number + second) % 2]
            face = read_photo(pool[(2 * number + second) % len(pool)]).pixels
            cut = paste(photo, hole, face, mask(name), rng, [c for c, _ in cuts])
            if cut is not None:
                cuts.append((cut, name))
        yield photo, hole | gap, cuts


def psnr(result, truth, where):
    """In dB over the pixels of ``where``, with peak 255."""
    return 10 * np.log10(255**2 / max(np.square(result[where].astype(float) - truth[where]).mean(), 1e-3))


def fill(inpainter, photo, hole, faces=None):
    """The fill and the faces found; with true ones given, by them."""
    network = getattr(inpainter, "network", inpainter)
    if faces is not None:
        network.faces = lambda pixels, hole: faces
    plan = inpainter.plan(photo, hole)
    if faces is not None:
        del network.faces
    canvas = ArrayCanvas(photo, hole)
    inpainter.run([(canvas, plan)])
    return canvas.pixels, plan.faces


def eyes(cut):
    """Where the eyes of a square are in the photo, ``[2,2]``."""
    turn = np.array([[np.cos(cut.angle), np.sin(cut.angle)], [-np.sin(cut.angle), np.cos(cut.angle)]])
    return EYES * cut.side @ turn + [cut.x, cut.y]


def measure(folder, count, vgg):
    """Values of each face: method to rows of :data:`COLUMNS`; and rows of (bin, found, eye error, false faces)."""
    distance = FeatureDistance(vgg) if vgg else None
    inpainters = {
        "before: `pconv_prior`, no faces": inpainter_for("pconv_prior", faces="none"),
        "`harmonic`": inpainter_for("harmonic"),
        "**`auto`**": inpainter_for("auto"),
    }
    inpainters["`auto`, true squares"] = inpainters["**`auto`**"]
    values, found = {name: [] for name in inpainters}, []
    for photo, hole, cuts in photos(folder, count):
        damaged = np.where(hole[..., None], np.uint8(0), photo)
        truth = [Face(cut) for cut, _ in cuts]
        inside = [np.zeros_like(hole) for _ in cuts]
        for face, region in zip(truth, inside, strict=True):
            box = face.box(HEIGHT, WIDTH)
            region[box.at] = (face.distance(box) <= 0.5) & hole[box.at]
        outside = hole & ~np.logical_or.reduce(inside)
        for name, inpainter in inpainters.items():
            result, faces = fill(inpainter, damaged, hole, truth if "true" in name else None)
            for (cut, _), region in zip(cuts, inside, strict=True):
                ours, theirs = (
                    torch.from_numpy(cut.image(p, SIDE)).permute(2, 0, 1)[None] / 255 for p in (result, photo)
                )
                gap = torch.from_numpy(cut.image(region.astype(np.uint8) * 255, SIDE) > 127)[None, None].float()
                values[name].append(
                    (
                        psnr(result, photo, region),
                        psnr(result, photo, outside) if outside.any() else np.nan,
                        float(distance(ours, theirs)) if distance else np.nan,
                        float(sharpness(ours, theirs, gap)),
                    )
                )
            if name == "**`auto`**":
                for cut, part in cuts:
                    near = [f for f in faces if np.hypot(f.cut.x - cut.x, f.cut.y - cut.y) < 0.15 * cut.side]
                    error = np.nan
                    if near:
                        gap = np.linalg.norm(eyes(near[0].cut) - eyes(cut), axis=1).mean()
                        error = gap / (2 * EYES[1, 0] * cut.side)
                    found.append((part, bool(near), error, len(faces) - len(cuts)))
        print(f"{len(found)} faces", file=sys.stderr, flush=True)
    return values, found


def section(values, found, count):
    """The section in Markdown."""
    yield from (
        TITLE,
        "",
        f"Written by `make photos`: {count} photos of {WIDTH} x {HEIGHT}, {len(found)} faces of the test splits, real",
        "and generated by turns, pasted at 0.5 to 3 times their 256 pixels and turned by up to ±45° on surroundings of",
        "the demo portraits; NVIDIA's masks over each face and over the background. Means over faces with 95 %",
        'bootstrap intervals; "before" is what was done when no method was named. Distance (features of VGG16-HED) and',
        "sharpness are those of the face's square at 256 x 256.",
        "",
        "| method | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    )
    for name, rows in values.items():
        cells = []
        for column, e in zip(COLUMNS, estimates(np.array(rows)), strict=True):
            digits = 2 if "dB" in column else 3
            cells.append("-" if e is None else f"{e.mean:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]")
        yield f"| {name} | " + " | ".join(cells) + " |"
    rows = np.array(values["**`auto`**"])[:, 0]
    yield ""
    for other in list(values)[:2] + list(values)[3:]:
        (e,) = estimates(rows[:, None] - np.array(values[other])[:, :1])
        yield f"- `auto` less {other}, in the face: {e.mean:+.2f} [{e.low:+.2f}, {e.high:+.2f}] dB."
    yield from ("", "| hole in the face's square | faces | found | error of the eyes, in their distance |")
    yield "|---|---|---|---|"
    for part in BINS:
        mine = [(hit, error) for name, hit, error, _ in found if name == part]
        if mine:
            errors = [error for hit, error in mine if hit]
            yield f"| {part} % | {len(mine)} | {np.mean([h for h, _ in mine]):.0%} | {np.mean(errors):.3f} |"
    extra = sum(max(0, more) for *_, more in found)
    yield from ("", f"Faces found where there is none: {extra}.", "")


def write(lines):
    """Put the section where it was, or before the papers' tables."""
    text = "\n".join(lines)
    (DOCS / "results" / "photos.md").write_text(text)
    whole = (DOCS / "RESULTS.md").read_text()
    start = whole.find(TITLE)
    if start < 0:
        start = end = whole.index("## Learning curves")
    else:
        end = whole.index("\n## ", start) + 1
    (DOCS / "RESULTS.md").write_text(whole[:start] + text + "\n" + whole[end:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=Path, default=DOCS.parent.parent / "shared" / "faces")
    parser.add_argument("--vgg", default="")
    parser.add_argument("--photos", type=int, default=60)
    given = parser.parse_args()
    if not (given.faces / "faces256").is_dir():
        sys.exit(f"no test faces in {given.faces}: nothing is measured (--faces FOLDER)")
    write(section(*measure(given.faces, given.photos, given.vgg), given.photos))
