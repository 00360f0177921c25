"""What a picture file says of itself before it is decoded: format, size, metadata, and whether it is all there."""

import struct
from dataclasses import dataclass, field

from inpaintx.io.formats import format_of
from inpaintx.io.metadata import Exif, Metadata

__all__ = ["CMYK_NOTE", "Header", "check_format", "read_header"]

FORMATS = ("PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF", "AVIF", "JPEG 2000")
CMYK_NOTE = "the photo's CMYK colours were turned into RGB without a colour profile"


@dataclass
class Header:
    """What is known of a picture before its pixels are decoded.

    Parameters
    ----------
    format
        As :func:`inpaintx.io.formats.format_of` names it.
    width, height
        As stored.
    channels
        Where known.
    several
        Whether more pages or frames follow the first picture.
    metadata
        What is carried into the result.
    orientation
        EXIF orientation, 1 to 8.
    dropped
        Names of what else the file holds and is not carried.
    data
        What is given to the decoder instead of the file, where that differs.
    """

    format: str
    width: int
    height: int
    channels: int | None = None
    several: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int = 1
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: bytes | None = None


@dataclass
class JpegHeader(Header):
    """``cut``: the end marker is missing. ``unit``: width and height of the blocks that are coded together (MCU).
    ``restart``: after how many of them the decoder finds its way again, 0: never. ``scan``: where the data of the last
    scan begin.
    """

    cut: bool = False
    unit: tuple[int, int] = (8, 8)
    restart: int = 0
    scan: int = 0


@dataclass
class PngHeader(Header):
    """``transparent``: the grey level that is transparent, in the range of the decoded pixels."""

    transparent: int | None = None


@dataclass
class BoxHeader(Header):
    """``bits``: of a channel. ``profile``: an ICC profile. ``quarters``: turns to the left by 90 degrees; then
    ``mirror``: None, 0 (top and bottom change places) or 1 (left and right).
    """

    bits: int = 8
    quarters: int = 0
    mirror: int | None = None


def read_header(data: bytes) -> Header:
    """Read a picture's header.

    Raises
    ------
    ValueError
        A format that is not read, or a file that is cut off or damaged; the message says which.
    """
    from inpaintx.io import boxes, jpeg, png, simple, tiff_pixels, webp

    readers = {
        "PNG": png.read_header,
        "JPEG": jpeg.read_header,
        "WebP": webp.read_header,
        "TIFF": tiff_pixels.read_header,
        "BMP": simple.read_bmp,
        "GIF": simple.read_gif,
        "AVIF": boxes.read_avif,
        "JPEG 2000": boxes.read_jpeg2000,
    }
    try:
        header = readers[check_format(data)](data)
    except (struct.error, IndexError):
        raise ValueError("the file is cut off") from None
    if header.width < 1 or header.height < 1:
        raise ValueError(f"the file is damaged (it says that it has {header.width} x {header.height} pixels)")
    return header


def check_format(data: bytes) -> str:
    """Name the format of a picture by the first bytes of its file.

    Raises
    ------
    ValueError
        It is of a format that is not read.
    """
    if not data:
        raise ValueError("the file is empty")
    kind = format_of(data)
    if kind is None:
        raise ValueError("it is not a PNG, JPEG, WebP or TIFF picture, nor of another known format")
    if kind not in FORMATS:
        raise ValueError(f"it is {kind}, which is not read here; convert it to PNG, JPEG, WebP or TIFF")
    return kind


def no_exif(exif: Exif, block: bytes | None) -> list[str]:
    """What to call EXIF data that nothing could be read of."""
    return ["damaged EXIF data"] if block and not exif and len(block) > 40 else []
