"""efros_leung and tv_inpaint against their slow references, the patchmatch method against PyPatchMatch.

PyPatchMatch (https://github.com/vacancy/PyPatchMatch) is not on PyPI: built, and its folder's parent on PYTHONPATH, it
takes part.
"""

import pytest
import torch

import inpaintx
from inpaintx.benchmark import optional
from inpaintx.ops import efros_leung, efros_leung_ref, tv_inpaint, tv_inpaint_ref
from inpaintx.ops.tv import total_variation


def case(side):
    """A smooth texture with noise, and a hole in its middle: a quarter of the side."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    wave = (torch.sin(x / 5) + torch.cos(y / 7)) / 4 + 0.5
    image = (wave.expand(1, 3, side, side) + 0.05 * torch.randn(1, 3, side, side)).clamp(0, 1)
    mask = torch.zeros(1, 1, side, side)
    mask[..., side * 3 // 8 : side * 5 // 8, side * 3 // 8 : side * 5 // 8] = 1
    return image, mask


@pytest.mark.parametrize("side", [32, 64])
def test_efros_leung(versus, threads, side):
    image, mask = case(side)
    versus(
        lambda: efros_leung(image, mask, 7),
        {"reference": (lambda: efros_leung_ref(image, mask, 7)) if side <= 32 else None},
        goal={"reference": 1 / 2},
        size=image.numel(),
        rounds=5,
        op="efros_leung",
    )


@pytest.mark.parametrize("side", [64, 128])
def test_tv(versus, threads, side):
    image, mask = case(side)
    steps = 500
    ours, theirs = tv_inpaint(image, mask), tv_inpaint_ref(image, mask, steps)
    assert (total_variation(ours, mask) <= total_variation(theirs, mask) * 1.001).all()  # no less work than theirs
    versus(
        lambda: tv_inpaint(image, mask),
        {"reference": lambda: tv_inpaint_ref(image, mask, steps)},
        goal={"reference": 1 / 2},
        size=image.numel(),
        rounds=5,
        op="tv",
    )


@pytest.mark.parametrize("side", [128, 256])
def test_patchmatch(versus, threads, side):
    peer = optional("patchmatch.patch_match")
    image, mask = case(side)
    pixels = (image[0].permute(1, 2, 0) * 255).byte().numpy()
    hole = (mask[0, 0] * 255).byte().numpy()
    versus(
        lambda: inpaintx.inpaint(image, mask, "patchmatch"),
        {"PyPatchMatch": (lambda: peer.inpaint(pixels, hole, patch_size=7)) if peer else None},
        goal={"PyPatchMatch": 1 / 2},
        size=image.numel(),
        rounds=5,
        op="patchmatch",
    )
