"""The only table of Qiang et al., and what they say of other sets: pixels discarded at random, both searches.

    python tests/acceptance/discarded.py FACES [NAME] [--count 100] [--split test] [--rows yeh,qiang] [--shares 20,40]

searches with the weights that ship, and writes results/discarded.json and, from it, results/discarded.md. What a row
has been measured on is kept, so that the same command goes on where it was stopped; every row has the same faces,
holes and first vectors. NAME is what the set is called in the table ("test" unless given).
"""

import argparse
import json
import sys
import time

import torch
from overfit import RESULTS

from inpaintx.data.dataset import open_dataset
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.inference.run import run_method
from inpaintx.io.atomic import atomic_write
from inpaintx.ops import ssim
from inpaintx.plugin import weights
from inpaintx.plugin.registry import registry

SHARES = (20, 40, 60, 80)
PAPER = {  # PSNR and SSIM, by the share that is discarded
    "paper, DIP": ((19.8658, 0.9517), (19.0177, 0.8975), (18.2592, 0.8547), (15.7974, 0.7823)),
    "paper, theirs": ((20.0649, 0.9533), (19.9802, 0.9089), (19.8783, 0.8892), (19.7447, 0.8461)),
}
ROWS = {  # method, preset, options
    "yeh": ("yeh", "default", {}),
    "qiang": ("qiang", "default", {}),
    "qiang-equal": ("qiang", "default", {"context_weight": 0.5, "structure_weight": 0.5}),
    "qiang-paper": ("qiang", "paper", {}),
    "yeh-paper": ("yeh", "paper", {}),
}
WORDS = {
    "yeh": "`yeh`",
    "qiang": "`qiang`",
    "qiang-equal": "`qiang`, λ_c = λ_s = 0.5",
    "qiang-paper": "`qiang --preset paper`",
    "yeh-paper": "`yeh --preset paper`",
}
OUTPUTS = {"raw": "G(z)", "pasted": "pasted", "blended": "blended"}
BATCH = 10
FILE = RESULTS / "discarded.json"


def network(row):
    """The method of a row and its network, with the row's options."""
    name, preset, options = ROWS[row]
    method = registry().method(name)
    config = method.config(preset, **options)
    return method, weights.load(method, config, None, torch.device("cpu"), preset=preset, options=options).net


def measured(row, image, mask):
    """Of each face, PSNR and SSIM (windowed, and global as eq. 2) of the whole picture, for each output."""
    method, net = row
    found = run_method(method, net, image, mask, generator=torch.Generator().manual_seed(0), blend="poisson")
    pictures = {"raw": found.raw, "pasted": torch.where(mask > 0, found.raw, image), "blended": found.image}
    values = {}
    for output, picture in pictures.items():
        values[f"{output}/psnr"] = -10 * (picture - image).square().mean((1, 2, 3)).log10()
        values[f"{output}/ssim"] = ssim(picture, image)
        values[f"{output}/ssim_global"] = ssim(picture, image, mode="global")
    return {key: [round(float(x), 5) for x in value] for key, value in values.items()}


def run(data, name, split, count, rows, shares):
    """Measure what is not there yet, a batch of faces at a time."""
    faces = open_dataset(data, size=64, split=split)
    count = min(count, len(faces))
    found = json.loads(FILE.read_text()) if FILE.exists() else {"options": {}, "sets": {}}
    for row in rows:
        ready = network(row)
        options = ready[1].config.model_dump(mode="json")
        if found["options"].setdefault(row, options) != options:
            sys.exit(f"{FILE} holds {row} with other options; move it away to begin anew")
        for share in shares:
            hole = parse_mask_spec(f"discard:p={share / 100}", size=64)
            values = found["sets"].setdefault(name, {}).setdefault(row, {}).setdefault(str(share), {})
            for first in range(len(values.get("raw/psnr", ())), count, BATCH):
                numbers = range(first, min(first + BATCH, count))
                image = torch.stack([faces[n]["image"] for n in numbers])
                mask = torch.stack([torch.from_numpy(hole((0, n))).float()[None] for n in numbers])
                begun = time.process_time()
                for key, some in measured(ready, image, mask).items():
                    values.setdefault(key, []).extend(some)
                seconds = (time.process_time() - begun) / len(numbers)
                print(f"{name} {row} {share} %: {numbers[-1] + 1} of {count}, {seconds:.2f} s a face", flush=True)
                with atomic_write(FILE) as part:
                    part.write_text(json.dumps(found))
    return found


