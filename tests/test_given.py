"""In whatever form a photo and its mask are held in Python, the pixels that are filled are the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from toy_methods import Mean, box, noise

import inpaintx
from inpaintx import InpaintxError
from inpaintx.io.photo import encode, write_photo

Image = pytest.importorskip("PIL.Image")
HOLE = box(60, 80)
WHITE = np.where(HOLE, 255, 0).astype(np.uint8)
PHOTO = noise(60, 80)
EXPECTED = inpaintx.inpaint(PHOTO, HOLE, Mean())


def pil(pixels: np.ndarray, mode: str | None = None):
    image = Image.fromarray(pixels)
    return image.convert(mode) if mode else image


@pytest.mark.parametrize(
    "held",
    [
        PHOTO.astype(">u2") * 257,
        PHOTO.astype("<u2") * 257,
        np.asfortranarray(PHOTO),
        PHOTO[::-1].copy()[::-1],
        np.dstack([PHOTO, PHOTO])[..., :3],
        PHOTO.astype(np.float16) / 255,
        PHOTO.astype(np.float64) / 255,
        PHOTO.astype(">f4") / 255,
        PHOTO.astype(np.longdouble) / 255,
        np.moveaxis(np.moveaxis(PHOTO, 2, 0).copy(), 0, 2),
    ],
    ids=["big-endian", "little-endian", "Fortran", "flipped", "sliced", "half", "double", ">f4", "long", "planes"],
)
def test_arrays_of_any_layout(held):
    held.flags.writeable = False
    result = inpaintx.inpaint(held, HOLE, Mean())
    assert (result.dtype, result.shape) == (held.dtype, held.shape)
    np.testing.assert_array_equal(result[~HOLE], held[~HOLE])
    top = np.iinfo(held.dtype).max if held.dtype.kind == "u" else 1.0
    np.testing.assert_allclose(result[HOLE].astype(float) / top, EXPECTED[HOLE] / 255, atol=0.003)
    assert result.flags.writeable


@pytest.mark.parametrize("what", [np.inf, -np.inf, np.nan])
@pytest.mark.filterwarnings("error")
def test_what_lies_under_the_hole_does_not_matter(what):
    photo = PHOTO.astype(np.float32) / 255
    hidden = np.where(HOLE[..., None], np.float32(what), photo)
    np.testing.assert_array_equal(inpaintx.inpaint(hidden, HOLE, Mean()), inpaintx.inpaint(photo, HOLE, Mean()))


def test_tensors_without_values_are_refused_in_words():
    image, mask = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    for bad, words in ((lambda x: x.to("meta"), "a meta tensor"), (torch.Tensor.to_sparse, "layout torch.sparse_coo")):
        with pytest.raises(InpaintxError, match=f"image must be a dense tensor with values, and is .*{words}"):
            inpaintx.inpaint(bad(image), bad(mask), Mean())
        with pytest.raises(InpaintxError, match=f"mask must be a dense tensor with values, and is .*{words}"):
            inpaintx.inpaint(image, bad(mask), Mean())


def test_one_channel_keeps_its_axis():
    result, raw = inpaintx.inpaint(PHOTO[..., :1], HOLE, Mean(), raw=True)
    assert result.shape == raw.shape == (60, 80, 1)
    np.testing.assert_array_equal(result[..., 0], inpaintx.inpaint(PHOTO[..., 0], HOLE, Mean()))


@pytest.mark.parametrize(
    "mask",
    [
        WHITE,
        WHITE[..., None],
        np.dstack([WHITE] * 3),
        np.dstack([HOLE] * 3),
        HOLE.astype(">i4"),
        HOLE.astype(">f8"),
        np.asfortranarray(WHITE),
        WHITE.view(np.bool_),
        pil(WHITE),
        pil(WHITE, "1"),
        pil(WHITE, "RGB"),
        pil(WHITE, "RGBA"),
        pil(WHITE, "LA"),
        pil(WHITE, "P"),
        pil(WHITE, "I"),
        pil(HOLE.astype(np.float32)),
        encode(WHITE, "PNG")[0],
        bytearray(encode(WHITE, "PNG")[0]),
        memoryview(encode(np.dstack([WHITE] * 3), "WebP")[0]),
    ],
)
def test_masks(mask):
    np.testing.assert_array_equal(inpaintx.inpaint(PHOTO, mask, Mean()), EXPECTED)


class Named(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_paths_and_bytes_are_the_same_file(tmp_path):
    write_photo(tmp_path / "p.png", PHOTO)
    write_photo(tmp_path / "m.png", WHITE)
    data = (tmp_path / "p.png").read_bytes()
    for photo in (data, bytearray(data), memoryview(data), Named(str(tmp_path / "p.png"))):
        result = inpaintx.inpaint(photo, Named(str(tmp_path / "m.png")), Mean())
        assert isinstance(result, np.ndarray)
        np.testing.assert_array_equal(result, EXPECTED)
    with pytest.raises(InpaintxError, match="photo given as bytes cannot be read"):
        inpaintx.inpaint(data[:20], HOLE, Mean())
    with pytest.raises(InpaintxError, match="mask given as bytes is empty"):
        inpaintx.inpaint(data, encode(np.zeros_like(WHITE), "PNG")[0], Mean())


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "F", "I", "I;16", "I;16B"])
def test_pil_images_come_back_in_their_mode(mode):
    if mode == "F":
        image = pil(PHOTO[..., 0].astype(np.float32) / 255)
    elif mode in ("I", "I;16", "I;16B"):
        wide = PHOTO[..., 0].astype({"I": np.int32, "I;16": "<u2", "I;16B": ">u2"}[mode]) * 257
        image = Image.frombytes(mode, (80, 60), wide.tobytes())
    else:
        image = pil(PHOTO, mode)
    image.info = {"icc_profile": b"profile", "dpi": (300, 300)}
    before = image.tobytes()
    result = inpaintx.inpaint(image, pil(WHITE), Mean())
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size, result.info) == (mode, image.size, image.info)
    assert image.tobytes() == before
    came, went = np.asarray(image), np.asarray(result)
    np.testing.assert_array_equal(went[~HOLE], came[~HOLE])
    if mode == "RGB":
        np.testing.assert_array_equal(went, EXPECTED)
    if mode in ("I", "I;16", "I;16B"):
        expected = inpaintx.inpaint(PHOTO[..., 0].astype(np.uint16) * 257, HOLE, Mean())
        np.testing.assert_array_equal(went, expected)


def test_pil_images_whose_transparency_is_a_color_get_alpha():
    palette = pil(PHOTO).quantize(16)
    assert inpaintx.inpaint(palette, HOLE, Mean()).mode == "RGB"
    palette.info["transparency"] = 3
    result = inpaintx.inpaint(palette, HOLE, Mean())
    assert result.mode == "RGBA"
    assert "transparency" not in result.info
    hidden = (np.asarray(palette) == 3) & ~HOLE
    assert hidden.any()
    np.testing.assert_array_equal(np.asarray(result)[..., 3] == 0, hidden)
    gray = pil(PHOTO, "L")
    gray.info["transparency"] = 7
    assert inpaintx.inpaint(gray, HOLE, Mean()).mode == "LA"


def test_pil_pairs_and_lists():
    pairs = inpaintx.inpaint(pil(PHOTO), HOLE, Mean(), raw=True, samples=2)
    assert [[one.mode for one in pair] for pair in pairs] == [["RGB", "RGB"]] * 2


def test_pil_images_that_cannot_be_taken_are_refused_in_words(tmp_path):
    with pytest.raises(InpaintxError, match="mode CMYK"):
        inpaintx.inpaint(pil(PHOTO, "CMYK"), HOLE, Mean())
    with pytest.raises(InpaintxError, match="beyond 16 bits"):
        inpaintx.inpaint(pil(np.full((60, 80), 70_000, np.int32)), HOLE, Mean())
    (tmp_path / "cut.png").write_bytes(encode(PHOTO, "PNG")[0][:3000])
    with pytest.raises(InpaintxError, match="cannot be read"):
        inpaintx.inpaint(Image.open(tmp_path / "cut.png"), HOLE, Mean())
    with pytest.raises(InpaintxError, match="50 megapixels"):
        inpaintx.inpaint(Image.new("L", (7300, 7300)), HOLE, Mean())


def test_pillow_is_not_imported():
    code = "import sys, inpaintx, numpy as np; h = np.eye(9) > 0; inpaintx.inpaint(h * 1.0, h, 'telea'); "
    code += "sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
