"""Plugin classical: the acceptance list and the contract."""

import math
import warnings
from importlib.metadata import EntryPoint

import cv2
import numpy as np
import pytest
import torch
from inpaintx_plugins.classical import TV, EfrosLeung, Harmonic, NavierStokes, PatchMatch, Telea

import inpaintx
from inpaintx.inference.run import run_method
from inpaintx.plugin.registry import Registry
from inpaintx.testing import run_rules

METHODS = [NavierStokes, Telea, Harmonic, TV, EfrosLeung, PatchMatch]


def complete(method, image, mask, seed=0, **options):
    method = method()
    net = method.build(method.config(**options))
    return run_method(method, net, image, mask, generator=torch.Generator().manual_seed(seed)).image


def psnr(filled, image, mask):
    error = ((filled - image).square() * mask).sum() / (mask.sum() * image.shape[1])
    return math.inf if error == 0 else -10 * math.log10(error)


def texture(height=96, width=96):
    """Period 8 down and 12 across, another in each channel."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    tile = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(3))
    return tile[:, y % 8, x % 12][None]


def box(image, top, left, bottom, right):
    mask = torch.zeros(1, 1, *image.shape[2:])
    mask[..., top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize("method", METHODS)
def test_contract(method):
    broken = [r for r in run_rules(method) if r.error]
    assert not broken


def test_all_are_registered():
    registry = Registry([EntryPoint("classical", "inpaintx_plugins.classical", "inpaintx")])
    assert [p.error for p in registry.plugins] == [None]
    assert set(registry.methods) == {"ns", "telea", "harmonic", "tv", "efros_leung", "patchmatch", "harmonic_texture"}
    assert all(registry.method(m.name).paper.startswith("https://") for m in METHODS)


@pytest.mark.parametrize("method", ["ns", "telea"])
def test_opencv_fills_in_the_depth_of_the_photo(method):
    """In 8 bits as OpenCV does, to the last bit; 16-bit and floating photos not in steps of 257."""
    rng = np.random.default_rng(0)
    deep = cv2.GaussianBlur(rng.integers(0, 65536, (60, 80, 3), np.uint16), (0, 0), 3)
    hole = np.zeros((60, 80), bool)
    hole[20:35, 30:50] = True
    flat = np.where(hole[..., None], np.uint8(0), (deep // 257).astype(np.uint8))
    expected = cv2.inpaint(flat, hole.astype(np.uint8), 3, getattr(cv2, f"INPAINT_{method.upper()}"))
    for photo in (flat, flat / np.float32(255), flat / 255):
        fill = inpaintx.inpaint(photo, hole, method)[hole]
        np.testing.assert_allclose(fill * (255 if photo.dtype.kind == "f" else 1), expected[hole], atol=1e-4)
    for photo in (deep, deep / np.float32(65535), deep / 65535, deep[..., 0]):
        fill = inpaintx.inpaint(photo, hole, method)[hole]
        levels = np.rint(fill * (65535 if photo.dtype.kind == "f" else 1)).astype(int)
        assert len(np.unique(levels % 257)) > 50
        near = (expected if photo.ndim == 3 else expected[..., 0])[hole] * 257.0
        assert np.abs(levels - near).max() < 15 * 257
    image = torch.from_numpy(deep / 65535).permute(2, 0, 1)[None]
    both = torch.cat([image, torch.from_numpy(flat / 255).permute(2, 0, 1)[None]])
    result = inpaintx.inpaint(both, torch.from_numpy(hole)[None, None], method)
    np.testing.assert_allclose(result[1].permute(1, 2, 0).numpy()[hole] * 255, expected[hole], atol=1e-4)
    assert len(np.unique(np.rint(result[0].permute(1, 2, 0).numpy()[hole] * 65535).astype(int) % 257)) > 50


def test_harmonic_fills_have_no_extremum_inside_and_restore_what_is_harmonic():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    saddle = (0.5 + 0.2 * (x * x - y * y)).expand(1, 3, 64, 64)
    mask = box(saddle, 12, 20, 50, 60)
    assert (complete(Harmonic, saddle, mask) - saddle).abs().max() < 1e-4
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    filled = complete(Harmonic, noise, mask)
    inner = filled[..., 13:49, 21:59]
    mean = (
        filled[..., 12:48, 21:59] + filled[..., 14:50, 21:59] + filled[..., 13:49, 20:58] + filled[..., 13:49, 22:60]
    ) / 4
    assert (inner - mean).abs().max() < 1e-4


def test_tv_restores_a_ramp():
    ramp = torch.linspace(0, 1, 80).expand(1, 3, 64, 80)
    mask = box(ramp, 16, 20, 48, 60)
    assert (complete(TV, ramp, mask) - ramp).abs().max() < 1e-3


def test_tv_keeps_a_step_edge():
    step = torch.where(torch.arange(80) < 37, 0.25, 0.75).expand(1, 3, 64, 80)
    filled = complete(TV, step, box(step, 20, 20, 44, 60))
    assert filled.min() >= 0.25
    assert filled.max() <= 0.75
    assert torch.equal(filled > 0.5, step > 0.5)


@pytest.mark.parametrize(("method", "least"), [(PatchMatch, 35), (EfrosLeung, 25)])
def test_periodic_texture_is_regained(method, least):
    image = texture()
    mask = box(image, 34, 30, 62, 60)
    assert psnr(complete(method, image, mask), image, mask) > least
    assert psnr(complete(TV, image, mask), image, mask) < 15  # no method gets it for nothing


@pytest.mark.parametrize("method", [EfrosLeung, PatchMatch])
def test_same_seed_same_output(method):
    image = torch.rand(1, 3, 48, 57, generator=torch.Generator().manual_seed(0))
    mask = box(image, 12, 12, 30, 33)
    first, again, other = (complete(method, image, mask, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", [EfrosLeung, PatchMatch])
def test_fills_are_copies_of_known_pixels(method):
    image = torch.rand(1, 3, 48, 57, generator=torch.Generator().manual_seed(0))
    mask = box(image, 12, 12, 30, 33)
    known = {tuple(v) for v in image[0].permute(1, 2, 0)[mask[0, 0] == 0].tolist()}
    filled = complete(method, image, mask)[0].permute(1, 2, 0)[mask[0, 0] == 1]
    assert {tuple(v) for v in filled.tolist()} <= known


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 40), (7, 7), (8, 15)])
def test_small_pictures_and_little_that_is_known(method, size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    for known in ((0, 0), (size[0] - 1, size[1] // 2)):
        mask = torch.ones(1, 1, *size)
        mask[..., known[0], known[1]] = 0
        filled = complete(method, image, mask)
        assert torch.isfinite(filled).all()
        if method in (EfrosLeung, PatchMatch, TV):
            assert torch.equal(filled, image[..., known[0], known[1], None, None].expand_as(image))


@pytest.mark.parametrize(("method", "option"), [(EfrosLeung, {"window": 8}), (PatchMatch, {"patch": 4})])
def test_even_windows_are_refused(method, option):
    with pytest.raises(inpaintx.InpaintxError, match="must be odd"):
        method().config(**option)


def test_efros_leung_warns_before_it_takes_long(monkeypatch):
    monkeypatch.setattr("inpaintx_plugins.classical.efros_leung.SLOW", 100.0)
    image = torch.rand(1, 3, 20, 20)
    with pytest.warns(UserWarning, match="which takes long"):
        complete(EfrosLeung, image, box(image, 8, 8, 12, 12), window=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complete(EfrosLeung, image, torch.zeros(1, 1, 20, 20), window=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["lines", "checkerboard", "noise"])
def test_scattered_pixels_are_filled_far_better_than_by_the_mean_color(method, kind):
    y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    image = torch.stack([20 + 2.5 * x, 20 + 3.0 * y, 128 + 60 * torch.sin(x / 7)])[None] / 255
    noise = torch.rand(60, 80, generator=torch.Generator().manual_seed(0)) < 0.8
    hole = {"lines": y % 3 == 0, "checkerboard": (x + y) % 2 == 0, "noise": noise}[kind].expand_as(image)
    mean = torch.where(hole, 0, image).sum((2, 3), keepdim=True) / (~hole).sum((2, 3), keepdim=True)
    filled = complete(method, image, hole[:, :1].float())
    assert (filled - image).abs()[hole].mean() < 0.25 * (mean - image).abs()[hole].mean()


@pytest.mark.parametrize("method", METHODS)
def test_better_than_gray_on_a_smooth_picture(method):
    y, x = torch.meshgrid(torch.linspace(0, 3, 64), torch.linspace(0, 4, 80), indexing="ij")
    image = torch.stack([0.5 + 0.4 * torch.sin(x + y), 0.5 + 0.4 * torch.cos(x - y), 0.1 + 0.2 * x])[None]
    mask = box(image, 20, 30, 40, 50)
    assert psnr(complete(method, image, mask), image, mask) > psnr(torch.full_like(image, 0.5), image, mask) + 5
