"""Figures of Salem, Mahdi and Abbas, "A Novel Face Inpainting Approach Based on Guided Deep Learning"."""

import torch

from .faces import Pixels, cell, fill, holes, loaded, portraits, psnr, sheet, white

__all__ = ["FIGURES"]

SIZE = 128
SPEC = "strokes:ratio=0.2-0.35"


def maps() -> Pixels:
    """Between the two networks: the map that is known, G_H's, the completed one, and the true one."""
    net = loaded("hog_guided")
    rows = []
    for portrait, mask in zip(portraits(SIZE), holes(SPEC, SIZE, 2, seed=1)[:, None] > 0.5, strict=True):
        with torch.no_grad():
            known, true = net.known_guidance(portrait.image, mask), net.guidance(portrait.image)
            predicted, completed = net.complete(portrait.image, mask)
            error = float((completed - true).abs().masked_select(mask).mean())
        rows.append(
            [
                cell(white(portrait.image, mask.float()), portrait.name),
                cell(known, "known", "0 within a cell of the hole"),
                cell(predicted, "predicted by G_H"),
                cell(completed, "completed", f"error in the hole {error:.3f}"),
                cell(true, "true", f"mean in the hole {float(true.masked_select(mask).mean()):.3f}"),
            ]
        )
    return sheet("Histograms of oriented gradients, drawn", *rows)


def _fills(title: str, methods: dict[str, tuple[str, str]], seed: int) -> Pixels:
    rows = []
    for portrait, mask in zip(portraits(SIZE), holes(SPEC, SIZE, 2, seed=seed)[:, None], strict=True):
        made = {words: fill(name, portrait.image, mask, tag).image for words, (name, tag) in methods.items()}
        rows.append(
            [
                cell(portrait.image, portrait.name, "truth"),
                cell(white(portrait.image, mask), "masked", f"hole {float(mask.mean()):.0%}"),
                *(cell(image, words, psnr(image, portrait.image, mask)) for words, image in made.items()),
            ]
        )
    return sheet(title, *rows)


def results() -> Pixels:
    """Figure 2: truth, masked, recovered."""
    return _fills("Weights of 128 x 128 that ship", {"recovered": ("hog_guided", "default")}, 1)


def comparison() -> Pixels:
    """Figure 3: truth, masked, DeepFill (v1, as there), HOG-guided."""
    methods = {"DeepFill v1": ("deepfill", "v1"), "HOG-guided": ("hog_guided", "default")}
    return _fills("Against DeepFill v1, on as many images", methods, 2)


FIGURES = {"hog_maps": maps, "fig2_results": results, "fig3_deepfill": comparison}
