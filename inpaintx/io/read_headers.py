"""What a picture file says of itself before it is decoded, read by its format's own module."""

import struct

from inpaintx.io import bmp_gif, iso_boxes, jpeg, png, tiff_pixels, webp
from inpaintx.io.formats import format_of
from inpaintx.io.image_header import Header

__all__ = ["check_format", "read_header"]

FORMATS = ("PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF", "AVIF", "JPEG 2000")


def read_header(data: bytes) -> Header:
    """Read a picture's header.

    Raises
    ------
    ValueError
        A format that is not read, or a file that is cut off or damaged; the message says which.
    """
    readers = {
        "PNG": png.read_header,
        "JPEG": jpeg.read_header,
        "WebP": webp.read_header,
        "TIFF": tiff_pixels.read_header,
        "BMP": bmp_gif.read_bmp,
        "GIF": bmp_gif.read_gif,
        "AVIF": iso_boxes.read_avif,
        "JPEG 2000": iso_boxes.read_jpeg2000,
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
