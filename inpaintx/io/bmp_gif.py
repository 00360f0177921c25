"""Headers of BMP and GIF files."""

import struct

from inpaintx.io.image_header import Header
from inpaintx.io.metadata import Metadata

__all__ = ["read_bmp", "read_gif"]

METER = 0.0254
MOST_BLOCKS = 2**21


def read_bmp(data: bytes) -> Header:
    """Read the header of a Windows or OS/2 bitmap."""
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return Header("BMP", width, height, 1 if bits == 1 else 3)
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    across, down = struct.unpack_from("<ii", data, 38)
    resolution = (across * METER, down * METER) if across > 0 and down > 0 else None
    notes = []
    if bits == 32 and size >= 56 and struct.unpack_from("<I", data, 66)[0]:
        notes.append("the alpha channel of a BMP was dropped: OpenCV does not read it")
    dropped = ["the colour profile"] if size >= 124 and data[70:74] in (b"DEBM", b"KNIL") else []
    return Header("BMP", width, abs(height), metadata=Metadata(resolution=resolution), dropped=dropped, notes=notes)


def read_gif(data: bytes) -> Header:
    """Read the size of a GIF, and whether it holds more than one frame."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    frames = blocks = 0
    while (kind := data[at]) != 0x3B:
        if kind == 0x2C:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if left + across > width or top + down > height:
                raise ValueError("the file is damaged (a frame that does not lie in its picture)")
            frames += 1
            if frames > 1:
                break
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif kind == 0x21:
            at += 2
        else:
            raise ValueError("the file is damaged (neither a frame nor an extension where one should be)")
        while length := data[at]:
            at += 1 + length
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise ValueError(f"its first frames have more than {MOST_BLOCKS} blocks")
        at += 1
    if not frames:
        raise ValueError("the file is damaged (a GIF without a frame)")
    return Header("GIF", width, height, several=frames > 1)
