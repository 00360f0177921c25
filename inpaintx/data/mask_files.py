"""Mask files of a set, read by the rule of a photo's mask."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inpaintx.data.center_crop import FAST, Frame, UnreadableFileError
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import read_whole
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import decode
from inpaintx.io.threshold import brighter, threshold

__all__ = ["Side", "read_region", "read_side"]

Bools = npt.NDArray[np.bool_]
Side = Literal["white", "black", "brighter", "darker"]


def read_side(
    path: Path, what: str, side: Side = "white", *, option: str | None = None, sound: set[Path] | None = None
) -> Bools:
    """Read which pixels of a mask file are of one colour.

    Parameters
    ----------
    path
        The file.
    what
        Its role, for errors.
    side
        ``"white"`` or ``"black"`` by the rule of :func:`inpaintx.io.masks.read_mask`; ``"brighter"`` or ``"darker"``:
        of exactly two values, whatever they are, else split at 50 %. Transparent pixels are on no side.
    option
        As of :func:`inpaintx.io.threshold.threshold`.
    sound
        White files that were read without a fault and without alpha, which is added to; they are read again by
        several threads at once.

    Returns
    -------
    ndarray
        ``[H,W]`` bool, upright.

    Raises
    ------
    UnreadableFileError
        It is no picture, damaged or cut off; or the rule would split it by chance.
    InpaintxError
        It is missing or may not be read.
    """
    data = read_whole(path, what)
    if sound is not None and path in sound and (again := _decoded_again(data)) is not None:
        return again
    name = f"{what} {path}"
    try:
        picture = decode(data, name, whole=True)
        if side in ("white", "black"):
            inside, _ = threshold(picture, side, name, option=option)
        else:
            light, shown = brighter(picture, name)
            inside = light if side == "brighter" else shown & ~light
    except InpaintxError as error:
        raise UnreadableFileError(str(error)) from None
    plain = picture.alpha is None and picture.pixels.dtype == np.uint8 and not picture.notes
    if sound is not None and plain and side == "white" and picture.format in FAST:
        sound.add(path)
    return inside


def _decoded_again(data: bytes) -> Bools | None:
    """The white pixels of a file that was read before, by the same arithmetic; None if it has changed since."""
    cv2 = import_cv2()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return None
    return np.asarray((pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)) > 127)


def read_region(paths: list[Path], frame: Frame, size: int, *, sound: set[Path] | None = None) -> Bools:
    """Read the union of mask files (white = inside) within a picture's square; nearest, no file: nothing inside.

    Parameters
    ----------
    paths
        Files of the picture's own size, or of another with the same proportions.
    frame
        The square that was cut from the picture.
    size
        Side of the result.
    sound
        As of :func:`read_side`.
    """
    inside = np.zeros((size, size), bool)
    for path in paths:
        white = read_side(path, "mask", sound=sound)
        height, width = white.shape
        if abs(width * frame.height - height * frame.width) > max(frame.width, frame.height):
            raise UnreadableFileError(
                f"mask {path} has {width} x {height} pixels and its image {frame.width} x {frame.height}: the "
                "proportions differ"
            )
        left, top, side = (round(n * width / frame.width) for n in frame[:3])
        inside |= resized(white[top : top + side, left : left + side], size)
    return inside


def resized(inside: Bools, size: int) -> Bools:
    """Resize to a square, nearest."""
    cv2: Any = import_cv2()
    small = np.ascontiguousarray(inside).view(np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)).view(bool)
