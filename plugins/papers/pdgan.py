"""Figures of Shi, Wang and Zhang, "Probabilistic Diverse GAN Based Human Face Inpainting"."""

import torch

from inpaintx.ops import spd_map
from inpaintx.viz.plots import Curve, Panel, draw

from ..pdgan.network import UNITS
from .faces import Pixels, cell, fill, holes, portraits, psnr, sheet, white

__all__ = ["FIGURES"]

SIZE = 128
SPEC = "strokes:ratio=0.2-0.35+box:low=0.4,high=0.5"
FILLS = {
    "prior (PConv)": ("pconv_prior", "small"),
    "PD-GAN": ("pdgan", "printed"),
    "improved PD-GAN": ("pdgan", "default"),
}
SAMPLES = 6


def probability_maps() -> Pixels:
    """Figures 1 and 3: the hard and the improved map of a hole, at the sizes of two of the generator's units."""
    rows = []
    for n, (portrait, mask) in enumerate(zip(portraits(SIZE), holes(SPEC, SIZE, 2)[:, None], strict=True)):
        _, steps, window = UNITS[4 - n]
        side = 64 >> n
        small = torch.nn.functional.interpolate(mask, (side, side))
        words = f"{side} x {side}, {steps} steps of {window} x {window}"
        maps = {
            "hard (figure 1)": spd_map(small, steps, window, kind="hard"),
            "improved (figure 3)": spd_map(small, steps, window, kind="improved"),
        }
        drawn = [cell(p, title, words, f"{len(set(p.flatten().tolist()))} levels") for title, p in maps.items()]
        rows.append([cell(white(portrait.image, mask), portrait.name), *drawn])
    return sheet("Probability that a pixel hears of the prior: white 1, black 0", *rows)


def probability_profile() -> Pixels:
    """The maps behind a straight rim, against the distance from it."""
    mask = torch.ones(1, 1, 41, 49)
    mask[..., :20] = 0
    kinds = {
        "hard": spd_map(mask, 7, 3),
        "improved": spd_map(mask, 7, 3, kind="improved"),
        "improved, pixels assigned once": spd_map(mask, 7, 3, kind="improved", update="freeze"),
    }
    curves = []
    for name, p in kinds.items():
        values = p[0, 0, 20, 19:29].tolist()
        curves.append(Curve(name, range(10), values, values, values))
    return draw([Panel("7 steps of 3 x 3", curves)], x_label="pixels from the rim", y_label="probability")


def fills() -> Pixels:
    """Figure 6: masked image, PConv, PD-GAN, the improved one, truth."""
    rows = []
    for portrait, mask in zip(portraits(SIZE), holes(SPEC, SIZE, 2)[:, None], strict=True):
        made = {name: fill(*which[:1], portrait.image, mask, which[1]).image for name, which in FILLS.items()}
        rows.append(
            [
                cell(white(portrait.image, mask), portrait.name, f"hole {float(mask.mean()):.0%}"),
                *(cell(image, name, psnr(image, portrait.image, mask)) for name, image in made.items()),
                cell(portrait.image, "truth"),
            ]
        )
    return sheet("One prior, one seed; weights of 128 x 128 that ship", *rows)


def samples() -> Pixels:
    """Several fills of one hole, and where they differ."""
    rows = []
    for portrait in portraits(SIZE):
        mask = holes("center", SIZE)
        made = torch.cat([fill("pdgan", portrait.image, mask, seed=seed).image for seed in range(SAMPLES)])
        spread = made.std(0, keepdim=True).mean(1, keepdim=True)
        rows.append(
            [
                cell(white(portrait.image, mask), portrait.name),
                *(cell(image[None], f"seed {seed}") for seed, image in enumerate(made)),
                cell(spread / spread.max(), "deviation", f"white: {255 * float(spread.max()):.1f} levels"),
            ]
        )
    return sheet(f"{SAMPLES} fills of the improved PD-GAN", *rows)


def skin() -> Pixels:
    """Figure 4: a face and its skin."""
    rows = [
        [cell(p.image, p.name), cell(p.skin, "skin (derived)"), cell(p.image * p.skin, "what L_Mask sees")]
        for p in portraits(SIZE)
    ]
    return sheet("The skin, from the landmarks' outline and GrabCut", *rows)


FIGURES = {
    "fig1_fig3_probability_maps": probability_maps,
    "fig1_fig3_probability_profile": probability_profile,
    "fig4_skin": skin,
    "fig6_fills": fills,
    "several_fills": samples,
}
