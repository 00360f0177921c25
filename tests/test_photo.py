"""Photo files: what goes in comes out, and what cannot is said."""

import io

import numpy as np
import pytest
from photo_files import Image, png, saved
from toy_methods import noise

from inpaintx.errors import InpaintxError
from inpaintx.io import opencv, photo
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import MAX_PIXELS, check_output, read_photo, write_photo

cv2 = import_cv2()
tifffile = pytest.importorskip("tifffile")
LOSSLESS = [".png", ".webp", ".tif"]


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
    for order in "<>":
        tifffile.imwrite(tmp_path / "b.tif", rgba, photometric="rgb", extrasamples=["unassalpha"], byteorder=order)
        np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").pixels, rgba)
    tifffile.imwrite(tmp_path / "c.tif", rgb, photometric="rgb", bigtiff=True)
    np.testing.assert_array_equal(read_photo(tmp_path / "c.tif").pixels, rgb)


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
    if fmt == "WEBP" and not hasattr(cv2, "Animation"):  # OpenCV 4.10
        with pytest.raises(InpaintxError, match="a kind that OpenCV does not read"):
            read_photo(tmp_path / "a")
        return
    got = read_photo(tmp_path / "a")
    np.testing.assert_array_equal(got.pixels[..., :3], first)
    assert any("several pictures" in note for note in got.notes)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(opencv, "decode", lambda *_, **__: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(png(20_000, 20_000, 8, 2, b""))
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


def test_what_is_no_photo_is_refused_in_words(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(InpaintxError, match="not a PNG, JPEG, WebP or TIFF"):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InpaintxError, match="does not exist"):
        read_photo(tmp_path / "b.png")
    with pytest.raises(InpaintxError, match="is a folder"):
        read_photo(tmp_path)
    tifffile.imwrite(tmp_path / "f.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(InpaintxError, match="floating point; expected 8 or 16 bits"):
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
