"""Picture files for the tests of reading and writing."""

import io
import struct
import zlib
from functools import cache

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "TIFF": ".tif"}


def profile(space: bytes = b"RGB ") -> bytes:
    """A colour profile of zeros with an honest header."""
    body = bytearray(400)
    struct.pack_into(">I", body, 0, 400)
    body[8:12], body[12:16], body[16:20], body[20:24] = b"\x02\x10\0\0", b"mntr", space, b"XYZ "
    body[36:40] = b"acsp"
    return bytes(body)


@cache  # a profile holds the second that it was made in
def srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(pixels, fmt, path, **options):
    Image.fromarray(pixels).save(path, fmt, **options)
    return path


def file_of(pixels, fmt, **options) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def smooth(height=96, width=128) -> np.ndarray:
    """An RGB picture that JPEG codes well, and that is mid-grey nowhere."""
    y, x = np.mgrid[:height, :width]
    return np.stack([30 + x, 40 + y, 160 + 60 * np.sin(x / 9) * np.cos(y / 7)], -1).clip(0, 255).astype(np.uint8)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows: bytes, *between: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) if rows else b""
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(between) + body + chunk(b"IEND")
