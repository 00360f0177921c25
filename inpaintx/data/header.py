"""What a picture file says of itself before it is decoded: format, size, and whether it is all there."""

import struct
import zlib
from dataclasses import dataclass

from inpaintx.data import tiff
from inpaintx.data.formats import format_of

__all__ = ["Header", "read_header"]


@dataclass
class Header:
    """Format (``"PNG"``, ``"JPEG"``, ``"WebP"``, ``"TIFF"``), size as stored, channels where known.

    ``several``: more pages or frames follow the first picture.
    """

    format: str
    width: int
    height: int
    channels: int | None = None
    several: bool = False


def read_header(data: bytes) -> Header:
    """Read a picture's header.

    Raises
    ------
    ValueError
        Not one of the four formats, or cut off or damaged; the message says which.
    """
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _png(data)
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(data)
    except (struct.error, IndexError):
        raise ValueError("the file is cut off") from None
    if not data:
        raise ValueError("the file is empty")
    kind = format_of(data)
    raise ValueError(
        f"it is {kind}; convert it to PNG, JPEG, WebP or TIFF"
        if kind
        else "it is not a PNG, JPEG, WebP or TIFF picture"
    )


def _png(data: bytes) -> Header:
    # libpng writes its complaints straight to stderr, so the checksums are held against the chunks here
    at, kind, several = 8, b"", False
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        (expected,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(memoryview(data)[at + 4 : at + 8 + length]) != expected:
            raise ValueError(f"the file is damaged (checksum of its {kind.decode('latin-1')} chunk)")
        several = several or kind == b"acTL"
        at += length + 12
    width, height = struct.unpack_from(">II", data, 16)
    return Header("PNG", width, height, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(data[25]), several)


def _jpeg(data: bytes) -> Header:
    at, found = 2, None
    while True:
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        (length,) = struct.unpack_from(">H", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, at + 3)
            found = Header("JPEG", width, height, channels)
        if marker == 0xDA:  # the entropy-coded data begins
            break
        at = data.find(b"\xff", at + length)  # some cameras leave stray bytes between segments
        if at < 0:
            raise IndexError
    if found is None:
        raise ValueError("the file is damaged (a JPEG without a frame)")
    if data.rfind(b"\xff\xd9") < at:
        raise ValueError("the file is cut off (its end marker is missing)")
    return found


def _webp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise ValueError("the file is cut off")
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return Header("WebP", width, int.from_bytes(data[27:30], "little") + 1, several=bool(data[20] & 2))
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Header("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("WebP", width & 0x3FFF, height & 0x3FFF)


def _tiff(data: bytes) -> Header:
    tags = tiff.read_tags(data)
    try:
        width, height = tags[tiff.WIDTH].values[0], tags[tiff.HEIGHT].values[0]
    except KeyError:
        raise ValueError("the file is damaged (a TIFF without a size)") from None
    samples = tags[tiff.SAMPLES].values[0] if tiff.SAMPLES in tags else 1
    return Header("TIFF", width, height, samples, tiff.has_more_pages(data))
