"""What a photo shows: which pixels can be seen, whether it is grey, and what opacity a fill has."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["channel", "has_alpha", "is_gray", "is_gray_tensor", "known_bytes", "show_hole", "unseen"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

LEVEL = 1 / 255 + 1e-6  # decoders of lossy WebP round grey to channels that are one level of 8 bits apart,
ROUNDED = 0.05  # in one pixel of a hundred; a photo that is tinted by one level is so in most
STRIP = 512  # rows that are looked at together: no floating-point copy of a large photo


def has_alpha(pixels: Array) -> bool:
    """Whether the last channel of ``[H,W]``, ``[H,W,2]``, ``[H,W,3]`` or ``[H,W,4]`` is opacity."""
    return pixels.ndim == 3 and pixels.shape[2] in (2, 4)


def channel(pixels: Array, color: int) -> Array:
    """Give one of the three colours ``[H,W]`` of a photo; a grey one's are all the same."""
    if pixels.ndim == 2:
        return pixels
    return pixels[..., color if pixels.shape[2] > 2 else 0]


def known_bytes(pixels: Array, hole: Bools) -> Array:
    """The colours of a photo, uint8, uint16 or floating in [0,1], as ``[H,W,3]`` uint8 with 0 in the hole ``[H,W]``."""
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
    picture = np.empty((*hole.shape, 3), np.uint8)
    for c in range(3):
        plane = np.where(hole, 0, channel(pixels, c))
        picture[..., c] = plane if plane.dtype == np.uint8 else (plane * (255 / top)).clip(0, 255)
    return picture


def unseen(pixels: Array, hole: Bools) -> Bools | None:
    """The pixels outside the hole ``[H,W]`` whose alpha is 0: their colours are no evidence. None: there are none."""
    if not has_alpha(pixels):
        return None
    hidden: Bools = (pixels[..., -1] <= 0) & ~hole
    return hidden if hidden.any() else None


def show_hole(pixels: Array, hole: Bools) -> None:
    """Give the pixels in the hole, in place, the alpha that a fill needs to be seen.

    It is full, unless all that is seen around them has one lesser alpha, which they take.
    """
    if not has_alpha(pixels):
        return
    alpha = pixels[..., -1]
    seen = alpha[~hole]
    seen = seen[seen > 0]
    even = seen.size > 0 and bool((seen == seen[0]).all())
    alpha[hole] = seen[0] if even else np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1


def is_gray(pixels: Array, known: Bools) -> bool:
    """Whether all known pixels of ``[H,W,3]`` or ``[H,W,4]`` are grey, up to the rounding of lossy formats.

    Parameters
    ----------
    known
        ``[H,W]``, True = the pixel counts. Where none does, the answer is False.
    """
    most = LEVEL * (np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1)
    uneven = total = 0
    for top in range(0, len(pixels), STRIP):
        red, green, blue = (pixels[top : top + STRIP, :, channel] for channel in range(3))
        high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        inside = known[top : top + STRIP]
        spread = high[inside] - low[inside]
        if spread.size and spread.max() > most:
            return False
        uneven, total = uneven + int(np.count_nonzero(spread)), total + spread.size
    return total > 0 and uneven <= ROUNDED * total


def is_gray_tensor(image: Tensor, hole: Tensor) -> bool:
    """The same for a tensor ``[3,H,W]`` in [0,1] and its hole ``[H,W]``."""
    known = ~hole
    spread = (image.amax(0) - image.amin(0))[known]
    if not spread.numel() or spread.max() > LEVEL:
        return False
    return bool((spread > 0).sum() <= ROUNDED * spread.numel())
