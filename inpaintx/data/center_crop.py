"""A picture file as a square of a given side: decoded fast, cropped in the middle, resized."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from inpaintx.errors import InpaintxError
from inpaintx.io import opencv
from inpaintx.io.atomic import read_whole
from inpaintx.io.image_header import Header, JpegHeader
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import MAX_PIXELS, decode, jpeg_flaw
from inpaintx.io.read_headers import read_header

__all__ = ["FAST", "Frame", "UnreadableFileError", "read_picture", "read_square"]

Array = npt.NDArray[Any]
#: Formats whose colours OpenCV reads right.
FAST = ("JPEG", "PNG", "WebP")


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


def read_square(
    path: Path, size: int, crop: int | None = None, *, sound: set[Path] | None = None
) -> tuple[Array, Frame]:
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
    sound
        Files that were read without a fault, which is added to. What decoders say is listened to by one thread at a
        time; files in here are decoded by several threads at once.

    Returns
    -------
    ndarray, Frame
        ``[size,size,3]`` uint8 RGB, and the square that was cut.

    Raises
    ------
    UnreadableFileError
        It is no picture, damaged or cut off.
    InpaintxError
        It is missing or may not be read.
    """
    cv2 = import_cv2()
    file = _load(path, "image")
    width, height = file.header.width, file.header.height
    frame = _middle(width, height, crop)
    shrink = 1
    if file.header.format == "JPEG":
        fits = [f for f in (8, 4, 2) if frame.side >= 2 * f * size and all(n % f == 0 for n in frame)]
        shrink = fits[0] if fits else 1
    flag = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    pixels = _decode(file, flag[shrink], path, "image", sound)
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
    return np.asarray(cv2.cvtColor(_decode(file, cv2.IMREAD_COLOR, path, "image"), cv2.COLOR_BGR2RGB))


def _middle(width: int, height: int, crop: int | None) -> Frame:
    side = min(width, height, crop or width)
    return Frame((width - side) // 2, (height - side) // 2, side, width, height)


def _load(path: Path, what: str) -> "_File":
    """The file's bytes, and what its header says."""
    data = read_whole(path, what)
    try:
        header = read_header(data)
    except ValueError as error:
        raise UnreadableFileError(f"{what} {path} cannot be read: {error}") from None
    if header.width * header.height > MAX_PIXELS:
        raise UnreadableFileError(
            f"{what} {path} has {header.width} x {header.height} pixels; at most {MAX_PIXELS} are taken"
        )
    return _File(data, header)


class _File(NamedTuple):
    data: bytes
    header: Header


def _decode(file: _File, flag: int, path: Path, what: str, sound: set[Path] | None = None) -> Array:
    """Decode as BGR or grey, 8 bit."""
    header = file.header
    if header.format not in FAST:
        return _decode_any(file, flag, f"{what} {path}")
    if sound is not None and path in sound:
        pixels = import_cv2().imdecode(np.frombuffer(header.data or file.data, np.uint8), flag)
        if pixels is not None:
            return np.asarray(pixels)
    decoded = opencv.decode(header.data or file.data, flag=flag)
    if decoded.pixels is None:
        words = decoded.complaints[-1] if decoded.complaints else "its data are damaged or of a kind it does not know"
        raise UnreadableFileError(f"{what} {path} cannot be read: OpenCV says {words!r}")
    flaw = jpeg_flaw(decoded, header)[0] if isinstance(header, JpegHeader) else ""
    if flaw:
        raise UnreadableFileError(f"{what} {path} cannot be read: {flaw}")
    if sound is not None:
        sound.add(path)
    return np.asarray(decoded.pixels)


def _decode_any(file: _File, flag: int, name: str) -> Array:
    """The same of formats whose layouts OpenCV does not always read right, by the way that photos take."""
    cv2 = import_cv2()
    try:
        pixels = decode(file.data, name).pixels
    except InpaintxError as error:
        raise UnreadableFileError(str(error)) from None
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    gray = flag == cv2.IMREAD_GRAYSCALE
    if pixels.ndim == 2:
        return pixels if gray else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    return np.asarray(cv2.cvtColor(pixels[..., :3].copy(), cv2.COLOR_RGB2GRAY if gray else cv2.COLOR_RGB2BGR))
