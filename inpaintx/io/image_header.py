"""What is known of a picture before it is decoded: format, size, metadata, and whether it is all there."""

from dataclasses import dataclass, field

from inpaintx.io.metadata import Metadata

__all__ = ["CMYK_NOTE", "Header"]

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
