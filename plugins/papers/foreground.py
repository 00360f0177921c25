"""Figures of Jam et al., "Foreground-guided Facial Inpainting with Fidelity Preservation"."""

import torch

from .faces import Pixels, cell, fill, holes, portraits, psnr, sheet, white

__all__ = ["FIGURES"]

SIZE = 128
SPEC = "quickdraw:ratio=0.25-0.4"
METHODS = {"CE": "context_encoder", "PConv": "pconv_prior", "GConv": "deepfill", "foreground-guided": "foreground"}


def foregrounds() -> Pixels:
    """Figure 3: faces and their skin and hair."""
    rows = [
        [
            cell(p.image, p.name),
            cell(p.foreground, "foreground (derived)"),
            cell(p.image * p.foreground, "what the losses see"),
        ]
        for p in portraits(SIZE)
    ]
    return sheet("Skin and hair, from the landmarks' outline and GrabCut", *rows)


def _compared(title: str, *, inside: bool) -> Pixels:
    rows = []
    for portrait, mask in zip(portraits(SIZE), holes(SPEC, SIZE, 2, seed=3)[:, None], strict=True):
        region = portrait.foreground if inside else torch.ones_like(mask)
        made = {words: fill(name, portrait.image, mask).image for words, name in METHODS.items()}
        rows.append(
            [
                cell(white(portrait.image, mask) * region, portrait.name, f"hole {float(mask.mean()):.0%}"),
                *(cell(i * region, words, psnr(i, portrait.image, mask * region)) for words, i in made.items()),
                cell(portrait.image * region, "truth"),
            ]
        )
    return sheet(title, *rows)


def comparison() -> Pixels:
    """Figure 4: masked image, CE, PConv, GConv, the paper's, truth."""
    return _compared("Weights of 128 x 128 that ship, trained for unlike times", inside=False)


def comparison_inside() -> Pixels:
    """Figure 5: the same on the foreground alone."""
    return _compared("The same on the foreground alone; PSNR of what the hole hides of it", inside=True)


FIGURES = {
    "fig3_foreground": foregrounds,
    "fig4_comparison": comparison,
    "fig5_comparison_foreground": comparison_inside,
}
