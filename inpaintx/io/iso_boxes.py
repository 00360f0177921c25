"""Headers of files made of boxes (ISO 14496-12): AVIF and JPEG 2000."""

import struct
from collections.abc import Iterator

from inpaintx.io.image_header import BoxHeader
from inpaintx.io.metadata import Metadata

__all__ = ["read_avif", "read_jpeg2000"]

MOST_BOXES = 10_000
CODESTREAM = b"\xff\x4f\xff\x51"


def read_avif(data: bytes) -> BoxHeader:
    """Read size, bits, profile and turn of an AVIF picture.

    Properties are taken as the primary picture's: what else a file holds (thumbnail, alpha, tiles) has them alike, or
    is smaller.
    """
    sizes, bits, profile, quarters, mirror = [], 8, None, 0, None
    for kind, start, end in _inside(data, (b"meta", b"iprp", b"ipco")):
        if kind == b"ispe":
            sizes.append(struct.unpack_from(">II", data, start + 4))
        elif kind == b"av1C" and end - start >= 3:
            bits = (12 if data[start + 2] & 0x20 else 10) if data[start + 2] & 0x40 else 8
        elif kind == b"colr" and data[start : start + 4] in (b"prof", b"rICC"):
            profile = profile or data[start + 4 : end]
        elif kind == b"irot":
            quarters = data[start] & 3
        elif kind == b"imir":
            mirror = data[start] & 1
    if not sizes:
        raise ValueError("the file is damaged (an AVIF without a size)")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return BoxHeader(
        "AVIF",
        width,
        height,
        several=data[8:12] == b"avis",
        metadata=Metadata(profile),
        bits=bits,
        quarters=quarters,
        mirror=mirror,
    )


def read_jpeg2000(data: bytes) -> BoxHeader:
    """Read size, bits and profile of a JPEG 2000 picture; box and codestream must tell one size."""
    at, told, profile = 0, None, None
    if not data.startswith(CODESTREAM):
        for kind, start, end in _boxes(data, 0, len(data)):
            if kind == b"jp2h":
                for inner, first, last in _boxes(data, start, end):
                    if inner == b"ihdr":
                        height, width = struct.unpack_from(">II", data, first)
                        told = width, height
                    elif inner == b"colr" and data[first] in (2, 3):
                        profile = data[first + 3 : last]
            elif kind == b"jp2c":
                at = start
                break
        if data[at : at + 4] != CODESTREAM:
            raise ValueError("the file is damaged (a JPEG 2000 file without a picture)")
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    (count,) = struct.unpack_from(">H", data, at + 40)
    size = right - left, bottom - top
    if told not in (None, size):
        raise ValueError(f"the file is damaged (it says {told} pixels, its picture {size})")
    depths = {data[at + 42 + 3 * i] for i in range(count)}
    if not depths <= {7, 15} or len(depths) != 1:
        words = ", ".join(f"{(d & 127) + 1} bits{', signed' * (d >> 7)}" for d in sorted(depths))
        raise ValueError(f"it is a JPEG 2000 picture of {words}; expected 8 or 16 bits: convert it to PNG or TIFF")
    return BoxHeader("JPEG 2000", *size, count, metadata=Metadata(profile), bits=depths.pop() + 1)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the boxes between two places."""
    for _ in range(MOST_BOXES):
        if at + 8 > end:
            return
        (size,) = struct.unpack_from(">I", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = end if size == 0 else at + size
        if stop < start or stop > end:
            raise ValueError("the file is cut off")
        yield data[at + 4 : at + 8], start, stop
        at = stop
    raise ValueError(f"it has more than {MOST_BOXES} boxes")


def _inside(data: bytes, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes inside the first of each name of ``path``, one in the other."""
    at, end = 0, len(data)
    for name in path:
        found = next((box for box in _boxes(data, at, end) if box[0] == name), None)
        if found is None:
            return
        at, end = found[1] + (4 if name == b"meta" else 0), found[2]  # meta has a version before its boxes
    yield from _boxes(data, at, end)
