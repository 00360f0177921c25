"""The CUDA kernels against cuDNN's convolution, the device's own copy, and our own CPU; skipped without a GPU."""

import pytest
import torch
import torch.nn.functional as F

from inpaintx.ops import hog, partial_conv2d, patchmatch, poisson_blend, spd_map

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
# name: (in, out, side, kernel, stride) of PConv's U-Net at 256
LAYERS = {
    "enc1": (3, 64, 256, 7, 2),
    "enc2": (64, 128, 128, 5, 2),
    "enc3": (128, 256, 64, 5, 2),
    "enc5": (512, 512, 16, 3, 2),
    "dec2": (192, 64, 128, 3, 1),
    "wide": (64, 64, 256, 3, 1),
}


def sync():
    torch.cuda.synchronize()


def blobs(batch, side):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = ((y - side / 2) ** 2 + (x - side / 2) ** 2 < (0.43 * side) ** 2).float()
    mask[side // 8 : side // 8 + 4] = 1
    return mask.expand(batch, 1, side, side).contiguous().cuda()


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward_backward"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_partial_conv2d(versus, layer, layout, dtype, backward):
    cin, cout, side, kernel, stride = LAYERS[layer]
    x = torch.rand(16, cin, side, side, device="cuda").to(dtype, memory_format=layout).requires_grad_(backward)
    weight = torch.rand(cout, cin, kernel, kernel, device="cuda").to(dtype, memory_format=layout)
    weight.requires_grad_(backward)
    bias = torch.rand(cout, device="cuda", dtype=dtype, requires_grad=backward)
    mask = blobs(16, side)
    run = {
        "ours": lambda: partial_conv2d(x, mask, weight, bias, stride=stride, padding=kernel // 2)[0],
        "conv2d": lambda: F.conv2d(x, weight, bias, stride, kernel // 2),
    }
    if backward:
        grad = torch.rand_like(run["conv2d"]())
        run = {name: lambda f=f: torch.autograd.grad(f(), (x, weight, bias), grad) for name, f in run.items()}
    versus(
        run["ours"], {"cudnn": run["conv2d"]}, goal={"cudnn": 1.10}, size=x.numel(), sync=sync, op="cuda_partial_conv"
    )


@pytest.mark.parametrize("kind", ["hard", "improved"])
@pytest.mark.parametrize("side", [256, 1024])
def test_spd_map(versus, kind, side):
    mask, n = blobs(32, side), 50 if kind == "improved" else 7
    out = torch.empty_like(mask)
    # hard: at least 70 % of the copy's bandwidth, over the same bytes (the mask read, the map written)
    goal = 1 / 0.7 if kind == "hard" else 0.3 * n
    versus(
        lambda: spd_map(mask, n, 5 if kind == "hard" else 3, kind=kind),
        {"copy": lambda: out.copy_(mask)},
        goal={"copy": goal},
        size=mask.numel(),
        sync=sync,
        op="cuda_spd_map",
    )


@pytest.mark.parametrize(("side", "batch"), [(256, 1), (256, 16), (1024, 1), (1024, 16)])
def test_poisson(versus, side, batch):
    image, fill = torch.rand(batch, 3, side, side, device="cuda"), torch.rand(batch, 3, side, side, device="cuda")
    mask, out = blobs(batch, side), torch.empty_like(image)
    ours = lambda: poisson_blend(fill, image, mask, tol=1e-3)  # noqa: E731
    host = [t.cpu() for t in (fill, image, mask)]
    for _ in range(3):
        ours()
    sync()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ours()
    versus(
        ours,
        {
            "copy": lambda: out.copy_(image),
            "graph replay": graph.replay,
            "own CPU": (lambda: poisson_blend(*host, tol=1e-3)) if batch == 1 else None,
        },
        goal={"copy": 20.0, "own CPU": 1 / 50} if side == 1024 else {},
        rounds=5,
        size=image.numel(),
        sync=sync,
        op="cuda_poisson",
    )


@pytest.mark.parametrize("side", [256, 1024])
def test_hog(versus, side):
    x = torch.rand(16, 3, side, side, device="cuda")
    host, out = x.cpu(), torch.empty_like(x)
    versus(
        lambda: hog(x),
        {"copy": lambda: out.copy_(x), "own CPU": lambda: hog(host)},
        size=x.numel(),
        sync=sync,
        op="cuda_hog",
    )


def test_patchmatch(versus):
    source, target = torch.rand(1, 3, 256, 256, device="cuda"), torch.rand(1, 3, 256, 256, device="cuda")
    valid = torch.ones(1, 1, 256, 256, device="cuda")
    host = [t.cpu() for t in (source, target, valid)]
    versus(
        lambda: patchmatch(source, target, valid),
        {"own CPU": lambda: patchmatch(*host)},
        rounds=5,
        size=target.numel(),
        sync=sync,
        op="cuda_patchmatch",
    )
