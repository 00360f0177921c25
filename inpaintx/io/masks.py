"""Mask files: which pixels are the hole, and what was read to find that."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import Photo, decode, output_format, read_photo, write_photo
from inpaintx.io.threshold import Polarity, looks_like, threshold

__all__ = [
    "Mask",
    "Polarity",
    "Resize",
    "cut_of",
    "finish",
    "hole_from_alpha",
    "hole_from_array",
    "read_mask",
    "write_mask",
]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
#: Whether a mask of another size is resized; ``"stretch"``: of other proportions too.
Resize = bool | Literal["stretch"]


@dataclass
class Mask:
    """A hole and how it was read.

    Parameters
    ----------
    hole
        ``[H,W]`` bool, True = hole.
    notes
        In words: a threshold that was needed, a polarity that was chosen, a mask that looks inverted.
    """

    hole: Bools
    notes: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The share of the pixels that is hole."""
        return np.count_nonzero(self.hole) / self.hole.size


def read_mask(
    source: str | Path | bytes | Photo,
    *,
    name: str | None = None,
    polarity: Polarity = "white",
    size: tuple[int, int] | None = None,
    photo: Photo | None = None,
    resize: Resize = False,
    dilate: int = 0,
) -> Mask:
    """Read a mask file, or a picture that was decoded from one.

    White is above 50 % of luminance. What is grey is split there, and said. What this would split by chance is refused:
    two values on one side of 50 % (labels 0 and 1, red on black), nothing that is white, colours that are neither
    black nor white.

    Parameters
    ----------
    source
        Path or content of a PNG, JPEG, WebP or TIFF, or its picture. Transparent pixels are known, whatever their
        colour.
    name
        What errors call it behind "mask". Default: the path, or "from stdin".
    polarity
        Which colour is the hole; ``"auto"``: on a transparent layer the paint, if it lies on one side of 50 %; of
        exactly two values, whatever they are, the rarer (the brighter of two that are as frequent); else the one that
        covers less than half.
    size
        Height and width of the photo.
    photo
        The photo itself: its size counts, and a mask that shows the same is refused.
    resize
        Whether a mask of another size is resized (nearest; where it shrinks, a pixel that any hole touches is hole);
        ``"stretch"``: of another shape as well.
    dilate
        Pixels by which the hole grows in every direction.

    Raises
    ------
    InpaintxError
        See :func:`inpaintx.io.photo.read_photo`; a mask that cannot be read by the rule; the photo itself; another
        size than the photo's; no hole at all, or nothing else.
    """
    name = name or (str(source) if isinstance(source, (str, Path)) else "from stdin")
    if isinstance(source, Photo):
        picture = source
    elif isinstance(source, bytes):
        picture = decode(source, f"mask {name}", whole=True)
    else:
        picture = read_photo(source, what="mask", whole=True)
    if polarity not in ("auto", "white", "black"):
        raise InpaintxError(f"mask polarity must be auto, white or black, got {polarity!r}")
    if photo is not None:
        if np.array_equal(picture.pixels, photo.pixels) or looks_like(picture, photo):
            raise InpaintxError(f"mask {name} is the photo itself; expected its hole in white on black")
        size = photo.pixels.shape[0], photo.pixels.shape[1]
    hole, notes = threshold(picture, polarity, f"mask {name}")
    turned = photo is not None and photo.was_turned != picture.was_turned
    return finish(Mask(hole, notes), f"mask {name}", size=size, resize=resize, dilate=dilate, turned=turned)


def write_mask(path: str | Path, hole: Bools, *, overwrite: bool = False) -> None:
    """Write a hole ``[H,W]`` (True = hole) as a mask file that :func:`read_mask` reads back: white on black.

    Raises
    ------
    InpaintxError
        A format that does not keep it exactly; see :func:`inpaintx.io.photo.write_photo`.
    """
    if output_format(path) == "JPEG":
        raise InpaintxError(f"a JPEG does not keep a mask exactly; write {Path(path).with_suffix('.png').name}")
    write_photo(path, hole.view(np.uint8) * np.uint8(255), overwrite=overwrite)


