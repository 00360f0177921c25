"""Photo files read: upright, at their own bit depth, with the metadata that is carried into the result."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io import jpeg, opencv, tiff_pixels
from inpaintx.io.atomic import check_file, read_whole
from inpaintx.io.encode import check_output, check_pixels, encode, output_format, write_photo
from inpaintx.io.image_header import CMYK_NOTE, BoxHeader, Header, JpegHeader, PngHeader
from inpaintx.io.metadata import Metadata, left_out, read_exif, turned
from inpaintx.io.names import printable
from inpaintx.io.opencv import import_cv2
from inpaintx.io.read_headers import check_format, read_header

__all__ = [
    "MAX_PIXELS",
    "Photo",
    "check_input",
    "check_output",
    "check_pixels",
    "decode",
    "encode",
    "jpeg_flaw",
    "output_format",
    "read_photo",
    "write_photo",
]

Array = npt.NDArray[Any]
#: Most pixels of a photo (a phone's "50 megapixels" are 8192 x 6144).
MAX_PIXELS = 50 * 2**20
FLAW = "the JPEG is "
STRAY = re.compile(r"(\d+) extraneous bytes")
MOST_STRAY = jpeg.TAIL  # bytes that some cameras leave before the end; more are data that the decoder lost its way in


@dataclass
class Photo:
    """A decoded photo.

    Parameters
    ----------
    pixels
        ``[H,W]`` (grey), ``[H,W,3]`` (RGB) or ``[H,W,4]`` (RGB and alpha), uint8 or uint16, upright.
    metadata
        What is carried into the result.
    notes
        What a reader should know: an orientation that was applied, damage, metadata that were dropped.
    damage
        ``[H,W]`` bool: for which pixels a damaged JPEG holds no data, so that the decoder left them grey; or None.
    format
        What the file was: ``"PNG"``, ``"JPEG"``, ...
    """

    pixels: Array
    metadata: Metadata = field(default_factory=Metadata)
    notes: list[str] = field(default_factory=list)
    damage: npt.NDArray[np.bool_] | None = None
    format: str = ""

    @property
    def icc(self) -> bytes | None:
        """The ICC colour profile that the pixels are meant in, or None (sRGB by custom)."""
        return self.metadata.icc

    @property
    def flaw(self) -> str | None:
        """What is known of damage in the file, in words; None where nothing is."""
        return next((note for note in self.notes if note.startswith(FLAW)), None)

    @property
    def alpha(self) -> Array | None:
        """``[H,W]`` opacity, or None."""
        return self.pixels[..., 3] if self.pixels.ndim == 3 and self.pixels.shape[2] == 4 else None

    @property
    def was_turned(self) -> bool:
        """Whether the EXIF orientation was applied."""
        return any(note.startswith("turned upright") for note in self.notes)


def check_input(path: Path, *, what: str = "photo") -> None:
    """Look, before any work is done, whether a file can be a picture that is read; see :func:`read_photo`.

    Raises
    ------
    InpaintxError
        It is missing, no regular file, or of another format.
    """
    check_file(path, what)
    if not path.is_file():  # a pipe that the shell opened, which can be read once
        return
    try:
        with path.open("rb") as file:
            check_format(file.read(512))
    except OSError as error:
        raise InpaintxError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InpaintxError(f"{what} {path} cannot be read: {error}") from None


def read_photo(path: str | Path, *, what: str = "photo", whole: bool = False) -> Photo:
    """Read a PNG, JPEG, WebP or TIFF file; BMP, GIF, AVIF and JPEG 2000 as well where OpenCV was built with them.

    Parameters
    ----------
    path
        The file; its content counts, not its suffix.
    what
        Its role, for errors.
    whole
        Refuse a JPEG that is damaged or cut off, instead of reading it as far as it goes.

    Returns
    -------
    Photo
        Upright (EXIF orientation applied), RGB order, at the file's bit depth.

    Raises
    ------
    InpaintxError
        Missing or unreadable file, not a picture, cut off or damaged, more than :data:`MAX_PIXELS`, or a kind of
        pixel (float, signed) that cannot be kept.

    Notes
    -----
    Damage is found by a PNG's checksums, by what libjpeg and libtiff say, and by a missing end. It cannot be found
    where a format has no checksum and every code can be read: in a WebP, in a TIFF that is not compressed, and where a
    byte of a JPEG or of LZW changed into another one that makes sense.
    """
    return decode(read_whole(Path(path), what), f"{what} {path}", whole=whole)


def decode(data: bytes, name: str, *, whole: bool = False) -> Photo:
    """Decode a picture file's bytes; ``name`` is what errors call it. See :func:`read_photo`."""
    try:
        header = read_header(data)
        if header.width * header.height > MAX_PIXELS:
            raise InpaintxError(
                f"{name} has {header.width} x {header.height} = {header.width * header.height / 1e6:.1f} megapixels; "
                f"at most 50 ({MAX_PIXELS} pixels) are taken: crop or reduce it first"
            )
        return _decode(data, header, whole)
    except ValueError as error:
        raise InpaintxError(f"{name} cannot be read: {error}") from None


