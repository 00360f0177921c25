"""Pixels of TIFF files: which layouts are read, and how OpenCV is brought to decode them as they are stored.

OpenCV decodes some layouts wrongly (16-bit planes, 16-bit white-is-zero), narrows others (16-bit grey with alpha) and
multiplies or leaves out alpha. For what is coded without loss it therefore serves as the decoder alone: the directory
is written anew, such that the samples are one grey picture, and what they mean is worked out here. (tifffile would read
the layouts, but not LZW, which most programs write, without imagecodecs.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.io import tiff
from inpaintx.io.image_header import CMYK_NOTE, Header
from inpaintx.io.metadata import Metadata, exif_from_tags, left_out_of_shot, orientation_of, resolution_of
from inpaintx.io.tiff import Tag

__all__ = ["read_header", "read_pixels"]

Array = npt.NDArray[Any]
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
NAMES = {0: "white is zero", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab"}
COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}
JPEG = 7
LOSSLESS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits", 50000: "Zstandard"}
PREDICTING = (5, 8, 32946, 50000)
PREMULTIPLIED = 1  # of EXTRA_SAMPLES
KEPT = (
    *(tiff.WIDTH, tiff.HEIGHT, tiff.BITS, tiff.COMPRESSION, tiff.PHOTOMETRIC, tiff.FILL_ORDER, tiff.STRIP_OFFSETS),
    *(tiff.SAMPLES, tiff.ROWS, tiff.STRIP_BYTES, tiff.PLANAR, tiff.PREDICTOR, tiff.COLOR_MAP, tiff.TILE_WIDTH),
    *(tiff.TILE_HEIGHT, tiff.TILE_OFFSETS, tiff.TILE_BYTES, tiff.JPEG_TABLES, 292, 293, 529, 530, 531, 532),
)
MOST_TILE = 50 * 2**20


def read_header(data: bytes) -> Header:
    """Read the first page's directory.

    Raises
    ------
    ValueError
        Damaged, cut off, or a preview and no photo.
    """
    tags = tiff.read_tags(data)
    if not {tiff.WIDTH, tiff.HEIGHT} <= tags.keys():
        raise ValueError("the file is damaged (a TIFF without a size)")
    if tiff.DNG_VERSION in tags or _one(tags, tiff.SUBFILE, 0) & 1:
        raise ValueError("its first picture is a preview (a camera's raw file?); convert it to PNG, JPEG, WebP or TIFF")
    if _one(tags, tiff.TILE_WIDTH, 1) * _one(tags, tiff.TILE_HEIGHT, 1) > MOST_TILE:
        raise ValueError(f"its tiles are larger than {MOST_TILE} pixels")
    icc = tags.get(tiff.ICC)
    names = {700: "XMP data", 33723: "IPTC data", 34377: "Photoshop data"}
    return Header(
        "TIFF",
        _one(tags, tiff.WIDTH, 0),
        _one(tags, tiff.HEIGHT, 0),
        _one(tags, tiff.SAMPLES, 1),
        tiff.has_more_pages(data),
        Metadata(icc.data if icc else None, exif_from_tags(data, tags), resolution_of(tags)),
        orientation_of(tags),
        [name for number, name in names.items() if number in tags] + left_out_of_shot(data, tags),
    )


def read_pixels(data: bytes, decode: Callable[[bytes], Array], notes: list[str]) -> Array:
    """Read the first page's pixels.

    Parameters
    ----------
    data
        The file.
    decode
        OpenCV's decoder, of a TIFF with a grey picture or one that OpenCV reads right.
    notes
        Gets what a reader should know.

    Returns
    -------
    ndarray
        ``[H,W]``, ``[H,W,3]`` (RGB) or ``[H,W,4]``, uint8 or uint16, as stored (not turned).

    Raises
    ------
    ValueError
        A layout that is not read.
    """
    tags = tiff.read_tags(data)
    width, height = _one(tags, tiff.WIDTH, 0), _one(tags, tiff.HEIGHT, 0)
    samples, photometric = _one(tags, tiff.SAMPLES, 1), _one(tags, tiff.PHOTOMETRIC, -1)
    compression, predictor = _one(tags, tiff.COMPRESSION, 1), _one(tags, tiff.PREDICTOR, 1)
    depths = set(tags[tiff.BITS].values) if tiff.BITS in tags else {1}
    bits = depths.pop() if len(depths) == 1 else 0
    extra = samples - COLORS.get(photometric, samples)
    kind = (
        f"a TIFF of {samples} sample{'s' * (samples != 1)} of {bits or 'mixed'} bits a pixel, "
        f"{NAMES.get(photometric, f'photometric interpretation {photometric}')}, "
        f"compression {LOSSLESS.get(compression, compression)}"
    )
    if not set(tags[tiff.SAMPLE_FORMAT].values if tiff.SAMPLE_FORMAT in tags else ()) <= {1, 4}:
        raise ValueError(f"it is {kind}, signed or floating point; expected 8 or 16 bits a channel: convert it first")
    plain = {number: tags[number] for number in KEPT if number in tags}
    if (
        bits in (8, 16)
        and compression in LOSSLESS
        and photometric in COLORS
        and extra in (0, 1)
        and (predictor in (1, 2) or compression not in PREDICTING)
        and _one(tags, tiff.INK_SET, 1) == 1
    ):
        stored = _samples(data, plain, decode, (height, width, samples, bits))
        return _meaning(stored, photometric, _one(tags, tiff.EXTRA_SAMPLES, 0) == PREMULTIPLIED, notes)
    planar = _one(tags, tiff.PLANAR, 1) == 2 and samples > 1
    color: tuple[int, ...]
    dtype: type
    if bits == 1 and samples == 1 and photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        color, dtype = (), np.uint8
    elif photometric == PALETTE and samples == 1 and bits in (1, 4, 8):
        color, dtype = (3,), np.uint8
    elif compression == JPEG and bits == 8 and (samples, photometric) in ((1, 1), (3, RGB), (3, YCBCR)) and not planar:
        color, dtype = (3,) if samples == 3 else (), np.uint8
    elif bits in (10, 12, 14) and (samples, photometric) in ((1, 1), (3, RGB)) and compression == 1 and not planar:
        color, dtype = (3,) if samples == 3 else (), np.uint16
    else:
        raise ValueError(f"it is {kind}, which is not read here; convert it to grey or RGB of 8 or 16 bits")
    pixels = _checked(decode(tiff.with_tags(data, plain)), (height, width, *color), dtype)
    if bits in (10, 12, 14):  # OpenCV leaves the low bits empty, so that white would not be white
        pixels |= pixels >> bits
        notes.append(f"its {bits} bits a channel were stretched to 16")
    return np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels


def _one(tags: dict[int, Tag], number: int, default: int) -> int:
    values = tags[number].values if number in tags else ()
    return values[0] if values else default


def _checked(pixels: Array, shape: tuple[int, ...], dtype: type) -> Array:
    """What was decoded, if it is what the directory tells."""
    if pixels.shape != shape or pixels.dtype != dtype:
        raise ValueError(
            f"its directory tells of {list(shape)} {np.dtype(dtype)}, and OpenCV decodes {list(pixels.shape)} "
            f"{pixels.dtype}; convert it to a plain TIFF or PNG"
        )
    return pixels


def _samples(
    data: bytes, tags: dict[int, Tag], decode: Callable[[bytes], Array], size: tuple[int, int, int, int]
) -> Array:
    """Decode samples ``[H,W,N]`` as stored, of a TIFF that is coded without loss."""
    height, width, count, bits = size
    dtype = np.uint8 if bits == 8 else np.uint16
    planar = _one(tags, tiff.PLANAR, 1) == 2 and count > 1
    predicted = _one(tags, tiff.PREDICTOR, 1) == 2 and _one(tags, tiff.COMPRESSION, 1) in PREDICTING
    tile = _one(tags, tiff.TILE_WIDTH, width)
    wide = 1 if planar else count
    gray = {number: tag for number, tag in tags.items() if number not in (tiff.PREDICTOR, tiff.COLOR_MAP)}
    gray |= {
        tiff.WIDTH: Tag.of(tiff.LONG, width * wide),
        tiff.BITS: Tag.of(tiff.SHORT, bits),
        tiff.PHOTOMETRIC: Tag.of(tiff.SHORT, BLACK_IS_ZERO),
        tiff.SAMPLES: Tag.of(tiff.SHORT, 1),
        tiff.PLANAR: Tag.of(tiff.SHORT, 1),
    }
    if tiff.TILE_WIDTH in tags:
        gray[tiff.TILE_WIDTH] = Tag.of(tiff.LONG, tile * wide)
    planes = []
    for plane in range(count if planar else 1):
        if planar:
            gray |= {number: _part(tags[number], plane, count) for number in PLACES if number in tags}
        if bits == 8 and tiff.TILE_WIDTH in tags and _one(tags, tiff.COMPRESSION, 1) == 1:
            decoded = _plain_tiles(data, gray)  # which libtiff refuses by a wrong count of bytes
        else:
            decoded = decode(tiff.with_tags(data, gray))
        _checked(decoded, (height, width * wide), dtype)
        values = decoded.reshape(height, width, wide)
        if predicted:  # each pixel was stored as the difference to its left neighbour
            for left in range(0, width, tile):
                part = values[:, left : left + tile]
                np.cumsum(part, axis=1, dtype=dtype, out=part)
        planes.append(values)
    return np.concatenate(planes, 2) if planar else planes[0]


def _plain_tiles(data: bytes, tags: dict[int, Tag]) -> Array:
    """Put tiles of bytes together that are not compressed."""
    width, height = _one(tags, tiff.WIDTH, 0), _one(tags, tiff.HEIGHT, 0)
    across, down = _one(tags, tiff.TILE_WIDTH, 0), _one(tags, tiff.TILE_HEIGHT, 0)
    places = tags[tiff.TILE_OFFSETS].values if tiff.TILE_OFFSETS in tags else ()
    if not across or not down or len(places) != -(-width // across) * -(-height // down):
        raise ValueError("the file is damaged (its tiles do not cover it)")
    if max(places) + across * down > len(data):
        raise ValueError("the file is cut off")
    tiles = np.stack([np.frombuffer(data, np.uint8, across * down, place) for place in places])
    rows = tiles.reshape(-(-height // down), -1, down, across).swapaxes(1, 2)
    return rows.reshape(rows.shape[0] * down, -1)[:height, :width].copy()


PLACES = (tiff.STRIP_OFFSETS, tiff.STRIP_BYTES, tiff.TILE_OFFSETS, tiff.TILE_BYTES)


def _part(tag: Tag, plane: int, planes: int) -> Tag:
    """Where the strips or tiles of one plane are."""
    share = len(tag.values) // planes
    return Tag.of(tag.kind, *tag.values[plane * share : (plane + 1) * share])


def _meaning(stored: Array, photometric: int, premultiplied: bool, notes: list[str]) -> Array:
    """Grey, RGB or RGBA of samples ``[H,W,N]``."""
    colors = COLORS[photometric]
    top = np.iinfo(stored.dtype).max
    color, alpha = stored[..., :colors], stored[..., colors:]
    if photometric == WHITE_IS_ZERO:
        color = top - color
    elif photometric == CMYK:
        rest = (top - stored[..., 3:4]).astype(np.uint32)
        color = (((top - color[..., :3]) * rest + top // 2) // top).astype(stored.dtype)
        notes.append(CMYK_NOTE)
    if colors == 1 and bool((alpha == top).all()):  # an opaque alpha says nothing, and there is no grey with alpha here
        alpha = alpha[..., :0]
    if not alpha.shape[2]:
        return np.ascontiguousarray(color[..., 0] if color.shape[2] == 1 else color)
    if premultiplied and bool((alpha != top).any()):
        part = (alpha > 0) & (alpha < top)
        share = np.maximum(alpha, 1).astype(np.uint32)
        whole = np.minimum((color.astype(np.uint32) * top + share // 2) // share, top).astype(stored.dtype)
        color = np.where(part, whole, color)
        notes.append("its colours were stored multiplied by alpha, and were divided by it")
    return np.concatenate([np.broadcast_to(color, (*color.shape[:2], 3)), alpha], 2)
