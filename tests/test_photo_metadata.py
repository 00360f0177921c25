"""What a photo file holds besides pixels: orientation, colour profile, EXIF, resolution, colour chunks."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from photo_files import SUFFIX, Image, chunk, file_of, profile, saved, srgb
from toy_methods import noise

from inpaintx.io import tiff
from inpaintx.io.metadata import Exif, Metadata
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import decode, encode, read_photo, write_photo

cv2 = import_cv2()
tifffile = pytest.importorskip("tifffile")


def turned(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera stores, by the words of the EXIF standard: where row 0 and column 0 of the file show upright."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_exif_orientation_is_applied(tmp_path, fmt, orientation):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16] = (255, 0, 0)  # red at the top left, green at the top right, blue at the bottom left
    upright[:16, -16:] = (0, 255, 0)
    upright[-16:, :16] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(fmt, {})
    path = saved(np.ascontiguousarray(turned(upright, orientation)), fmt, tmp_path / "a", exif=exif, **options)
    got = read_photo(path).pixels
    assert got.shape == upright.shape
    assert np.abs(got.astype(int) - upright).max() <= (12 if fmt == "JPEG" else 0)


def test_exif_orientation_of_a_photo_with_alpha(tmp_path):
    rgba = noise(16, 24, 4)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(np.ascontiguousarray(np.rot90(rgba, 1)), "PNG", tmp_path / "a", exif=exif)
    got = read_photo(path)
    np.testing.assert_array_equal(got.pixels, rgba)
    assert any("orientation 6" in note for note in got.notes)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_color_profile_is_kept(tmp_path, suffix):
    fmt = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF"}[suffix]
    got = read_photo(saved(noise(20, 30), fmt, tmp_path / "in", icc_profile=srgb()))
    assert got.icc == srgb()
    write_photo(tmp_path / f"out{suffix}", got.pixels, got.metadata)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["icc_profile"] == srgb()


def test_a_long_color_profile_spans_jpeg_segments(tmp_path):
    long = bytearray(profile() + bytes(150_000))
    struct.pack_into(">I", long, 0, len(long))
    write_photo(tmp_path / "a.jpg", noise(8, 8), Metadata(bytes(long)))
    assert read_photo(tmp_path / "a.jpg").icc == bytes(long)


def test_a_color_profile_that_does_not_fit_is_dropped_in_words(tmp_path):
    got = read_photo(saved(noise(20, 30), "JPEG", tmp_path / "a", icc_profile=profile(b"CMYK")))
    assert got.icc is None
    assert any("colour profile (CMYK) was dropped" in note for note in got.notes)
    gray = read_photo(saved(noise(20, 30, None), "TIFF", tmp_path / "a", icc_profile=profile(b"GRAY")))
    assert gray.icc == profile(b"GRAY")
    _, notes = encode(gray.pixels, "WebP", gray.metadata)
    assert notes == ["WebP does not carry the photo's grey colour profile (WebP stores RGB)"]


def test_our_tiff_reads_in_other_programs(tmp_path):
    rgba = noise(20, 31, 4)
    write_photo(tmp_path / "a.tif", rgba, Metadata(srgb()))
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGBA"
        assert image.info["icc_profile"] == srgb()
        np.testing.assert_array_equal(np.asarray(image), rgba)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [int(x) for x in file.pages[0].extrasamples] == [2]


def test_tiff_tags_survive_being_added_to():
    done, data = cv2.imencode(".tiff", noise(9, 7))
    assert done
    before = tiff.read_tags(data.tobytes())
    new = {tiff.ICC: tiff.Tag.raw(b"abcdefg"), tiff.EXTRA_SAMPLES: tiff.Tag.of(tiff.SHORT, 2)}
    file = tiff.add_tags(data.tobytes(), new, {tiff.GPS: {1: tiff.Tag(2, 2, b"N\0")}})
    after = tiff.read_tags(file)
    assert after[tiff.ICC].data == b"abcdefg"
    assert after[tiff.EXTRA_SAMPLES].values == (2,)
    assert {k: v for k, v in after.items() if k in before} == before
    assert tiff.sub_directory(file, after[tiff.GPS]) == {1: tiff.Tag(2, 2, b"N\0")}


def camera(orientation=1) -> Image.Exif:
    """EXIF data as a camera writes them."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = orientation, "Maker", "Model 1"
    exif[0x011A] = exif[0x011B] = 240.0
    exif.get_ifd(0x8769).update(
        {0x829A: (1, 200), 0x9003: "2026:01:02 03:04:05", 0x927C: b"note", 0xA002: 48, 0xA003: 32}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5)})
    return exif


