"""What Python users hold, read as arrays: paths, bytes, NumPy arrays of any layout, PIL images."""

import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.inference import visibility
from inpaintx.io.masks import hole_from_array, read_mask
from inpaintx.io.photo import MAX_PIXELS, Photo, decode, read_photo
from inpaintx.io.threshold import looks_like

__all__ = ["Given", "check_pixels", "check_range", "read_hole", "read_image"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

PIL_MODES = {"L", "LA", "RGB", "RGBA", "F", "I;16", "I;16L", "I;16B", "I;16N"}


@dataclass
class Given:
    """A photo that was given.

    Parameters
    ----------
    pixels
        ``[H,W]`` (grey), ``[H,W,2]`` (grey and alpha), ``[H,W,3]`` or ``[H,W,4]``: uint8, uint16 or floating, in the
        machine's byte order.
    back
        Turns a result like ``pixels`` into the kind of image that came.
    """

    pixels: Array
    back: Callable[[Array], Any]


def _decoded(photo: Photo) -> Array:
    """A file's pixels; that some of them are not the photo's is a warning."""
    if photo.flaw:
        warnings.warn(f"{photo.flaw}; its damage counts as known pixels unless the mask covers it", stacklevel=4)
    return photo.pixels


def read_image(image: Any) -> Given:
    """Read a photo in whatever form it is held.

    Raises
    ------
    InpaintxError
        A kind, shape, dtype or number of pixels that is not taken, or a file or PIL image that cannot be read.
    """
    if isinstance(image, (str, os.PathLike)):
        return Given(_decoded(read_photo(_path(image))), _same)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return Given(_decoded(decode(bytes(image), "the photo given as bytes")), _same)
    if _is_pil(image):
        return _from_pil(image, "image")
    if not isinstance(image, np.ndarray):
        raise InpaintxError(
            f"image must be a tensor, a NumPy array, a path, a file's bytes or a PIL image, got {type(image).__name__}"
        )
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 2, 3, 4))):
        raise InpaintxError(
            f"image must have shape [H,W] or [H,W,1] (grey), [H,W,2] (grey and alpha), [H,W,3] (RGB) or [H,W,4] (RGB "
            f"and alpha) and not be empty, got {list(image.shape)}"
        )
    native = image.dtype.newbyteorder("=")
    if native not in (np.uint8, np.uint16) and native.kind != "f":
        raise InpaintxError(f"image must be uint8, uint16 or floating point in [0,1], got {image.dtype}")
    _check_size(image.shape[0], image.shape[1])
    shape, dtype = image.shape, image.dtype
    pixels = np.asarray(image, native)
    return Given(
        pixels[..., 0] if shape[2:] == (1,) else pixels, lambda result: result.reshape(shape).astype(dtype, copy=False)
    )


def read_hole(mask: Any, photo: Array) -> Bools:
    """Read a mask in whatever form it is held, for a photo ``[H,W]`` or ``[H,W,C]``; True = hole.

    Raises
    ------
    InpaintxError
        See :func:`inpaintx.io.masks.read_mask` and :func:`inpaintx.io.masks.hole_from_array`.
    """
    if isinstance(mask, (str, os.PathLike)):
        return read_mask(_path(mask), photo=Photo(photo)).hole
    if isinstance(mask, (bytes, bytearray, memoryview)):
        name = "given as bytes"
        return read_mask(bytes(mask), name=name, photo=Photo(photo)).hole
    size = photo.shape[0], photo.shape[1]
    if _is_pil(mask):
        pixels = _from_pil(mask, "mask").pixels
        if pixels.dtype != np.uint8:
            return hole_from_array(pixels, size)
        if pixels.ndim == 3 and pixels.shape[2] == 2:
            pixels = pixels[..., [0, 0, 0, 1]]
        return read_mask(Photo(pixels), name="given as a PIL image", photo=Photo(photo)).hole
    if isinstance(mask, np.ndarray):
        hole = hole_from_array(mask, size)
        if looks_like(Photo(mask), Photo(photo)):
            raise InpaintxError("mask shows what image does, in halftones; expected 1 = hole and 0 = known")
        return hole
    raise InpaintxError(f"mask must be a NumPy array, a path, a file's bytes or a PIL image, got {type(mask).__name__}")


def check_pixels(pixels: Array, hole: Bools) -> None:
    """Refuse a floating photo where its alpha, or its colours where they can be seen, do not lie in [0,1].

    Raises
    ------
    InpaintxError
        Says the range that came.
    """
    if pixels.dtype.kind != "f":
        return
    seen = ~hole
    if visibility.has_alpha(pixels):
        _check_known(pixels[..., -1][seen])
        seen &= pixels[..., -1] > 0
        pixels = pixels[..., :-1]
    _check_known(pixels[seen])


def _check_known(values: Array) -> None:
    if values.size:
        check_range(values.min(), values.max())


def check_range(low: Any, high: Any) -> None:
    """Refuse known pixels that reach from ``low`` to ``high``, beyond [0,1]; NaN among them."""
    low, high = float(low), float(high)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also true of NaN
        raise InpaintxError(f"known pixels of image must lie in [0,1], got values from {low:g} to {high:g}")


def _same(result: Array) -> Array:
    return result


def _path(path: Any) -> Path:
    return Path(os.fsdecode(path))


def _check_size(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise InpaintxError(f"image has {width} x {height} pixels; at most 50 megapixels ({MAX_PIXELS}) are taken")


def _is_pil(image: Any) -> bool:
    """Whether this is a PIL image; Pillow is looked at only where the caller has loaded it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def _from_pil(image: Any, what: str) -> Given:
    """Read a PIL image as it stands: its EXIF orientation is not applied."""
    _check_size(image.height, image.width)
    if image.width * image.height == 0:
        raise InpaintxError(f"{what} is an empty PIL image: {image.width} x {image.height} pixels")
    info = {key: value for key, value in image.info.items() if key != "transparency"}
    mode = came = image.mode
    try:
        image.load()
        if "transparency" in image.info and mode in ("1", "L", "RGB", "P"):
            mode = came = "LA" if mode in ("1", "L") else "RGBA"
        elif mode in ("P", "PA"):
            mode = came = "RGB" if mode == "P" else "RGBA"
        elif mode == "1":
            mode = "L"
        source = image if mode == image.mode else image.convert(mode)
        pixels = np.asarray(source)
    except (OSError, SyntaxError, ValueError) as error:
        raise InpaintxError(f"{what}, a PIL image, cannot be read: {error}") from error
    if mode == "I":  # how Pillow opens some 16-bit files
        if pixels.min() < 0 or pixels.max() > 65535:
            raise InpaintxError(f"{what} is a PIL image of mode I with values beyond 16 bits, 0 to 65535")
        pixels = pixels.astype(np.uint16)
    elif mode not in PIL_MODES:
        raise InpaintxError(f"{what} is a PIL image of mode {mode}; turn it into RGB first: image.convert('RGB')")

    def back(result: Array) -> Any:
        made = sys.modules["PIL.Image"]
        if mode == "I":
            result = result.astype(np.int32)
        elif mode == "I;16B":
            result = result.astype(">u2")
        new = made.frombytes(mode, (result.shape[1], result.shape[0]), np.ascontiguousarray(result).tobytes())
        new = new.convert("1", dither=made.Dither.NONE) if came == "1" else new
        new.info = info
        return new

    return Given(np.asarray(pixels, pixels.dtype.newbyteorder("=")), back)
