"""Convolutions choose their results' layout as PyTorch's do."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from inpaintx.ops import conv3x3, partial_conv2d

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def laid(shape, dtype, layout):
    return torch.empty(shape, dtype=dtype, memory_format=layout).uniform_().requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("weight_layout", LAYOUTS)
@pytest.mark.parametrize("stride", [1, 2])
def test_as_conv2d(dtype, x_layout, weight_layout, stride):
    sizes = [(2, 4, 5, 6), (2, 1, 5, 6), (2, 4, 1, 1), (1, 24, 9, 7), (2, 32, 40, 40), (0, 4, 5, 6)]
    for size, out, kernel in itertools.product(sizes, (1, 17), (1, 3)):
        x, weight = laid(size, dtype, x_layout), laid((out, size[1], kernel, kernel), dtype, weight_layout)
        mask = torch.zeros(1, 1, *size[2:])
        mask[..., 2:4, 1:3] = 1
        wanted = F.conv2d(x, weight, stride=stride, padding=kernel // 2)
        results = [partial_conv2d(x, mask, weight, stride=stride, padding=kernel // 2)[0]]
        meta = [t.detach().to("meta") for t in (x, mask, weight)]
        assert partial_conv2d(*meta, stride=stride, padding=kernel // 2)[0].stride() == wanted.stride()
        if kernel == 3 and stride == 1:
            results.append(conv3x3(x, weight))
            torch.testing.assert_close(results[1], wanted, atol=1e-2 if dtype == torch.bfloat16 else 1e-4, rtol=1e-2)
        for result in results:
            assert result.stride() == wanted.stride(), (size, out, kernel)
            if size[0] == 0 or size[2:] == (1, 1):  # where strides say nothing
                continue
            grad = torch.rand_like(wanted)
            ours = torch.autograd.grad(result, (x, weight), grad, retain_graph=True)
            theirs = torch.autograd.grad(wanted, (x, weight), grad, retain_graph=True)
            assert ours[0].stride() == theirs[0].stride(), (size, out, kernel)


@pytest.mark.parametrize("x_layout", LAYOUTS)
@pytest.mark.parametrize("weight_layout", LAYOUTS)
@pytest.mark.parametrize("side", [6, 70])
def test_layouts_do_not_change_values(x_layout, weight_layout, side):
    torch.manual_seed(0)
    for into, out, kernel in itertools.product((1, 3, 32), (1, 17, 32), (1, 3, 5)):
        x, weight = torch.rand(2, into, side, side), torch.rand(out, into, kernel, kernel)
        mask = (torch.rand(2, 1, side, side) < 0.5).float()
        results = []
        for layouts in ((torch.contiguous_format,) * 2, (x_layout, weight_layout)):
            leaves = [t.contiguous(memory_format=f).requires_grad_() for t, f in zip((x, weight), layouts, strict=True)]
            y, new_mask = partial_conv2d(leaves[0], mask, leaves[1], padding=kernel // 2)
            grad = torch.linspace(-1, 1, y.numel()).view(y.shape)
            results.append((y, new_mask, *torch.autograd.grad(y, leaves, grad)))
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-3)
