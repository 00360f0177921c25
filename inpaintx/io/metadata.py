"""What a photo file holds besides pixels, and is carried into the result: colour profile, EXIF, resolution."""

import struct
from dataclasses import dataclass, field

from inpaintx.io import tiff
from inpaintx.io.tiff import Tag

__all__ = ["Exif", "Metadata", "exif_block", "exif_from_tags", "read_exif"]

# of a camera's main directory: description, maker, model, software, time, artist, host, copyright, Windows' own
DESCRIBING = (270, 271, 272, 305, 306, 315, 316, 18246, 33432, *range(40091, 40096))
MAKER_NOTE, INTEROPERABILITY, EXIF_WIDTH, EXIF_HEIGHT = 37500, 40965, 40962, 40963
INCH, CENTIMETER = 2, 3
# to what a PNG's colours are to be read as; other formats have an ICC profile for that
COLOR_CHUNKS = ("cICP", "iCCP", "sRGB", "gAMA", "cHRM", "sBIT", "mDCV", "cLLI")


@dataclass(frozen=True)
class Exif:
    """EXIF directories by tag: of the picture, of the shot, of the place."""

    main: dict[int, Tag] = field(default_factory=dict)
    shot: dict[int, Tag] = field(default_factory=dict)
    place: dict[int, Tag] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.main or self.shot or self.place)


@dataclass(frozen=True)
class Metadata:
    """What is carried from a photo into the result.

    Parameters
    ----------
    icc
        The ICC colour profile that the pixels are meant in, or None (sRGB by custom).
    exif
        Camera, time, place; without orientation, thumbnail and maker note.
    resolution
        Pixels an inch across and down, or None.
    chunks
        A PNG's colour chunks but for the profile, by name.
    """

    icc: bytes | None = None
    exif: Exif = field(default_factory=Exif)
    resolution: tuple[float, float] | None = None
    chunks: dict[str, bytes] = field(default_factory=dict)


def resolution_of(tags: dict[int, Tag]) -> tuple[float, float] | None:
    """Pixels an inch that a TIFF or EXIF directory tells."""
    across, down = (tags[n].fraction if n in tags else None for n in (tiff.X_RESOLUTION, tiff.Y_RESOLUTION))
    unit = tags[tiff.RESOLUTION_UNIT].values[:1] if tiff.RESOLUTION_UNIT in tags else (INCH,)
    if not across or not down or unit not in ((INCH,), (CENTIMETER,)):
        return None
    scale = 2.54 if unit == (CENTIMETER,) else 1.0
    return across * scale, down * scale


def resolution_tags(resolution: tuple[float, float]) -> dict[int, Tag]:
    """The same as tags."""
    return {
        tiff.X_RESOLUTION: Tag.ratio(resolution[0]),
        tiff.Y_RESOLUTION: Tag.ratio(resolution[1]),
        tiff.RESOLUTION_UNIT: Tag.of(tiff.SHORT, INCH),
    }


def orientation_of(tags: dict[int, Tag]) -> int:
    """EXIF orientation, 1 to 8; 1 where it is missing or nonsense."""
    values = tags[tiff.ORIENTATION].values[:1] if tiff.ORIENTATION in tags else ()
    return values[0] if values and values[0] in range(1, 9) else 1


def read_exif(block: bytes) -> tuple[Exif, int, tuple[float, float] | None]:
    """Read an EXIF block: what is carried, the orientation, the resolution; empty, 1 and None where it is damaged."""
    block = block.removeprefix(b"Exif\0\0")
    try:
        tags = tiff.read_tags(block)
    except ValueError:
        return Exif(), 1, None
    return exif_from_tags(block, tags), orientation_of(tags), resolution_of(tags)


def exif_from_tags(data: bytes, tags: dict[int, Tag]) -> Exif:
    """Pick from a TIFF's first page, or an EXIF block's, what is carried.

    Left out: the thumbnail, which still shows what is filled; the maker note, whose inner offsets break in a move.
    """
    shot = tiff.sub_directory(data, tags.get(tiff.EXIF))
    for number in (MAKER_NOTE, INTEROPERABILITY):
        shot.pop(number, None)
    main = {number: tags[number] for number in DESCRIBING if number in tags}
    return Exif(main, shot, tiff.sub_directory(data, tags.get(tiff.GPS)))


def left_out(exif: Exif, block: bytes | None) -> list[str]:
    """Name what an EXIF block holds and :func:`read_exif` leaves out."""
    if not block or not exif:
        return ["damaged EXIF data"] if block and len(block) > 40 else []
    block = block.removeprefix(b"Exif\0\0")
    try:
        thumbnail = tiff.has_more_pages(block)
    except struct.error:  # cut off behind the directory that was read
        thumbnail = False
    return ["the thumbnail in the EXIF data"] * thumbnail + left_out_of_shot(block, tiff.read_tags(block))


def left_out_of_shot(data: bytes, tags: dict[int, Tag]) -> list[str]:
    """Name what the directory of the shot holds and :func:`exif_from_tags` leaves out."""
    return ["the maker note in the EXIF data"] * (MAKER_NOTE in tiff.sub_directory(data, tags.get(tiff.EXIF)))


def turned(exif: Exif) -> Exif:
    """The same of a picture that was laid on its side: width and height change places."""
    shot = dict(exif.shot)
    across, down = shot.pop(EXIF_WIDTH, None), shot.pop(EXIF_HEIGHT, None)
    shot.update({number: tag for number, tag in ((EXIF_WIDTH, down), (EXIF_HEIGHT, across)) if tag})
    return Exif(exif.main, shot, exif.place)


def exif_block(metadata: Metadata) -> bytes:
    """Write EXIF as a block for JPEG, PNG and WebP, upright (orientation 1); empty where there is nothing to say."""
    exif = metadata.exif
    if not exif:
        return b""
    main = {**exif.main, tiff.ORIENTATION: Tag.of(tiff.SHORT, 1)}
    if metadata.resolution:
        main |= resolution_tags(metadata.resolution)
    empty = b"II*\0" + struct.pack("<IHI", 8, 0, 0)
    return tiff.add_tags(empty, main, sub_directories(exif))


def sub_directories(exif: Exif) -> dict[int, dict[int, Tag]]:
    """The directories that the main one points to."""
    return {number: tags for number, tags in ((tiff.EXIF, exif.shot), (tiff.GPS, exif.place)) if tags}
