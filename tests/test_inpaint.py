"""The main job on tensors, arrays and files: known pixels, every size, crops, batches, samples."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_methods import Dice, Mean, Slow, Square, box, noise

import inpaintx
from inpaintx import InpaintxError, UntrainedWarning
from inpaintx.inference.crop_layout import ArrayCanvas, plan
from inpaintx.inference.device import pick_device
from inpaintx.inference.inpainter import Inpainter
from inpaintx.inference.photo_plan import Plan
from inpaintx.io.photo import write_photo

pytestmark = pytest.mark.usefixtures("toys")
ROOT = Path(__file__).parent.parent


def scratch(height: int, width: int, thickness: int = 3) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    for x in range(width):
        y = x * (height - thickness) // width
        hole[y : y + thickness, x] = True
    return hole


# ---- known pixels, kinds and sizes ----


@pytest.mark.parametrize("method", ["telea", "square", "slow", "dice"])
@pytest.mark.parametrize("shape", [(64, 64), (33, 47), (1, 90), (601, 703), (64, 1200)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_keep_known_pixels_shape_and_dtype(method, shape, dtype):
    photo = noise(*shape, dtype=np.uint16).astype(dtype)
    if photo.dtype.kind == "f":
        photo /= 65535
    hole = np.zeros(shape, bool)
    hole[shape[0] // 3 : shape[0] // 3 + 20, shape[1] // 3 : shape[1] // 3 + 20] = True
    hole[-1, -5:] = True
    before = photo.copy()
    result = inpaintx.inpaint(photo, hole, method)
    assert result.dtype == dtype
    assert result.shape == photo.shape
    np.testing.assert_array_equal(result[~hole], before[~hole])
    np.testing.assert_array_equal(photo, before)
    assert (result[hole] != before[hole]).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["telea", "square", "slow"])
@pytest.mark.parametrize("shape", [(40, 56), (311, 401)])
def test_tensors_keep_known_pixels_dtype_and_device(dtype, method, shape):
    image = torch.rand(3, 3, *shape, dtype=torch.float64).to(dtype).to(memory_format=torch.channels_last)
    mask = torch.zeros(3, 1, *shape)
    for i in range(3):
        mask[i, :, 5 * i : 5 * i + 9, 3:20] = 1
    result = inpaintx.inpaint(image, mask, method)
    assert (result.dtype, result.shape, result.device) == (image.dtype, image.shape, image.device)
    known = (mask == 0).expand_as(image)
    assert torch.equal(result[known], image[known])
    assert not torch.equal(result, image)
    one_mask = inpaintx.inpaint(image, mask[:1] > 0, method)
    assert torch.equal(one_mask[0], result[0])


@pytest.mark.parametrize("method", ["telea", "square", "slow"])
@pytest.mark.parametrize("hole", [box(300, 420, side=150), scratch(300, 420)], ids=["box", "scratch"])
@pytest.mark.parametrize("blend", ["none", "poisson"])
def test_hidden_pixels_have_no_influence_at_any_scale(method, hole, blend):
    photo = noise(300, 420).astype(np.float32) / 255
    other = np.where(hole[..., None], np.float32("nan"), photo)
    a, b = (inpaintx.inpaint(x, hole, method, blend=blend) for x in (photo, other))
    np.testing.assert_array_equal(a, b)
    assert np.isfinite(a).all()
    t = torch.from_numpy(np.moveaxis(other, 2, 0).copy())[None]
    c = inpaintx.inpaint(t, torch.from_numpy(hole)[None, None], method, blend=blend)
    np.testing.assert_allclose(np.moveaxis(c[0].numpy(), 0, 2), a, atol=2e-6)


@pytest.mark.parametrize("method", ["telea", "square", "slow"])
@pytest.mark.parametrize(("dtype", "gray"), [(np.uint8, 200), (np.uint16, 40_001)])
@pytest.mark.parametrize("hole", [box(900, 1100, side=500), scratch(900, 1100)], ids=["box", "scratch"])
def test_a_plain_photo_is_restored_to_the_last_gray_level(method, dtype, gray, hole):
    photo = np.full((900, 1100, 3), gray, dtype)
    damaged = np.where(hole[..., None], dtype(0), photo)
    np.testing.assert_array_equal(inpaintx.inpaint(damaged, hole, method), photo)


def test_windows_continue_what_their_neighbors_filled():
    """Later windows see earlier fills as known, so no pixel of the hole is filled twice or left out."""
    hole = scratch(700, 900, 5)
    photo = np.full((700, 900, 3), 90, np.uint8)
    canvas = ArrayCanvas(np.where(hole[..., None], np.uint8(7), photo), hole)
    rounds = plan(hole, 64)
    assert 1 < len(rounds) < 7
    assert sum(map(len, rounds)) > 15
    Inpainter("square").run([(canvas, Plan({"square": rounds}))])
    assert not canvas.remaining_mask.any()
    np.testing.assert_array_equal(canvas.pixels, photo)


def test_empty_and_full_holes_of_arrays_and_tensors():
    photo = noise(50, 60)
    np.testing.assert_array_equal(inpaintx.inpaint(photo, np.zeros((50, 60), bool)), photo)
    assert inpaintx.inpaint(photo, np.ones((50, 60), bool)).shape == photo.shape
    image = torch.rand(2, 3, 20, 20)
    mask = torch.stack([torch.zeros(1, 20, 20), torch.ones(1, 20, 20)])
    assert torch.equal(inpaintx.inpaint(image, mask)[0], image[0])


def test_paths(tmp_path):
    photo, hole = noise(80, 90), box(80, 90)
    write_photo(tmp_path / "p.png", photo)
    write_photo(tmp_path / "m.png", np.where(hole, 255, 0).astype(np.uint8))
    result = inpaintx.inpaint(str(tmp_path / "p.png"), tmp_path / "m.png")
    np.testing.assert_array_equal(result, inpaintx.inpaint(photo, hole))
    np.testing.assert_array_equal(inpaintx.inpaint(tmp_path / "p.png", hole), result)
    for name, pixels in (("g.png", photo[..., 0]), ("a.png", np.dstack([photo, photo[..., 0]]))):
        write_photo(tmp_path / name, pixels)
        got = inpaintx.inpaint(tmp_path / name, tmp_path / "m.png")
        assert got.shape == pixels.shape
        np.testing.assert_array_equal(got[~hole], pixels[~hole])
        if got.ndim == 3:
            assert (got[hole][:, 3] == 255).all()


# ---- batches, samples, options ----


def test_crops_of_one_size_go_through_in_one_batch():
    image = torch.rand(5, 3, 200, 240)
    mask = torch.zeros(5, 1, 200, 240)
    for i in range(5):
        mask[i, :, 10 + 20 * i : 30 + 20 * i, 50:80] = 1
    together = inpaintx.inpaint(image, mask, "square")
    assert Square.seen == [(5, 3, 64, 64)]
    for i in range(5):
        assert torch.allclose(
            inpaintx.inpaint(image[i : i + 1], mask[i : i + 1], "square"), together[i : i + 1], atol=1e-6
        )
    Mean.seen.clear()
    inpaintx.inpaint(image, mask, "telea")
    assert Mean.seen == [(5, 3, 200, 240)]


def test_batch_size_and_working_memory_bound_a_batch():
    canvases = [ArrayCanvas(noise(100, 100, seed=i), box(100, 100)) for i in range(7)]
    inpainter = Inpainter("square", batch_size=3)
    inpainter.run([(c, inpainter.plan(c.pixels, c.remaining_mask)) for c in canvases])
    assert [shape[0] for shape in Square.seen] == [3, 3, 1]


def test_a_method_with_a_pixel_limit_sees_no_more():
    inpaintx.inpaint(noise(700, 800), box(700, 800, side=400), "slow")
    assert Slow.seen
    assert all(h * w <= Slow.max_pixels for _, _, h, w in Slow.seen)


def test_samples_and_seeds():
    photo, hole = noise(40, 50), box(40, 50)
    three = inpaintx.inpaint(photo, hole, "dice", samples=3, seed=5)
    assert len(three) == 3
    assert len({tuple(r[hole][0]) for r in three}) == 3
    np.testing.assert_array_equal(three[2], inpaintx.inpaint(photo, hole, "dice", seed=7))
    image, mask = torch.rand(2, 3, 20, 20), torch.zeros(2, 1, 20, 20)
    mask[..., 5:9, 5:9] = 1
    pair = inpaintx.inpaint(image, mask, "dice", samples=2)
    assert torch.equal(pair[0], inpaintx.inpaint(image, mask, "dice"))
    assert not torch.equal(pair[0], pair[1])
    with pytest.raises(InpaintxError, match="samples"):
        inpaintx.inpaint(photo, hole, samples=0)


def test_raw_is_the_methods_own_output():
    image, mask = torch.rand(1, 3, 30, 40), torch.zeros(1, 1, 30, 40)
    mask[..., 5:15, 5:15] = 1
    result, raw = inpaintx.inpaint(image, mask, raw=True)
    mean = image[:, :, (mask == 0)[0, 0]].mean(2)[..., None, None]
    assert torch.allclose(raw, mean.expand_as(raw), atol=1e-6)
    assert torch.equal(result, torch.where(mask > 0, raw, image))
    _, raw = inpaintx.inpaint(noise(30, 40), box(30, 40), raw=True)
    assert len(np.unique(raw.reshape(-1, 3), axis=0)) == 1
    pairs = inpaintx.inpaint(noise(30, 40), box(30, 40), "dice", raw=True, samples=2)
    assert [len(p) for p in pairs] == [2, 2]


def test_options_reach_the_method_and_unknown_ones_are_refused():
    photo, hole = np.full((40, 50, 3), 200, np.uint8), box(40, 50)
    assert (inpaintx.inpaint(photo, hole, "telea", gain=0.5)[hole] == 100).all()
    with pytest.raises(InpaintxError, match="gian"):
        inpaintx.inpaint(photo, hole, "telea", gian=0.5)
    with pytest.raises(InpaintxError, match="no preset 'paper'"):
        inpaintx.inpaint(photo, hole, "telea", preset="paper")
    with pytest.raises(InpaintxError, match="name it"):
        inpaintx.inpaint(photo, hole, gain=0.5)


def test_a_method_object_serves_as_well_as_a_name():
    photo, hole = noise(40, 50), box(40, 50)
    np.testing.assert_array_equal(inpaintx.inpaint(photo, hole, Dice()), inpaintx.inpaint(photo, hole, "dice"))


def test_random_weights_are_warned_of():
    with pytest.warns(UntrainedWarning, match="random weights"):
        inpaintx.inpaint(noise(70, 70), box(70, 70), "learned")


@pytest.mark.parametrize("method", ["telea", "square", "slow", "pasted", "small_pasted"])
@pytest.mark.parametrize("blend", ["poisson", "poisson_interior"])
def test_poisson_blend_leaves_no_seam(method, blend):
    ramp = np.tile(np.linspace(20, 230, 400), (300, 1)).round().astype(np.uint8)
    photo, hole = np.stack([ramp] * 3, 2), box(300, 400, top=100, left=150, side=90)
    plain, blended = (inpaintx.inpaint(photo, hole, method, blend=b) for b in ("none", blend))
    np.testing.assert_array_equal(blended[~hole], photo[~hole])
    errors = [np.abs(r.astype(int) - photo)[hole].max() for r in (plain, blended)]
    assert errors[0] > 15  # a flat fill on a ramp
    assert errors[1] <= 2  # the membrane of a ramp is the ramp


def test_a_seam_of_the_methods_own_is_not_taken_over_from_the_interior():
    class Seamed(Mean):
        name = "seamed"

        def inpaint(self, net, image, mask, *, generator=None):
            return torch.where(mask > 0.5, 0.9, 0.9 * image)

    photo, hole = np.full((64, 64, 3), 100, np.uint8), box(64, 64)
    kept, mended = (inpaintx.inpaint(photo, hole, Seamed(), blend=b) for b in ("poisson", "poisson_interior"))
    assert (kept[hole] > 180).all()
    assert (np.abs(mended[hole].astype(int) - 100) <= 1).all()


# ---- what is refused ----


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gray_and_alpha_arrays_keep_their_shape(channels, dtype):
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    image = (np.random.default_rng(0).random((20, 24, *channels)) * top).astype(dtype)
    hole = np.zeros((20, 24), bool)
    hole[5:9, 6:12] = True
    out = inpaintx.inpaint(image, hole, method=Mean())
    assert out.shape == image.shape
    assert out.dtype == dtype
    assert (out[~hole] == image[~hole]).all()
    assert (out[hole] != image[hole]).any()


def test_a_fill_that_is_no_number_is_refused():
    class Broken(Mean):
        def inpaint(self, net, image, mask, *, generator=None):
            return image / 0

    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:4] = 1
    with pytest.raises(InpaintxError, match="values that are not finite"):
        inpaintx.inpaint(image, mask, method=Broken())


@pytest.mark.parametrize("device", ["meta", "xpu", "hpu", "mps", "nonsense"])
def test_devices_that_cannot_be_used_are_refused_in_a_sentence(device):
    with pytest.raises(InpaintxError, match="expected auto, cpu or cuda:N") as error:
        pick_device(device)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        (torch.rand(3, 8, 8), torch.zeros(1, 1, 8, 8), r"\[B,3,H,W\]"),
        (torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 9), r"mask must have shape \[1, 1, 8, 8\]"),
        (torch.rand(1, 3, 8, 8) * 255, torch.zeros(1, 1, 8, 8), r"\[0,1\]"),
        (torch.full((1, 3, 900, 900), 7.0), torch.zeros(1, 1, 900, 900), r"\[0,1\]"),
        (torch.rand(1, 3, 8, 8) / 0, torch.zeros(1, 1, 8, 8), r"\[0,1\]"),
        (torch.rand(1, 3, 8, 8), np.zeros((8, 8)), "mask must be a tensor"),
        (np.zeros((8, 8, 5)), np.zeros((8, 8)), r"\[H,W,3\]"),
        (np.zeros((8, 0)), np.zeros((8, 0)), "not be empty"),
        (np.zeros((8, 8)), np.dstack([np.eye(8), np.zeros((8, 8, 2))]), "three channels that differ"),
        (np.zeros((8, 8, 3)), np.zeros((9, 8)), r"mask must have shape \[H,W\] = \[8, 8\]"),
        (np.full((900, 900, 3), np.nan), np.zeros((900, 900)), r"\[0,1\]"),
        (np.zeros((8, 8, 3), np.int32), np.zeros((8, 8)), "int32"),
        ([1], np.zeros((8, 8)), "a path, a file's bytes or a PIL image, got list"),
        (np.zeros((8, 8, 3)), 5, "mask must be a NumPy array, a path, a file's bytes or a PIL image, got int"),
        (np.zeros((7300, 7300, 3), np.uint8), np.zeros((8, 8)), "50 megapixels"),
    ],
)
def test_input_that_does_not_fit_is_refused_in_words(image, mask, words):
    with pytest.raises(InpaintxError, match=words):
        inpaintx.inpaint(image, mask)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InpaintxError, match="did you mean 'square'"):
        inpaintx.inpaint(noise(8, 8), box(8, 8), "sqare")
    with pytest.raises(InpaintxError, match="blend must be none, poisson, poisson_interior, got"):
        inpaintx.inpaint(noise(8, 8), box(8, 8), blend="alpha")
    with pytest.raises(InpaintxError, match="expected auto, cpu or cuda:N"):
        pick_device("gpu")
    with pytest.raises(InpaintxError, match="cuda:99"):
        pick_device("cuda:99")


# ---- a real size ----


def test_twelve_megapixels_with_three_holes_stay_within_a_few_copies(tmp_path):
    code = """
        import numpy as np, torch
        import inpaintx, toy_methods
        from inpaintx.io.masks import read_mask
        from inpaintx.io.photo import read_photo, write_photo
        photo = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
        hole = np.zeros((3000, 4000), bool)
        for y, x, side in ((300, 300, 260), (1500, 2000, 500), (2900, 3900, 100)):
            hole[y : y + side, x : x + side] = True
        write_photo("p.png", photo); write_photo("m.png", np.where(hole, 255, 0).astype(np.uint8))
        def peak():  # not ru_maxrss: it begins with what the process that started this one had
            return int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1])
        before = peak()
        result = inpaintx.inpaint("p.png", "m.png", toy_methods.Mean())
        after = peak()
        assert np.array_equal(result[~hole], photo[~hole]) and result.shape == photo.shape
        assert abs(int(result[hole].mean()) - 127) < 3
        print((after - before) * 1024 / photo.nbytes)
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 6
