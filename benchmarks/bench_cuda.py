"""The CUDA kernels against cuDNN's convolution, NVIDIA's formula, compiled plain ops and the device's own copy.

Times are the device's, by events, with a cold L2 and after a warm-up in which cuDNN chooses its algorithms. Without a
GPU the cases are skipped; INPAINTX_BENCH_REHEARSE=1 runs them on the CPU at a sixteenth of the side, which measures
nothing and shows that they run.
"""

import os
from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F
from gpu_timer import DEVICE, GPU, Timer, peaks, warm_up
from peers import nvidia_partial_conv

from inpaintx.benchmark import Seconds
from inpaintx.ops import (
    hog,
    partial_conv2d,
    partial_conv2d_ref,
    partial_conv_kernel,
    patchmatch,
    poisson_blend,
    spd_map,
    spd_norm,
    ssim,
)
from inpaintx.ops.spd_norm import spd_norm_ref

REHEARSE = os.environ.get("INPAINTX_BENCH_REHEARSE") == "1"
pytestmark = pytest.mark.skipif(not (GPU or REHEARSE), reason="no CUDA device")
SCALE = 1 if GPU else 16
ROUNDS = 15 if GPU else 1
BATCH = 16 if GPU else 1
# name: (in, out, side, kernel, stride) of PConv's U-Net at 256
LAYERS = {
    "enc1": (3, 64, 256, 7, 2),
    "enc2": (64, 128, 128, 5, 2),
    "enc3": (128, 256, 64, 5, 2),
    "enc5": (512, 512, 16, 3, 2),
    "dec2": (192, 64, 128, 3, 1),
    "wide": (64, 64, 256, 3, 1),
}
COMPILED = {"enc2", "wide"}  # each takes ten seconds to compile, and the tiles of the fused kernel as long


@pytest.fixture
def contest(versus, benchmark, monkeypatch):
    """Ours against peers by the device's clock, with the peak of memory of each."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)

    def run(op, ours, peers, goal=None, size=None, rounds=ROUNDS):
        named = {"ours": ours, **{name: peer for name, peer in peers.items() if peer}}
        warm_up(named)
        versus(ours, peers, goal=goal, size=size, rounds=rounds, timer=Timer(), op=op)
        if GPU:
            benchmark.extra_info["memory"] = peaks(named)

    return run


def blobs(batch, side):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = ((y - side / 2) ** 2 + (x - side / 2) ** 2 < (0.43 * side) ** 2).float()
    mask[side // 8 : side // 8 + 4] = 1
    return mask.expand(batch, 1, side, side).contiguous().to(DEVICE)


def graphed(run):
    """The call recorded in a CUDA graph: its replay."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward_backward"])
