"""JPEG files: their segments, what a damaged one leaves of the picture, and metadata added to what OpenCV writes."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.io.image_header import JpegHeader
from inpaintx.io.metadata import Metadata, exif_block, left_out, read_exif
from inpaintx.io.opencv import import_cv2

__all__ = ["add_metadata", "gray_rest", "read_header", "without_tail", "without_zeros"]

END = b"\xff\xd9"
AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # a marker other than stuffed bytes, fill and restarts
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
DROPPED = {  # by the marker and the beginning of a segment
    (0xE1, b"http://ns.adobe.com/x"): "XMP data",
    (0xED, b""): "Photoshop data",
    (0xFE, b""): "comments",
}
MOST_SEGMENTS = 10_000
MOST_SCANS = 100  # cameras and programs write 1 to 12; each makes a decoder go over the whole picture
PROFILE = b"ICC_PROFILE\0"
ROOM = 65_533  # bytes in a segment
ZEROS = 512
EMPTY_CMYK = 63, 66  # half of each ink as RGB, whatever the rounding
TAIL = 64  # bytes; some cameras leave a few before the end


def read_header(data: bytes) -> JpegHeader:
    """Read the segments of a file, to its end marker.

    Raises
    ------
    ValueError, struct.error, IndexError
        Damaged, or cut off before its scan begins; two frames (readers differ in which one counts).
    """
    found, end = _Found(), None
    for marker, body, at in _segments(data):
        if marker == END_OF_IMAGE:
            end = at
        elif marker == START_OF_SCAN:
            found.count_scan(at)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            found.take_frame(body)
        elif marker == 0xDD:
            found.restart = int.from_bytes(body[:2], "big")
        else:
            found.take_metadata(marker, body)
    if not found.frame:
        raise ValueError("the file is damaged (a JPEG without a frame)")
    precision, height, width, count = struct.unpack_from(">BHHB", found.frame)
    if precision != 8:
        raise ValueError(f"it is a JPEG of {precision} bits a channel; convert it to a 16-bit PNG or TIFF")
    factors = [found.frame[7 + 3 * i] for i in range(count)]
    unit = (8, 8) if count == 1 else (8 * max(f >> 4 for f in factors), 8 * max(f & 15 for f in factors))
    read, orientation, exif_resolution = read_exif(found.exif)
    icc = _joined(found.profile)
    lost = ["an incomplete colour profile"] * (icc is None and bool(found.profile)) + left_out(read, found.exif)
    return JpegHeader(
        "JPEG",
        width,
        height,
        count,
        found.several,
        Metadata(icc, read, found.resolution or exif_resolution),
        orientation,
        list(dict.fromkeys([*found.dropped, *lost])),
        # a file without its end stops libjpeg in the middle; with an end marker it goes as far as the data do
        data=data.rstrip(b"\0") + END if end is None else data[:end],
        cut=end is None,
        unit=unit,
        restart=found.restart,
        scan=found.scan,
    )


@dataclass
class _Found:
    """What the segments of a file have said so far."""

    frame: bytes = b""
    scans: int = 0
    scan: int = 0  # where the data of the last scan begin
    restart: int = 0
    exif: bytes = b""
    resolution: tuple[float, float] | None = None
    several: bool = False
    profile: dict[int, bytes] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def take_frame(self, body: bytes) -> None:
        if self.frame:
            raise ValueError("the file is damaged (a JPEG with two frames)")
        self.frame = body

    def count_scan(self, at: int) -> None:
        if not self.frame:
            raise ValueError("the file is damaged (a JPEG without a frame)")
        self.scans, self.scan = self.scans + 1, at
        if self.scans > MOST_SCANS:
            raise ValueError(f"it has more than {MOST_SCANS} scans")

    def take_metadata(self, marker: int, body: bytes) -> None:
        if marker == 0xE0 and body.startswith(b"JFIF\0"):
            self.resolution = self.resolution or _density(body)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            self.exif = self.exif or body
        elif marker == 0xE2 and body.startswith(PROFILE) and len(body) > 14:
            self.profile.setdefault(body[12], body)
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            self.several = True
        else:
            self.dropped += [
                words for (kind, start), words in DROPPED.items() if kind == marker and body.startswith(start)
            ]


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each segment's marker and body, and where what follows it begins; the last one, of a whole file, is its end.

    A file that is cut off after its first scan began ends without one.
    """
    at, scanned = 2, False
    for _ in range(MOST_SEGMENTS):
        marker, at = _next_marker(data, at)
        if marker is None:
            if scanned:
                return
            raise IndexError
        if marker == END_OF_IMAGE:
            yield marker, b"", at
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if scanned and at + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, at)
        body = data[at + 2 : at + length]
        at += length
        yield marker, body, at
        if marker == START_OF_SCAN:
            scanned = True
            found = AFTER_SCAN.search(data, at)
            at = found.start() if found else len(data)
    raise ValueError(f"it has more than {MOST_SEGMENTS} segments")