def lying(fmt: str) -> bytes:
    """A picture of 48 x 32 stored pixels with EXIF data, to be turned."""
    if fmt != "TIFF":
        return file_of(noise(32, 48), fmt, exif=camera(6))
    upright = decode(file_of(noise(32, 48), "JPEG", exif=camera()), "photo")  # Pillow's TIFFs leave most of it out
    exif = upright.metadata.exif
    exif = Exif(exif.main, {**exif.shot, 0x927C: tiff.Tag.raw(b"note")}, exif.place)
    return tiff.add_tags(
        encode(upright.pixels, fmt, replace(upright.metadata, exif=exif))[0],
        {tiff.ORIENTATION: tiff.Tag.of(tiff.SHORT, 6)},
    )


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("target", ["JPEG", "PNG", "WebP", "TIFF"])
def test_exif_is_carried_upright(tmp_path, source, target):
    got = decode(lying(source), "photo")
    assert not any("damaged" in note for note in got.notes)
    assert any("the maker note in the EXIF data" in note for note in got.notes)
    write_photo(tmp_path / f"a{SUFFIX[target]}", got.pixels, got.metadata)
    with Image.open(tmp_path / f"a{SUFFIX[target]}") as image:
        exif = image.getexif()
        assert exif.get(0x0112, 1) == 1
        assert (exif[0x010F], exif[0x0110]) == ("Maker", "Model 1")
        shot, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        assert shot[0x9003] == "2026:01:02 03:04:05"
        assert (shot[0xA002], shot[0xA003]) == (32, 48)  # it was turned
        assert 0x927C not in shot
        assert place[1] == "N"
        assert [float(value) for value in place[2]] == [52.0, 31.0, 12.5]
    again = read_photo(tmp_path / f"a{SUFFIX[target]}")
    assert again.metadata.exif == got.metadata.exif
    assert again.pixels.shape == (48, 32, 3)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WebP", "TIFF"])
def test_a_place_alone_is_carried(fmt):
    place = Metadata(exif=Exif(place={1: tiff.Tag(2, 2, b"N\0")}))
    assert decode(encode(noise(8, 8), fmt, place)[0], "photo").metadata.exif == place.exif


def test_exif_of_another_byte_order_and_its_thumbnail(tmp_path):
    body = b"MM\0*\0\0\0\x08\0\x02" + struct.pack(">HHI4s", 271, 2, 4, b"Abc\0")
    body += struct.pack(">HHIHxx", 274, 3, 1, 3) + struct.pack(">I", 38)
    thumbnail = b"\xff\xd8 the picture as it was \xff\xd9"
    body += b"\0\x02" + struct.pack(">HHII", 513, 4, 1, 68) + struct.pack(">HHII", 514, 4, 1, len(thumbnail))
    body += bytes(68 - len(body)) + thumbnail
    got = decode(file_of(noise(16, 16), "JPEG", exif=b"Exif\0\0" + body), "photo")
    assert any("orientation 3" in note for note in got.notes)
    assert "not carried into the result: the thumbnail in the EXIF data" in got.notes
    file, _ = encode(got.pixels, "JPEG", got.metadata)
    assert b"as it was" not in file
    assert decode(file, "photo").metadata.exif.main[271].data == b"Abc\0"


