"""ssim against the same in plain PyTorch: a depthwise convolution with the whole window, and two with its factors."""

import pytest
import torch
import torch.nn.functional as F

from inpaintx.ops import ssim, ssim_ref

SHAPES = {"64": (16, 3, 64, 64), "256": (8, 3, 256, 256), "1024": (1, 3, 1024, 1024)}


def case(name):
    torch.manual_seed(0)
    x = torch.rand(SHAPES[name])
    weight = (torch.rand(x.shape[0], 1, *x.shape[2:]) > 0.3).float()
    return x, 0.7 * x + 0.3 * torch.rand_like(x), weight


def depthwise(x, y):
    """As it is usually written: five images side by side under one 11 x 11 convolution."""
    channels = x.shape[1]
    at = torch.arange(11) - 5.0
    g = torch.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window = (g / g.sum()).expand(channels, 1, -1, -1)
    stack = torch.cat([x, y, x * x, y * y, x * y])
    mx, my, xx, yy, xy = F.conv2d(stack, window, groups=channels).chunk(5)
    values = (2 * mx * my + 1e-4) * (2 * (xy - mx * my) + 9e-4)
    values = values / ((mx**2 + my**2 + 1e-4) * (xx - mx**2 + yy - my**2 + 9e-4))
    return values.mean((1, 2, 3))


@pytest.mark.parametrize("name", SHAPES)
def test_forward(versus, threads, name):
    x, y, _ = case(name)
    torch.testing.assert_close(ssim(x, y), depthwise(x, y), atol=1e-5, rtol=0)
    versus(
        lambda: ssim(x, y),
        {"depthwise": lambda: depthwise(x, y), "separable": lambda: ssim_ref(x, y)},
        goal={"depthwise": 1 / 10} if name == "256" else {},
        size=x.numel(),
    )


@pytest.mark.parametrize("name", SHAPES)
def test_forward_backward(versus, threads, name):
    x, y, _ = case(name)
    x.requires_grad_()

    def step(function):
        torch.autograd.grad(function(x, y).sum(), x)

    versus(
        lambda: step(ssim),
        {"depthwise": lambda: step(depthwise), "separable": lambda: step(ssim_ref)},
        size=x.numel(),
    )


@pytest.mark.parametrize("name", SHAPES)
def test_weighted_forward_backward(versus, threads, name):
    x, y, weight = case(name)
    x.requires_grad_()

    def step(function):
        torch.autograd.grad(function(x, y, weight).sum(), x)

    versus(lambda: step(ssim), {"separable": lambda: step(ssim_ref)}, size=x.numel())
