"""spd_map against the loop of PD-GAN's code, OpenCV's distance transform, and one copy of the map."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inpaintx.benchmark import optional
from inpaintx.ops import spd_map

cv2 = optional("cv2")


def masks(side, batch=8):
    """A blob of radius 64 (at 256) and strokes."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = ((y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 4) ** 2).float()
    mask[side // 8 : side // 8 + 4] = 1
    return mask.expand(batch, 1, side, side).contiguous()


def pd_gan_loop(mask, n, kernel_size, k=np.e):
    """Dilate and add, a convolution a step: PD-GAN's way."""
    known = 1 - mask
    total, now = known, known
    window = torch.ones(1, 1, kernel_size, kernel_size)
    for i in range(1, n + 1):
        grown = (F.conv2d(now, window, padding=kernel_size // 2) > 0).float()
        total = total + (grown - now) / k**i
        now = grown
    return total + (1 - now) / k**n


def distance_transform(arrays):
    for a in arrays:
        cv2.distanceTransform(a, cv2.DIST_C, 3)


@pytest.mark.parametrize("side", [128, 256, 512, 1024])
@pytest.mark.parametrize(("n", "kernel_size"), [(7, 5), (64, 3)])
def test_hard(versus, threads, side, n, kernel_size):
    mask = masks(side)
    arrays = [m[0].numpy().astype(np.uint8) for m in mask]
    out = torch.empty_like(mask)
    versus(
        lambda: spd_map(mask, n, kernel_size),
        {
            "copy": lambda: out.copy_(mask),
            "pd_gan_loop": (lambda: pd_gan_loop(mask, n, kernel_size)) if side <= 256 else None,
            "cv2.distanceTransform": (lambda: distance_transform(arrays)) if cv2 else None,
        },
        goal={"copy": 2.0, "pd_gan_loop": 1 / 100, "cv2.distanceTransform": 1 / 3} if side == 256 else {},
        size=mask.numel(),
    )


@pytest.mark.parametrize("side", [128, 256, 512])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_improved(versus, threads, side, kernel_size):
    mask, n = masks(side), 50
    hole, out = mask > 0, torch.empty_like(mask)

    def torch_loop():
        now = 1 - mask
        for _ in range(n):
            now = torch.where(hole, F.avg_pool2d(now, kernel_size, 1, kernel_size // 2), 1.0)

    versus(
        lambda: spd_map(mask, n, kernel_size, kind="improved"),
        {"copy": lambda: out.copy_(mask), "avg_pool2d": torch_loop if side <= 256 else None},
        goal={"copy": (0.3 if kernel_size == 3 else 0.4) * n, "avg_pool2d": 1 / (80 if kernel_size == 3 else 120)}
        if side == 256
        else {},
        size=mask.numel(),
    )
