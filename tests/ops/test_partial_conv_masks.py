"""partial_conv2d: masks of several planes, and sizes that the CUDA kernels treat apart."""

import pytest
import torch
from test_partial_conv import TOLERANCE, agree, case

from inpaintx.ops import PartialConv2d, partial_conv2d, partial_conv2d_ref


def grouped(dtype=torch.float32, device="cpu", size=(17, 23)):
    """Arguments with a mask of two planes, of the first 3 and the other 5 channels, and that mask repeated."""
    x, mask, weight, bias = case(2, 8, 4, size, channels=2, dtype=dtype, device=device, hole=0.4)
    return x, mask, mask.repeat_interleave(torch.tensor([3, 5], device=device), 1), weight, bias


@pytest.mark.parametrize("scale", ["window", "sum"])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_planes_of_several_channels_equal_the_repeated_mask(dtype, scale, device):
    x, planes, mask, weight, bias = grouped(dtype, device)
    results = []
    for given_mask, channels in ((planes, (3, 5)), (planes.bool(), [3, 5]), (mask, None), (planes[:1], (3, 5))):
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y, new = partial_conv2d(leaves[0], given_mask, *leaves[1:], 1, 1, scale=scale, mask_channels=channels)
        results.append([y, new.to(planes.dtype), *torch.autograd.grad((y * y).sum(), leaves)])
    for one in results[:2]:
        for value, of_repeated in zip(one, results[2], strict=True):
            assert torch.equal(value, of_repeated)
    assert torch.equal(results[3][0][:1], results[2][0][:1])  # one mask for the batch
    y_ref, new_ref = partial_conv2d_ref(x, planes, weight, bias, 1, 1, scale=scale, mask_channels=(3, 5))
    agree(results[0][0], y_ref, dtype)
    assert torch.equal(results[0][1], new_ref)


def test_planes_of_several_channels_keep_no_repeated_mask():
    x, planes, _, weight, bias = grouped()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(list(t.shape)) or t, lambda t: t):
        partial_conv2d(x.requires_grad_(), planes, weight, bias, mask_channels=(3, 5))
    assert list(planes.shape) in kept
    assert kept.count(list(x.shape)) == 1  # x itself


def test_planes_of_several_channels_have_second_gradients(device):
    x, planes, mask, weight, _ = grouped(torch.float64, device, (5, 6))
    layer = PartialConv2d(8, 4, 3, padding=1, dtype=torch.float64, device=device)
    second = []
    for given_mask, channels in ((planes, (3, 5)), (mask, None)):
        leaf = x.clone().requires_grad_()
        y, _ = layer(leaf, given_mask, channels)
        (first,) = torch.autograd.grad(y.sin().sum(), leaf, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), [leaf, layer.weight]))
    for one, other in zip(*second, strict=True):
        agree(one, other, torch.float64)
    args = (x.requires_grad_(), planes, weight.requires_grad_(), None, (1, 1), (1, 1), (1, 1), False, [3, 5])
    torch.library.opcheck(torch.ops.inpaintx.partial_conv2d.default, args)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("channels", [1, "all"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "into", "size"), [(torch.float32, 20, (12, 20)), (torch.bfloat16, 16, (96, 96))])
def test_sizes_that_fit_wide_accesses(dtype, into, size, layout, channels, offset, device):
    """Widths and channels of whole 16 bytes, at an address that has them or not; several parts of the bias's sum."""
    count = into if channels == "all" else 1
    x, mask, weight, bias = case(2, into, 8, size, (3, 3), count, dtype, device)
    memory = torch.empty(x.numel() + offset, dtype=dtype, device=device)[offset:]
    order = (0, 2, 3, 1) if layout == torch.channels_last else (0, 1, 2, 3)
    back = (0, 3, 1, 2) if layout == torch.channels_last else (0, 1, 2, 3)
    x = memory.copy_(x.permute(order).flatten()).view([x.shape[i] for i in order]).permute(back)
    results = []
    for op, kind in ((partial_conv2d, dtype), (partial_conv2d_ref, torch.float64)):
        leaves = [t.detach().to(kind).requires_grad_() for t in (x, weight, bias)]
        y, new = op(leaves[0], mask, *leaves[1:], padding=1)
        grad = torch.linspace(-1, 1, y.numel(), device=device).view(y.shape).to(dtype)
        results.append([y, new, *torch.autograd.grad(y, leaves, grad.to(kind))])
    for got, want in zip(*results, strict=True):
        scale = float(want.detach().abs().max()) or 1.0
        torch.testing.assert_close(got.double() / scale, want.double() / scale, atol=TOLERANCE[dtype], rtol=0)


def test_a_dilation_that_reaches_over_the_image(device):
    x, mask, weight, bias = case(1, 2, 3, (125, 130), (3, 3), 1, torch.float32, device)
    (y, new), (y_ref, new_ref) = (f(x, mask, weight, bias, 1, 3, 60) for f in (partial_conv2d, partial_conv2d_ref))
    agree(y, y_ref, torch.float32)
    assert torch.equal(new, new_ref)
