"""Ops with gradients of their own: with nobody asking for one they go another way, and nothing may be lost there."""

import pytest
import torch
from torch.autograd import forward_ad

from inpaintx import ops

IMAGE, MASK = torch.rand(1, 2, 12, 14, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 1, 12, 14)
MASK[..., 3:8, 4:9] = 1
WEIGHT = torch.linspace(-1, 1, 2 * 2 * 3 * 3).reshape(2, 2, 3, 3)
OPS = {
    "partial_conv2d": lambda x: ops.partial_conv2d(x, MASK, WEIGHT)[0],
    "poisson_blend": lambda x: ops.poisson_blend(x, IMAGE.flip(3), MASK),
    "spd_norm": lambda x: ops.spd_norm(x, IMAGE, IMAGE.flip(2), 1 - MASK),
    "ssim": lambda x: ops.ssim(x, IMAGE.flip(3)),
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_the_same_with_a_gradient_and_without(op):
    wanted = op(IMAGE.clone().requires_grad_())
    assert wanted.requires_grad
    assert torch.equal(op(IMAGE), wanted)
    with torch.no_grad():
        assert not op(IMAGE.clone().requires_grad_()).requires_grad


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_tangents_are_refused(op):
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="jvp"):
        op(forward_ad.make_dual(IMAGE, torch.ones_like(IMAGE)))
