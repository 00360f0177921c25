"""detail_transfer: against the exact reference, against votes over patchmatch's field, and by its contract."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inpaintx
from inpaintx import _C
from inpaintx.ops import DetailTransfer, detail_transfer, detail_transfer_ref, patchmatch
from inpaintx.ops.detail_transfer import votes_ref

EMULATED = bool(inpaintx.build_info().get("emulated"))


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def case(batch=2, size=(20, 23), source_size=(21, 19), features=4, channels=3, seed=0):
    source, target = draw(batch, features, *source_size, seed=seed), draw(batch, features, *size, seed=seed + 1)
    residual = draw(batch, channels, *source_size, seed=seed + 2) - 0.5
    valid = (draw(batch, 1, *source_size, seed=seed + 3) < 0.97).float()
    mask = torch.zeros(batch, 1, *size)
    mask[0, :, 3:11, 4:15] = 1
    mask[1:, :, 8:, 10:] = 1
    return source, target, residual, valid, mask


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_equals_the_reference(kernel_size):
    """So many rounds find the nearest candidates of so small a source."""
    source, target, residual, valid, mask = case(size=(12, 15), source_size=(11, 13))
    got = detail_transfer(source, target, residual, valid, mask, kernel_size, 1000)
    torch.testing.assert_close(got, detail_transfer_ref(source, target, residual, valid, mask, kernel_size))
    assert (got[(mask == 0).expand_as(got)] == 0).all()
    assert got[0, :, 5, 6].abs().min() > 0


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (31, 26), (64, 17)])
def test_votes_of_the_field_of_patchmatch(size):
    source, target, residual, valid, mask = case(1, size, (24, 33))
    mask[:] = draw(1, 1, *size, seed=9) < 0.3
    touched = torch.nn.functional.max_pool2d(torch.nn.functional.pad(mask, [2] * 4), 5, 1) > 0
    nnf, cost = patchmatch(source, target, valid, 5, 3, 7, where=touched)
    expected = votes_ref(residual, nnf, cost, mask > 0, 5)
    torch.testing.assert_close(detail_transfer(source, target, residual, valid, mask, 5, 3, 7), expected)


def test_detail_comes_from_what_looks_alike():
    """Two textures; their residuals differ, and so does what the holes in them get."""
    left = torch.arange(80) < 40
    low = torch.where(left, 0.2, 0.8).expand(1, 1, 60, 80) + 0.01 * draw(1, 1, 60, 80)
    residual = torch.where(left, 0.1, -0.3).expand(1, 1, 60, 80)
    mask = torch.zeros(1, 1, 60, 80)
    mask[..., 20:40, 10:25] = mask[..., 20:40, 55:70] = 1
    got = detail_transfer(low, low, residual, 1 - mask, mask)
    torch.testing.assert_close(got, residual * mask)


@settings(deadline=None, max_examples=30)
@given(
    height=st.sampled_from([1, 7, 63, 64, 65, 130, 200]),
    kernel_size=st.sampled_from([1, 3, 5]),
    share=st.sampled_from([0.0, 0.05, 1.0]),
    known=st.sampled_from([0.0, 0.9, 1.0]),
    threads=st.sampled_from([2, 5]),
)
def test_same_on_any_number_of_threads_and_alone(height, kernel_size, share, known, threads):
    source, target, residual = draw(2, 3, 30, 20), draw(2, 3, height, 13, seed=1), draw(2, 2, 30, 20, seed=2)
    valid, mask = draw(2, 1, 30, 20, seed=3) < known, draw(2, 1, height, 13, seed=4) < share
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        together = detail_transfer(source, target, residual, valid, mask, kernel_size, 2)
        torch.set_num_threads(1)
        alone = [
            detail_transfer(*(t[b : b + 1] for t in (source, target, residual, valid, mask)), kernel_size, 2)
            for b in range(2)
        ]
    finally:
        torch.set_num_threads(before)
    assert torch.equal(together, torch.cat(alone))
    assert torch.isfinite(together).all()
    assert (together[~mask.expand_as(together)] == 0).all()
    if known == 0:
        assert (together == 0).all()


@pytest.mark.skipif(EMULATED, reason="CUDA shares no image in strips")
def test_leaves_the_number_of_threads_as_it_was():
    x, hole = torch.rand(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)  # ATen's loops over it would use two threads
    hole[..., 100:120, 100:120] = 1
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        detail_transfer(x, x, x, 1 - hole, hole, iterations=1)
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="source has NaN"):
            detail_transfer(torch.full_like(x, torch.nan), x, x, 1 - hole, hole)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_matches_spread_over_strips():
    """In a shifted copy every patch has an exact match; strips of 64 rows must not stand in its way."""
    image = draw(1, 3, 300, 40)
    mask = torch.zeros(1, 1, 300, 40)
    mask[..., 5:290, 5:30] = 1
    got = detail_transfer(image.roll(3, 3), image, image.roll(3, 3), torch.ones_like(mask), mask, 5, 30)
    inside = mask.expand_as(got) > 0
    assert ((got - image).abs()[inside] < 1e-6).float().mean() > 0.95


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    source, target, residual, valid, mask = case()
    few = [(t * 16).round() / 16 for t in (source, target, residual)]
    got = detail_transfer(*(t.to(dtype) for t in few), valid, mask)
    assert got.dtype == dtype
    expected = detail_transfer(*few, valid, mask)
    torch.testing.assert_close(got.float(), expected, atol=4e-3 if dtype == torch.bfloat16 else 1e-3, rtol=0)


def test_layouts_and_shared_masks():
    source, target, residual, valid, mask = case()
    expected = detail_transfer(source, target, residual, valid[:1], mask[:1])
    last = torch.channels_last
    got = detail_transfer(
        source.to(memory_format=last),
        target.mT.contiguous().mT,
        residual.repeat_interleave(2, 3)[..., ::2],
        valid[:1].bool().expand(2, -1, -1, -1),
        mask[:1].bool(),
    )
    assert torch.equal(got, expected)
    assert got.is_contiguous()


def test_empty_and_full_holes():
    source, target, residual, valid, mask = case()
    none = detail_transfer(source, target, residual, valid, torch.zeros_like(mask))
    assert (none == 0).all()
    full = detail_transfer(source, target, residual, valid, torch.ones_like(mask))
    assert full.shape == (2, 3, 20, 23)
    assert (full != 0).float().mean() > 0.99
    huge = detail_transfer(source, target, residual, torch.ones_like(valid), mask, 25)
    assert (huge == 0).all()  # no patch of that size lies in the source
    assert (detail_transfer_ref(source, target, residual, torch.ones_like(valid), mask, 25) == 0).all()


def test_opcheck_and_compile():
    source, target, residual, valid, mask = case()
    torch.library.opcheck(
        torch.ops.inpaintx.detail_transfer.default,
        (source.requires_grad_(), target, residual, valid, mask, 3, 2, 0),
    )
    compiled = torch.compile(lambda *x: detail_transfer(*x, 3, 2), fullgraph=True, backend="aot_eager")
    got = detail_transfer(source, target, residual, valid, mask, 3, 2)
    assert torch.equal(compiled(source, target, residual, valid, mask), got)
    assert torch.equal(DetailTransfer(3, 2)(source, target, residual, valid, mask), got)
    assert not got.requires_grad


def test_errors_name_the_argument():
    source, target, residual, valid, mask = case()
    for message, args in {
        "target must have shape": (source, target[0], residual, valid, mask),
        r"source must have the batch and channels of target, \[2,4,Hs,Ws\]": (
            source[:, :2],
            target,
            residual,
            valid,
            mask,
        ),
        r"residual must have the batch and size of source, \[2,R,21,19\]": (
            source,
            target,
            residual[..., :5],
            valid,
            mask,
        ),
        "residual must be floating point, got Int": (source, target, residual.int(), valid, mask),
        r"source_valid must have shape \[2,1,21,19\] \(1 = usable": (source, target, residual, mask, mask),
        r"mask must have shape \[2,1,20,23\] \(1 = hole\)": (source, target, residual, valid, valid),
        "mask must be real": (source, target, residual, valid, mask.cfloat()),
        "kernel_size must be odd and positive, got 4": (source, target, residual, valid, mask, 4),
        "iterations must not be negative, got -1": (source, target, residual, valid, mask, 3, -1),
        "detail_transfer: residual has NaN or infinite": (source, target, residual / 0, torch.ones_like(valid), mask),
        "detail_transfer: source has NaN or infinite": (source / 0, target, residual, torch.ones_like(valid), mask),
    }.items():
        arguments = args + (5, 5, 0)[len(args) - 5 :]
        if "NaN" in message and EMULATED:
            continue
        with pytest.raises(ValueError, match=message):
            _C.detail_transfer(*arguments)


def test_a_patch_far_larger_than_the_image_ends_at_once():
    torch.manual_seed(0)
    source, target, residual = (torch.rand(1, c, h, w) for c, h, w in ((3, 18, 14), (3, 6, 7), (2, 18, 14)))
    valid, mask = torch.ones(1, 1, 18, 14), torch.ones(1, 1, 6, 7)
    for kernel_size in (2**29 + 1, 2**62 + 1):  # no such patch lies inside: nothing is matched
        assert not detail_transfer(source, target, residual, valid, mask, kernel_size, 2).any()
