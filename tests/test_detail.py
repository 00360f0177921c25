"""Detail of known pixels is added to a soft fill."""

import numpy as np
import pytest
import torch
from toy_methods import box

import inpaintx
from inpaintx import InpaintxError
from inpaintx.data.align import AlignedCrop
from inpaintx.inference import detail, inpainter
from inpaintx.inference.canvas import TensorCanvas
from inpaintx.inference.crops import Box, Crop
from inpaintx.inference.detail import add_detail
from inpaintx.inference.warp import bring_back, show


def grain(height=96, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(0.3, 0.7, width).expand(3, height, width)
    return (x + 0.08 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)


def softened(truth, hole):
    """The truth, with a ramp in its hole."""
    return torch.where(hole, torch.linspace(0.3, 0.7, truth.shape[2]).expand_as(truth), truth)


@pytest.mark.parametrize("axis", [None, (47.5, 47.5, 0.0), (40.0, 50.0, 0.4)])
def test_a_soft_fill_gets_the_grain_around_it(axis):
    truth = grain()
    hole = torch.from_numpy(box(96, 96, top=30, left=30, side=30))
    soft = softened(truth, hole)
    result = add_detail(soft, hole, 2.0, axis)
    assert torch.equal(result[:, ~hole], truth[:, ~hole])
    added = (result - soft)[:, hole]
    assert 0.05 < float(added.std()) < 0.11  # the grain's is 0.08
    assert abs(float(added.mean())) < 0.01
    assert torch.equal(result, add_detail(soft, hole, 2.0, axis))


@pytest.mark.parametrize("scale", [3.0, 8.0])
def test_a_fill_of_much_fewer_pixels_gets_coarse_and_fine_detail(scale):
    height, width = 161, 190
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(1, 3, height // 4 + 1, width // 4 + 1, generator=generator)
    blobs = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bicubic")[0, :, :height, :width]
    truth = (grain(height, width) + 0.06 * blobs).clamp(0, 1)
    hole = torch.from_numpy(box(height, width, top=50, left=60, side=60))
    soft = softened(truth, hole)
    added = add_detail(soft, hole, scale) - soft
    assert (added[:, ~hole] == 0).all()
    low = torch.nn.functional.avg_pool2d(added, 4)[:, 14:26, 17:28]  # within the hole
    assert low.std() > (0.02 if scale == 8 else 0.01)  # grain alone leaves 0.02 of 0.08 at most
    assert added[:, hole].std() > 0.05


def test_nothing_is_added_where_nothing_is_lost_or_known():
    truth = grain()
    hole = torch.from_numpy(box(96, 96, top=30, left=30, side=30))
    assert torch.equal(add_detail(truth, hole, 1.0), truth)
    assert torch.equal(add_detail(truth, torch.zeros_like(hole), 2.0), truth)
    sparse = torch.ones(96, 96, dtype=torch.bool)
    sparse[::5, ::5] = False  # no known patch
    for unknown in (sparse, torch.ones_like(sparse)):
        assert torch.equal(add_detail(truth, unknown, 2.0), truth)
    for size in ((1, 1), (1, 96), (4, 4), (5, 3)):
        rows, columns = (slice(30, 30 + n) for n in size)
        part = truth[:, rows, columns]
        assert torch.equal(add_detail(part, hole[rows, columns], 40.0), part)


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_a_wary_one_adds_less_where_nothing_looks_like_the_fill(scale):
    truth = grain()
    hole = torch.from_numpy(box(96, 96, top=30, left=30, side=30))
    like, unlike = softened(truth, hole), torch.where(hole, torch.tensor(0.95).expand_as(truth), truth)
    for soft, share in ((like, (0.85, 1.0)), (unlike, (0.0, 0.05))):
        eager, wary = (
            float((add_detail(soft, hole, scale, wary=w) - soft)[:, hole].square().mean().sqrt()) for w in (False, True)
        )
        assert eager > 0.02
        assert share[0] < wary / eager <= share[1]


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
@pytest.mark.parametrize(("method", "wary"), [("harmonic_texture", True), ("pconv", False)])
def test_detail_is_added_warily_to_what_is_no_square_of_a_face(method, wary, monkeypatch):
    said = []
    monkeypatch.setattr(inpainter, "detailed", lambda filled, *rest: said.append(rest[-1]) or torch.stack(list(filled)))
    photo, hole = grain(64, 64)[None], torch.from_numpy(box(64, 64, top=20, left=20, side=20))[None, None]
    options = {"preset": "tiny", "size": 32, "width": 4, "faces": [(0, 0, 64)]} if method == "pconv" else {}
    inpaintx.inpaint(photo, hole, method, detail="auto", **options)
    assert said == [wary]


def test_flat_surroundings_stay_flat():
    flat = torch.full((3, 64, 64), 0.4)
    hole = torch.from_numpy(box(64, 64, top=20, left=20, side=20))
    torch.testing.assert_close(add_detail(flat, hole, 3.0, (31.5, 31.5, 0.0)), flat, atol=1e-6, rtol=0)


def test_windows_cover_the_hole_once(monkeypatch):
    monkeypatch.setattr(detail, "WINDOW", 40)
    monkeypatch.setattr(detail, "MARGIN", 16)
    truth = grain(150, 130)
    hole = torch.from_numpy(box(150, 130, top=20, left=10, side=95) | box(150, 130, top=140, left=120, side=8))
    covered = np.zeros(hole.shape, int)
    for core, window in detail._windows(hole.numpy()):
        covered[core.at] += 1
        assert window.height <= 72
        assert window.top <= core.top < core.bottom <= window.bottom
    assert covered.max() == 1
    assert (covered[hole.numpy()] == 1).all()
    sparse = torch.from_numpy(np.random.default_rng(0).random((150, 130)) < 0.02)
    both = hole & ~box_of_known(hole) | sparse
    result = add_detail(softened(truth, both), both, 2.0, (64.5, 74.5, 0.1))
    assert torch.equal(result[:, ~both], truth[:, ~both])
    assert 0.04 < float((result - softened(truth, both))[:, both].std()) < 0.12


def box_of_known(hole):
    """Bands of known pixels in a large hole, so that each window has some."""
    known = torch.zeros_like(hole)
    known[::30] = True
    for row in range(12):
        known[row::30] = True
    return known


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_detail_is_an_option_of_trained_methods():
    photo = (grain(120, 120).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    hole = box(120, 120, top=50, left=50, side=30)
    network = {"preset": "tiny", "size": 32, "width": 4, "faces": "none"}
    plain, rich = (inpaintx.inpaint(photo, hole, "pconv", detail=d, **network) for d in ("none", "auto"))
    assert (rich[~hole] == photo[~hole]).all()
    assert np.diff(rich[hole].astype(int), axis=0).std() > np.diff(plain[hole].astype(int), axis=0).std()
    for copies in ("harmonic", "patchmatch"):
        same = (inpaintx.inpaint(photo, hole, copies, detail=d) for d in ("none", "auto"))
        assert (next(same) == next(same)).all()
    with pytest.raises(InpaintxError, match="detail must be auto or none"):
        inpaintx.inpaint(photo, hole, detail="much")


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
@pytest.mark.parametrize("detail", ["none", "auto"])
def test_a_reduced_square_is_shown_twice_where_fills_are_to_be_sharp(detail, monkeypatch):
    seen = []
    real = inpainter.run_method

    def recording(method, net, images, *rest, **options):
        result = real(method, net, images, *rest, **options)
        seen.append((images[0], result.image[0]))
        return result

    monkeypatch.setattr(inpainter, "run_method", recording)
    monkeypatch.setattr(inpainter, "detailed", lambda filled, *_: filled)
    photo, hole = grain(128, 128)[None], torch.from_numpy(box(128, 128, top=50, left=50, side=30))[None, None]
    network = {"preset": "tiny", "size": 32, "width": 4, "blend": "none", "faces": [(0, 0, 128)]}
    result = inpaintx.inpaint(photo, hole, "pconv", detail=detail, **network)
    assert len(seen) == (2 if detail == "auto" else 1)
    crop = Crop(Box(0, 0, 128, 128), Box(0, 0, 128, 128), (32, 32))
    crops = [crop.moved(by) for by in inpainter.MOVES] if detail == "auto" else [crop]
    canvas = TensorCanvas(photo[0], hole[0])
    for (shown, _), one in zip(seen, crops, strict=True):
        torch.testing.assert_close(shown, show(canvas, one, torch.device("cpu"))[0])
    fills = [torch.stack(list(bring_back(fill, one))) for (_, fill), one in zip(seen, crops, strict=True)]
    torch.testing.assert_close(result[0], torch.where(hole[0], torch.stack(fills).mean(0), photo[0]))

    seen.clear()
    inpaintx.inpaint(photo, hole, "pdgan", preset="tiny", size=32, faces=[(0, 0, 128)], detail=detail)
    assert len(seen) == 1  # the mean of two draws is no fill


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_a_fill_depends_on_no_neighbour_that_is_not_reduced():
    network = inpainter.Inpainter(
        "pconv", preset="tiny", device="cpu", detail="auto", faces="none", options={"size": 32, "width": 4}
    )

    def filled(*sides):
        work = []
        for side in sides:
            hole = box(side, side, top=side // 3, left=side // 3, side=side // 4)
            photo = grain(side, side)
            canvas = TensorCanvas(photo, torch.from_numpy(hole)[None])
            work.append((canvas, network.plan(photo.permute(1, 2, 0).numpy(), hole)))
        network.run(work)
        return [canvas.pixels for canvas, _ in work]

    for alone, together in zip([*filled(64), *filled(32)], filled(64, 32), strict=True):
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


def test_a_square_moves_along_its_own_axes():
    crop = Crop(Box(0, 0, 90, 100), Box(10, 10, 20, 20), (50, 50), cut=AlignedCrop(40.0, 50.0, 100.0, np.pi / 2))
    cut = crop.moved(0.5).cut  # half a pixel of 50 is one of the photo; right is down, and down is left
    assert (cut.x, cut.y) == pytest.approx((39.0, 51.0))
    assert (cut.side, cut.angle) == (100.0, np.pi / 2)
    plain = Crop(Box(20, 30, 84, 94), Box(20, 30, 84, 94), (32, 32))
    assert plain.square
    assert plain.moved(-0.5).cut == pytest.approx((60.5, 50.5, 64, 0.0))
    assert not Crop(Box(0, 0, 10, 20), Box(0, 0, 10, 20), (5, 10)).square
