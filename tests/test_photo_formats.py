"""Formats beside the four that are written, transparency that a format hides, and sizes that contradict each other."""

import io
import struct

import numpy as np
import pytest
from photo_files import Image, chunk, file_of, png, profile, smooth
from toy_methods import noise

from inpaintx.errors import InpaintxError
from inpaintx.io.formats import READABLE, WRITABLE, format_of, result_name
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import MAX_PIXELS, check_input, decode, encode

cv2 = import_cv2()


needs_gif = pytest.mark.skipif(not cv2.haveImageWriter("a.gif"), reason="OpenCV without GIF")


def test_bmp():
    pixels = noise(20, 31)
    np.testing.assert_array_equal(decode(file_of(pixels, "BMP"), "photo").pixels, pixels)
    np.testing.assert_array_equal(decode(file_of(pixels[..., 0], "BMP"), "photo").pixels, pixels[..., 0])
    upside_down = bytearray(file_of(pixels, "BMP"))
    struct.pack_into("<i", upside_down, 22, -20)
    np.testing.assert_array_equal(decode(bytes(upside_down), "photo").pixels, pixels[::-1])
    if hasattr(cv2, "imdecodeWithMetadata"):  # earlier OpenCV writes a BMP without alpha
        rgba = cv2.imencode(".bmp", noise(20, 31, 4))[1].tobytes()
        assert any("alpha channel of a BMP" in note for note in decode(rgba, "photo").notes)


@needs_gif
def test_gif_gives_its_first_frame_and_says_so():
    first, second = (Image.fromarray(noise(20, 31, seed=seed)).quantize(200) for seed in (0, 1))
    expected = np.asarray(first.convert("RGB"))
    one, two = file_of(first, "GIF"), file_of(first, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode(one, "photo").pixels, expected)
    assert decode(one, "photo").notes == []
    np.testing.assert_array_equal(decode(two, "photo").pixels, expected)
    assert decode(two, "photo").notes == ["the file holds several pictures: the first one was read"]


@needs_gif
def test_gif_with_transparency():
    image = Image.fromarray(noise(20, 31)).quantize(200)
    got = decode(file_of(image, "GIF", transparency=3), "photo")
    np.testing.assert_array_equal(got.alpha == 0, np.asarray(image) == 3)


needs_avif = pytest.mark.skipif(not cv2.haveImageWriter("a.avif"), reason="OpenCV without AVIF")
needs_jp2 = pytest.mark.skipif(not cv2.haveImageWriter("a.jp2"), reason="OpenCV without JPEG 2000")


@needs_avif
def test_avif():
    pixels = smooth()
    options = {"quality": 100, "subsampling": "4:4:4"}
    got = decode(file_of(pixels, "AVIF", icc_profile=profile(), **options), "photo")
    assert np.abs(got.pixels.astype(int) - pixels).max() <= 4
    assert got.icc == profile()
    alpha = np.dstack([pixels, pixels[..., 0]])
    assert np.abs(decode(file_of(alpha, "AVIF", **options), "photo").pixels.astype(int) - alpha).max() <= 4


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_as_it_says(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = file_of(smooth(), "AVIF", quality=100, subsampling="4:4:4", exif=exif)
    with Image.open(io.BytesIO(file)) as image:
        from PIL import ImageOps

        upright = np.asarray(ImageOps.exif_transpose(image))
    got = decode(file, "photo")
    assert got.pixels.shape == upright.shape
    assert np.abs(got.pixels.astype(int) - upright).max() <= 4


@needs_avif
@pytest.mark.parametrize("bits", [10, 12])
def test_white_of_a_deep_avif_is_white(bits):
    pixels = np.full((32, 32, 3), 2**bits - 1, np.uint16)
    pixels[:16] = 0
    _, file = cv2.imencode(".avif", pixels, [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100])
    got = decode(file.tobytes(), "photo")
    assert got.pixels.dtype == np.uint16
    assert got.pixels.max() > 65_000
    assert got.notes == [f"its {bits} bits a channel were stretched to 16"]


@needs_jp2
def test_jpeg_2000():
    pixels = noise(40, 62)
    for options in ({}, {"no_jp2": True}):
        np.testing.assert_array_equal(decode(file_of(pixels, "JPEG2000", **options), "photo").pixels, pixels)
    rgba = noise(40, 62, 4)
    np.testing.assert_array_equal(decode(file_of(rgba, "JPEG2000"), "photo").pixels, rgba)
    deep = noise(40, 62, None, np.uint16)
    np.testing.assert_array_equal(decode(file_of(deep, "JPEG2000"), "photo").pixels, deep)
    two_sizes = bytearray(file_of(pixels, "JPEG2000"))
    struct.pack_into(">II", two_sizes, two_sizes.index(b"ihdr") + 4, 8, 8)
    with pytest.raises(InpaintxError, match="damaged"):
        decode(bytes(two_sizes), "photo")


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x14ftypisom\0\0\0\0", "film"),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS\0\1", "PSD"),
        (b"%PDF-1.7", "PDF"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        (b"<svg xmlns=''/>", "SVG"),
    ],
)
def test_another_format_is_named_with_the_way_out(tmp_path, begin, name):
    (tmp_path / "a.png").write_bytes(begin + bytes(99))
    with pytest.raises(InpaintxError, match=rf"a\.png cannot be read: it is .*{name}.*convert it to PNG"):
        check_input(tmp_path / "a.png")
    with pytest.raises(InpaintxError, match=rf"it is .*{name}.*convert it to PNG"):
        decode(begin + bytes(99), "photo")


