"""PNG files: their chunks, checked before libpng sees them, and metadata added to what OpenCV writes."""

import struct
import zlib

from inpaintx.io.image_header import PngHeader
from inpaintx.io.metadata import COLOR_CHUNKS, Metadata, exif_block, left_out, read_exif

__all__ = ["add_metadata", "read_header"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what the decoder gets
INCHES = 0.0254  # of a metre
MOST_CHUNKS = 2**18  # 400 MiB in chunks of 8 KiB are 51,200
MOST_PROFILE = 2**24


def read_header(data: bytes) -> PngHeader:
    """Read all chunks but the pixels, and hold every checksum against its chunk.

    Raises
    ------
    ValueError, struct.error
        Damaged, or cut off.
    """
    # libpng writes its complaints straight to stderr, and goes on after some of them
    at, kind, count = 8, b"", 0
    view = memoryview(data)
    pixels: list[bytes | memoryview] = [SIGNATURE]
    found: dict[bytes, bytes] = {}
    text = False
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        (expected,) = struct.unpack_from(">I", data, at + 8 + length)
        if not (kind.isalpha() and kind.isascii()):
            raise ValueError("the file is damaged (a chunk whose name is not four letters)")
        name = kind.decode("ascii")
        if zlib.crc32(view[at + 4 : at + 8 + length]) != expected:
            raise ValueError(f"the file is damaged (checksum of its {name} chunk)")
        if (kind == b"IHDR") != (at == 8) or (kind == b"IHDR" and length != 13):
            raise ValueError("the file is damaged (its IHDR chunk does not stand once, at the beginning)")
        count += 1
        if count > MOST_CHUNKS:
            raise ValueError(f"it has more than {MOST_CHUNKS} chunks")
        if kind in PIXELS:
            pixels.append(view[at : at + 12 + length])
        if kind in (b"tRNS", b"pHYs", b"eXIf", b"acTL") or name in COLOR_CHUNKS:
            found.setdefault(kind, data[at + 8 : at + 8 + length])
        text = text or kind in (b"tEXt", b"zTXt", b"iTXt")
        at += length + 12
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    exif, orientation, _ = read_exif(found.get(b"eXIf", b""))
    profile, dropped = _profile(found.get(b"iCCP"))
    chunks = {name: found[name.encode()] for name in COLOR_CHUNKS if name.encode() in found and name != "iCCP"}
    return PngHeader(
        "PNG",
        width,
        height,
        CHANNELS.get(color),
        b"acTL" in found,
        Metadata(profile, exif, _resolution(found.get(b"pHYs", b"")), chunks),
        orientation,
        dropped + ["text"] * text + left_out(exif, found.get(b"eXIf")),
        data=b"".join(pixels),
        transparent=_transparent(found.get(b"tRNS", b""), depth) if color == 0 else None,
    )


def _transparent(chunk: bytes, depth: int) -> int | None:
    """The grey level of a tRNS chunk, which libpng leaves out of grey pictures, as it is after decoding."""
    if len(chunk) != 2:
        return None
    level = int.from_bytes(chunk, "big") & (2**depth - 1)
    return level * (255 // (2**depth - 1)) if depth < 8 else level


def _profile(chunk: bytes | None) -> tuple[bytes | None, list[str]]:
    """The ICC profile, and what is to be said if there is one that cannot be read."""
    if chunk is None:
        return None, []
    unpack = zlib.decompressobj()
    try:
        profile = unpack.decompress(chunk[chunk.index(b"\0") + 2 :], MOST_PROFILE)
    except (ValueError, zlib.error):
        profile = b""
    return (profile, []) if profile and unpack.eof else (None, ["a damaged colour profile"])


def _resolution(chunk: bytes) -> tuple[float, float] | None:
    if len(chunk) != 9 or chunk[8] != 1:  # 1: pixels a metre; otherwise only the pixel's shape is told
        return None
    across, down = struct.unpack(">II", chunk[:8])
    return (across * INCHES, down * INCHES) if across and down else None


def add_metadata(file: bytes, metadata: Metadata) -> tuple[bytes, list[str]]:
    """Put metadata before the pixels of a PNG; the file, and what did not fit."""
    color = file[25]
    notes = []
    chunks = dict(metadata.chunks)
    if "sBIT" in chunks and len(chunks["sBIT"]) != CHANNELS[color]:
        del chunks["sBIT"]
        notes.append("significant bits (sBIT)")
    if metadata.icc:
        chunks.pop("sRGB", None)  # the two exclude each other
        chunks["iCCP"] = b"ICC profile\0\0" + zlib.compress(metadata.icc, 9)
    if metadata.resolution:
        across, down = (min(round(value / INCHES), 2**31 - 1) for value in metadata.resolution)
        chunks["pHYs"] = struct.pack(">IIB", across, down, 1)
    block = exif_block(metadata)
    if block:
        chunks["eXIf"] = block
    order = [*COLOR_CHUNKS, "pHYs", "eXIf"]
    added = b"".join(_chunk(name, chunks[name]) for name in order if name in chunks)
    return file[:33] + added + file[33:], notes


def _chunk(name: str, data: bytes) -> bytes:
    body = name.encode() + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
