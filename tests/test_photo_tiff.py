"""TIFF files: every layout is read as it is meant, or refused in words; no size but one."""

import struct
import zlib

import numpy as np
import pytest
from photo_files import file_of, saved
from toy_methods import noise

from inpaintx.data.center_crop import read_picture
from inpaintx.data.mask_files import read_side
from inpaintx.errors import InpaintxError
from inpaintx.io import tiff, tiff_pixels
from inpaintx.io.opencv import Decoded, import_cv2
from inpaintx.io.photo import decode, read_photo

cv2 = import_cv2()
tifffile = pytest.importorskip("tifffile")
Image = pytest.importorskip("PIL.Image")
CODES = [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}]
LAYOUTS = {
    "grey": ("minisblack", {}),
    "white is zero": ("miniswhite", {}),
    "grey with alpha": ("minisblack", {"extrasamples": ["unassalpha"]}),
    "rgb": ("rgb", {}),
    "rgb planes": ("rgb", {"planarconfig": "separate"}),
    "rgb with alpha": ("rgb", {"extrasamples": ["unassalpha"]}),
    "rgb with alpha in planes": ("rgb", {"extrasamples": ["unassalpha"], "planarconfig": "separate"}),
    "rgb with something": ("rgb", {"extrasamples": ["unspecified"]}),
}


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_read_as_they_are_meant(tmp_path, layout, dtype, code, order, tile):
    photometric, options = LAYOUTS[layout]
    top = np.iinfo(dtype).max
    count = (3 if photometric == "rgb" else 1) + len(options.get("extrasamples", ()))
    stored = np.atleast_3d(noise(40, 53, 4, dtype))[..., :count]
    planes = stored.transpose(2, 0, 1) if "planarconfig" in options else stored
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ascontiguousarray(planes[..., 0] if count == 1 else planes),
        photometric=photometric,
        byteorder=order,
        tile=tile,
        **options,
        **code,
    )
    got = read_photo(tmp_path / "a.tif").pixels
    expected = stored[..., 0] if count == 1 else stored
    if photometric == "miniswhite":
        expected = top - expected
    if count == 2:
        expected = np.dstack([stored[..., 0]] * 3 + [stored[..., 1]])
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("big", [False, True])
def test_big_and_strips(tmp_path, dtype, big):
    pixels = noise(70, 33, 3, dtype)
    for planar, stored in (("contig", pixels), ("separate", np.ascontiguousarray(pixels.transpose(2, 0, 1)))):
        tifffile.imwrite(
            tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, bigtiff=big, rowsperstrip=7
        )
        np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colors_that_were_multiplied_by_alpha_are_divided_by_it(tmp_path, dtype):
    top = int(np.iinfo(dtype).max)
    alpha = np.linspace(top // 2, top, 40 * 30).astype(dtype).reshape(40, 30, 1)
    alpha[0], alpha[1] = 0, top
    color = noise(40, 30, 3, dtype)
    stored = np.concatenate([np.round(color.astype(float) * alpha / top).astype(dtype), alpha], 2)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    got = read_photo(tmp_path / "a.tif")
    assert got.notes == ["its colours were stored multiplied by alpha, and were divided by it"]
    np.testing.assert_array_equal(got.pixels[..., 3:], alpha)
    assert np.abs(got.pixels[1:, :, :3].astype(int) - color[1:]).max() <= 1
    np.testing.assert_array_equal(got.pixels[1, :, :3], color[1])


def test_a_gray_picture_with_an_opaque_alpha_is_gray(tmp_path):
    pixels = noise(20, 30, 4)[..., :2]
    pixels[..., 1] = 255
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, pixels[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_becomes_rgb_and_that_is_said(tmp_path, dtype):
    top = int(np.iinfo(dtype).max)
    ink = noise(20, 30, 4, dtype)
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated")
    got = read_photo(tmp_path / "a.tif")
    paper = (top - ink.astype(float)) / top
    np.testing.assert_allclose(got.pixels, paper[..., :3] * paper[..., 3:] * top, atol=0.51)
    assert any("CMYK" in note for note in got.notes)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", "jpeg"])
def test_what_other_programs_write_with_compression(tmp_path, compression):
    for channels in (3, None):
        pixels = cv2.resize(noise(8, 10, channels), (50, 40), interpolation=cv2.INTER_CUBIC)
        got = read_photo(saved(pixels, "TIFF", tmp_path / "a", compression=compression)).pixels
        assert got.shape == pixels.shape
        assert np.abs(got.astype(int) - pixels).max() <= (30 if compression == "jpeg" else 0)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_black_and_white(tmp_path, photometric):
    pixels = noise(20, 30, None) > 127
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    expected = pixels if photometric == "minisblack" else ~pixels
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, expected * np.uint8(255))
    fax = file_of(Image.fromarray(pixels), "TIFF", compression="group4")
    np.testing.assert_array_equal(decode(fax, "photo").pixels, pixels * np.uint8(255))


def test_a_palette(tmp_path):
    index, colors = noise(20, 30, None), noise(3, 256, None)
    tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=colors.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, colors.T[index])