def _next_marker(data: bytes, at: int) -> tuple[int | None, int]:
    """The next marker and where its segment begins; some cameras leave stray bytes between segments."""
    at = data.find(b"\xff", at)
    while at >= 0 and at < len(data) and data[at] == 0xFF:
        at += 1
    return (data[at], at + 1) if 0 <= at < len(data) else (None, at)


def _density(body: bytes) -> tuple[float, float] | None:
    unit, across, down = struct.unpack_from(">BHH", body, 7)
    scale = {1: 1.0, 2: 2.54}.get(unit)
    return (across * scale, down * scale) if scale and across and down else None


def _joined(segments: dict[int, bytes]) -> bytes | None:
    """The profile of all its segments, in the order of their numbers; None if one is missing."""
    counts = {body[13] for body in segments.values()}
    if len(counts) != 1 or sorted(segments) != list(range(1, counts.pop() + 1)):
        return None
    return b"".join(segments[number][14:] for number in sorted(segments))


def without_zeros(data: bytes) -> bytes | None:
    """A damaged file without the run of zeros that it ends in (a download that stopped in a file of full length)."""
    body = data.removesuffix(END)
    shorter = body.rstrip(b"\0")
    return shorter + END if len(body) - len(shorter) >= ZEROS else None


def without_tail(header: JpegHeader) -> bytes | None:
    """A whole file without the last bytes of its last scan, which a decoder that has not lost its way must miss."""
    file = header.data or b""
    return file[: -TAIL - 2] + END if len(file) - header.scan > 4 * TAIL else None


def gray_rest(pixels: npt.NDArray[Any], header: JpegHeader) -> npt.NDArray[np.bool_] | None:
    """Find what a decoder had no data for: it leaves blocks mid-grey, to the next restart or to the end.

    Parameters
    ----------
    pixels
        ``[H,W]`` or ``[H,W,3]`` uint8 as decoded from a damaged file, not turned.
    header
        Of the file.

    Returns
    -------
    ndarray or None
        ``[H,W]`` bool, with the block before each such run, in which the data ended; None where there is no run.
    """
    height, width = pixels.shape[:2]
    low, high = EMPTY_CMYK if header.channels == 4 else (128, 128)
    empty = (pixels >= low) & (pixels <= high)
    gray = empty if pixels.ndim == 2 else empty.all(-1)
    across, down = header.unit
    columns, rows = -(-width // across), -(-height // down)
    padded = np.ones((rows * down, columns * across), bool)
    padded[:height, :width] = gray
    # halved colours are smoothed over the border of blocks, which the pixels on both sides of it show
    inner = padded.reshape(rows, down, columns, across)[:, 2:-2, :, 2:-2].all((1, 3)).ravel()
    interval = min(header.restart or inner.size, inner.size)
    runs = np.ones(-(-inner.size // interval) * interval, bool)
    runs[: inner.size] = inner
    lost = np.logical_and.accumulate(runs.reshape(-1, interval)[:, ::-1], axis=1)[:, ::-1]
    if not lost.any():
        return None
    lost[:, :-1] |= lost[:, 1:]
    blocks = lost.ravel()[: inner.size].reshape(rows, columns)
    rest = np.repeat(np.repeat(blocks, down, 0), across, 1)[:height, :width]
    cv2 = import_cv2()
    return np.asarray(cv2.dilate(rest.view(np.uint8), np.ones((3, 3), np.uint8))).view(bool)


def add_metadata(file: bytes, metadata: Metadata) -> tuple[bytes, list[str]]:
    """Put metadata into the JPEG that OpenCV wrote; the file, and what did not fit."""
    notes = []
    head = bytearray(file[:20])
    if metadata.resolution and head[6:11] == b"JFIF\0":
        across, down = (max(1, min(round(value), 65_535)) for value in metadata.resolution)
        struct.pack_into(">BHH", head, 13, 1, across, down)
    segments = b""
    block = exif_block(metadata)
    if block:
        if len(block) + 6 > ROOM:
            notes.append("EXIF data")
        else:
            segments += b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block
    icc = metadata.icc or b""
    room = ROOM - 14
    pieces = [icc[i : i + room] for i in range(0, len(icc), room)]
    if len(pieces) > 255:
        notes.append("the colour profile")
        pieces = []
    for number, piece in enumerate(pieces, 1):
        segments += b"\xff\xe2" + (len(piece) + 16).to_bytes(2, "big") + PROFILE + bytes([number, len(pieces)]) + piece
    return bytes(head) + segments + file[20:], notes