def _decode(data: bytes, header: Header, whole: bool) -> Photo:
    notes = ["the file holds several pictures: the first one was read"] if header.several else []
    notes += header.notes
    if header.format == "TIFF":
        photo = Photo(tiff_pixels.read_pixels(data, lambda file: _whole(header, opencv.decode(file)), notes))
    else:
        decoded = opencv.decode(header.data or data, metadata=header.format == "AVIF")
        if isinstance(header, JpegHeader):
            photo = _jpeg(decoded, header, notes, whole)
        else:
            photo = Photo(_pixels(header, decoded))
            notes += [f"the {header.format} decoder says: {words}" for words in decoded.complaints[:3]]
        if header.format == "AVIF":
            exif, _, resolution = read_exif(decoded.exif)  # an AVIF's own turn counts, not EXIF's
            header.metadata = replace(header.metadata, exif=exif, resolution=resolution)
            header.dropped += left_out(exif, decoded.exif)
        photo.pixels = _rgb(photo.pixels)
    if photo.pixels.shape[:2] != (header.height, header.width):
        raise ValueError(
            f"the file is damaged (it says {header.width} x {header.height} pixels, and has "
            f"{photo.pixels.shape[1]} x {photo.pixels.shape[0]})"
        )
    _interpret(photo, header, notes)
    if photo.pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"it has pixels of type {photo.pixels.dtype}; expected 8 or 16 bits a channel")
    photo.metadata = replace(header.metadata, icc=_fitting_profile(header.metadata.icc, photo.pixels, notes))
    _turn_upright(photo, header, notes)
    if header.dropped:
        notes.append(f"not carried into the result: {', '.join(header.dropped)}")
    photo.notes, photo.format = notes, header.format
    return photo


def _pixels(header: Header, decoded: opencv.Decoded) -> Array:
    if decoded.pixels is None:
        reason = f" ({decoded.complaints[-1]})" if decoded.complaints else ""
        way = "" if header.format in ("PNG", "JPEG", "WebP", "TIFF") else ": convert it to PNG, JPEG, WebP or TIFF"
        raise ValueError(f"the {header.format} data are damaged, or of a kind that OpenCV does not read{reason}{way}")
    return decoded.pixels


def _whole(header: Header, decoded: opencv.Decoded) -> Array:
    """Pixels of a decoder that says of all damage that it finds, but goes on."""
    pixels = _pixels(header, decoded)
    if decoded.complaints:
        raise ValueError(f"the file is damaged ({decoded.complaints[0]})")
    return pixels


def _jpeg(decoded: opencv.Decoded, header: JpegHeader, notes: list[str], whole: bool) -> Photo:
    """The part of a JPEG that there is: libjpeg goes on after damage and leaves grey what it has no data for."""
    pixels = _pixels(header, decoded)
    flaw, note = jpeg_flaw(decoded, header)
    if flaw and decoded.complaints and not header.cut:
        shorter = jpeg.without_zeros(header.data or b"")
        pixels = _pixels(header, opencv.decode(shorter)) if shorter else pixels
    if header.channels == 4:
        notes.append(CMYK_NOTE)
    if flaw and whole:
        raise ValueError(flaw)
    damage = jpeg.gray_rest(pixels, header) if flaw else None
    notes += [words for words in (flaw, note) if words]
    if damage is not None:
        notes.append(f"{damage.mean():.1%} of the photo are grey for want of data (--mask-from-damage fills them)")
    return Photo(pixels, damage=damage)


