"""What a photo shows: alpha is visibility, and a grey photo stays grey, by every method and in every form."""

import cv2
import numpy as np
import pytest
import torch
from toy_methods import Mean, box, noise

import inpaintx
from inpaintx import InpaintxError, Method
from inpaintx.cli import run
from inpaintx.inference.crop_layout import plan
from inpaintx.io.photo import read_photo, write_photo

DTYPES = [np.uint8, np.uint16, np.float32]
HOLE = box(60, 80, top=20, left=30, side=20)
WHITE = np.where(HOLE, 255, 0).astype(np.uint8)


def as_type(pixels: np.ndarray, dtype) -> np.ndarray:
    """8-bit values at another depth."""
    return {np.uint8: pixels, np.uint16: pixels.astype(np.uint16) * 257, np.float32: pixels.astype(np.float32) / 255}[
        dtype
    ]


class Tinted(Method):
    """Red wherever it may fill."""

    name, paper = "tinted", "https://example.org/tinted"

    def inpaint(self, net, image, mask, *, generator=None):
        return torch.tensor([0.9, 0.3, 0.3])[:, None, None].expand_as(image).clone()


class SmallTinted(Tinted):
    name, size = "small_tinted", 32


# ---- alpha ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("method", ["telea", "square", "slow"])
@pytest.mark.parametrize("blend", ["none", "poisson"])
@pytest.mark.usefixtures("toys")
def test_transparent_pixels_are_no_evidence_and_stay(dtype, channels, method, blend):
    hole, top = box(300, 420, top=100, left=150, side=60), as_type(np.uint8([255]), dtype)[0]
    photo = as_type(noise(300, 420, channels), dtype)
    photo[..., -1] = top
    photo[:120, :, -1] = 0
    results = []
    for hidden in (0, top, np.nan if dtype == np.float32 else 7):
        image = photo.copy()
        image[..., :-1][image[..., -1] == 0] = hidden
        result = inpaintx.inpaint(image, hole, method, blend=blend)
        np.testing.assert_array_equal(result[~hole], image[~hole])
        results.append(result[hole])
        assert (result[hole][:, -1] == top).all()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.usefixtures("toys")
def test_a_hole_amid_transparency_is_filled_from_the_nearest_that_is_seen():
    photo, hole = np.zeros((900, 1200, 4), np.uint8), box(900, 1200, top=100, left=100, side=30)
    photo[..., 3] = 0
    photo[:, 500:] = [200, 100, 50, 255]
    for method in ("telea", "square"):
        result = inpaintx.inpaint(photo, hole, method)
        assert (np.abs(result[hole].astype(int) - [200, 100, 50, 255]) <= 1).all()
        np.testing.assert_array_equal(result[~hole], photo[~hole])


@pytest.mark.parametrize("dtype", DTYPES)
def test_filled_pixels_are_opaque_or_as_all_around(dtype):
    top = 255 if dtype == np.uint8 else 65535 if dtype == np.uint16 else 1
    photo = as_type(noise(60, 80, 4), dtype)
    cases = {"erased": np.where(HOLE, 0, 255), "soft": np.where(HOLE, 90, 255), "mixed": np.where(HOLE, 0, 200)}
    cases["mixed"][0] = 130
    for alpha in cases.values():
        photo[..., 3] = as_type(alpha.astype(np.uint8), dtype)
        assert (inpaintx.inpaint(photo, HOLE, Mean())[HOLE][:, 3] == top).all()
    layer = as_type(np.where(HOLE, 0, 128).astype(np.uint8), dtype)
    layer[:5] = 0
    photo[..., 3] = layer
    assert (inpaintx.inpaint(photo, HOLE, Mean())[HOLE][:, 3] == layer[-1, 0]).all()


def test_nothing_to_be_seen_is_as_a_hole_all_over():
    photo = noise(60, 80, 4)
    photo[..., 3] = 0
    result = inpaintx.inpaint(photo, HOLE, method="telea")
    assert (result[HOLE] == [128, 128, 128, 255]).all()
    np.testing.assert_array_equal(result[~HOLE], photo[~HOLE])
    assert inpaintx.inpaint(photo[:1, :1], np.ones((1, 1), bool), method="telea").shape == (1, 1, 4)


def test_raw_and_samples_of_a_photo_with_alpha():
    photo = noise(60, 80, 4)
    photo[..., 3] = np.where(HOLE, 0, 255)
    for result, raw in inpaintx.inpaint(photo, HOLE, method="patchmatch", samples=2, raw=True):
        assert (result[..., 3] == 255).all()
        assert (raw[..., 3] == 255).all()


