"""NVIDIA's partial convolution as plain PyTorch ops, from the formula in its paper (Liu et al. 2018, eq. 1 and 2)."""

import torch
import torch.nn.functional as F


def partial_conv2d(x, valid, weight, bias, stride=1, padding=0):
    """``valid`` is 1 = known, as in that implementation; returns the output and the updated mask."""
    window = torch.ones(1, valid.shape[1], *weight.shape[2:], dtype=x.dtype, device=x.device)
    with torch.no_grad():
        seen = F.conv2d(valid, window, None, stride, padding)
        ratio = window.numel() / (seen + 1e-8)
        updated = seen.clamp(0, 1)
        ratio = ratio * updated
    raw = F.conv2d(x * valid, weight, bias, stride, padding)
    shift = bias.view(1, -1, 1, 1)
    return ((raw - shift) * ratio + shift) * updated, updated
