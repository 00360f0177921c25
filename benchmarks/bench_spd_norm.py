"""spd_norm against the same in plain PyTorch ops: the normalisation by itself, and a layer with its convolutions.

``memory`` in the results is the peak of what a forward and backward pass allocates over what there was before, ours
and the peer's, in bytes.
"""

import pytest
import torch
from torch import nn

from inpaintx.ops import WinogradConv2d, spd_norm

# PD-GAN's units at 256 x 256: batch, channels, side
SHAPES = {"unit2": (8, 1024, 8), "unit4": (4, 256, 32), "unit6": (4, 64, 128)}


def plain(x, gamma, beta, probability, eps=1e-5):
    """As PD-GAN's formula is usually written."""
    mean = x.mean(1, keepdim=True)
    normal = (x - mean) / torch.sqrt(x.var(1, keepdim=True) + eps)
    return normal * (1 + probability * gamma) + probability * beta


class Layer(nn.Module):
    """SPDNorm with the convolutions that give gamma and beta."""

    def __init__(self, channels, norm, conv):
        super().__init__()
        self.shared, self.norm = conv(channels, 128, 3, padding=1), norm
        self.gamma, self.beta = (conv(128, channels, 3, padding=1) for _ in range(2))

    def forward(self, x, prior, probability):
        hidden = self.shared(prior).relu()
        return self.norm(x, self.gamma(hidden), self.beta(hidden), probability)


def peak(step):
    """Bytes that ``step`` allocates at most over what there was."""
    step()
    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    held = highest = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            highest = max(highest, held)
    return highest


def compare(versus, benchmark, ours, peer, size, goal):
    versus(ours, {"plain": peer}, goal={"plain": goal}, size=size)
    benchmark.extra_info["memory"] = {"ours": peak(ours), "plain": peak(peer)}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels_last"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("name", SHAPES)
def test_forward_backward(versus, benchmark, threads, name, soft, layout):
    batch, channels, side = SHAPES[name]
    torch.manual_seed(0)
    tensors = [torch.randn(batch, channels, side, side).contiguous(memory_format=layout) for _ in range(4)]
    leaves, grad = [t.requires_grad_() for t in tensors[:3]], tensors[3]
    p = torch.rand(batch, 1, side, side, requires_grad=soft)
    leaves = [*leaves, p] if soft else leaves

    def step(function):
        torch.autograd.grad(function(*leaves[:3], p), leaves, grad)

    torch.testing.assert_close(spd_norm(*leaves[:3], p), plain(*leaves[:3], p), atol=1e-4, rtol=1e-4)
    compare(versus, benchmark, lambda: step(spd_norm), lambda: step(plain), leaves[0].numel(), 1 / 1.5)


@pytest.mark.parametrize("name", SHAPES)
def test_layer_forward_backward(versus, benchmark, threads, name):
    batch, channels, side = SHAPES[name]
    torch.manual_seed(0)
    x, prior, grad = (torch.randn(batch, channels, side, side) for _ in range(3))
    p = torch.rand(batch, 1, side, side)
    x.requires_grad_()
    layers = Layer(channels, spd_norm, WinogradConv2d), Layer(channels, plain, nn.Conv2d)
    layers[0].load_state_dict(layers[1].state_dict())
    torch.testing.assert_close(*(layer(x, prior, p) for layer in layers), atol=1e-4, rtol=1e-4)

    def step(layer):
        torch.autograd.grad(layer(x, prior, p), [x, *layer.parameters()], grad)

    compare(versus, benchmark, lambda: step(layers[0]), lambda: step(layers[1]), x.numel(), 1 / 1.5)
