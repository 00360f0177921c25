"""What one call of an op costs on a tiny input, beside a plain ATen op: Python, pybind11 and the dispatcher."""

import torch
import torch.nn.functional as F

from inpaintx.ops import hog, partial_conv2d, poisson_blend, spd_map

CALLS = 500


def many(function):
    def run():
        for _ in range(CALLS):
            function()

    return run


def beside(versus, benchmark, ours, plain):
    versus(many(ours), {"aten": many(plain)}, size=1)
    if benchmark.stats:
        own = benchmark.stats.stats.median
        benchmark.extra_info["overhead_us"] = (own - benchmark.extra_info["peers"]["aten"]["median"]) / CALLS * 1e6


def test_partial_conv2d(versus, benchmark):
    x, mask, weight, bias = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), torch.rand(4, 3, 3, 3), torch.rand(4)
    beside(versus, benchmark, lambda: partial_conv2d(x, mask, weight, bias), lambda: F.conv2d(x, weight, bias))


def test_partial_conv2d_with_autograd(versus, benchmark):
    x, mask, weight, bias = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), torch.rand(4, 3, 3, 3), torch.rand(4)
    weight.requires_grad_()
    beside(versus, benchmark, lambda: partial_conv2d(x, mask, weight, bias), lambda: F.conv2d(x, weight, bias))


def test_spd_map(versus, benchmark):
    mask = torch.zeros(1, 1, 8, 8)
    beside(versus, benchmark, lambda: spd_map(mask, 3), lambda: mask + 1)


def test_hog(versus, benchmark):
    x = torch.rand(1, 1, 16, 16)
    beside(versus, benchmark, lambda: hog(x), lambda: x + 1)


def test_poisson_blend(versus, benchmark):
    fill, image, mask = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 4, 4] = 1
    beside(versus, benchmark, lambda: poisson_blend(fill, image, mask), lambda: fill + image)
