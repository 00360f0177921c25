"""Masks that are proposed from the photo itself, or from a painted copy of it. They are there to be looked at first."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.inference.scratches import find_scratches
from inpaintx.io.masks import Mask
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import Photo

__all__ = ["FIND", "find_mask", "mask_from_painted", "rgb_of"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

#: What :func:`find_mask` can look for.
#: What :func:`find_mask` can look for, in words.
FIND = "scratches, white, black or color=#RRGGBB"
NAMED = {"white": (255, 255, 255), "black": (0, 0, 0)}
COLOR = re.compile(r"color=#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
RIM = 2  # pixels around a color in which twice the tolerance counts: the rim that JPEG and smoothing leave
# Least difference to a painted copy, in levels of 255, of a stroke's pixels, and of one of them at least. A copy that
# was saved as a JPEG differs everywhere, most beside strokes; its limits are multiples of the median difference too.
# Strokes on the demo portraits, JPEGs of qualities 50 to 95: intersection over union 0.93 in the mean, at least 0.88.
EXACT = 3.0, 16.0
ANEW, NOISE = (32.0, 40.0), (6.0, 14.0)
MOST_NOISE = 24.0  # a copy that differs by more in the median is another picture


def find_mask(photo: Photo, what: Sequence[str], *, tolerance: int = 24) -> Mask:
    """Propose the hole of a photo.

    Parameters
    ----------
    photo
        As :func:`inpaintx.io.photo.read_photo` gives it.
    what
        One or more of ``"scratches"`` (thin lines that differ from both sides), ``"white"``, ``"black"``
        and ``"color=#RRGGBB"``; what any of them finds is hole.
    tolerance
        Largest difference to the color in each channel, 0 to 255.

    Returns
    -------
    Mask
        With a note that says how much was found, and that it is a proposal.

    Raises
    ------
    InpaintxError
        Another word than those, a tolerance out of range, or nothing found.
    """
    if not 0 <= tolerance <= 255:
        raise InpaintxError(f"tolerance must be 0 to 255, got {tolerance}")
    rgb = rgb_of(photo)
    hole = np.zeros(rgb.shape[:2], np.bool_)
    for word in what:
        hole |= find_scratches(rgb) if word == "scratches" else _near(rgb, _color(word), tolerance)
    if photo.alpha is not None:
        hole &= photo.alpha > 0
    words = " or ".join(what)
    if not hole.any():
        raise InpaintxError(f"nothing was found that looks like {words}: paint over the damage instead")
    mask = Mask(hole)
    mask.notes.append(f"{words}: {mask.ratio:.2%} of the photo is proposed as the hole; look at it before it is filled")
    return mask


def mask_from_painted(photo: Photo, painted: Photo) -> Mask:
    """Take as the hole where a painted copy of a photo differs from it.

    Parameters
    ----------
    photo, painted
        Of one size. The copy may have been saved as a JPEG; what it has transparent (alpha below 50 %) and the photo
        has not counts as painted.

    Raises
    ------
    InpaintxError
        Another size; a copy that does not differ, or that differs everywhere.
    """
    ours, theirs = rgb_of(photo), rgb_of(painted)
    if ours.shape != theirs.shape:
        sizes = [f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (theirs, ours)]
        raise InpaintxError(
            f"the painted copy has {sizes[0]} pixels and the photo {sizes[1]}: paint on the photo at its own size"
        )
    cv2 = import_cv2()
    difference = cv2.absdiff(ours, theirs).max(2)
    noise = float(np.median(difference))
    if noise > MOST_NOISE:
        raise InpaintxError("the painted copy differs from the photo everywhere: is it a copy of this photo?")
    weak, strong = EXACT if not noise else (max(a, b * noise) for a, b in zip(ANEW, NOISE, strict=True))
    hole = _connected(difference > weak, difference > strong)
    # what a stroke encloses within a few pixels has the paint's color by chance
    hole = cv2.morphologyEx(hole.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.bool_)
    if painted.alpha is not None:
        erased = painted.alpha <= np.iinfo(painted.alpha.dtype).max // 2
        hole |= erased if photo.alpha is None else erased & (photo.alpha > np.iinfo(photo.alpha.dtype).max // 2)
    if not hole.any():
        raise InpaintxError("the painted copy does not differ from the photo: paint over the damage in a plain color")
    mask = Mask(hole)
    mask.notes.append(f"{mask.ratio:.2%} of the photo is painted over")
    if noise:
        mask.notes.append(
            f"the copy was saved anew (its pixels differ by {noise:g} of 255 in the median): only what differs clearly "
            "was taken; a copy saved as .png is exact"
        )
    return mask


def rgb_of(photo: Photo) -> Array:
    """A photo's colors, ``[H,W,3]`` uint8."""
    pixels = photo.pixels if photo.pixels.dtype == np.uint8 else (photo.pixels >> 8).astype(np.uint8)
    return np.dstack([pixels] * 3) if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., :3])


def _color(word: str) -> tuple[int, ...]:
    if word in NAMED:
        return NAMED[word]
    match = COLOR.fullmatch(word)
    if match is None:
        raise InpaintxError(f"what to find must be {FIND}, got {word!r}")
    return tuple(int(part, 16) for part in match.groups())


def _near(rgb: Array, color: tuple[int, ...], tolerance: int) -> Bools:
    """Pixels of about a color, and around them those of twice the tolerance."""
    cv2 = import_cv2()
    distance = np.zeros(rgb.shape[:2], np.uint8)
    for channel, value in enumerate(color):
        np.maximum(distance, cv2.absdiff(rgb[..., channel], np.full(rgb.shape[:2], value, np.uint8)), out=distance)
    near = distance <= tolerance
    around = cv2.dilate(near.view(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)).astype(np.bool_)
    return np.asarray(near | (around & (distance <= min(255, 2 * tolerance))))


def _connected(weak: Bools, strong: Bools) -> Bools:
    """The connected parts of ``weak`` in which a pixel of ``strong`` lies."""
    cv2 = import_cv2()
    count, labels = cv2.connectedComponents(weak.view(np.uint8), connectivity=8)
    taken = np.zeros(count, np.bool_)
    taken[labels[strong & weak]] = True
    return np.asarray(taken[labels])
