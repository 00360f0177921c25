"""efros_leung: against a loop over pixels that draws the same numbers, and by its contract."""

import pytest
import torch

from inpaintx import _C
from inpaintx.ops import EfrosLeung, efros_leung, efros_leung_ref


def picture(batch, channels, height, width, seed=0):
    """Sixteenths with structure, and a box and dust as hole."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, channels, 5, 6, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    image = (image + 0.1 * torch.rand(image.shape, generator=generator)).clamp(0, 1).mul(16).round() / 16
    mask = torch.zeros(batch, 1, height, width, dtype=torch.bool)
    for i in range(batch):
        mask[i, :, height // 3 + i : height // 2 + i, width // 4 : width // 2 + 2 * i] = True
        mask[i, :, -1, : width // 3] = True
        mask[i, :, 1, -2] = True
    return image, mask


@pytest.mark.parametrize(
    ("channels", "height", "width", "window", "seed"),
    [(3, 24, 31, 5, 0), (1, 30, 22, 7, 1), (2, 17, 90, 5, 2), (3, 13, 14, 11, 3), (1, 12, 150, 3, -4)],
)
def test_equals_the_loop(channels, height, width, window, seed):
    image, mask = picture(2, channels, height, width, seed)
    # float64 in both, so that no rounding decides which window is within 1.1 of the best
    ours, theirs = (f(image.double(), mask, window, seed) for f in (efros_leung, efros_leung_ref))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("reach", [1, 9, 12, 20, 200])
def test_reach_equals_the_loop(reach):
    image, mask = picture(2, 3, 28, 47, seed=4)
    ours, theirs = (f(image.double(), mask, 5, 3, reach) for f in (efros_leung, efros_leung_ref))
    assert torch.equal(ours, theirs)
    anywhere = efros_leung(image.double(), mask, 5, 3)
    assert torch.equal(ours, anywhere) == (reach == 200)


def test_reach_bounds_where_pixels_come_from():
    """Columns have values of their own: no pixel is copied from further than the reach."""
    image = torch.linspace(0, 1, 97).expand(1, 1, 41, 97).contiguous()
    mask = torch.zeros(1, 1, 41, 97, dtype=torch.bool)
    mask[..., 18:23, 40:60] = True
    columns = (efros_leung(image, mask, 5, reach=16) * 96).round()[0, 0, 18:23, 40:60]
    assert ((columns - torch.arange(40, 60)).abs() <= 16).all()


def scattered(kind, height, width):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(0))
    return {"lines": y % 3 == 0, "checkerboard": (x + y) % 2 == 0, "noise": noise < 0.8, "dust": noise < 0.97}[kind]


@pytest.mark.parametrize("kind", ["lines", "checkerboard", "noise", "dust"])
@pytest.mark.parametrize("window", [5, 11])
def test_scattered_pixels(kind, window):
    """Where no whole window is known: as the loop has it, copies of known pixels, and far better than the mean."""
    image, _ = picture(1, 3, 20, 27)
    mask = scattered(kind, 20, 27)[None, None]
    filled = efros_leung(image.double(), mask, window)
    assert torch.equal(filled, efros_leung_ref(image.double(), mask, window))
    known = {tuple(v) for v in image[0].permute(1, 2, 0)[~mask[0, 0]].tolist()}
    assert {tuple(v) for v in filled[0].permute(1, 2, 0)[mask[0, 0]].tolist()} <= known
    y, x = torch.meshgrid(torch.linspace(0, 3, 40), torch.linspace(0, 4, 50), indexing="ij")
    smooth = torch.stack([0.5 + 0.4 * torch.sin(x + y), 0.5 + 0.4 * torch.cos(x - y), 0.1 + 0.2 * x])[None]
    mask = scattered(kind, 40, 50)[None, None]
    hole = mask.expand_as(smooth)
    mean = (smooth * ~hole).sum((2, 3), keepdim=True) / (~hole).sum((2, 3), keepdim=True)
    error = (efros_leung(smooth, mask, window) - smooth).abs()[hole].mean()
    assert error < (0.5 if kind == "dust" else 0.15) * (mean - smooth).abs()[hole].mean()


@pytest.mark.parametrize("limit", [1.0, 40.0])
def test_growing_limit(limit):
    image, mask = picture(1, 1, 20, 24)
    image = image.double() * limit  # distances above 0.3 wait, and the limit grows
    assert torch.equal(efros_leung(image, mask, 5), efros_leung_ref(image, mask, 5))


def test_every_value_is_a_copy_and_known_ones_are_kept():
    image, mask = picture(1, 3, 40, 50)
    filled = efros_leung(image, mask)
    known = {tuple(v) for v in image[0].permute(1, 2, 0)[~mask[0, 0]].tolist()}
    assert {tuple(v) for v in filled[0].permute(1, 2, 0)[mask[0, 0]].tolist()} <= known
    assert torch.equal(filled[~mask.expand_as(image)], image[~mask.expand_as(image)])


def test_same_seed_same_output_on_any_number_of_threads(threads):
    image, mask = picture(2, 3, 48, 57)
    expected = efros_leung(image, mask, 7, 5)
    spoilt = torch.where(mask, torch.nan, image).to(memory_format=torch.channels_last)
    near = efros_leung(image, mask, 7, 5, 16)
    for n in (1, 2, 5):
        threads(n)
        assert torch.equal(efros_leung(image, mask, 7, 5, 16), near)
        assert torch.equal(efros_leung(spoilt, mask, 7, 5), expected)
        singles = [efros_leung(image[i : i + 1], mask[i : i + 1].float(), 7, 5) for i in range(2)]
        assert torch.equal(torch.cat(singles), expected)
    assert not torch.equal(efros_leung(image, mask, 7, 6), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    image, mask = picture(1, 3, 20, 30)  # sixteenths: exact in every dtype
    filled = efros_leung(image.to(dtype), mask, 5)
    assert filled.dtype == dtype
    if dtype != torch.float64:
        assert torch.equal(filled.float(), efros_leung(image, mask, 5))


def test_empty_full_and_no_whole_window():
    image = torch.rand(1, 3, 9, 7)
    assert torch.equal(efros_leung(image, torch.zeros(1, 1, 9, 7)), image)
    assert (efros_leung(image, torch.ones(1, 1, 9, 7)) == 0.5).all()
    one = torch.ones(1, 1, 9, 7)
    one[..., 4, 3] = 0
    assert torch.equal(efros_leung(image, one), image[..., 4:5, 3:4].expand_as(image))


def test_opcheck_and_compile():
    image, mask = picture(2, 3, 16, 20)
    image = image.requires_grad_()
    torch.library.opcheck(torch.ops.inpaintx.efros_leung.default, (image, mask, 5, 1, 16))
    compiled = torch.compile(lambda x, m: efros_leung(x, m, 5, 1, 16), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(image, mask), EfrosLeung(5, 1, 16)(image, mask))
    assert not efros_leung(image, mask, 5).requires_grad


def test_errors_name_the_argument():
    image, mask = torch.rand(2, 3, 8, 9), torch.zeros(2, 1, 8, 9)
    for message, args in {
        r"efros_leung: image must have shape \[B,C,H,W\]": (image[0], mask, 5),
        r"mask must have shape \[2,1,8,9\] \(1 = hole\)": (image, mask[..., 1:], 5),
        "kernel_size must be odd and positive, got 6": (image, mask, 6),
    }.items():
        with pytest.raises(ValueError, match=message):
            _C.efros_leung(*args, 0, 0)
    with pytest.raises(ValueError, match="reach must be 0 or more, got -1"):
        efros_leung(image, mask, reach=-1)
