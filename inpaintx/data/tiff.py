"""The tags of a TIFF file's first page, read and added: what OpenCV neither reads nor writes.

An EXIF block is a small TIFF file, so its orientation is read here as well.
"""

import struct
from dataclasses import dataclass

__all__ = ["EXTRA_SAMPLES", "ICC", "ORIENTATION", "Tag", "add_tags", "has_more_pages", "read_tags"]

WIDTH, HEIGHT, BITS, ORIENTATION, SAMPLES = 256, 257, 258, 274, 277
EXTRA_SAMPLES, SAMPLE_FORMAT, ICC = 338, 339, 34675
SHORT, LONG, UNDEFINED = 3, 4, 7
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass
class Tag:
    """One entry of the page: its type, how many values, and where in the file they are."""

    kind: int
    count: int
    offset: int
    data: bytes
    order: str

    @property
    def values(self) -> tuple[int, ...]:
        """The values as integers; empty where the tag holds something else."""
        code = INTEGERS.get(self.kind)
        return struct.unpack(f"{self.order}{self.count}{code}", self.data) if code else ()


def read_tags(data: bytes) -> dict[int, Tag]:
    """Read the first page's tags, of a classic or a big TIFF.

    Raises
    ------
    ValueError
        The bytes are not a TIFF file, or it is cut off.
    """
    try:
        return _read(data)
    except struct.error:
        raise ValueError("the TIFF directory is cut off") from None


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


def _read(data: bytes) -> dict[int, Tag]:
    order, big, start, entries = _directory(data)
    size, inline = (20, 8) if big else (12, 4)
    tags: dict[int, Tag] = {}
    for entry in range(start, start + min(entries, 4096) * size, size):
        number, kind = struct.unpack_from(order + "HH", data, entry)
        (count,) = struct.unpack_from(order + ("Q" if big else "I"), data, entry + 4)
        length = BYTES.get(kind, 0) * count
        offset = entry + size - inline
        if length > inline:
            (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, offset)
        if offset + length > len(data):
            raise ValueError("the TIFF directory is cut off")
        tags[number] = Tag(kind, count, offset, data[offset : offset + length], order)
    return tags


def add_tags(data: bytes, new: dict[int, bytes | int]) -> bytes:
    """Write a classic TIFF again with tags added to its first page: integers as SHORT, bytes as UNDEFINED.

    The page's directory is written anew at the end of the file; the pixels stay where they are.
    """
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, start)
    old = [data[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(entries)]
    following = data[start + 2 + 12 * entries :][:4]
    table = {struct.unpack_from(order + "H", entry)[0]: entry for entry in old}
    body = bytearray(data)
    for number, value in new.items():
        if isinstance(value, int):
            table[number] = struct.pack(order + "HHIHxx", number, SHORT, 1, value)
            continue
        body += b"\0" * (len(body) % 2)
        where = struct.pack(order + "I", len(body)) if len(value) > 4 else value.ljust(4, b"\0")
        table[number] = struct.pack(order + "HHI", number, UNDEFINED, len(value)) + where
        if len(value) > 4:
            body += value
    body += b"\0" * (len(body) % 2)
    struct.pack_into(order + "I", body, 4, len(body))
    body += struct.pack(order + "H", len(table)) + b"".join(table[number] for number in sorted(table)) + following
    return bytes(body)
