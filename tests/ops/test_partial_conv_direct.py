"""The CPU's own convolution behind partial_conv2d: float32, images of 32 pixels and more, any window and mask."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inpaintx
from inpaintx.ops import partial_conv2d, partial_conv2d_ref

CAPABILITY = os.environ.get("ATEN_CPU_CAPABILITY")


def masks_of(kind, batch, channels, size):
    if kind == "rectangle":
        mask = torch.zeros(batch, channels, *size)
        mask[..., size[0] // 5 : -1, size[1] // 6 : -2] = 1
        return mask
    return (torch.rand(batch, channels, *size) < kind).float()


def both(x, mask, weight, bias, window, grad):
    """Ours in float32 and the reference in float64: y, and the gradients of x, weight and bias."""
    results = []
    for function, dtype in ((partial_conv2d, torch.float32), (partial_conv2d_ref, torch.float64)):
        leaves = [t.detach().to(dtype).requires_grad_() for t in (x, weight, bias)]  # keeps the layout
        y, _ = function(leaves[0], mask, leaves[1], leaves[2], *window)
        grads = torch.autograd.grad(y, leaves, grad(y.shape).to(dtype))
        results.append([t.detach() for t in (y, *grads)])
    return results


def agree(ours, reference):
    for mine, theirs in zip(ours, reference, strict=True):
        scale = max(theirs.abs().max().item(), 1)
        torch.testing.assert_close(mine.double(), theirs, atol=1e-4 * scale, rtol=1e-5)  # sums over whole planes cancel


def check(batch, channels, size, kernel, stride, padding, dilation, kind, each, one_mask, dtype, last, threads):
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(s + 2 * p < r for s, p, r in zip(size, padding, reach, strict=True)):
        return
    torch.manual_seed(size[1])
    into, out = channels
    mask = masks_of(kind, 1 if one_mask else batch, into if each else 1, size).to(dtype)
    x = torch.where(mask > 0, torch.nan, torch.randn(batch, into, *size))
    x = x.contiguous(memory_format=torch.channels_last) if last[0] else x
    weight = torch.randn(out, into, *kernel) / (into * kernel[0] * kernel[1]) ** 0.5
    weight = weight.contiguous(memory_format=torch.channels_last) if last[1] else weight
    generator = torch.Generator().manual_seed(0)
    grads = {}

    def grad(shape):
        made = grads.setdefault(shape, torch.randn(shape, generator=generator))
        return made.contiguous(memory_format=torch.channels_last) if last[2] else made

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        ours, reference = both(x, mask, weight, torch.randn(out), (stride, padding, dilation), grad)
    finally:
        torch.set_num_threads(before)
    agree(ours, reference)


# Windows of 3 x 3 over many channels go by Winograd's transforms, which leave out tiles that see nothing.
@settings(deadline=None, max_examples=40 if CAPABILITY else 120)
@given(
    batch=st.integers(1, 4),
    channels=st.tuples(st.integers(16, 70), st.integers(16, 70)),
    size=st.tuples(st.integers(4, 40), st.integers(4, 80)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    kind=st.sampled_from([0.0, 0.5, 0.95, 1.0, "rectangle"]),
    each=st.booleans(),
    one_mask=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bool]),
    last=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    threads=st.sampled_from([1, 2, 7]),
)
def test_windows_of_three(batch, channels, size, padding, kind, each, one_mask, dtype, last, threads):
    check(batch, channels, size, (3, 3), (1, 1), padding, (1, 1), kind, each, one_mask, dtype, last, threads)


@settings(deadline=None, max_examples=60 if CAPABILITY else 200)
@given(
    batch=st.integers(1, 2),
    channels=st.tuples(st.integers(1, 37), st.integers(1, 37)),
    size=st.tuples(st.integers(1, 40), st.integers(32, 150)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kind=st.sampled_from([0.0, 0.5, 0.95, 1.0, "rectangle"]),
    each=st.booleans(),
    one_mask=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bool]),
    last=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    threads=st.sampled_from([1, 2, 7]),
)
def test_equals_reference(
    batch, channels, size, kernel, stride, padding, dilation, kind, each, one_mask, dtype, last, threads
):
    check(batch, channels, size, kernel, stride, padding, dilation, kind, each, one_mask, dtype, last, threads)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride", [1, 2])
def test_thread_count_and_batch_change_nothing(stride, layout, threads):
    torch.manual_seed(0)
    x = torch.randn(3, 20, 70, 133).contiguous(memory_format=layout)
    mask = masks_of("rectangle", 3, 1, (70, 133))
    mask[1] = masks_of(0.5, 1, 1, (70, 133))[0]
    weight = torch.randn(34, 20, 3, 5) / 300**0.5
    results = []
    for count in (1, 2, 7):
        threads(count)
        leaf = x.clone().requires_grad_()
        y, _ = partial_conv2d(leaf, mask, weight, None, stride, 1)
        results.append((y.detach(), torch.autograd.grad(y.square().sum(), leaf)[0]))
    for y, grad in results[1:]:
        assert torch.equal(y, results[0][0])
        assert torch.equal(grad, results[0][1])
    for i in range(3):
        one, _ = partial_conv2d(x[i : i + 1], mask[i : i + 1], weight, None, stride, 1)
        torch.testing.assert_close(one, results[0][0][i : i + 1], atol=1e-5, rtol=1e-5)


def test_hidden_pixels_have_no_gradient_and_empty_windows_no_value():
    mask = masks_of("rectangle", 1, 1, (64, 96))
    x = torch.full((1, 8, 64, 96), torch.inf).where(mask > 0, torch.ones(())).requires_grad_()
    y, new = partial_conv2d(x, mask, torch.ones(8, 8, 3, 3), torch.ones(8), padding=1)
    (grad,) = torch.autograd.grad(y, x, torch.where(new > 0, torch.nan, torch.ones_like(y)))
    assert new.any()
    assert not y[new.expand_as(y) > 0].any()
    assert not grad[mask.expand_as(grad) > 0].any()
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize(
    "wanted", [[True, False, False], [False, True, False], [False, False, True], [True, False, True]]
)
def test_gradients_come_alone_as_together(wanted):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, 40, 50), torch.randn(8, 6, 3, 3)
    mask, window = masks_of(0.4, 2, 1, (40, 50)), [(1, 1), (1, 1), (1, 1)]
    y, _, ratio = torch.ops.inpaintx.partial_conv2d(x, mask, weight, None, *window, False)
    args = (torch.randn_like(y), x, mask, ratio, weight, *window)
    together = torch.ops.inpaintx.partial_conv2d_backward(*args, [True, True, True])
    alone = torch.ops.inpaintx.partial_conv2d_backward(*args, wanted)
    for one, all_, asked in zip(alone, together, wanted, strict=True):
        if asked:
            torch.testing.assert_close(one, all_)


def test_a_stride_far_beyond_the_picture():  # neither room nor time grow with it
    x, weight = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 1, 1)
    y, _ = partial_conv2d(x, torch.zeros_like(x), weight, stride=2**30 - 1)
    torch.testing.assert_close(y, x[..., :1, :1] * weight)


@pytest.mark.parametrize("capability", ["avx2", "default"])
def test_other_processors(capability):
    if CAPABILITY:
        pytest.skip("is run by this test")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, env={**os.environ, "ATEN_CPU_CAPABILITY": capability}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_is_used_where_it_is_there():
    info = inpaintx.build_info()
    if info["cpu"] not in ("avx512", "avx2") or not info["compiler"].startswith("gcc"):
        pytest.skip(f"not for {info['cpu']}, {info['compiler']}")
    assert info["own_convolution"] in {"default": ["none"], "avx2": ["avx2"]}.get(CAPABILITY, ["avx512", "avx2"])
    # it leaves out the taps that see hidden pixels alone, where others multiply by 0
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:, :] = 1
    weight = torch.ones(8, 8, 3, 3)
    weight[:, :, 1:] = torch.inf
    y, _ = partial_conv2d(torch.ones(1, 8, 64, 64), mask, weight, padding=1)
    assert torch.isfinite(y[:, :, 16]).all() == (info["own_convolution"] != "none")
