"""Photo files: what goes in comes out, and what cannot is said."""

import io
import struct
import zlib
from functools import cache

import numpy as np
import pytest
from toy_methods import noise

from inpaintx.data import photo, tiff
from inpaintx.data.cv import import_cv2
from inpaintx.data.photo import MAX_PIXELS, check_output, encode, read_photo, write_photo
from inpaintx.errors import InpaintxError

cv2 = import_cv2()
Image = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
WITH_METADATA = hasattr(cv2, "imencodeWithMetadata")
needs_metadata = pytest.mark.skipif(not WITH_METADATA, reason="OpenCV before 4.12 reads and writes no colour profiles")
LOSSLESS = [".png", ".webp", ".tif"]


def profile(space: bytes = b"RGB ") -> bytes:
    """A colour profile of zeros with an honest header."""
    body = bytearray(400)
    struct.pack_into(">I", body, 0, 400)
    body[8:12], body[12:16], body[16:20], body[20:24] = b"\x02\x10\0\0", b"mntr", space, b"XYZ "
    body[36:40] = b"acsp"
    return bytes(body)


@cache  # a profile holds the second that it was made in
def srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(pixels, fmt, path, **options):
    Image.fromarray(pixels).save(path, fmt, **options)
    return path


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_lossless_round_trip(tmp_path, suffix, channels):
    pixels = noise(37, 53, channels)
    if channels == 4 and not hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_MODE"):
        pixels[..., 3] |= 1  # OpenCV 4 may change colours where alpha is 0, and says so
    assert write_photo(tmp_path / f"a{suffix}", pixels) == []
    back = read_photo(tmp_path / f"a{suffix}")
    expected = np.stack([pixels] * 3, 2) if suffix == ".webp" and channels is None else pixels
    np.testing.assert_array_equal(back.pixels, expected)
    assert back.notes == []


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_sixteen_bits_are_kept(tmp_path, suffix, channels):
    pixels = noise(21, 33, channels, np.uint16)
    write_photo(tmp_path / f"a{suffix}", pixels)
    back = read_photo(tmp_path / f"a{suffix}").pixels
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_sixteen_bits_are_refused_where_they_do_not_fit(tmp_path, suffix):
    with pytest.raises(InpaintxError, match=r"16 bits .* write \.png or \.tif"):
        write_photo(tmp_path / f"a{suffix}", noise(9, 9, 3, np.uint16))
    assert list(tmp_path.iterdir()) == []


def test_files_of_other_programs_read_alike(tmp_path):
    rgb, rgba = noise(20, 31, 3), noise(20, 31, 4)
    for fmt, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"})):
        np.testing.assert_array_equal(read_photo(saved(rgb, fmt, tmp_path / "a", **options)).pixels, rgb)
    np.testing.assert_array_equal(read_photo(saved(rgba, "PNG", tmp_path / "a")).pixels, rgba)
    for extra in ("unassalpha", "assocalpha"):  # colours are not multiplied by alpha on the way in
        tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=[extra])
        np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pixels, rgba)
    for order in "<>":
        tifffile.imwrite(tmp_path / "b.tif", rgba, photometric="rgb", extrasamples=["unassalpha"], byteorder=order)
        np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").pixels, rgba)
    tifffile.imwrite(tmp_path / "c.tif", rgb, photometric="rgb", bigtiff=True)
    np.testing.assert_array_equal(read_photo(tmp_path / "c.tif").pixels, rgb)


def test_our_tiff_reads_in_other_programs(tmp_path):
    rgba = noise(20, 31, 4)
    write_photo(tmp_path / "a.tif", rgba, srgb())
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGBA"
        assert image.info["icc_profile"] == srgb()
        np.testing.assert_array_equal(np.asarray(image), rgba)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [int(x) for x in file.pages[0].extrasamples] == [2]


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
    if fmt == "WEBP" and not WITH_METADATA:
        pytest.skip("OpenCV before 4.12 does not tell the orientation of WebP; the photo's notes say so")
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


@needs_metadata
def test_exif_orientation_of_a_photo_with_alpha(tmp_path):
    rgba = noise(16, 24, 4)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(np.ascontiguousarray(np.rot90(rgba, 1)), "PNG", tmp_path / "a", exif=exif)
    got = read_photo(path)
    np.testing.assert_array_equal(got.pixels, rgba)
    assert any("orientation 6" in note for note in got.notes)
    assert any("EXIF" in note and "not carried" in note for note in got.notes)


