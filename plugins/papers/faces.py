"""What the figures have in common: the portraits' faces, holes, fills by shipped weights, cells."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.data.align import cut_by_points
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.data.segment import derive_regions
from inpaintx.demo import HERE, PORTRAITS
from inpaintx.errors import InpaintxError
from inpaintx.inference.run import InpaintOutput, run_method
from inpaintx.io.photo import read_photo
from inpaintx.plugin import weights
from inpaintx.plugin.registry import registry
from inpaintx.viz.contact_sheet import Cell, contact_sheet

__all__ = ["Pixels", "Portrait", "cell", "fill", "holes", "loaded", "portraits", "psnr", "sheet", "white"]

Pixels = npt.NDArray[np.uint8]
# eyes, nose and corners of the mouth in the portraits' pixels, as MTCNN finds them
POINTS = {
    "eileen_collins": ((203.1, 100.6), (246.3, 103.2), (224.6, 128.2), (201.2, 138.8), (244.9, 141.2)),
    "grace_hopper": ((222.8, 192.1), (305.9, 187.0), (268.1, 238.2), (231.0, 277.0), (308.3, 271.5)),
}


class Portrait(NamedTuple):
    """A face: ``image`` ``[1,3,S,S]`` in [0,1]; ``skin`` and ``foreground`` ``[1,1,S,S]``, 1 = inside; its points."""

    name: str
    image: Tensor
    skin: Tensor
    foreground: Tensor
    points: npt.NDArray[np.float32]


@cache
def portraits(size: int) -> tuple[Portrait, ...]:
    """The demo's faces, cut and turned as those of training; regions from the points and GrabCut."""
    found = []
    for name, suffix in PORTRAITS.items():
        points = np.array(POINTS[name], np.float32)
        cut = cut_by_points(points)
        assert cut is not None
        pixels = cut.image(read_photo(HERE / f"{name}{suffix}").pixels, size)
        placed = cut.place(points, size)
        regions = derive_regions(pixels, placed)
        if regions is None:
            raise InpaintxError(f"no skin could be found in the portrait {name} at {size} x {size}")
        skin, foreground = (torch.from_numpy(r)[None, None].float() for r in (regions.skin, regions.foreground))
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        found.append(Portrait(name.replace("_", " "), image, skin, foreground, placed))
    return tuple(found)


def holes(spec: str, size: int, count: int = 1, seed: int = 0) -> Tensor:
    """``count`` holes of a specification, ``[count,1,S,S]``, 1 = hole."""
    draw = parse_mask_spec(spec, size=size)
    return torch.stack([torch.from_numpy(draw((seed, n))).float()[None] for n in range(count)])


@cache
def loaded(name: str, tag: str = "default", **options: Any) -> Any:
    """A method's network with shipped weights; an error where they are missing, never random ones."""
    method = registry().method(name)
    return weights.load(method, method.config(**options), tag, torch.device("cpu"), options=options).net


def fill(
    name: str,
    image: Tensor,
    mask: Tensor,
    tag: str = "default",
    *,
    seed: int = 0,
    **options: Any,
) -> InpaintOutput:
    """Fill ``[B,3,S,S]`` by a method that needs no weights, or by its shipped ones."""
    method = registry().method(name)
    net = loaded(name, tag, **options) if method.requires_weights else method.network(method.config(**options))
    with torch.no_grad():
        return run_method(method, net, image, mask, generator=torch.Generator().manual_seed(seed))


def psnr(result: Tensor, truth: Tensor, mask: Tensor) -> str:
    """Hole PSNR of one image in words."""
    error = ((result - truth) ** 2).masked_select(mask.expand_as(truth) > 0.5).mean()
    return f"{10 * math.log10(1 / max(float(error), 1e-10)):.2f} dB"


def white(image: Tensor, mask: Tensor) -> Tensor:
    """The image with white holes."""
    return image.masked_fill(mask > 0.5, 1.0)


def cell(picture: Tensor, *caption: str) -> Cell:
    """A cell of ``[1,3,H,W]`` or ``[1,1,H,W]`` in [0,1] with lines under it."""
    pixels = picture[0].detach().permute(1, 2, 0).numpy()
    return Cell(pixels[..., 0] if pixels.shape[2] == 1 else pixels, caption)


def sheet(title: str, *rows: list[Cell]) -> Pixels:
    """Rows of cells under a title."""
    return contact_sheet(rows, tile=192, title=title)
