"""Photo files written: PNG, JPEG, WebP and TIFF, with the metadata that each of them carries."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io import jpeg, png, tiff, webp
from inpaintx.io.atomic import atomic_write, check_writable
from inpaintx.io.formats import WRITABLE
from inpaintx.io.metadata import Metadata, resolution_tags, sub_directories
from inpaintx.io.opencv import import_cv2

__all__ = ["check_output", "check_pixels", "encode", "output_format", "write_photo"]

Array = npt.NDArray[Any]
LONGEST = {"JPEG": 65_500, "WebP": 16_383}
JPEG_QUALITY = 97
NOTHING = Metadata()


def output_format(path: str | Path) -> str:
    """The format that a path's suffix names.

    Raises
    ------
    InpaintxError
        No suffix, or one that is not written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        raise InpaintxError(
            f"cannot tell the format of {str(path)!r} from its suffix {suffix!r}; give one of {', '.join(WRITABLE)}"
        )
    return WRITABLE[suffix]


def check_output(path: Path, *, overwrite: bool = False) -> None:
    """Look, before any work is done, whether a photo can be written to ``path``.

    Raises
    ------
    InpaintxError
        Unknown format, no such folder, a file that exists (and ``overwrite`` is not set), something that is not a
        file; see :func:`inpaintx.io.atomic.check_writable`.
    """
    output_format(path)
    if not path.parent.is_dir():
        raise InpaintxError(f"cannot write {path}: the folder {path.parent} does not exist")
    if path.exists() and not path.is_file():
        raise InpaintxError(f"cannot write {path}: it exists and is not a regular file")
    if path.exists() and not overwrite:
        raise InpaintxError(f"{path} exists; give another name or --overwrite")
    check_writable(path)


def check_pixels(fmt: str, pixels: Array) -> list[str]:
    """Whether a format carries such pixels; returns what will not come through exactly.

    Raises
    ------
    InpaintxError
        16 bits, transparency or a side that the format cannot carry.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST.get(fmt, 2**31):
        raise InpaintxError(f"{fmt} holds sides of at most {LONGEST[fmt]} pixels, the photo has {width} x {height}")
    if pixels.dtype == np.uint16 and fmt in ("JPEG", "WebP"):
        raise InpaintxError(f"the photo has 16 bits a channel, which {fmt} cannot carry; write .png or .tif")
    if fmt == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4 and not bool((pixels[..., 3] == 255).all()):
        raise InpaintxError("the photo has transparent pixels, which JPEG cannot carry; write .png, .webp or .tif")
    if fmt == "JPEG":
        return ["JPEG encodes every pixel anew: known pixels come out close to the input's, not equal (.png is exact)"]
    return []


def encode(pixels: Array, fmt: str, metadata: Metadata = NOTHING) -> tuple[bytes, list[str]]:
    """Encode pixels, losslessly but for JPEG (quality 97, no chroma subsampling).

    Parameters
    ----------
    pixels
        As in :class:`inpaintx.io.photo.Photo`.
    fmt
        ``"PNG"``, ``"JPEG"``, ``"WebP"`` or ``"TIFF"``.
    metadata
        What is written with them.

    Returns
    -------
    bytes, list of str
        The file, and notes on what the format did not carry.

    Raises
    ------
    InpaintxError
        The format cannot carry the pixels: see :func:`check_pixels`.
    """
    notes = check_pixels(fmt, pixels)
    cv2 = import_cv2()
    if fmt == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3]
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(np.ascontiguousarray(pixels), code)
    alpha = pixels.ndim == 3 and pixels.shape[2] == 4
    options: list[int] = []
    if fmt == "JPEG":
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    elif fmt == "WebP":
        options = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100: lossless
        if hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_MODE"):  # and the colours under alpha 0 as well
            options = [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
        elif alpha and bool((pixels[..., 3] == 0).any()):
            notes.append(f"OpenCV {cv2.__version__} may change the colours under fully transparent pixels of a WebP")
    suffix = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "TIFF": ".tiff"}[fmt]
    try:
        done, data = cv2.imencode(suffix, pixels, options)
    except cv2.error:
        done = False
    if not done:
        raise InpaintxError(f"OpenCV cannot write {list(pixels.shape)} {pixels.dtype} pixels as {fmt}")
    file, dropped = _with_metadata(data.tobytes(), fmt, metadata, gray=pixels.ndim == 2, alpha=alpha)
    if dropped:
        notes.append(f"{fmt} does not carry the photo's {', '.join(dropped)}")
    return file, notes


def _with_metadata(file: bytes, fmt: str, metadata: Metadata, *, gray: bool, alpha: bool) -> tuple[bytes, list[str]]:
    """The file with its metadata, and the names of what the format has no place for."""
    if fmt == "PNG":
        return png.add_metadata(file, metadata)
    # sRGB is what pixels without a profile are taken for
    dropped = [f"colour chunk {name}" for name in metadata.chunks if name not in ("sRGB", "sBIT")]
    if fmt == "JPEG":
        file, more = jpeg.add_metadata(file, metadata)
        return file, dropped + more
    if fmt == "WebP":
        if gray and metadata.icc:
            metadata = Metadata(None, metadata.exif, metadata.resolution)
            dropped.append("grey colour profile (WebP stores RGB)")
        if metadata.resolution and not metadata.exif:
            dropped.append("resolution")
        return webp.add_metadata(file, metadata, alpha), dropped
    added = dict(metadata.exif.main)
    if metadata.icc:
        added[tiff.ICC] = tiff.Tag.raw(metadata.icc)
    if metadata.resolution:
        added |= resolution_tags(metadata.resolution)
    if alpha:
        added[tiff.EXTRA_SAMPLES] = tiff.Tag.of(tiff.SHORT, 2)  # alpha that the colours are not multiplied by
    below = sub_directories(metadata.exif)
    return tiff.add_tags(file, added, below) if added or below else file, dropped


def write_photo(path: str | Path, pixels: Array, metadata: Metadata = NOTHING, *, overwrite: bool = False) -> list[str]:
    """Write a photo whole or not at all; the suffix of ``path`` names the format.

    Returns
    -------
    list of str
        Notes on what the format did not carry.

    Raises
    ------
    InpaintxError
        See :func:`check_output` and :func:`encode`; or no room on the disk.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    data, notes = encode(pixels, output_format(path), metadata)
    with atomic_write(path) as part:
        part.write_bytes(data)
    return notes