def finish(
    mask: Mask,
    name: str,
    *,
    size: tuple[int, int] | None = None,
    resize: Resize = False,
    dilate: int = 0,
    turned: bool = False,
) -> Mask:
    """Fit a mask to the photo's size, grow its hole, and refuse an empty or a full one; see :func:`read_mask`.

    ``turned``: one of photo and mask was turned upright and the other was not.
    """
    if size is not None and mask.hole.shape != tuple(size):
        mask = _fit(mask, name, size, resize, turned)
    if dilate < 0:
        raise InpaintxError(f"a mask is dilated by 0 or more pixels, got {dilate}")
    if dilate and mask.hole.any():
        cv2 = import_cv2()
        distance = cv2.distanceTransform((~mask.hole).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        mask.hole = distance <= dilate
    if not mask.hole.any():
        raise InpaintxError(f"{name} is empty: it has no hole to fill{_hint(mask)}")
    if mask.hole.all():
        raise InpaintxError(
            f"{name} is full: the hole covers the whole photo, so there is nothing to fill it from{_hint(mask)}"
        )
    return mask


def _hint(mask: Mask) -> str:
    return f" ({'; '.join(mask.notes)})" if mask.notes else ""


def _fit(mask: Mask, name: str, size: tuple[int, int], resize: Resize, turned: bool) -> Mask:
    height, width = size
    have = f"{mask.hole.shape[1]} x {mask.hole.shape[0]}"
    sizes = f"{name} has {have} pixels and the photo {width} x {height}"
    if not resize or not (resize == "stretch" or _same_shape(mask.hole.shape, size)):
        on_its_side = mask.hole.shape == (width, height) and height != width
        side = ": it lies on its side" if on_its_side else ": another shape" if resize else ""
        if on_its_side and turned:
            side += " (one of them was turned upright, as its EXIF orientation says, and the other was not)"
        way = "--resize-mask=stretch" if resize or not _same_shape(mask.hole.shape, size) else "--resize-mask"
        raise InpaintxError(f"{sizes}{side}; give a mask of the photo's size, or {way}")
    cv2 = import_cv2()
    small = mask.hole.view(np.uint8) * np.uint8(255)
    shrinks = mask.hole.shape[0] > height or mask.hole.shape[1] > width
    if shrinks:
        fitted = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    else:
        fitted = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return Mask(fitted, [*mask.notes, f"mask resized from {have} to {width} x {height}"])


def _same_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a picture scaled to another size, each side rounded to a pixel, may have become the other."""
    return abs(one[0] / other[0] - one[1] / other[1]) <= 1 / other[0] + 1 / other[1]


def hole_from_alpha(photo: Photo) -> tuple[Mask, Array]:
    """Take a photo's transparent pixels (alpha below 50 %) as the hole.

    Returns
    -------
    Mask, ndarray
        The hole, and a copy of the photo's pixels, all opaque: the soft edge that an eraser leaves outside the hole
        keeps its colours, which alpha is no part of, and is seen in full.

    Raises
    ------
    InpaintxError
        The photo has no alpha channel.
    """
    if photo.alpha is None:
        raise InpaintxError("--mask-from-alpha needs a photo with an alpha channel (RGBA), and this one has none")
    top = np.iinfo(photo.pixels.dtype).max
    hole: Bools = photo.alpha <= top // 2
    pixels = photo.pixels.copy()
    pixels[..., 3] = top
    return Mask(hole), pixels


def hole_from_array(mask: Array, size: tuple[int, int]) -> Bools:
    """Read an array as a mask; 1 = hole.

    Parameters
    ----------
    mask
        ``[H,W]``, ``[H,W,1]`` or grey ``[H,W,3]``: bool; integers 0 and 1, or a picture of 0..255 or 0..65535, split
        at 50 %; floating in [0,1], above 0.5.
    size
        Height and width of the photo.

    Raises
    ------
    InpaintxError
        Another shape, three channels that differ, a complex or object array; negative values or NaN; floating values
        above 1, or none above 0.5 and not all 0; integers that are labels, or a picture without white.
    """
    if mask.ndim == 3 and mask.shape[2] in (1, 3):
        if not np.array_equal(mask, np.broadcast_to(mask[..., :1], mask.shape), equal_nan=mask.dtype.kind == "f"):
            raise InpaintxError("mask has three channels that differ; give [H,W] or three equal ones (1 = hole)")
        mask = mask[..., 0]
    if mask.shape != tuple(size):
        raise InpaintxError(f"mask must have shape [H,W] = {list(size)} (1 = hole), got {list(mask.shape)}")
    if mask.dtype == np.bool_:
        return np.asarray(mask.view(np.uint8) != 0)  # a view of bytes may hold 255 for True
    if mask.dtype.kind not in "uif":
        raise InpaintxError(f"mask must be bool, integer or floating point (1 = hole), got {mask.dtype}")
    if mask.size == 0:
        return np.zeros(size, np.bool_)
    return np.asarray(mask > cut_of(mask.min().item(), mask.max().item(), whole=mask.dtype.kind != "f"))


def cut_of(low: float, high: float, *, whole: bool) -> float:
    """Say above which value a mask's numbers (``whole`` or floating), which reach from ``low`` to ``high``, are hole.

    Raises
    ------
    InpaintxError
        Whole numbers that are labels, or a picture without white; floating ones beyond [0,1], NaN among them.
    """
    if not whole:
        if not math.isfinite(low) or not math.isfinite(high):
            raise InpaintxError("mask has NaN or infinite values; expected 0 = known to 1 = hole")
        if low < -1e-3 or high > 1 + 1e-3:
            raise InpaintxError(
                f"mask has floating values from {low:g} to {high:g}; expected 0 = known to 1 = hole: divide it, or "
                "compare it (mask > 127)"
            )
        if 1e-3 < high <= 0.5:
            raise InpaintxError(
                f"mask has floating values from {low:g} to {high:g}, none of them above 0.5; expected 0 = known to 1 = "
                "hole: compare it with the hole's value"
            )
        return 0.5
    top = 1 if high <= 1 else 255 if high <= 255 else 65535
    if low < 0 or high > top or high <= top // 2 < high * top:
        raise InpaintxError(
            f"mask has whole values from {low} to {high}; expected 0 and 1 = hole, or a picture from 0 to 255 or 65535 "
            "with white as the hole: compare it with the hole's label (mask == 1)"
        )
    return top // 2
