"""tv_inpaint: known answers, the dual bound's promise, and the contract."""

import itertools

import pytest
import torch

from inpaintx import _C
from inpaintx.ops import TVInpaint, tv_inpaint, tv_inpaint_ref
from inpaintx.ops.tv import total_variation


def hole(height, width, top, left, bottom, right):
    mask = torch.zeros(1, 1, height, width)
    mask[..., top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize("box", [(20, 16, 44, 50), (5, 30, 60, 60), (0, 20, 20, 50)])
@pytest.mark.parametrize("axis", [2, 3])
def test_linear_ramp_is_restored(box, axis):
    shape = [1, 1, 64, 64]
    ramp = torch.linspace(0.1, 0.9, 64).view([64 if i == axis else 1 for i in range(4)]).expand(shape)
    box = box if axis == 3 else (box[1], box[0], box[3], box[2])
    mask = hole(64, 64, *box)
    filled = tv_inpaint(torch.where(mask > 0, 7.0, ramp), mask, 1e-6, 20000)
    assert (filled - ramp).abs().max() < 1e-3


@pytest.mark.parametrize("column", [24, 31, 40])
def test_step_edge_is_straight_and_does_not_overshoot(column):
    step = torch.where(torch.arange(64) < column, 0.2, 0.8).expand(1, 1, 64, 64)
    mask = hole(64, 64, 14, 12, 40, 52)
    filled = tv_inpaint(step, mask, 1e-6, 20000)
    assert filled.min() >= 0.2
    assert filled.max() <= 0.8
    assert (filled - step).abs().max() < 0.02
    assert torch.equal(filled > 0.5, step > 0.5)


def faces_like(seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.nn.functional.interpolate(torch.rand(2, 3, 5, 6, generator=generator), (48, 57), mode="bicubic")
    image = (image + 0.1 * torch.rand(2, 3, 48, 57, generator=generator)).clamp(0, 1)
    mask = torch.rand(2, 1, 48, 57, generator=generator) < 0.1
    mask[0, :, 10:30, 12:40] = True
    mask[1, :, 40:, 50:] = True
    return image, mask


def test_energy_does_not_rise_with_iterations():
    image, mask = faces_like()
    energies = [total_variation(tv_inpaint(image, mask, 0.0, n), mask) for n in (0, 50, 200, 1000)]
    for before, after in itertools.pairwise(energies):
        assert (after <= before * (1 + 1e-6)).all()
    assert (energies[-1] < 0.97 * energies[0]).all()


def test_energy_is_within_tol_of_the_reference():
    image, mask = faces_like(1)
    ours = total_variation(tv_inpaint(image, mask, 1e-4, 20000), mask)
    theirs = total_variation(tv_inpaint_ref(image, mask, 3000), mask)
    torch.testing.assert_close(ours, theirs, atol=0, rtol=1e-3)
    assert (ours <= theirs * (1 + 2e-4)).all()


def test_float64_closes_the_gap_further():
    image, mask = faces_like(2)
    coarse, fine = (total_variation(tv_inpaint(image.double(), mask, t, 50000), mask) for t in (1e-2, 1e-5))
    assert (fine <= coarse).all()
    assert (coarse <= fine * 1.0101).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_known_pixels_and_dtype_are_kept(dtype):
    image, mask = faces_like()
    image = image.to(dtype)
    filled = tv_inpaint(image, mask, 1e-3)
    assert filled.dtype == dtype
    known = ~mask.expand_as(image)
    assert torch.equal(filled[known], image[known])
    torch.testing.assert_close(filled.float(), tv_inpaint(image.float(), mask, 1e-3), atol=4e-3, rtol=0)


def test_batch_hidden_pixels_layout_and_threads(threads):
    image, mask = faces_like()
    expected = tv_inpaint(image, mask, 1e-3)
    spoilt = torch.where(mask, torch.nan, image).to(memory_format=torch.channels_last)
    for n in (1, 2, 5):
        threads(n)
        assert torch.equal(tv_inpaint(spoilt, mask, 1e-3), expected)
        singles = [tv_inpaint(image[i : i + 1], mask[i : i + 1], 1e-3) for i in range(2)]
        assert torch.equal(torch.cat(singles), expected)
    assert torch.equal(tv_inpaint(image, mask[:1], 1e-3)[1:], tv_inpaint(image[1:], mask[:1].float(), 1e-3))


def test_empty_full_and_tiny():
    image = torch.rand(1, 3, 9, 7)
    assert torch.equal(tv_inpaint(image, torch.zeros(1, 1, 9, 7)), image)
    assert (tv_inpaint(image, torch.ones(1, 1, 9, 7)) == 0.5).all()
    one = torch.ones(1, 1, 9, 7)
    one[..., 4, 3] = 0
    assert torch.equal(tv_inpaint(image, one), image[..., 4:5, 3:4].expand_as(image))
    for shape in ((1, 1, 1, 5), (1, 1, 5, 1), (1, 2, 2, 2)):
        mask = torch.zeros(1, 1, *shape[2:])
        mask[..., -1, -1] = 1
        assert torch.isfinite(tv_inpaint(torch.rand(shape), mask)).all()


def test_opcheck_and_compile():
    image, mask = faces_like()
    image = image.requires_grad_()
    torch.library.opcheck(torch.ops.inpaintx.tv_inpaint.default, (image, mask, 1e-2, 100))
    compiled = torch.compile(lambda x, m: tv_inpaint(x, m, 1e-2, 100), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(image, mask), TVInpaint(1e-2, 100)(image, mask))
    assert not tv_inpaint(image, mask, 1e-2, 10).requires_grad


def test_errors_name_the_argument():
    image, mask = torch.rand(2, 3, 8, 9), torch.zeros(2, 1, 8, 9)
    for message, args in {
        r"tv_inpaint: image must have shape \[B,C,H,W\]": (image[0], mask),
        "image must be floating point, got Int": (image.int(), mask),
        r"mask must have shape \[2,1,8,9\] \(1 = hole\), got \[2, 3, 8, 9\]": (image, image),
        "mask must be real or bool": (image, mask.cfloat()),
        "tol must not be negative, got -1": (image, mask, -1.0),
        "max_iter must not be negative, got -2": (image, mask, 0.1, -2),
    }.items():
        with pytest.raises(ValueError, match=message):
            _C.tv_inpaint(*(args + (1e-4, 10)[len(args) - 2 :]))
