"""Directories of TIFF files (an EXIF block is one), read and written: what OpenCV neither reads nor writes."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["Tag", "add_tags", "has_more_pages", "read_tags", "sub_directory", "with_tags"]

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS, STRIP_BYTES, X_RESOLUTION, Y_RESOLUTION = 273, 274, 277, 278, 279, 282, 283
PLANAR, RESOLUTION_UNIT, PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT = 284, 296, 317, 320, 322, 323
TILE_OFFSETS, TILE_BYTES, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 324, 325, 332, 338, 339, 347
EXIF, ICC, GPS, DNG_VERSION = 34665, 34675, 34853, 50706
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16
# how many bytes a value of each type takes, and the units in which its byte order is swapped
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
UNITS = {**BYTES, 5: 4, 10: 4}
INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
MOST_TAGS = 4096


@dataclass(frozen=True)
class Tag:
    """One entry of a directory: its type, how many values, and these in little-endian order."""

    kind: int
    count: int
    data: bytes

    @property
    def values(self) -> tuple[int, ...]:
        """The values as integers; empty where the tag holds something else."""
        code = INTEGERS.get(self.kind)
        return struct.unpack(f"<{self.count}{code}", self.data) if code else ()

    @property
    def fraction(self) -> float | None:
        """The first value of a RATIONAL, if it has a denominator."""
        if self.kind != RATIONAL or not self.count:
            return None
        above, below = struct.unpack_from("<II", self.data)
        return above / below if below else None

    @staticmethod
    def of(kind: int, *values: int) -> "Tag":
        """A tag of whole numbers."""
        return Tag(kind, len(values), struct.pack(f"<{len(values)}{INTEGERS[kind]}", *values))

    @staticmethod
    def ratio(value: float) -> "Tag":
        """A RATIONAL."""
        near = Fraction(value).limit_denominator(10_000)
        return Tag(RATIONAL, 1, struct.pack("<II", min(near.numerator, 2**32 - 1), near.denominator))

    @staticmethod
    def raw(data: bytes) -> "Tag":
        """Bytes of no further meaning."""
        return Tag(UNDEFINED, len(data), data)


def read_tags(data: bytes) -> dict[int, Tag]:
    """Read the first page's tags, of a classic or a big TIFF.

    Raises
    ------
    ValueError
        The bytes are not a TIFF file, or it is cut off, or a tag stands twice (readers differ in which one counts).
    """
    try:
        return _read(data, *_directory(data))
    except struct.error:
        raise ValueError("the TIFF directory is cut off") from None


def sub_directory(data: bytes, tag: Tag | None) -> dict[int, Tag]:
    """Read the directory that a tag points to; empty where there is none, or it is damaged."""
    if tag is None or not tag.values:
        return {}
    order, big, _, _ = _directory(data)
    try:
        (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, tag.values[0])
        return _read(data, order, big, tag.values[0] + (8 if big else 2), entries)
    except (ValueError, struct.error):
        return {}


def has_more_pages(data: bytes) -> bool:
    """Whether another page follows the first one."""
    order, big, start, entries = _directory(data)
    (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, start + entries * (20 if big else 12))
    return bool(following)


def _directory(data: bytes) -> tuple[str, bool, int, int]:
    """Byte order, whether it is a big TIFF, and where the first page's entries start and how many there are."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    if not order or data[2:4] not in (struct.pack(order + "H", 42), struct.pack(order + "H", 43)):
        raise ValueError("not a TIFF file")
    big = data[2:4] == struct.pack(order + "H", 43)
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    return order, big, start + (8 if big else 2), entries


def _read(data: bytes, order: str, big: bool, start: int, entries: int) -> dict[int, Tag]:
    size, inline = (20, 8) if big else (12, 4)
    if entries > MOST_TAGS:
        raise ValueError(f"the file is damaged (a TIFF directory of {entries} tags)")
    tags: dict[int, Tag] = {}
    total = 0
    for entry in range(start, start + entries * size, size):
        number, kind = struct.unpack_from(order + "HH", data, entry)
        (count,) = struct.unpack_from(order + ("Q" if big else "I"), data, entry + 4)
        length = BYTES.get(kind, 0) * count
        offset = entry + size - inline
        if length > inline:
            (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, offset)
        total += length
        if offset + length > len(data):
            raise ValueError("the TIFF directory is cut off")
        if total > len(data):
            raise ValueError("the file is damaged (its TIFF tags lie over each other)")
        if number in tags:
            raise ValueError(f"the file is damaged (TIFF tag {number} stands twice)")
        tags[number] = Tag(kind, count, _swapped(data[offset : offset + length], kind, order))
    return tags


def _swapped(data: bytes, kind: int, order: str) -> bytes:
    """Take values from a byte order to the little-endian one, or back."""
    unit = UNITS.get(kind, 1)
    return data if order == "<" or unit == 1 else np.frombuffer(data, f">u{unit}").astype(f"<u{unit}").tobytes()


def with_tags(data: bytes, tags: Mapping[int, Tag]) -> bytes:
    """Write a TIFF again with another directory for its first and only page; the pixels stay where they are."""
    order, big, _, _ = _directory(data)
    body = bytearray(data)
    at = _append(body, tags, order, big)
    struct.pack_into(order + ("Q" if big else "I"), body, 8 if big else 4, at)
    return bytes(body)


def add_tags(data: bytes, new: Mapping[int, Tag], sub: Mapping[int, Mapping[int, Tag]] | None = None) -> bytes:
    """Write a TIFF of one page again with more tags.

    Parameters
    ----------
    data
        The file.
    new
        Tags by number.
    sub
        Directories (EXIF, GPS) by the number of the tag that points to them.
    """
    order, big, _, _ = _directory(data)
    body = bytearray(data)
    pointers = {number: Tag.of(LONG, _append(body, tags, order, big)) for number, tags in (sub or {}).items()}
    return with_tags(bytes(body), {**read_tags(data), **new, **pointers})


def _append(body: bytearray, tags: Mapping[int, Tag], order: str, big: bool) -> int:
    """Append a directory and its values to a file; where it begins."""
    wide, inline = ("Q", 8) if big else ("I", 4)
    table = b""
    for number in sorted(tags):
        tag = tags[number]
        value = _swapped(tag.data, tag.kind, order)
        if len(value) > inline:
            body += b"\0" * (len(body) % 2)
            where = struct.pack(order + wide, len(body))
            body += value
        else:
            where = value.ljust(inline, b"\0")
        table += struct.pack(order + "HH" + wide, number, tag.kind, tag.count) + where
    body += b"\0" * (-len(body) % 8)
    at = len(body)
    body += struct.pack(order + ("Q" if big else "H"), len(tags)) + table + bytes(inline)
    return at