def jpeg_flaw(decoded: opencv.Decoded, header: JpegHeader) -> tuple[str, str]:
    """Say what is wrong with a JPEG, and what is odd but does no harm; both empty where there is nothing to say."""
    if header.cut:
        return f"{FLAW}cut off (its end marker is missing): it was read as far as it goes", ""
    if decoded.complaints:
        stray = STRAY.match(decoded.complaints[0])
        if stray and int(stray[1]) <= MOST_STRAY:
            return "", f"the JPEG has {stray[0]}, which were passed over"
        return f"{FLAW}damaged (libjpeg: {decoded.complaints[0]}): what follows the damage may be grey or wrong", ""
    tail = jpeg.without_tail(header)
    if tail and not opencv.decode(tail, flag=import_cv2().IMREAD_REDUCED_GRAYSCALE_8).complaints:
        return f"{FLAW}damaged (the picture is full before its data end): some of it may be wrong", ""
    return "", ""


def _rgb(pixels: Array) -> Array:
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    if pixels.shape[2] not in (3, 4):
        raise ValueError(f"it has {pixels.shape[2]} channels; expected grey, RGB or RGBA")
    cv2 = import_cv2()
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA))


def _interpret(photo: Photo, header: Header, notes: list[str]) -> None:
    """What a format says of its pixels, and OpenCV does not heed."""
    pixels = photo.pixels
    if isinstance(header, PngHeader) and header.transparent is not None and pixels.ndim == 2:
        shown = np.where(pixels == header.transparent, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
        photo.pixels = np.dstack([pixels, pixels, pixels, shown])
    if isinstance(header, BoxHeader):
        if pixels.dtype == np.uint16 and 8 < header.bits < 16:
            photo.pixels = pixels << (16 - header.bits) | pixels >> (2 * header.bits - 16)
            notes.append(f"its {header.bits} bits a channel were stretched to 16")
        if header.quarters or header.mirror is not None:
            photo.pixels = np.rot90(photo.pixels, header.quarters)
            if header.mirror is not None:
                photo.pixels = np.flip(photo.pixels, header.mirror)
            notes.append("turned as the file says")
    if header.format == "GIF" and photo.alpha is not None and bool((photo.alpha == 255).all()):
        photo.pixels = photo.pixels[..., :3]
    photo.pixels = np.ascontiguousarray(photo.pixels)


def _turn_upright(photo: Photo, header: Header, notes: list[str]) -> None:
    """Apply the EXIF orientation, 1 to 8: what the camera's top row and left column show."""
    orientation = header.orientation
    if orientation == 1:
        return
    notes.append(f"turned upright (EXIF orientation {orientation})")
    photo.pixels = _oriented(photo.pixels, orientation)
    if photo.damage is not None:
        photo.damage = _oriented(photo.damage, orientation)
    if orientation >= 5:
        across_down = photo.metadata.resolution
        photo.metadata = replace(
            photo.metadata,
            exif=turned(photo.metadata.exif),
            resolution=None if across_down is None else (across_down[1], across_down[0]),
        )


def _oriented(pixels: Array, orientation: int) -> Array:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _fitting_profile(icc: bytes | None, pixels: Array, notes: list[str]) -> bytes | None:
    """The profile, if it speaks of the colour space that the pixels are in (bytes 16 to 20 of an ICC header)."""
    if icc is None:
        return None
    space = icc[16:20]
    if space == (b"GRAY" if pixels.ndim == 2 else b"RGB "):
        return icc
    came = printable(space.strip(b"\0 ")) or "empty"
    kind = "grey" if pixels.ndim == 2 else "RGB"
    notes.append(f"the colour profile ({came}) was dropped: it does not fit {kind} pixels")
    return None
