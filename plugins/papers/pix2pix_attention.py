"""Figures of Talluri, Pasumarthy and Konda, "Face Image Inpainting using GANs" (slides)."""

import torch
from torch import Tensor

from ..pix2pix_attention.attention import attention_map
from .faces import Pixels, cell, fill, holes, loaded, portraits, psnr, sheet, white

__all__ = ["FIGURES"]

SIZE = 128
SQUARE = "box:low=0.3,high=0.45,square=true"
RED = (0.9, 0.1, 0.2)


def results() -> Pixels:
    """Input with a white square, result, truth."""
    rows = []
    for portrait, mask in zip(portraits(SIZE), holes(SQUARE, SIZE, 2, seed=12)[:, None], strict=True):
        made = fill("pix2pix_attention", portrait.image, mask).image
        rows.append(
            [
                cell(white(portrait.image, mask), portrait.name, "input"),
                cell(made, "result", psnr(made, portrait.image, mask)),
                cell(portrait.image, "truth"),
            ]
        )
    return sheet("White squares; weights of 128 x 128 that ship", *rows)


def attention_maps() -> Pixels:
    """Where a pixel of each eye and of the mouth looks, on the way down."""
    net = loaded("pix2pix_attention")
    rows = []
    for portrait in portraits(SIZE):
        mask = holes("center:side=0.4", SIZE)
        cells = [cell(white(portrait.image, mask), portrait.name)]
        left, right, _, *mouth = portrait.points.round().astype(int).tolist()
        middle = [(a + b) // 2 for a, b in zip(*mouth, strict=True)]
        for name, (x, y) in {"eye": left, "other eye": right, "mouth": middle, "background": (4, 4)}.items():
            looked = attention_map(net, portrait.image, mask, y, x)
            dimmed = 0.3 * portrait.image + 0.7 * looked
            where = "in the hole" if mask[0, 0, y, x] > 0.5 else "known"
            cells.append(cell(_marked(dimmed, x, y), f"from: {name}", where))
        rows.append(cells)
    gamma = float(net.attention_down.gamma.detach())
    return sheet(
        f"Attention at {SIZE // 8} x {SIZE // 8} from the red pixel: bright where it looks; gamma {gamma:.3f}", *rows
    )


def _marked(image: Tensor, x: int, y: int) -> Tensor:
    """The image with a red square at a pixel."""
    marked = image.clone()
    color = torch.tensor(RED)[:, None, None]
    marked[0, :, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = color
    return marked


FIGURES = {"results": results, "attention_maps": attention_maps}