@pytest.mark.parametrize(
    ("pixels", "options", "words"),
    [
        (noise(9, 9, 3, np.uint16), {"photometric": "cielab"}, "3 samples of 16 bits a pixel, Lab, compression none"),
        (noise(9, 9, 3), {"photometric": "cielab"}, "Lab"),
        (noise(9, 9, None).view(np.int8), {}, "signed or floating point; expected 8 or 16 bits"),
        (noise(9, 9, None).astype(np.int16), {}, "signed or floating point"),
        (noise(9, 9, None).astype(np.float16), {}, "signed or floating point"),
        (noise(9, 9, None).astype(np.uint32), {}, "32 bits a pixel"),
        (np.dstack([noise(9, 9, 4), noise(9, 9, 4)])[..., :5], {"photometric": "rgb"}, "5 samples"),
        (noise(9, 9, 3, np.uint16), {"photometric": "ycbcr"}, "YCbCr"),
    ],
)
def test_other_layouts_are_refused_in_words(tmp_path, pixels, options, words):
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(InpaintxError, match=rf"it is a TIFF of .*{words}"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_white_is_white_whatever_the_bits(bits):
    levels = [0, 1, 2**bits // 2, 2**bits - 1]
    code = "".join(f"{level:0{bits}b}" for level in levels)
    data = int(code, 2).to_bytes(len(code) // 8, "big")
    got = decode(classic({256: 4, 257: 1, 258: bits, 259: 1, 262: 1, 277: 1, 278: 1}, data), "photo")
    assert got.pixels.dtype == np.uint16
    np.testing.assert_allclose(got.pixels[0], np.array(levels) / levels[-1] * 65535, atol=65535 / 2**bits)
    assert got.pixels[0, 0] == 0
    assert got.pixels[0, -1] == 65535


def classic(tags: dict[int, int], data: bytes, *more: tuple[int, int]) -> bytes:
    """The smallest TIFF of one strip; ``more``: tags that stand twice."""
    entries = sorted([*tags.items(), (273, 8), (279, len(data)), *more])
    body = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    table = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in entries)
    return body + struct.pack("<H", len(entries)) + table + bytes(4)


SMALL = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8}


@pytest.mark.parametrize("tag", [256, 257, 258, 277])
def test_a_tag_that_stands_twice_is_refused(tmp_path, tag):
    (tmp_path / "a.tif").write_bytes(classic(SMALL, bytes(64), (tag, 32_000)))
    for reader in (read_photo, read_picture, lambda path: read_side(path, "mask")):
        with pytest.raises(InpaintxError, match=f"TIFF tag {tag} stands twice"):
            reader(tmp_path / "a.tif")


def test_a_size_beyond_the_entries_that_are_read_is_refused():
    entries = b"".join(struct.pack("<HHII", 40_000 + i, 4, 1, 1) for i in range(5000))
    body = b"II*\0" + struct.pack("<IH", 8, 5000) + entries + bytes(4)
    with pytest.raises(InpaintxError, match="directory of 5000 tags"):
        decode(body, "photo")


def test_tags_that_lie_over_each_other_are_not_copied():
    body = b"II*\0" + struct.pack("<IH", 8, 4000)
    body += b"".join(struct.pack("<HHII", i, 7, 40_000, 8) for i in range(4000)) + bytes(4)
    with pytest.raises(InpaintxError, match="lie over each other"):
        decode(body, "photo")


def test_a_large_picture_in_a_small_file_is_refused_at_its_size():
    rows = zlib.compress(bytes(32_000 * 32_000 // 64))
    with pytest.raises(InpaintxError, match=r"32000 x 32000 = 1024\.0 megapixels"):
        decode(classic({**SMALL, 256: 32_000, 257: 32_000, 259: 8}, rows), "photo")
    with pytest.raises(InpaintxError, match="its tiles are larger than"):
        decode(classic({**SMALL, 322: 2**16, 323: 2**16}, bytes(64)), "photo")


def test_a_preview_is_no_photo():
    with pytest.raises(InpaintxError, match="its first picture is a preview"):
        decode(classic({**SMALL, 254: 1}, bytes(64)), "photo")


def test_what_is_decoded_is_held_against_the_directory(monkeypatch):
    monkeypatch.setattr("inpaintx.io.opencv.decode", lambda *_, **__: Decoded(np.zeros((9, 8), np.uint8)))
    with pytest.raises(InpaintxError, match=r"tells of \[8, 8\] uint8, and OpenCV decodes \[9, 8\] uint8"):
        decode(classic(SMALL, bytes(64)), "photo")


hears_libtiff = pytest.mark.skipif(
    not hasattr(cv2, "imdecodeWithMetadata"), reason="OpenCV before 4.12 keeps libtiff's errors to itself"
)


@hears_libtiff
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_damage_that_libtiff_sees_is_refused(compression, capfd):
    good = file_of(noise(200, 200), "TIFF", compression=compression)
    bad = bytearray(good)
    bad[len(bad) // 2 : len(bad) // 2 + 4096] = bytes(4096)
    with pytest.raises(InpaintxError, match=r"the file is damaged \(.+\)"):
        decode(bytes(bad), "photo")
    assert capfd.readouterr().err == ""


@hears_libtiff
def test_a_flip_under_a_checksum_is_seen():
    bad = bytearray(file_of(noise(200, 200), "TIFF", compression="tiff_adobe_deflate"))
    bad[len(bad) // 2] ^= 0x55
    with pytest.raises(InpaintxError, match="the file is damaged"):
        decode(bytes(bad), "photo")


def test_training_reads_the_layouts_as_photos_do(tmp_path):
    pixels = noise(20, 30, 3)
    stored = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), pixels)
    tifffile.imwrite(tmp_path / "b.tif", 65535 - stored[0], photometric="miniswhite")
    np.testing.assert_array_equal(read_side(tmp_path / "b.tif", "mask"), pixels[..., 0] > 127)


def test_orientation_of_a_layout_that_is_decoded_as_gray(tmp_path):
    pixels = noise(20, 30, 4)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"], extratags=[(274, 3, 1, 6, True)]
    )
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, np.rot90(pixels, -1))
    assert tiff.read_tags((tmp_path / "a.tif").read_bytes())[tiff.ORIENTATION].values == (6,)
    assert tiff_pixels.read_header((tmp_path / "a.tif").read_bytes()).orientation == 6