@needs_metadata
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_colour_profile_is_kept(tmp_path, suffix):
    fmt = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF"}[suffix]
    got = read_photo(saved(noise(20, 30), fmt, tmp_path / "in", icc_profile=srgb()))
    assert got.icc == srgb()
    write_photo(tmp_path / f"out{suffix}", got.pixels, got.icc)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["icc_profile"] == srgb()


@needs_metadata
def test_a_long_colour_profile_spans_jpeg_segments(tmp_path):
    long = bytearray(profile() + bytes(150_000))
    struct.pack_into(">I", long, 0, len(long))
    write_photo(tmp_path / "a.jpg", noise(8, 8), bytes(long))
    assert read_photo(tmp_path / "a.jpg").icc == bytes(long)


@needs_metadata
def test_a_colour_profile_that_does_not_fit_is_dropped_in_words(tmp_path):
    got = read_photo(saved(noise(20, 30), "JPEG", tmp_path / "a", icc_profile=profile(b"CMYK")))
    assert got.icc is None
    assert any("colour profile (CMYK) was dropped" in note for note in got.notes)
    grey = read_photo(saved(noise(20, 30, None), "TIFF", tmp_path / "a", icc_profile=profile(b"GRAY")))
    assert grey.icc == profile(b"GRAY")
    _, notes = encode(grey.pixels, "WebP", grey.icc)
    assert any("dropped" in note for note in notes)


@needs_metadata
def test_a_damaged_colour_profile_does_not_stop_the_photo(tmp_path):
    pixels = noise(20, 30)
    notes = write_photo(tmp_path / "a.png", pixels, b"no profile at all" * 10)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, pixels)
    assert any("dropped" in note for note in notes) == (read_photo(tmp_path / "a.png").icc is None)


def test_old_opencv_says_what_it_drops(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = noise(16, 24)
    turned_path = saved(np.ascontiguousarray(np.rot90(upright)), "PNG", tmp_path / "a", exif=exif, icc_profile=srgb())
    monkeypatch.delattr(cv2, "imdecodeWithMetadata", raising=False)
    monkeypatch.delattr(cv2, "imencodeWithMetadata", raising=False)
    got = read_photo(turned_path)
    assert got.icc is None
    assert any("colour profile was dropped" in note for note in got.notes)
    _, notes = encode(got.pixels, "PNG", srgb())
    assert any("colour profile was dropped" in note for note in notes)
    np.testing.assert_array_equal(np.sort(got.pixels, None), np.sort(upright, None))
    assert encode(noise(5, 5), "TIFF", srgb())[1] == []


def test_jpeg_says_that_it_changes_known_pixels_and_refuses_transparency(tmp_path):
    smooth = cv2.resize(noise(4, 6), (60, 40), interpolation=cv2.INTER_CUBIC)
    notes = write_photo(tmp_path / "a.jpg", smooth)
    assert any("JPEG" in note and "not equal" in note for note in notes)
    assert np.abs(read_photo(tmp_path / "a.jpg").pixels.astype(int) - smooth).mean() < 1.5
    opaque = np.dstack([smooth, np.full((40, 60), 255, np.uint8)])
    write_photo(tmp_path / "b.jpg", opaque)
    opaque[3, 3, 3] = 254
    with pytest.raises(InpaintxError, match="transparent"):
        write_photo(tmp_path / "c.jpg", opaque)
    assert not (tmp_path / "c.jpg").exists()


def test_cmyk_is_said(tmp_path):
    Image.fromarray(noise(20, 20)).convert("CMYK").save(tmp_path / "a.jpg")
    assert any("CMYK" in note for note in read_photo(tmp_path / "a.jpg").notes)


@pytest.mark.parametrize("fmt", ["TIFF", "PNG", "WEBP"])
def test_further_pictures_of_a_file_are_said(tmp_path, fmt):
    first, second = noise(20, 20), noise(20, 20, seed=1)
    options = {"WEBP": {"lossless": True}}.get(fmt, {})
    Image.fromarray(first).save(tmp_path / "a", fmt, save_all=True, append_images=[Image.fromarray(second)], **options)
    got = read_photo(tmp_path / "a")
    np.testing.assert_array_equal(got.pixels[..., :3], first)
    assert any("several pictures" in note for note in got.notes)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(photo, "import_cv2", lambda: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(png_header(20_000, 20_000))
    with pytest.raises(InpaintxError, match=r"20000 x 20000 = 400\.0 megapixels; at most 50"):
        read_photo(tmp_path / "a.png")
    for fmt in ("JPEG", "WEBP", "TIFF"):
        stream = io.BytesIO()
        Image.new("RGB", (300, 200)).save(stream, fmt)
        (tmp_path / "a").write_bytes(stream.getvalue())
        monkeypatch.setattr(photo, "MAX_PIXELS", 59_999)
        with pytest.raises(InpaintxError, match="300 x 200"):
            read_photo(tmp_path / "a")
    for mode in ({"lossless": True}, {}):
        Image.fromarray(noise(200, 300, 4)).save(tmp_path / "b", "WEBP", **mode)
        with pytest.raises(InpaintxError, match="300 x 200"):
            read_photo(tmp_path / "b")


def test_fifty_megapixels_are_taken(tmp_path):
    assert MAX_PIXELS >= 8192 * 6144
    write_photo(tmp_path / "a.png", np.zeros((6144, 8192), np.uint8))
    assert read_photo(tmp_path / "a.png").pixels.shape == (6144, 8192)


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.98])
def test_a_cut_off_file_is_refused(tmp_path, fmt, share, capfd):
    path = saved(noise(60, 80), fmt, tmp_path / "a")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InpaintxError, match="a cannot be read"):
        read_photo(path)
    assert "libpng" not in capfd.readouterr().err