def mean(values):
    """Mean and standard error of figures, one a face."""
    x = torch.tensor(values, dtype=torch.float64)
    return float(x.mean()), float(x.std() / len(x) ** 0.5)


def table(found):
    """The tables in Markdown."""
    lines = [
        "# Pixels discarded at random",
        "",
        "Written by `python tests/acceptance/discarded.py FACES`. PSNR / SSIM of whole pictures of 64 x 64 of",
        "which 20, 40, 60 and 80 % of the pixels are discarded. Paper: Qiang et al., table 1, CelebA; it does not",
        "say whether its figures are of G(z), pasted or blended. Ours: the weights that ship, of All-Age-Faces; n",
        "faces, the same for all rows of a set as far as they go, with the same holes and draws. The figures of",
        "the paper and ours are of other faces: compare the order of the rows and how they fall. Rows of other n",
        "have means of other faces: compare those by the differences, which are of the same faces.",
    ]
    for name, rows in found["sets"].items():
        lines += ["", f"## Faces: {name}", "", "| what | n | 20 % | 40 % | 60 % | 80 % |", "|---|---|---|---|---|---|"]
        if name == "test":
            for words, figures in PAPER.items():
                lines.append(f"| {words} | | " + " | ".join(f"{p:.2f} / {s:.4f}" for p, s in figures) + " |")
        for output, words in OUTPUTS.items():
            lines += [f"| {WORDS[row]}, {words} | {cells(rows[row], output)} |" for row in rows]
        lines += [
            f"| {WORDS[row]}, G(z), SSIM of eq. 2 (global) | {cells(rows[row], 'raw', '_global')} |" for row in rows
        ]
        lines += differences(rows)
    return "\n".join(lines) + "\n"


def cells(row, output, kind=""):
    """How many faces, and PSNR / SSIM for each share."""
    counts = sorted({len(values["raw/psnr"]) for values in row.values() if values})
    figures = []
    for share in SHARES:
        values = row.get(str(share))
        if not values:
            figures.append("not run")
            continue
        psnr, similarity = (mean(values[f"{output}/{metric}"])[0] for metric in ("psnr", f"ssim{kind}"))
        figures.append(f"{psnr:.2f} / {similarity:.4f}")
    return " | ".join(["-".join(map(str, counts)), *figures])


def differences(rows):
    """Qiang's rows less Yeh's, face by face, with standard errors."""
    pairs = [(row, "yeh") for row in rows if row.startswith("qiang") and "yeh" in rows]
    if not pairs:
        return
    yield from ("", "Differences, face by face, ± a standard error: PSNR / SSIM.", "")
    yield from ("| what | n | 20 % | 40 % | 60 % | 80 % |", "|---|---|---|---|---|---|")
    for row, other in pairs:
        for output, words in OUTPUTS.items():
            figures, counts = [], set()
            for share in map(str, SHARES):
                a, b = rows[row].get(share), rows[other].get(share)
                if not a or not b:
                    figures.append("not run")
                    continue
                both = [torch.tensor([*zip(a[key], b[key], strict=False)]).double() for key in keys(output)]
                counts.add(len(both[0]))
                found = [mean((x[:, 0] - x[:, 1]).tolist()) for x in both]
                (p, p_error), (s, s_error) = found
                figures.append(f"{p:+.2f} ± {p_error:.2f} / {s:+.4f} ± {s_error:.4f}")
            n = "-".join(map(str, sorted(counts)))
            yield f"| {WORDS[row]} less {WORDS[other]}, {words} | {n} | " + " | ".join(figures) + " |"


def keys(output):
    """What is compared of an output."""
    return f"{output}/psnr", f"{output}/ssim"


def main():
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces")
    parser.add_argument("name", nargs="?", default="test")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--split", default="test")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--shares", default=",".join(map(str, SHARES)))
    given = parser.parse_args()
    shares = [int(share) for share in given.shares.split(",")]
    found = run(given.faces, given.name, given.split, given.count, given.rows.split(","), shares)
    with atomic_write(RESULTS / "discarded.md") as part:
        part.write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
