"""Mask files: which pixels are the hole, and what was read to find that."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inpaintx.data.cv import import_cv2
from inpaintx.data.photo import Photo, read_photo
from inpaintx.errors import InpaintxError

__all__ = ["Mask", "Polarity", "finish", "hole_from_alpha", "hole_from_array", "mask_from_photo", "read_mask"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Polarity = Literal["auto", "white", "black"]


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
    path: str | Path,
    *,
    polarity: Polarity = "white",
    size: tuple[int, int] | None = None,
    resize: bool = False,
    dilate: int = 0,
) -> Mask:
    """Read a mask file.

    Parameters
    ----------
    path
        PNG, JPEG, WebP or TIFF; grey or coloured (its luminance counts), thresholded at 50 %. Transparent pixels are
        known, whatever their colour.
    polarity
        Which colour is the hole; ``"auto"``: the one that covers less than half of the mask.
    size
        Height and width of the photo.
    resize
        Whether a mask of another size is resized (nearest; where it shrinks, a pixel that any hole touches is hole).
    dilate
        Pixels by which the hole grows in every direction.

    Raises
    ------
    InpaintxError
        See :func:`inpaintx.data.photo.read_photo`; another size than the photo's; no hole at all, or nothing else.
    """
    photo = read_photo(path, what="mask", whole=True)
    return mask_from_photo(photo, str(path), polarity=polarity, size=size, resize=resize, dilate=dilate)


def mask_from_photo(
    photo: Photo,
    name: str,
    *,
    polarity: Polarity = "white",
    size: tuple[int, int] | None = None,
    resize: bool = False,
    dilate: int = 0,
) -> Mask:
    """Read a decoded picture as a mask; ``name`` is what errors call it. See :func:`read_mask`."""
    if polarity not in ("auto", "white", "black"):
        raise InpaintxError(f"mask polarity must be auto, white or black, got {polarity!r}")
    mask = _threshold(photo, polarity, name)
    return finish(mask, f"mask {name}", size=size, resize=resize, dilate=dilate)


def finish(
    mask: Mask, name: str, *, size: tuple[int, int] | None = None, resize: bool = False, dilate: int = 0
) -> Mask:
    """Fit a mask to the photo's size, grow its hole, and refuse an empty or a full one; see :func:`read_mask`."""
    if size is not None and mask.hole.shape != tuple(size):
        mask = _fit(mask, name, size, resize)
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


def _threshold(photo: Photo, polarity: Polarity, name: str) -> Mask:
    notes: list[str] = []
    pixels = photo.pixels
    top = np.iinfo(pixels.dtype).max
    if pixels.ndim == 3:
        colour = pixels[..., :3]
        if not (np.array_equal(colour[..., 0], colour[..., 1]) and np.array_equal(colour[..., 1], colour[..., 2])):
            notes.append("the mask has colours: their luminance counts")
        cv2 = import_cv2()
        grey: Array = cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_RGB2GRAY)
    else:
        grey = pixels
    shown = None if photo.alpha is None else photo.alpha > top // 2
    if shown is not None and shown.all():
        shown = None
    if shown is not None:
        if not shown.any():
            raise InpaintxError(f"mask {name} is transparent everywhere, so it shows no hole")
        notes.append(f"{1 - shown.mean():.1%} of the mask is transparent and counts as known")
    white = grey > top // 2
    greys = np.count_nonzero((grey != 0) & (grey != top)) / grey.size
    if greys:
        notes.append(f"{_percent(greys)} of the mask's pixels are grey (between black and white): split at 50 %")
        if int(grey.max()) == 1:
            notes.append("its brightest value is 1: a mask stored as 0 and 1 must be written as 0 and 255")
        middle = np.count_nonzero((grey > top * 0.1) & (grey < top * 0.9)) / grey.size
        if middle > 0.25:
            notes.append(f"{middle:.0%} are far from both: is this a mask, and not a photo?")
    hole = white if polarity == "white" else ~white
    if polarity == "auto":
        ratio = np.count_nonzero(white if shown is None else white[shown]) / (
            white.size if shown is None else shown.sum()
        )
        # a layer painted in one colour over nothing: the paint is the hole, whatever its colour
        painted = shown is not None and ratio in (0.0, 1.0)
        choice = "white" if (ratio == 1.0 if painted else ratio < 0.5) else "black"
        hole = white if choice == "white" else ~white
        notes.append(f"polarity auto: {_percent(ratio)} of the mask is white, so {choice} was taken as the hole")
    if shown is not None:
        hole = hole & shown
    if polarity != "auto" and shown is None:
        rim = np.concatenate([hole[0], hole[-1], hole[:, 0], hole[:, -1]])
        if hole.mean() > 0.5 and rim.mean() > 0.9 and not hole.all():
            other = "black" if polarity == "white" else "white"
            notes.append(
                f"the hole covers {_percent(hole.mean())} of the photo and nearly all of its rim: is it inverted? "
                f"(then: --mask-polarity {other})"
            )
    return Mask(hole, notes)


def _percent(share: float) -> str:
    return f"{share:.2%}" if share < 0.1 else f"{share:.1%}"


def _fit(mask: Mask, name: str, size: tuple[int, int], resize: bool) -> Mask:
    height, width = size
    have = f"{mask.hole.shape[1]} x {mask.hole.shape[0]}"
    if not resize:
        turned = "; the photo was turned upright, the mask was not?" if mask.hole.shape == (width, height) else ""
        raise InpaintxError(
            f"{name} has {have} pixels and the photo {width} x {height}{turned}; give a mask of the photo's size, or "
            "--resize-mask"
        )
    cv2 = import_cv2()
    small = mask.hole.view(np.uint8) * np.uint8(255)
    shrinks = mask.hole.shape[0] > height or mask.hole.shape[1] > width
    if shrinks:
        fitted = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    else:
        fitted = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return Mask(fitted, [*mask.notes, f"mask resized from {have} to {width} x {height}"])


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
    """Read an array as a mask: bool, integer (uint8 in 0..255 or 0 and 1) or float in [0,1]; 1 = hole.

    Raises
    ------
    InpaintxError
        Another shape than ``[H,W]``, ``[H,W,1]`` or ``[H,W,3]`` of the photo's size, three channels that differ, a
        complex or object array, or NaN.
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
    if mask.dtype.kind == "f":
        if not bool(np.isfinite(mask).all()):
            raise InpaintxError("mask has NaN or infinite values; expected 0 = known to 1 = hole")
        return np.asarray(mask > 0.5)
    top = int(mask.max(initial=0))  # integers: 0 and 1, or a grey picture of 0..255 or of 0..65535
    return np.asarray(mask > (0 if top <= 1 else 127 if top <= 255 else 32767))
