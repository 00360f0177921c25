"""WebP files: their chunks, and metadata added to what OpenCV writes."""

import struct
from collections.abc import Iterator

from inpaintx.io.image_header import Header
from inpaintx.io.metadata import Metadata, exif_block, left_out, read_exif

__all__ = ["add_metadata", "read_header"]

ANIMATION, XMP, EXIF, ALPHA, ICC = 2, 4, 8, 16, 32  # flags of VP8X
MOST_CHUNKS = 2**16


def read_header(data: bytes) -> Header:
    """Read the chunks of a file: the size that each of them tells must be one.

    Raises
    ------
    ValueError, struct.error
        Damaged, or cut off.
    """
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise ValueError("the file is cut off")
    canvas, several = None, False
    frames: list[tuple[int, int] | None] = []
    blocks: dict[bytes, bytes] = {}
    for kind, start, length in _chunks(data, 12, end):
        if kind == b"VP8X":
            canvas = _three(data, start + 4) + 1, _three(data, start + 7) + 1
        elif kind in (b"VP8 ", b"VP8L"):
            frames.append(_frame(data, kind, start))
        elif kind == b"ANMF":
            several = True
            frames += [_frame(data, inner, at) for inner, at, _ in _chunks(data, start + 16, start + length)]
        elif kind in (b"ICCP", b"EXIF", b"XMP "):
            blocks.setdefault(kind, data[start : start + length])
    sizes = [size for size in frames if size]
    if not sizes:
        raise ValueError("the file is damaged (a WebP without a picture)")
    width, height = canvas or sizes[0]
    if any(size[0] > width or size[1] > height for size in sizes) or (not several and sizes[0] != (width, height)):
        raise ValueError(
            f"the file is damaged (it says {width} x {height} pixels, its picture {sizes[0][0]} x {sizes[0][1]})"
        )
    exif, orientation, resolution = read_exif(blocks.get(b"EXIF", b""))
    return Header(
        "WebP",
        width,
        height,
        several=several,
        metadata=Metadata(blocks.get(b"ICCP"), exif, resolution),
        orientation=orientation,
        dropped=["XMP data"] * (b"XMP " in blocks) + left_out(exif, blocks.get(b"EXIF")),
    )


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk."""
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            return
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > end:
            raise ValueError("the file is cut off")
        yield data[at : at + 4], at + 8, length
        at += 8 + length + length % 2
    raise ValueError(f"it has more than {MOST_CHUNKS} chunks")


def _three(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _frame(data: bytes, kind: bytes, start: int) -> tuple[int, int] | None:
    """Width and height of a bitstream."""
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, start + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def add_metadata(file: bytes, metadata: Metadata, alpha: bool) -> bytes:
    """Put a profile and EXIF into a lossless WebP of one picture.

    ``alpha``: the picture has an alpha channel. The encoder leaves one out that is opaque everywhere; the flag that the
    bitstream has one makes decoders give it back.
    """
    (kind, start, length), *_ = (chunk for chunk in _chunks(file, 12, len(file)) if chunk[0] == b"VP8L")
    stream = bytearray(file[start : start + length])
    if alpha:
        stream[4] |= 0x10
    block = exif_block(metadata)
    size = _frame(file, kind, start)
    if not (metadata.icc or block) or size is None:
        return _riff([(b"VP8L", bytes(stream))])
    flags = (ICC if metadata.icc else 0) | (EXIF if block else 0) | (ALPHA if alpha else 0)
    head = struct.pack("<I", flags) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    chunks = [(b"VP8X", head), (b"ICCP", metadata.icc), (b"VP8L", bytes(stream)), (b"EXIF", block)]
    return _riff([(name, body) for name, body in chunks if body])


def _riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
