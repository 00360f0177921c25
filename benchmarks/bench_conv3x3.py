"""conv3x3 against PyTorch's convolution (oneDNN), and the features of a VGG16, as perceptual losses ask for them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inpaintx.nn.vgg import VGG
from inpaintx.ops import conv3x3

# batch, channels in and out, side: VGG's blocks, SPDNorm's gamma at 128 x 128, and a deep layer on a few pixels
SHAPES = {
    "vgg1": (4, 64, 64, 128),
    "vgg2": (4, 128, 128, 64),
    "vgg3": (4, 256, 256, 32),
    "vgg4": (4, 512, 512, 16),
    "gamma": (4, 128, 64, 128),
    "deep": (2, 512, 512, 8),
}


def case(name, layout=torch.contiguous_format):
    batch, into, out, side = SHAPES[name]
    torch.manual_seed(0)
    x = torch.randn(batch, into, side, side).contiguous(memory_format=layout)
    return x, torch.randn(out, into, 3, 3) / (9 * into) ** 0.5, torch.randn(out)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels_last"])
@pytest.mark.parametrize("name", SHAPES)
def test_forward(versus, threads, name, layout):
    x, weight, bias = case(name, layout)
    torch.testing.assert_close(conv3x3(x, weight, bias), F.conv2d(x, weight, bias, padding=1), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        versus(
            lambda: conv3x3(x, weight, bias), {"conv2d": lambda: F.conv2d(x, weight, bias, padding=1)}, size=x.numel()
        )


@pytest.mark.parametrize("name", SHAPES)
def test_forward_backward(versus, threads, name):
    leaves = [t.requires_grad_() for t in case(name)]
    grad = torch.randn(conv3x3(*leaves).shape)

    def step(function):
        torch.autograd.grad(function(*leaves, padding=1), leaves, grad)

    versus(lambda: step(conv3x3), {"conv2d": lambda: step(F.conv2d)}, size=leaves[0].numel())


def test_vgg16(versus, threads):
    """Features down to pool3 of a batch at 128 x 128 (random weights), and the gradient of the image."""
    torch.manual_seed(0)
    ours = VGG(16, ["pool1", "pool2", "pool3"]).requires_grad_(False)
    plain = VGG(16, ["pool1", "pool2", "pool3"]).requires_grad_(False)
    for i, layer in enumerate(plain.features):
        if isinstance(layer, nn.Conv2d):
            plain.features[i] = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1).requires_grad_(False)
    plain.load_state_dict(ours.state_dict())
    image = torch.rand(4, 3, 128, 128, requires_grad=True)

    def step(vgg):
        torch.autograd.grad(sum(f.square().mean() for f in vgg(image).values()), image)

    versus(lambda: step(ours), {"conv2d": lambda: step(plain)}, size=image.numel())