@pytest.mark.parametrize("bad", [np.nan, 2.0, -0.5])
def test_alpha_and_seen_colors_of_floats_are_held_against_the_range(bad):
    photo = np.full((60, 80, 4), 0.5)
    photo[0, 0, 3] = bad
    with pytest.raises(InpaintxError, match=r"\[0,1\]"):
        inpaintx.inpaint(photo, HOLE, method="telea")
    photo[0, 0] = [bad, 0.5, 0.5, 0.1]
    with pytest.raises(InpaintxError, match=r"\[0,1\]"):
        inpaintx.inpaint(photo, HOLE, method="telea")
    photo[0, 0, 3] = 0
    assert np.isfinite(inpaintx.inpaint(photo, HOLE, method="telea")[HOLE]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_erased_photo_with_a_mask_file(dtype, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = as_type(noise(60, 80, 4), dtype)
    photo[..., 3] = as_type(255 - WHITE, dtype)
    write_photo("p.png", photo)
    write_photo("m.png", WHITE)
    assert run(["inpaint", "p.png", "m.png", "-o", "o.png", "-m", "telea"]) == 0
    result = read_photo("o.png").pixels
    assert (result[..., 3] == np.iinfo(dtype).max).all()
    np.testing.assert_array_equal(result[~HOLE], photo[~HOLE])
    if dtype == np.uint8:  # what JPEG cannot carry is what is still transparent when the hole is filled
        assert run(["inpaint", "p.png", "m.png", "-o", "o.jpg", "-m", "telea"]) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mask_from_alpha_makes_soft_edges_opaque(dtype, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soft = 255 - cv2.GaussianBlur(WHITE, (9, 9), 0)
    assert len(np.unique(soft)) > 5
    photo = as_type(np.dstack([noise(60, 80), soft]), dtype)
    write_photo("p.png", photo)
    assert run(["inpaint", "p.png", "--mask-from-alpha", "-o", "o.png", "-m", "telea"]) == 0
    result = read_photo("o.png").pixels
    assert (result[..., 3] == np.iinfo(dtype).max).all()
    known = soft > 127
    np.testing.assert_array_equal(result[known][:, :3], photo[known][:, :3])


def test_a_photo_that_shows_nothing_is_refused_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photo = noise(60, 80, 4)
    photo[..., 3] = 0
    write_photo("p.png", photo)
    write_photo("m.png", WHITE)
    assert run(["inpaint", "p.png", "m.png", "-o", "o.png", "-m", "telea"]) == 2
    assert "fully transparent outside the hole" in capsys.readouterr().err


# ---- grey ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", [Tinted(), SmallTinted()])
@pytest.mark.parametrize("blend", ["none", "poisson"])
def test_a_gray_photo_gets_the_fill_of_its_gray_file(dtype, method, blend):
    gray = as_type(noise(60, 80, None), dtype)
    rgb = np.dstack([gray] * 3)
    rgb[HOLE] = rgb[0, 0] * [1, 0, 0]  # what lies under the hole is no colour of the photo
    seen = np.dstack([rgb, np.full_like(gray, as_type(np.uint8([255]), dtype)[0])])
    seen[:10, :, 3], seen[:10, :, 0] = 0, 0  # nor is what cannot be seen
    plain = inpaintx.inpaint(gray, HOLE, method, blend=blend)
    np.testing.assert_array_equal(inpaintx.inpaint(rgb, HOLE, method, blend=blend), np.dstack([plain] * 3))
    with_alpha = inpaintx.inpaint(seen, HOLE, method, blend=blend)[HOLE]
    assert (with_alpha[:, :3] == with_alpha[:, :1]).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_each_image_of_a_batch_of_tensors_is_gray_or_not(dtype):
    image = torch.rand(2, 3, 40, 50, dtype=torch.float64).to(dtype)
    image[0] = image[0, :1]
    mask = torch.zeros(1, 1, 40, 50)
    mask[..., 10:20, 10:20] = 1
    image[0, 0, 12, 12] = float("nan")
    result, raw = inpaintx.inpaint(image, mask, Tinted(), raw=True)
    first, second = result[:, :, 10:20, 10:20]
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])
    assert not torch.equal(second[0], second[1])
    assert not torch.equal(raw[0, 0], raw[0, 1])  # what the method itself gave


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".jpg", [cv2.IMWRITE_JPEG_QUALITY, 60]), (".webp", [cv2.IMWRITE_WEBP_QUALITY, 60]), (".png", [])],
)
def test_gray_that_a_lossy_format_has_rounded_is_gray(suffix, options):
    gray = cv2.GaussianBlur(noise(120, 160, None), (0, 0), 2) // 2 + 60
    photo = cv2.imdecode(cv2.imencode(suffix, np.dstack([gray] * 3), options)[1], cv2.IMREAD_UNCHANGED)
    hole = box(120, 160)
    fill = inpaintx.inpaint(photo, hole, Tinted())[hole]
    assert (fill == fill[:, :1]).all()


def test_a_photo_with_colors_keeps_them():
    tinted = np.full((60, 80, 3), 120, np.uint8)
    tinted[..., 0] += 1  # all over: not rounding
    spot = np.full((60, 80, 3), 120, np.uint8)
    spot[0, 0] = [120, 125, 120]
    for photo in (tinted, spot, noise(60, 80)):
        assert (inpaintx.inpaint(photo, HOLE, Tinted())[HOLE] == [230, 76, 76]).all()  # 0.9 and 0.3 of 255
    full = np.ones((60, 80), bool)  # nothing is known, grey least of all
    assert (inpaintx.inpaint(noise(60, 80), full, Tinted()) == [230, 76, 76]).all()


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
@pytest.mark.parametrize("method", [name for name in inpaintx.methods() if name not in ("yeh", "qiang", "efros_leung")])
def test_every_method_fills_gray_with_gray(method):
    rng = np.random.default_rng(0)
    gray = cv2.GaussianBlur(rng.integers(0, 256, (64, 64), np.uint8), (0, 0), 3)
    hole = box(64, 64, top=20, left=20, side=16)
    fill = inpaintx.inpaint(np.dstack([gray] * 3), hole, method=method)[hole]
    assert (fill == fill[:, :1]).all()


# ---- crops ----


@pytest.mark.parametrize("size", [None, 128])
def test_crops_reach_for_what_can_be_seen(size):
    hole, unseen = box(900, 1200, top=100, left=100, side=30), np.zeros((900, 1200), bool)
    unseen[:, :500] = True
    unseen &= ~hole
    ((crop,),) = plan(hole, size, unseen=unseen)
    assert not (hole | unseen)[crop.box.at].all()
    assert hole[crop.write_box.at].sum() == hole.sum()
    assert plan(hole, size, unseen=np.zeros_like(hole)) == plan(hole, size)
