"""A bool tensor's bytes may have any value: torch.uint8 of 0 and 255, seen as torch.bool."""

import pytest
import torch

from inpaintx import ops

X = torch.rand(2, 20, 24, 26, generator=torch.Generator().manual_seed(0))
HOLE = torch.zeros(2, 1, 24, 26, dtype=torch.bool)
HOLE[:, :, 8:17, 6:15] = True
MANY = torch.rand(2, 20, 24, 26, generator=torch.Generator().manual_seed(1)) < 0.4
W3, W5 = torch.rand(16, 20, 3, 3), torch.rand(3, 20, 5, 5)
RGB = X[:, :3].contiguous()
CALLS = {
    "spd_map": lambda m: ops.spd_map(m, 3),
    "spd_map of many rings": lambda m: ops.spd_map(m, 300),
    "spd_map improved": lambda m: ops.spd_map(m, 3, kind="improved"),
    "partial_conv2d": lambda m: ops.partial_conv2d(X, m, W3, padding=1),
    "partial_conv2d 5 x 5": lambda m: ops.partial_conv2d(X, m, W5, stride=2),
    "partial_conv2d float64": lambda m: ops.partial_conv2d(X.double(), m, W5.double()),
    "partial_conv2d channels_last": lambda m: ops.partial_conv2d(X.to(memory_format=torch.channels_last), m, W5),
    "partial_conv2d_backward": lambda m: torch.ops.inpaintx.partial_conv2d_backward(
        torch.ones(2, 3, 20, 22), X, m, torch.ones(2, 1, 20, 22), W5, [1, 1], [0, 0], [1, 1], [True] * 3
    ),
    "ssim": lambda m: ops.ssim(RGB, RGB.flip(3), m),
    "ssim global": lambda m: ops.ssim(RGB, RGB.flip(3), m, "global"),
    "patchmatch": lambda m: ops.patchmatch(RGB, RGB.flip(3), m, 3, where=m),
    "detail_transfer": lambda m: ops.detail_transfer(RGB, RGB.flip(3), RGB, m, m, 3),
    "tv_inpaint": lambda m: ops.tv_inpaint(RGB, m),
    "efros_leung": lambda m: ops.efros_leung(RGB, m, 5),
    "contextual_attention": lambda m: ops.contextual_attention(RGB, RGB, m),
    "boundary_weight": lambda m: ops.boundary_weight(m),
    "context_weight": lambda m: ops.context_weight(m),
}


@pytest.mark.parametrize("byte", [2, 128, 255])
@pytest.mark.parametrize("name", CALLS)
def test_any_byte_but_0_is_true(name, byte):
    for mask in (HOLE, MANY):
        if mask is MANY and not name.startswith("partial"):
            continue
        odd = (mask.to(torch.uint8) * byte).view(torch.bool)
        wanted, got = CALLS[name](mask), CALLS[name](odd)
        pairs = zip(wanted, got, strict=True) if isinstance(wanted, tuple) else [(wanted, got)]
        for a, b in pairs:
            whole = [t.view(torch.uint8) if t.dtype == torch.bool else t for t in (a, b)]
            assert torch.equal(*whole)
