"""Attention over all pixels and from holes to known patches, against both with the whole map of scores (PyTorch)."""

import pytest
import torch

from inpaintx.ops import contextual_attention, contextual_attention_ref, self_attention, self_attention_ref

GOAL = {"whole map": 0.7}


@pytest.mark.parametrize("side", [32, 64])
def test_self_forward_backward(versus, threads, side):
    torch.manual_seed(0)
    inputs = [torch.randn(1, c, side * side, requires_grad=True) for c in (16, 16, 128)]

    def step(function):
        torch.autograd.grad(function(*inputs).sum(), inputs)

    versus(
        lambda: step(self_attention),
        {"whole map": lambda: step(self_attention_ref)},
        goal=GOAL if side == 64 else {},
        size=inputs[2].numel(),
    )


@pytest.mark.parametrize("side", [32, 64])
def test_contextual_forward_backward(versus, threads, side):
    torch.manual_seed(0)
    f, b = (torch.randn(1, 128, side, side, requires_grad=True) for _ in range(2))
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = 1

    def step(function):
        torch.autograd.grad(function(f, b, mask).sum(), (f, b))

    versus(
        lambda: step(contextual_attention),
        {"whole map": lambda: step(contextual_attention_ref)},
        goal=GOAL if side == 64 else {},
        size=f.numel(),
    )