@pytest.mark.parametrize("mask_channels", ["one", "all"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_partial_conv2d(contest, layer, layout, dtype, mask_channels, backward):
    if mask_channels == "all" and (layer != "dec2" or dtype == torch.float32):
        pytest.skip("a decoder's masks have all channels")
    cin, cout, side, kernel, stride = LAYERS[layer]
    side = max(side // SCALE, kernel)
    x = torch.rand(BATCH, cin, side, side, device=DEVICE).to(dtype, memory_format=layout).requires_grad_(backward)
    weight = torch.rand(cout, cin, kernel, kernel, device=DEVICE).to(dtype, memory_format=layout)
    weight.requires_grad_(backward)
    bias = torch.rand(cout, device=DEVICE, dtype=dtype, requires_grad=backward)
    mask = blobs(BATCH, side).expand(-1, cin if mask_channels == "all" else 1, -1, -1).contiguous() > 0.5
    valid = (~mask).to(dtype)

    def convolve(by="cudnn"):
        with partial_conv_kernel(by):
            return partial_conv2d(x, mask, weight, bias, stride=stride, padding=kernel // 2)[0]

    compiled = fused = None
    if layer in COMPILED and layout == torch.channels_last and dtype == torch.bfloat16:
        torch._dynamo.reset()
        compiled = torch.compile(lambda: partial_conv2d_ref(x, mask, weight, bias, stride, kernel // 2)[0])
        fused = (lambda: convolve("fused")) if GPU and find_spec("triton") else None
    run = {
        "ours": convolve,
        "cudnn": lambda: F.conv2d(x, weight, bias, stride, kernel // 2),
        "nvidia": lambda: nvidia_partial_conv.partial_conv2d(x, valid, weight, bias, stride, kernel // 2)[0],
        "compiled plain ops": compiled,
        "fused": fused,
    }
    if backward:
        grad = torch.rand_like(run["cudnn"]())
        run = {k: f and (lambda f=f: torch.autograd.grad(f(), (x, weight, bias), grad)) for k, f in run.items()}
    ours = run.pop("ours")
    contest("cuda_partial_conv", ours, run, goal={"cudnn": 1.10, "nvidia": 1 / 1.5}, size=x.numel())


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward_backward"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_spd_norm(contest, layout, backward):
    side = 128 // SCALE
    maps = [
        torch.randn(BATCH, 64, side, side, device=DEVICE)
        .to(torch.bfloat16, memory_format=layout)
        .requires_grad_(backward)
        for _ in range(3)
    ]
    p = torch.rand(BATCH, 1, side, side, device=DEVICE)
    torch._dynamo.reset()
    plain = torch.compile(spd_norm_ref)
    run = {
        "ours": lambda: spd_norm(*maps, p),
        "plain ops": lambda: spd_norm_ref(*maps, p),
        "compiled plain ops": lambda: plain(*maps, p),
    }
    if backward:
        grad = torch.rand_like(maps[0])
        run = {k: lambda f=f: torch.autograd.grad(f(), maps, grad) for k, f in run.items()}
    ours = run.pop("ours")
    contest("cuda_spd_norm", ours, run, goal={"plain ops": 1 / 1.5}, size=maps[0].numel())


@pytest.mark.parametrize("kind", ["hard", "improved"])
@pytest.mark.parametrize("side", [256, 1024])
def test_spd_map(contest, kind, side):
    mask, n = blobs(2 * BATCH, side // SCALE), 50 if kind == "improved" else 7
    out = torch.empty_like(mask)
    # hard: at least 70 % of the copy's bandwidth, over the same bytes (the mask read, the map written)
    goal = 1 / 0.7 if kind == "hard" else 0.3 * n
    contest(
        "cuda_spd_map",
        lambda: spd_map(mask, n, 5 if kind == "hard" else 3, kind=kind),
        {"copy": lambda: out.copy_(mask)},
        goal={"copy": goal},
        size=mask.numel(),
    )


@pytest.mark.parametrize(("side", "batch"), [(256, 1), (256, 16), (1024, 1), (1024, 16)])
def test_poisson(contest, side, batch):
    batch, side, photo = min(batch, BATCH), side // SCALE, side
    image, fill = torch.rand(batch, 3, side, side, device=DEVICE), torch.rand(batch, 3, side, side, device=DEVICE)
    mask, out = blobs(batch, side), torch.empty_like(image)
    host = [t.cpu() for t in (fill, image, mask)]
    contest(
        "cuda_poisson",
        lambda: poisson_blend(fill, image, mask, tol=1e-3),
        {
            "copy": lambda: out.copy_(image),
            "own CPU": (lambda: poisson_blend(*host, tol=1e-3)) if batch == 1 else None,
        },
        goal={"copy": 20.0, "own CPU": 1 / 50} if photo == 1024 else {},
        rounds=min(5, ROUNDS),
        size=image.numel(),
    )


@pytest.mark.skipif(not GPU, reason="needs a GPU's graphs")
def test_poisson_by_graph_replay(contest):
    image, fill, mask = (
        torch.rand(1, 3, 256, 256, device=DEVICE),
        torch.rand(1, 3, 256, 256, device=DEVICE),
        blobs(1, 256),
    )
    replay = graphed(lambda: poisson_blend(fill, image, mask, tol=1e-3))
    contest("cuda_poisson", replay, {"0.3 ms": lambda: Seconds(3e-4)}, goal={"0.3 ms": 1.0}, size=image.numel())


@pytest.mark.parametrize("op", [hog, ssim], ids=["hog", "ssim"])
@pytest.mark.parametrize("side", [256, 1024])
def test_picture_ops(contest, side, op):
    x = torch.rand(BATCH, 3, side // SCALE, side // SCALE, device=DEVICE)
    y, out = x.flip(3), torch.empty_like(x)
    given = (x,) if op is hog else (x, y)
    contest(f"cuda_{op.__name__}", lambda: op(*given), {"copy": lambda: out.copy_(x)}, size=x.numel())


def test_patchmatch(contest):
    side = 256 // SCALE
    source, target = torch.rand(1, 3, side, side, device=DEVICE), torch.rand(1, 3, side, side, device=DEVICE)
    valid = torch.ones(1, 1, side, side, device=DEVICE)
    host = [t.cpu() for t in (source, target, valid)]
    contest(
        "cuda_patchmatch",
        lambda: patchmatch(source, target, valid),
        {"own CPU": lambda: patchmatch(*host)},
        rounds=min(5, ROUNDS),
        size=target.numel(),
    )
