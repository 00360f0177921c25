"""Each op with CUDA kernels once, forwards and backwards, at odd sizes, in every dtype and layout.

A program of seconds for compute-sanitizer (``make gpu-sanitize``), whose tools make a test suite take hours; on the CPU
or the emulated build it runs as well: ``python tests/touch_ops.py``.
"""

import torch

from inpaintx.ops import detail_transfer, hog, partial_conv2d, patchmatch, poisson_blend, spd_map, spd_norm, ssim

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def rand(*shape, dtype=torch.float32, layout=torch.contiguous_format):
    return torch.rand(shape, device=DEVICE).to(dtype, memory_format=layout)


def feature_ops(dtype, layout, channels):
    maps = [rand(2, channels, 13, 20, dtype=dtype, layout=layout).requires_grad_() for _ in range(3)]
    p = rand(2, 1, 13, 20, dtype=torch.float64 if dtype == torch.float64 else torch.float32).requires_grad_()
    spd_norm(*maps, p).float().square().sum().backward()
    weight = rand(6, channels, 3, 3, dtype=dtype).requires_grad_()
    bias = rand(6, dtype=dtype).requires_grad_()
    for mask_channels in (1, channels):
        mask = rand(2, mask_channels, 13, 20) < 0.6
        for m in (mask, mask.float()):
            partial_conv2d(maps[0], m, weight, bias, 2, 1)[0].float().square().sum().backward()


def picture_ops(height, width):
    mask = rand(2, 1, height, width) < 0.7
    for kind in ("hard", "improved"):
        spd_map(mask, 9, 5, kind=kind)
    for dtype in (torch.float32, torch.float64):
        fill, image = (rand(2, 3, height, width, dtype=dtype).requires_grad_() for _ in range(2))
        poisson_blend(fill, image, mask, tol=1e-2).square().sum().backward()
        if height <= 16:
            continue
        hog(image.detach())
        ssim(fill, image).sum().backward()
        source, target, valid = fill.detach(), image.detach(), torch.ones(2, 1, height, width, device=DEVICE)
        patchmatch(source, target, valid, 5, 2)
        detail_transfer(source, target, source, valid, mask, 5, 2)


if __name__ == "__main__":
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        for layout in (torch.contiguous_format, torch.channels_last):
            for channels in (37, 40):  # 40 fits 16-byte accesses
                feature_ops(dtype, layout, channels)
    for size in ((1, 9), (33, 47), (70, 65)):
        picture_ops(*size)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    print(f"touched every op on {DEVICE}")
