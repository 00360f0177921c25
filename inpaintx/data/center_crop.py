"""A picture file as a square of a given side: decoded fast, cropped in the middle, resized."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import read_whole
from inpaintx.io.header import JpegHeader
from inpaintx.io.headers import read_header
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import MAX_PIXELS, decode

__all__ = ["Frame", "UnreadableFileError", "read_grey", "read_picture", "read_region", "read_square"]

Array = npt.NDArray[Any]
FAST = ("JPEG", "PNG", "WebP")  # whose colours OpenCV reads right, by several threads at once


class UnreadableFileError(InpaintxError):
    """A file is there, but is no picture, or is damaged or cut off: a stream passes it over."""


class Frame(NamedTuple):
    """The square that was cut from a picture (top left corner, side) and the picture's size, in the file's pixels."""

    left: int
    top: int
    side: int
    width: int
    height: int

    def place(self, points: Array, size: int) -> Array:
        """Take points ``[...,2]`` (x, y; centre of the first pixel = 0) from the file to the square of ``size``."""
        corner = np.array([self.left, self.top], np.float32)
        return np.asarray((points - corner + 0.5) * (size / self.side) - 0.5, np.float32)


def read_square(path: Path, size: int, crop: int | None = None) -> tuple[Array, Frame]:
    """Read a picture's middle square.

    Parameters
    ----------
    path
        JPEG, PNG, WebP or TIFF; turned upright by its EXIF orientation; grey becomes RGB, alpha is dropped, 16 bits
        become 8.
    size
        Side of the result; resized bilinearly with antialiasing. JPEG files at least 4 times as large are decoded at
        a half, quarter or eighth of their size, where the square's corners allow that exactly.
    crop
        Side of the square in the file's pixels; None, or more than the picture has: its shorter side.

    Returns
    -------
    ndarray, Frame
        ``[size,size,3]`` uint8 RGB, and the square that was cut.

    Raises
    ------
    UnreadableFileError
        It is no picture, or damaged.
    InpaintxError
        It is missing or may not be read.
    """
    cv2 = import_cv2()
    file = _load(path, "image")
    width, height = file.width, file.height
    frame = _middle(width, height, crop)
    shrink = 1
    if file.format == "JPEG":
        fits = [f for f in (8, 4, 2) if frame.side >= 2 * f * size and all(n % f == 0 for n in frame)]
        shrink = fits[0] if fits else 1
    flag = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    pixels = _decode(cv2, file, flag[shrink], path, "image")
    if (pixels.shape[1] < pixels.shape[0]) != (width < height):  # lying on its side until EXIF turned it
        width, height = height, width
        frame = _middle(width, height, crop)
    left, top, side = (n // shrink for n in frame[:3])
    cut = cv2.cvtColor(np.ascontiguousarray(pixels[top : top + side, left : left + side]), cv2.COLOR_BGR2RGB)
    if side != size:
        planes = torch.from_numpy(cut).permute(2, 0, 1)[None]
        planes = F.interpolate(planes, size=(size, size), mode="bilinear", antialias=True)
        cut = np.ascontiguousarray(planes[0].permute(1, 2, 0).numpy())
    return cut, frame


def read_picture(path: Path) -> Array:
    """Read a whole picture, ``[H,W,3]`` uint8 RGB, upright; errors as of :func:`read_square`."""
    cv2 = import_cv2()
    file = _load(path, "image")
    return np.asarray(cv2.cvtColor(_decode(cv2, file, cv2.IMREAD_COLOR, path, "image"), cv2.COLOR_BGR2RGB))


def read_grey(path: Path, what: str) -> Array:
    """Read a mask file's luminance, ``[H,W]`` uint8; errors as of :func:`read_square`."""
    cv2 = import_cv2()
    file = _load(path, what)
    return _decode(cv2, file, cv2.IMREAD_GRAYSCALE, path, what)


def read_region(paths: list[Path], frame: Frame, size: int) -> npt.NDArray[np.bool_]:
    """Read the union of mask files (white = inside) within a picture's square; nearest, no file: nothing inside.

    Parameters
    ----------
    paths
        Files of the picture's own size, or of another with the same proportions.
    frame
        The square that was cut from the picture.
    size
        Side of the result.
    """
    cv2 = import_cv2()
    inside = np.zeros((size, size), bool)
    for path in paths:
        grey = read_grey(path, "mask")
        height, width = grey.shape
        if abs(width * frame.height - height * frame.width) > max(frame.width, frame.height):
            raise UnreadableFileError(
                f"mask {path} has {width} x {height} pixels and its image {frame.width} x {frame.height}: the "
                "proportions differ"
            )
        left, top, side = (round(n * width / frame.width) for n in frame[:3])
        cut = grey[top : top + side, left : left + side]
        inside |= cv2.resize(cut, (size, size), interpolation=cv2.INTER_NEAREST_EXACT) > 127
    return inside


def _middle(width: int, height: int, crop: int | None) -> Frame:
    side = min(width, height, crop or width)
    return Frame((width - side) // 2, (height - side) // 2, side, width, height)


def _load(path: Path, what: str) -> "_File":
    """The file's bytes, and the width and height that it was stored with."""
    data = read_whole(path, what)
    try:
        header = read_header(data)
        if isinstance(header, JpegHeader) and header.cut:
            raise ValueError("the file is cut off (its end marker is missing)")
    except ValueError as error:
        raise UnreadableFileError(f"{what} {path} cannot be read: {error}") from None
    if header.width * header.height > MAX_PIXELS:
        raise UnreadableFileError(
            f"{what} {path} has {header.width} x {header.height} pixels; at most {MAX_PIXELS} are taken"
        )
    return _File(data, header.format, header.width, header.height)


class _File(NamedTuple):
    data: bytes
    format: str
    width: int
    height: int


def _decode(cv2: Any, file: _File, flag: int, path: Path, what: str) -> Array:
    """Decode as BGR or grey, 8 bit."""
    if file.format not in FAST:
        return _decode_any(cv2, file, flag, f"{what} {path}")
    try:
        pixels = cv2.imdecode(np.frombuffer(file.data, np.uint8), flag)
    except cv2.error as error:
        raise UnreadableFileError(f"{what} {path} cannot be read: OpenCV says {error.err!r}") from None
    if pixels is None or pixels.size == 0:
        raise UnreadableFileError(
            f"{what} {path} cannot be read: its data are damaged or of a kind OpenCV does not know"
        )
    return np.asarray(pixels)


def _decode_any(cv2: Any, file: _File, flag: int, name: str) -> Array:
    """The same of formats whose layouts OpenCV does not always read right, by the way that photos take."""
    try:
        pixels = decode(file.data, name).pixels
    except InpaintxError as error:
        raise UnreadableFileError(str(error)) from None
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    grey = flag == cv2.IMREAD_GRAYSCALE
    if pixels.ndim == 2:
        return pixels if grey else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    return np.asarray(cv2.cvtColor(pixels[..., :3].copy(), cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR))
