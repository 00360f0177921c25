"""detail_transfer against patchmatch with votes in PyTorch: the same search, and the votes of its slow reference."""

import pytest
import torch
import torch.nn.functional as F

from inpaintx.ops import detail_transfer, patchmatch
from inpaintx.ops.detail_transfer import votes_ref

KERNEL = 5


def case(side):
    """Seven features and fourteen residuals, as the main job has them, with a hole of a tenth in the middle."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 7, side // 8, side // 8, generator=generator)
    features = F.interpolate(coarse, (side, side), mode="bicubic")
    residual = 0.05 * torch.randn(1, 14, side, side, generator=generator)
    mask = torch.zeros(1, 1, side, side)
    inner = round(side * 0.1**0.5)
    first = (side - inner) // 2
    mask[..., first : first + inner, first : first + inner] = 1
    return features, residual, mask


def by_parts(features, residual, mask):
    """Search the field, then let its patches vote."""
    touched = F.max_pool2d(mask, KERNEL, 1, KERNEL // 2) > 0
    nnf, cost = patchmatch(features, features, 1 - mask, KERNEL, where=touched)
    return votes_ref(residual, nnf, cost, mask > 0, KERNEL)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_detail_transfer(versus, threads, side):
    features, residual, mask = case(side)
    versus(
        lambda: detail_transfer(features, features, residual, 1 - mask, mask, KERNEL),
        {"patchmatch, PyTorch": lambda: by_parts(features, residual, mask)},
        goal={"patchmatch, PyTorch": 1.0},
        size=mask.numel(),
        rounds=5,
        op="detail_transfer",
    )
