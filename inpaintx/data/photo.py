"""Photo files in and out: PNG, JPEG, WebP and TIFF, upright, at their own bit depth, with their colour profile."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.data import tiff
from inpaintx.data.cv import import_cv2
from inpaintx.data.files import read_whole, written_whole
from inpaintx.data.formats import WRITABLE
from inpaintx.data.header import read_header
from inpaintx.errors import InpaintxError

__all__ = ["MAX_PIXELS", "Photo", "check_output", "decode", "encode", "read_photo", "write_photo"]

Array = npt.NDArray[Any]
MAX_PIXELS = 50 * 2**20  # a phone's "50 megapixels" are 8192 x 6144
LONGEST = {"JPEG": 65_500, "WebP": 16_383}
JPEG_QUALITY = 97


@dataclass
class Photo:
    """A decoded photo.

    Parameters
    ----------
    pixels
        ``[H,W]`` (grey), ``[H,W,3]`` (RGB) or ``[H,W,4]`` (RGB and alpha), uint8 or uint16, upright.
    icc
        The ICC colour profile that the pixels are meant in, or None (sRGB by custom).
    notes
        What a reader should know: an orientation that was applied, metadata that were dropped.
    """

    pixels: Array
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def alpha(self) -> Array | None:
        """``[H,W]`` opacity, or None."""
        return self.pixels[..., 3] if self.pixels.ndim == 3 and self.pixels.shape[2] == 4 else None


def read_photo(path: str | Path, *, what: str = "photo") -> Photo:
    """Read a PNG, JPEG, WebP or TIFF file.

    Parameters
    ----------
    path
        The file; its content counts, not its suffix.
    what
        Its role, for errors.

    Returns
    -------
    Photo
        Upright (EXIF orientation applied), RGB order, at the file's bit depth.

    Raises
    ------
    InpaintxError
        Missing or unreadable file, not a picture, cut off or damaged, more than :data:`MAX_PIXELS`, or a kind of
        pixel (float, signed) that cannot be kept.
    """
    return decode(read_whole(Path(path), what), f"{what} {path}")


def decode(data: bytes, name: str) -> Photo:
    """Decode a picture file's bytes; ``name`` is what errors call it. See :func:`read_photo`."""
    try:
        header = read_header(data)
    except ValueError as error:
        raise InpaintxError(f"{name} cannot be read: {error}") from None
    if header.width * header.height > MAX_PIXELS:
        raise InpaintxError(
            f"{name} has {header.width} x {header.height} = {header.width * header.height / 1e6:.1f} megapixels; at "
            f"most 50 ({MAX_PIXELS} pixels) are taken: crop or reduce it first"
        )
    notes = ["the file holds several pictures: the first one was read"] if header.several else []
    tags: dict[int, tiff.Tag] = {}
    if header.format == "TIFF":
        tags = tiff.read_tags(data)
        data = _keep_tiff_alpha(data, tags, notes)
    cv2 = import_cv2()
    try:
        pixels, exif, icc = _decode(cv2, np.frombuffer(data, np.uint8), notes)
    except cv2.error as error:
        raise InpaintxError(f"{name} cannot be read: OpenCV says {error.err!r}") from None
    if pixels is None or pixels.size == 0:
        raise InpaintxError(
            f"{name} cannot be read: the {header.format} data are damaged or of a kind OpenCV does not know"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InpaintxError(
            f"{name} has pixels of type {pixels.dtype}; expected 8 or 16 bits a channel: convert it first"
        )
    if tiff.ICC in tags:
        icc = tags[tiff.ICC].data
    if exif:
        pixels = _upright(pixels, exif, notes)
    if pixels.ndim == 3:
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        elif pixels.shape[2] in (3, 4):
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
        else:
            raise InpaintxError(f"{name} has {pixels.shape[2]} channels; expected grey, RGB or RGBA")
    if header.format == "JPEG" and header.channels == 4:
        notes.append("the photo's CMYK colours were turned into RGB without a colour profile")
    icc = _fitting_profile(icc, pixels, notes)
    return Photo(np.ascontiguousarray(pixels), icc, notes)


def _decode(cv2: Any, data: Array, notes: list[str]) -> tuple[Array | None, bytes, bytes | None]:
    """Pixels as stored (TIFF: upright), EXIF block, ICC profile."""
    if hasattr(cv2, "imdecodeWithMetadata"):
        pixels, kinds, blocks = cv2.imdecodeWithMetadata(data, flags=cv2.IMREAD_UNCHANGED)
        found = {int(kind): block.tobytes() for kind, block in zip(kinds, blocks, strict=True)}
        return pixels, found.get(cv2.IMAGE_METADATA_EXIF, b""), found.get(cv2.IMAGE_METADATA_ICCP)
    # OpenCV before 4.12: it turns pictures upright itself, but not WebP, and only if it may drop the alpha channel
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    head = data[:65536].tobytes()
    if head[8:12] == b"WEBP" or (pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4):
        if b"eXIf" in head or b"EXIF" in data[-65536:].tobytes():
            notes.append(
                f"the photo's EXIF orientation, if any, was left as is: OpenCV {cv2.__version__} does not tell it "
                "(4.12 and later do)"
            )
    else:
        pixels = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if any(mark in head for mark in (b"ICC_PROFILE", b"iCCP", b"ICCP")):
        notes.append(f"the colour profile was dropped: OpenCV {cv2.__version__} cannot read it (4.12 and later can)")
    return pixels, b"", None


def _keep_tiff_alpha(data: bytes, tags: dict[int, tiff.Tag], notes: list[str]) -> bytes:
    """Call a TIFF's separate alpha "associated", so that OpenCV does not multiply the colours by it."""
    samples = tags[tiff.SAMPLES].values[0] if tiff.SAMPLES in tags else 1
    if samples == 2:
        notes.append("the alpha channel of a grey TIFF was dropped: OpenCV does not read it")
    extra = tags.get(tiff.EXTRA_SAMPLES)
    if samples == 4 and extra and extra.values[:1] == (2,):
        patched = bytearray(data)
        patched[extra.offset : extra.offset + 2] = (1).to_bytes(2, "little" if extra.order == "<" else "big")
        return bytes(patched)
    return data


def _upright(pixels: Array, exif: bytes, notes: list[str]) -> Array:
    """Apply the EXIF orientation, 1 to 8: what the camera's top row and left column show."""
    notes.append("EXIF data (camera, place, thumbnail) are not carried into the result")
    try:
        tag = tiff.read_tags(exif.removeprefix(b"Exif\0\0")).get(tiff.ORIENTATION)
    except ValueError:
        return pixels
    orientation = tag.values[0] if tag and tag.values else 1
    if orientation not in range(2, 9):
        return pixels
    notes.append(f"turned upright (EXIF orientation {orientation})")
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
    came = space.decode("latin-1").strip() or "empty"
    kind = "grey" if pixels.ndim == 2 else "RGB"
    notes.append(f"the colour profile ({came}) was dropped: it does not fit {kind} pixels")
    return None


def output_format(path: str | Path) -> str:
    """The format that a path's suffix names.

    Raises
    ------
    InpaintxError
        No suffix, or one that is not written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        raise InpaintxError(
            f"cannot tell the format of {str(path)!r} from its suffix {suffix!r}; give one of {', '.join(WRITABLE)}"
        )
    return WRITABLE[suffix]


def check_output(path: Path, *, overwrite: bool = False) -> None:
    """Look, before any work is done, whether a photo can be written to ``path``.

    Raises
    ------
    InpaintxError
        Unknown format, no such folder, a file that exists (and ``overwrite`` is not set), something that is not a
        file.
    """
    output_format(path)
    if not path.parent.is_dir():
        raise InpaintxError(f"cannot write {path}: the folder {path.parent} does not exist")
    if path.exists() and not path.is_file():
        raise InpaintxError(f"cannot write {path}: it exists and is not a regular file")
    if path.exists() and not overwrite:
        raise InpaintxError(f"{path} exists; give another name or --overwrite")


def check_pixels(fmt: str, pixels: Array) -> list[str]:
    """Whether a format carries such pixels; returns what will not come through exactly.

    Raises
    ------
    InpaintxError
        16 bits, transparency or a side that the format cannot carry.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST.get(fmt, 2**31):
        raise InpaintxError(f"{fmt} holds sides of at most {LONGEST[fmt]} pixels, the photo has {width} x {height}")
    if pixels.dtype == np.uint16 and fmt in ("JPEG", "WebP"):
        raise InpaintxError(f"the photo has 16 bits a channel, which {fmt} cannot carry; write .png or .tif")
    if fmt == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4 and not bool((pixels[..., 3] == 255).all()):
        raise InpaintxError("the photo has transparent pixels, which JPEG cannot carry; write .png, .webp or .tif")
    if fmt == "JPEG":
        return ["JPEG encodes every pixel anew: known pixels come out close to the input's, not equal (.png is exact)"]
    return []


def encode(pixels: Array, fmt: str, icc: bytes | None = None) -> tuple[bytes, list[str]]:
    """Encode pixels, losslessly but for JPEG (quality 97, no chroma subsampling).

    Parameters
    ----------
    pixels
        As in :class:`Photo`.
    fmt
        ``"PNG"``, ``"JPEG"``, ``"WebP"`` or ``"TIFF"``.
    icc
        Colour profile to write with them.

    Returns
    -------
    bytes, list of str
        The file, and notes on what the format did not carry.

    Raises
    ------
    InpaintxError
        The format cannot carry the pixels: see :func:`check_pixels`.
    """
    notes = check_pixels(fmt, pixels)
    cv2 = import_cv2()
    if fmt == "JPEG" and pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3]
    if pixels.ndim == 3:
        code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(np.ascontiguousarray(pixels), code)
    if fmt == "WebP" and pixels.ndim == 2 and icc:
        icc = None
        notes.append("the grey colour profile was dropped: WebP stores RGB")
    suffix = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "TIFF": ".tiff"}[fmt]
    options: list[int] = []
    if fmt == "JPEG":
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    elif fmt == "WebP":
        options = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100: lossless
        if hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_MODE"):  # and the colours under alpha 0 as well
            options = [cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
        elif pixels.ndim == 3 and pixels.shape[2] == 4 and bool((pixels[..., 3] == 0).any()):
            notes.append(f"OpenCV {cv2.__version__} may change the colours under fully transparent pixels of a WebP")
    file = b""
    if icc and fmt in ("PNG", "WebP"):
        if hasattr(cv2, "imencodeWithMetadata"):
            block = [cv2.IMAGE_METADATA_ICCP], [np.frombuffer(icc, np.uint8)]
            file = _encoded(cv2.imencodeWithMetadata, suffix, pixels, *block, options)
            dropped = f"{fmt} does not take it (is it damaged?)"
        else:
            dropped = f"OpenCV {cv2.__version__} cannot write it (4.12 and later can)"
        if not file:
            notes.append(f"the colour profile was dropped: {dropped}")
    file = file or _encoded(cv2.imencode, suffix, pixels, options)
    if not file:
        raise InpaintxError(f"OpenCV cannot write {list(pixels.shape)} {pixels.dtype} pixels as {fmt}")
    if fmt == "JPEG" and icc:
        file = _jpeg_with_profile(file, icc)
    if fmt == "TIFF":
        added: dict[int, bytes | int] = {tiff.ICC: icc} if icc else {}
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            added[tiff.EXTRA_SAMPLES] = 2  # alpha that the colours are not multiplied by
        file = tiff.add_tags(file, added) if added else file
    return file, notes


def _encoded(encoder: Any, *arguments: Any) -> bytes:
    """What an encoder of OpenCV returns; empty where it fails."""
    try:
        done, data = encoder(*arguments)
    except import_cv2().error:
        return b""
    return data.tobytes() if done else b""


def _jpeg_with_profile(file: bytes, icc: bytes) -> bytes:
    """Put a profile into a JPEG's APP2 segments; OpenCV fails at one that is longer than a segment (64 KiB)."""
    room = 65533 - 14
    pieces = [icc[i : i + room] for i in range(0, len(icc), room)]
    segments = [
        b"\xff\xe2" + (len(piece) + 16).to_bytes(2, "big") + b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece
        for number, piece in enumerate(pieces, 1)
    ]
    return file[:2] + b"".join(segments) + file[2:] if len(pieces) < 256 else file


def write_photo(path: str | Path, pixels: Array, icc: bytes | None = None, *, overwrite: bool = False) -> list[str]:
    """Write a photo whole or not at all; the suffix of ``path`` names the format.

    Returns
    -------
    list of str
        Notes on what the format did not carry.

    Raises
    ------
    InpaintxError
        See :func:`check_output` and :func:`encode`; or no room on the disk.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    data, notes = encode(pixels, output_format(path), icc)
    with written_whole(path) as part:
        part.write_bytes(data)
    return notes