def test_avif_and_heic_are_told_apart_by_the_brands_that_follow():
    assert format_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert format_of(b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf") == "AVIF"


def test_suffixes_stand_in_one_place():
    assert WRITABLE.items() <= READABLE.items()
    assert result_name("a.jfif") == "a.jfif"
    assert result_name("a.b.HEIC") == "a.b.png"


@pytest.mark.parametrize(
    ("depth", "chunk_level", "level"), [(8, 20, 20), (1, 1, 255), (2, 1, 85), (4, 3, 51), (16, 300, 300)]
)
def test_a_transparent_gray_of_a_png_is_alpha(depth, chunk_level, level):
    rows = b"".join(b"\0" + bytes((j * 16 + i) & 255 for i in range(2 * depth)) for j in range(16))
    file = png(16, 16, depth, 0, rows, chunk(b"tRNS", struct.pack(">H", chunk_level)))
    plain = decode(png(16, 16, depth, 0, rows), "photo").pixels
    got = decode(file, "photo")
    top = np.iinfo(plain.dtype).max
    np.testing.assert_array_equal(got.pixels[..., 0], plain)
    np.testing.assert_array_equal(got.alpha, np.where(plain == level, 0, top))


def test_a_transparent_entry_of_a_palette_is_alpha():
    palette = chunk(b"PLTE", bytes(range(6)))
    got = decode(png(2, 1, 8, 3, b"\0\0\1", palette, chunk(b"tRNS", b"\x07")), "photo")
    np.testing.assert_array_equal(got.pixels, [[[0, 1, 2, 7], [3, 4, 5, 255]]])


@pytest.mark.parametrize("icc", [None, profile()])
def test_an_opaque_alpha_survives_webp(icc):
    from inpaintx.io.metadata import Metadata

    pixels = np.dstack([noise(20, 31), np.full((20, 31), 255, np.uint8)])
    file, _ = encode(pixels, "WebP", Metadata(icc))
    np.testing.assert_array_equal(decode(file, "photo").pixels, pixels)
    with Image.open(io.BytesIO(file)) as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def sof(file: bytes) -> tuple[int, bytes]:
    at = file.index(b"\xff\xc0")
    return at, file[at : at + 2 + int.from_bytes(file[at + 2 : at + 4], "big")]


def two_frames():
    file = file_of(noise(16, 16), "JPEG")
    at, frame = sof(file)
    return file[:at] + frame.replace(b"\0\x10\0\x10", b"\x7d\0\x7d\0") + file[at:]


def two_heads():
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 32_000, 32_000, 8, 0, 0, 0, 0))
    return png(8, 8, 8, 0, bytes(72), head)


def canvas_and_frame():
    file = bytearray(file_of(np.dstack([noise(16, 16), noise(16, 16)])[..., :4], "WEBP", icc_profile=profile()))
    file[24:30] = b"\x03\0\0\x03\0\0"
    return bytes(file)


def gif_frame():
    file = bytearray(file_of(Image.fromarray(noise(16, 16)).quantize(8), "GIF"))
    struct.pack_into("<HH", file, 6, 4, 4)
    return bytes(file)


@pytest.mark.parametrize("make", [two_frames, two_heads, canvas_and_frame, gif_frame])
def test_sizes_that_contradict_each_other_are_refused(make):
    with pytest.raises(InpaintxError, match="the file is damaged"):
        decode(make(), "photo")


@pytest.mark.parametrize("fmt", ["BMP", "GIF", "AVIF", "JPEG2000"])
def test_the_limit_holds_before_decoding(fmt, monkeypatch):
    monkeypatch.setattr("inpaintx.io.opencv.decode", lambda *_, **__: pytest.fail("decoded"))
    monkeypatch.setattr("inpaintx.io.photo.MAX_PIXELS", 20 * 31 - 1)
    assert MAX_PIXELS > 20 * 31
    with pytest.raises(InpaintxError, match="31 x 20"):
        decode(file_of(noise(20, 31), fmt), "photo")


def test_no_pixels_are_an_error_in_words():
    with pytest.raises(InpaintxError, match="it says that it has 0 x 8 pixels"):
        decode(png(0, 8, 8, 0, bytes(8)), "photo")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"teST") * 300_000, "more than 262144 chunks"),
        (b"\xff\xd8" + b"\xff\xe5\0\2" * 20_000, "more than 10000 segments"),
        (b"RIFF" + struct.pack("<I", 8 * 70_000 + 4) + b"WEBP" + b"XXXX\0\0\0\0" * 70_000, "more than 65536 chunks"),
        (b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe" + b"\1x" * 2_200_000, "more than 2097152 blocks"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 11_000, "more than 10000 boxes"),
    ],
)
def test_parts_without_number_are_refused(file, words):
    with pytest.raises(InpaintxError, match=words):
        decode(file, "photo")


def test_scans_without_number_are_refused():
    file = file_of(smooth(), "JPEG", progressive=True)
    last = file.rindex(b"\xff\xda")
    decode(file[:last] + file[last:-2] * 10 + b"\xff\xd9", "photo")
    with pytest.raises(InpaintxError, match="more than 100 scans"):
        decode(file[:last] + file[last:-2] * 500 + b"\xff\xd9", "photo")


def test_a_chunk_name_that_would_steer_the_terminal_is_not_repeated():
    with pytest.raises(InpaintxError, match="whose name is not four letters") as error:
        decode(png(8, 8, 8, 0, bytes(72), chunk(b"\x1b[2J")), "photo")
    assert "\x1b" not in str(error.value)