def test_a_damaged_png_is_refused(tmp_path, capfd):
    path = saved(noise(60, 80), "PNG", tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InpaintxError, match="damaged"):
        read_photo(path)
    assert capfd.readouterr().err == ""


def test_what_is_no_photo_is_refused_in_words(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(InpaintxError, match="not a PNG, JPEG, WebP or TIFF"):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InpaintxError, match="does not exist"):
        read_photo(tmp_path / "b.png")
    with pytest.raises(InpaintxError, match="is a folder"):
        read_photo(tmp_path)
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(InpaintxError, match="float32; expected 8 or 16 bits"):
        read_photo(tmp_path / "f.tif")


def test_output_is_checked_before_the_work(tmp_path):
    with pytest.raises(InpaintxError, match=r"suffix '\.bmp'; give one of \.png"):
        check_output(tmp_path / "a.bmp")
    with pytest.raises(InpaintxError, match="does not exist"):
        check_output(tmp_path / "no" / "a.png")
    (tmp_path / "a.png").touch()
    with pytest.raises(InpaintxError, match="--overwrite"):
        check_output(tmp_path / "a.png")
    check_output(tmp_path / "a.png", overwrite=True)
    (tmp_path / "d.png").mkdir()
    with pytest.raises(InpaintxError, match="not a regular file"):
        check_output(tmp_path / "d.png", overwrite=True)


def test_tiff_tags_survive_being_added_to():
    done, data = cv2.imencode(".tiff", noise(9, 7))
    assert done
    before = tiff.read_tags(data.tobytes())
    after = tiff.read_tags(tiff.add_tags(data.tobytes(), {tiff.ICC: b"abcdefg", tiff.EXTRA_SAMPLES: 2}))
    assert after[tiff.ICC].data == b"abcdefg"
    assert after[tiff.EXTRA_SAMPLES].values == (2,)
    assert {k: v.data for k, v in after.items() if k in before} == {k: v.data for k, v in before.items()}
    short = tiff.read_tags(tiff.add_tags(data.tobytes(), {tiff.ICC: b"abc"}))
    assert short[tiff.ICC].data == b"abc"


def test_missing_libgl_is_said_with_the_command_that_mends_it(monkeypatch):
    import builtins

    real = builtins.__import__

    def no_libgl(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_libgl)
    with pytest.raises(InpaintxError, match=r"libGL\.so\.1.*pip uninstall -y opencv-python .*opencv-python-headless"):
        import_cv2()
