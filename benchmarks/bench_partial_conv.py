"""partial_conv2d against nn.Conv2d of the same shape, and against NVIDIA's formula in plain PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from peers import nvidia_partial_conv

from inpaintx.ops import partial_conv2d

# batch, channels in and out, side, kernel, stride: the encoder and decoder of Liu's U-Net
SHAPES = {
    "enc1": (4, 3, 64, 256, 7, 2),
    "enc2": (4, 64, 128, 128, 5, 2),
    "enc3": (4, 128, 256, 64, 5, 2),
    "enc5": (4, 512, 512, 16, 3, 2),
    "dec5": (4, 1024, 512, 16, 3, 1),
    "dec2": (4, 192, 64, 128, 3, 1),
    "wide": (2, 64, 64, 256, 3, 1),
}


def case(name, holes="strokes", channels=1, layout=torch.contiguous_format):
    batch, into, out, side, kernel, stride = SHAPES[name]
    torch.manual_seed(0)
    x = torch.randn(batch, into, side, side).contiguous(memory_format=layout)
    mask = torch.zeros(batch, channels, side, side)
    if holes == "rectangle":
        edge = round(side * (1 - 0.65**0.5) / 2)
        mask[..., edge : side - edge, edge : side - edge] = 1
    else:
        for k in range(0, side, 16):
            mask[..., k : k + 4, : side * 3 // 4] = 1
            mask[..., side // 8 :, k : k + 2] = 1
    weight = torch.randn(out, into, kernel, kernel).contiguous(memory_format=layout) / (into * kernel**2) ** 0.5
    return x, mask, weight, torch.randn(out), stride, kernel // 2


def goal_of(name):
    return 1.10 if name == "enc1" else 1.05


@pytest.mark.parametrize("channels", [1, "all"])
@pytest.mark.parametrize("name", SHAPES)
def test_forward(versus, threads, name, channels):
    x, mask, weight, bias, stride, padding = case(name, channels=1 if channels == 1 else SHAPES[name][1])
    valid = 1 - mask
    with torch.no_grad():
        versus(
            lambda: partial_conv2d(x, mask, weight, bias, stride, padding),
            {
                "conv2d": lambda: F.conv2d(x, weight, bias, stride, padding),
                "nvidia": lambda: nvidia_partial_conv.partial_conv2d(x, valid, weight, bias, stride, padding),
            },
            goal={"conv2d": goal_of(name)},
            size=x.numel(),
        )


@pytest.mark.parametrize("name", ["enc2", "wide"])
def test_forward_channels_last(versus, threads, name):
    x, mask, weight, bias, stride, padding = case(name, layout=torch.channels_last)
    with torch.no_grad():
        versus(
            lambda: partial_conv2d(x, mask, weight, bias, stride, padding),
            {"conv2d": lambda: F.conv2d(x, weight, bias, stride, padding)},
            goal={"conv2d": goal_of(name)},
            size=x.numel(),
        )


@pytest.mark.parametrize("name", SHAPES)
def test_forward_backward(versus, threads, name):
    x, mask, weight, bias, stride, padding = case(name)
    valid = 1 - mask
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    grad = torch.randn_like(F.conv2d(x, weight, bias, stride, padding))

    def step(forward):
        torch.autograd.grad(forward(), leaves, grad)

    versus(
        lambda: step(lambda: partial_conv2d(x, mask, weight, bias, stride, padding)[0]),
        {
            "conv2d": lambda: step(lambda: F.conv2d(x, weight, bias, stride, padding)),
            "nvidia": lambda: step(
                lambda: nvidia_partial_conv.partial_conv2d(x, valid, weight, bias, stride, padding)[0]
            ),
        },
        goal={"conv2d": 1.10 if name.startswith("dec") else 1.05},
        size=x.numel(),
    )


@pytest.mark.parametrize("name", ["enc1", "enc2", "wide"])
def test_compact_hole(versus, threads, name):
    x, mask, weight, bias, stride, padding = case(name, "rectangle")
    with torch.no_grad():
        versus(
            lambda: partial_conv2d(x, mask, weight, bias, stride, padding),
            {"conv2d": lambda: F.conv2d(x, weight, bias, stride, padding)},
            goal={"conv2d": 0.85 if name == "wide" else 0.6},
            size=x.numel(),
        )