def test_damaged_exif_is_said():
    got = decode(file_of(noise(16, 16), "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 60), "photo")
    assert got.notes == ["not carried into the result: damaged EXIF data"]


def test_exif_that_is_too_long_for_a_jpeg_is_said():
    long = Metadata(exif=decode(file_of(noise(8, 8), "TIFF", tiffinfo={270: "x" * 70_000}), "photo").metadata.exif)
    assert encode(noise(8, 8), "JPEG", long)[1][1:] == ["JPEG does not carry the photo's EXIF data"]
    assert encode(noise(8, 8), "PNG", long)[1] == []


@pytest.mark.parametrize("source", ["JPEG", "PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("target", ["JPEG", "PNG", "TIFF"])
def test_resolution_is_carried(tmp_path, source, target):
    got = decode(file_of(noise(16, 24), source, dpi=(300, 150)), "photo")
    write_photo(tmp_path / f"a{SUFFIX[target]}", got.pixels, got.metadata)
    with Image.open(tmp_path / f"a{SUFFIX[target]}") as image:
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)


def test_a_resolution_that_is_dropped_is_said():
    got = decode(file_of(noise(16, 24), "PNG", dpi=(300, 150)), "photo")
    assert encode(got.pixels, "WebP", got.metadata)[1] == ["WebP does not carry the photo's resolution"]


def test_resolution_turns_with_the_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    got = decode(file_of(noise(16, 24), "JPEG", dpi=(300, 150), exif=exif), "photo")
    assert got.metadata.resolution == (150, 300)


def with_chunks(file: bytes, **chunks: bytes) -> bytes:
    return file[:33] + b"".join(chunk(name.encode(), data) for name, data in chunks.items()) + file[33:]


def test_color_chunks_of_a_png_are_carried_or_said():
    chunks = {"gAMA": struct.pack(">I", 100_000), "cHRM": struct.pack(">8I", *range(8)), "cICP": b"\x09\x10\0\1"}
    pixels = noise(16, 24)
    got = decode(with_chunks(file_of(pixels, "PNG"), **chunks, sBIT=b"\5\6\5"), "photo")
    np.testing.assert_array_equal(got.pixels, pixels)
    file, notes = encode(got.pixels, "PNG", got.metadata)
    assert notes == []
    assert all(chunk(name.encode(), data) in file for name, data in chunks.items())
    assert chunk(b"sBIT", b"\5\6\5") in file
    for fmt in ("JPEG", "WebP", "TIFF"):
        words = "colour chunk cICP, colour chunk gAMA, colour chunk cHRM"
        assert f"{fmt} does not carry the photo's {words}" in encode(got.pixels, fmt, got.metadata)[1]
    srgb_only = decode(with_chunks(file_of(pixels, "PNG"), sRGB=b"\0"), "photo")
    assert chunk(b"sRGB", b"\0") in encode(pixels, "PNG", srgb_only.metadata)[0]
    assert encode(pixels, "TIFF", srgb_only.metadata)[1] == []


def test_text_and_xmp_are_said():
    file = with_chunks(file_of(noise(8, 8), "PNG"), tEXt=b"Comment\0x")
    assert decode(file, "photo").notes == ["not carried into the result: text"]
    jpeg = file_of(noise(8, 8), "JPEG", xmp=b"<x/>", comment=b"hello")
    assert decode(jpeg, "photo").notes == ["not carried into the result: XMP data, comments"]


def segment(body: bytes) -> bytes:
    return b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("other", [b"MPF\0II*\0" + bytes(60), b"FPXR\0" + bytes(60), b""])
def test_only_icc_segments_are_the_profile_in_their_order(order, other):
    file, icc = file_of(noise(16, 16), "JPEG"), profile()
    halves = {1: icc[:200], 2: icc[200:]}
    for place in range(3 if other else 1):
        parts = [segment(b"ICC_PROFILE\0" + bytes([number, 2]) + halves[number]) for number in order]
        if other:
            parts.insert(place, segment(other))
        assert decode(file[:2] + b"".join(parts) + file[2:], "photo").icc == icc


def test_a_profile_that_lacks_a_segment_is_dropped_in_words():
    file = file_of(noise(16, 16), "JPEG")
    got = decode(file[:2] + segment(b"ICC_PROFILE\0\1\2" + profile()) + file[2:], "photo")
    assert got.icc is None
    assert got.notes == ["not carried into the result: an incomplete colour profile"]


def test_a_damaged_profile_of_a_png_is_said(capfd):
    got = decode(with_chunks(file_of(noise(8, 8), "PNG"), iCCP=b"x\0\0 no zlib"), "photo")
    assert got.notes == ["not carried into the result: a damaged colour profile"]
    assert capfd.readouterr().err == ""  # libpng has words of its own


def test_no_byte_of_a_file_steers_the_terminal():
    escape = profile(b"\x1b[2J")
    got = decode(file_of(noise(8, 8), "JPEG", icc_profile=escape), "photo")
    assert got.notes == ["the colour profile (\\x1b[2J) was dropped: it does not fit RGB pixels"]
