"""The CUDA kernels against the references: on a GPU (`pytest -m gpu`), or emulated on the CPU (`make cuda-emulate`)."""

import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import inpaintx
from inpaintx import PoissonSolver
from inpaintx.ops import (
    detail_transfer,
    efros_leung,
    hog,
    hog_ref,
    partial_conv2d,
    patchmatch,
    patchmatch_ref,
    poisson_blend,
    poisson_blend_ref,
    spd_map,
    spd_norm,
    ssim,
    tv_inpaint,
)
from inpaintx.ops.detail_transfer import votes_ref

EMULATED = bool(inpaintx.build_info().get("emulated"))
pytestmark = [] if EMULATED else [pytest.mark.gpu]
on_gpu = pytest.mark.skipif(EMULATED, reason="needs a GPU's streams and graphs")


@pytest.fixture(scope="module")
def cuda():
    if EMULATED:
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


def draw(*shape, dtype=torch.float64, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def holes(kind, height, width):
    mask = torch.zeros(1, 1, height, width)
    if kind == "box":
        mask[..., height // 8 : -height // 5, width // 6 :] = 1
    elif kind == "noise":
        mask = (draw(1, 1, height, width, seed=9) < 0.6).float()
    elif kind == "strokes":
        mask[..., ::5, :] = mask[..., 1::5, :] = mask[..., width // 2] = 1
    elif kind == "full":
        mask[:] = 1
    elif kind == "pixel":
        mask[..., height // 2, width // 2] = 1
    elif kind == "all but one":
        mask[:] = 1
        mask[..., height // 3, width // 3] = 0
    return mask


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("channels", "cell", "block", "bins"), [(1, 8, 2, 9), (3, 5, 3, 40), (4, 3, 1, 7)])
def test_hog(channels, cell, block, bins, dtype, cuda):
    x = draw(2, channels, 41, 52)
    for blocks in (False, True):
        got = hog(x.to(cuda, dtype), cell, block, bins, return_blocks=blocks).cpu().double()
        want = hog_ref(x.to(dtype).double(), cell, block, bins, return_blocks=blocks)
        torch.testing.assert_close(got, want, atol=1e-5 if dtype == torch.float32 else 1e-10, rtol=0)


def test_patchmatch_costs_are_those_of_the_reference_within_five_percent(cuda):
    coarse = draw(2, 3, 7, 8, dtype=torch.float32)
    source = torch.nn.functional.interpolate(coarse, (40, 45), mode="bicubic")
    target = source.roll((3, 5), (2, 3))[..., :30, :33].contiguous()
    valid = torch.ones(2, 1, 40, 45)
    valid[1, :, 10:20, 12:25] = 0
    nnf, cost = (t.cpu() for t in patchmatch(source.to(cuda), target.to(cuda), valid.to(cuda), 5, 6, 3))
    exact = patchmatch_ref(source, target, valid, 5)[1]
    assert (cost >= exact - 1e-6).all()
    assert cost.mean() <= 1.05 * exact.mean() + 1e-5
    picked = valid[1, 0][nnf[1, ..., 0].long(), nnf[1, ..., 1].long()]
    assert picked.all()


def test_patchmatch_without_candidates_and_outside_where(cuda):
    source, target = draw(2, 3, 12, 13, dtype=torch.float32), draw(2, 3, 9, 10, dtype=torch.float32, seed=1)
    valid = torch.ones(2, 1, 12, 13)
    valid[0] = 0
    where = torch.zeros(2, 1, 9, 10, dtype=torch.bool)
    where[..., 2:5, 3:8] = True
    nnf, cost = patchmatch(source.to(cuda), target.to(cuda), valid.to(cuda), 3, 2, where=where.to(cuda))
    assert torch.isinf(cost[0]).all()
    assert torch.equal(torch.isfinite(cost[1].cpu()), where[1, 0])
    assert (nnf[0] == -1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_detail_transfer_votes_over_the_field(dtype, cuda):
    source, target = draw(2, 3, 30, 27, dtype=dtype), draw(2, 3, 23, 21, dtype=dtype, seed=1)
    residual, valid = draw(2, 4, 30, 27, dtype=dtype, seed=2), (draw(2, 1, 30, 27, seed=3) < 0.97).float()
    mask = holes("noise", 23, 21).expand(2, -1, -1, -1)
    on_device = [t.to(cuda) for t in (source, target, residual, valid, mask)]
    got = detail_transfer(*on_device, 3, 3, 5).cpu()
    touched = torch.nn.functional.max_pool2d(mask, 3, 1, 1) > 0
    nnf, cost = patchmatch(*on_device[:2], on_device[3], 3, 3, 5, where=touched.to(cuda))
    torch.testing.assert_close(got, votes_ref(residual, nnf.cpu(), cost.cpu(), mask > 0, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["box", "noise", "strokes", "pixel", "none", "full", "all but one"])
@pytest.mark.parametrize("size", [(21, 26), (1, 9), (40, 3)])
def test_poisson_equals_reference(size, kind, dtype, cuda):
    fill, image, mask = draw(1, 2, *size), draw(1, 2, *size, seed=1), holes(kind, *size)
    got = poisson_blend(fill.to(cuda, dtype), image.to(cuda, dtype), mask.to(cuda), tol=1e-6).cpu()
    want = poisson_blend_ref(fill, image, mask, tol=1e-13)
    known = (mask == 0).expand_as(image)
    assert torch.equal(got[known], image.to(dtype)[known])
    torch.testing.assert_close(got.double(), want, rtol=0, atol=5e-5 if dtype == torch.float32 else 4e-6)


def test_poisson_of_many_images_with_a_mask_each(cuda):
    size = (33, 47)
    masks = torch.cat([holes(kind, *size) for kind in ("box", "noise", "strokes")]).to(cuda)
    fill, image = draw(3, 3, *size, dtype=torch.float32).to(cuda), draw(3, 3, *size, dtype=torch.float32).to(cuda)
    together = poisson_blend(fill, image, masks)
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.equal(together[one], poisson_blend(fill[one], image[one], masks[one]))
    shared = poisson_blend(fill, image, masks[:1])
    assert torch.equal(shared[0], together[0])
    assert torch.equal(PoissonSolver(masks).solve(fill, image), together)


def test_poisson_gradients(cuda):
    fill, image = draw(1, 1, 6, 7).to(cuda).requires_grad_(), draw(1, 1, 6, 7, seed=1).to(cuda).requires_grad_()
    mask = holes("noise", 6, 7).to(cuda)
    assert torch.autograd.gradcheck(lambda f, i: poisson_blend(f, i, mask, tol=1e-13), (fill, image), fast_mode=True)


class Calls(TorchDispatchMode):
    """Ops of ours that are called, with whether a hierarchy is handed to them."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "inpaintx":
            self.seen.append((func.overloadpacket.__name__, len(args) > 4 and args[-1] is not None))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float32), (torch.float64, torch.float32)])
def test_poisson_backward_takes_over_the_coarse_grids(dtypes, cuda):
    """They are made once, for derivatives of any order, and gradients are those of a hierarchy of their own."""
    fill, image = (draw(2, 2, 30, 41, dtype=d, seed=i).to(cuda).requires_grad_() for i, d in enumerate(dtypes))
    mask = torch.cat([holes("noise", 30, 41), holes("box", 30, 41)]).to(cuda)
    with Calls() as calls:
        out = poisson_blend(fill, image, mask, tol=1e-4)
        grads = torch.autograd.grad(out.square().sum(), (fill, image), create_graph=True)
        torch.autograd.grad(grads[0].sum() + grads[1].square().sum(), image)
    assert calls.seen[0] == ("poisson_hierarchy", False)
    assert calls.seen[1:] == [
        (name, True) for name in ("poisson_blend", "poisson_blend_backward", "poisson_blend", "poisson_blend_backward")
    ]
    wide = torch.float64 in dtypes
    alone = torch.ops.inpaintx.poisson_blend_backward(
        (2 * out.detach()).to(torch.float64 if wide else torch.float32), mask, 1e-4, None
    )
    for got, want in zip(grads, alone, strict=True):
        assert torch.equal(got.detach(), want.to(out.dtype).to(got.dtype))


def test_poisson_hierarchy_that_does_not_fit(cuda):
    image, mask = draw(1, 1, 12, 9, dtype=torch.float32).to(cuda), holes("box", 12, 9).to(cuda)
    op = torch.ops.inpaintx.poisson_blend
    single, wide = (torch.ops.inpaintx.poisson_hierarchy(mask, w) for w in (False, True))
    tests = ("test_schema", "test_faketensor")  # two hierarchies of one mask differ where nothing is stored
    torch.library.opcheck(torch.ops.inpaintx.poisson_hierarchy.default, (mask, True), test_utils=tests)
    assert torch.equal(op(image, image.flip(3), mask, hierarchy=single), op(image, image.flip(3), mask))
    with pytest.raises(ValueError, match="hierarchy must be for float64, got one for float32"):
        op(image.double(), image, mask, hierarchy=single)
    with pytest.raises(ValueError, match="hierarchy must be what poisson_hierarchy gave for masks"):
        op(image, image, mask, hierarchy=wide[1:])


def test_poisson_cycles_are_counted(cuda):
    solver = PoissonSolver(holes("box", 20, 20).to(cuda))
    image = draw(1, 1, 20, 20, dtype=torch.float32).to(cuda)
    coarse = solver.solve(image * 0, image, tol=1.0)
    assert solver.last[0] == 0
    assert torch.equal(coarse, torch.where(holes("box", 20, 20).to(cuda) > 0, image * 0, image))
    solver.solve(image * 0, image, tol=1e-6, max_iter=3)
    assert solver.last[0] == 3
    assert torch.tensor(solver.last[1]).isnan()
    assert solver.bytes > 0


CALLS = {
    "partial_conv2d": lambda x, m: partial_conv2d(x, m, torch.ones(4, 3, 3, 3, device=x.device, dtype=x.dtype))[0],
    "spd_map": lambda x, m: spd_map(m, 5, 3),
    "hog": lambda x, m: hog(x),
    "poisson_blend": lambda x, m: poisson_blend(x, x.flip(3), m),
    "patchmatch": lambda x, m: patchmatch(x, x.flip(3), 1 - m, 5, 2, where=m > 0.5)[1].nan_to_num(posinf=-1),
    "detail_transfer": lambda x, m: detail_transfer(x, x.flip(3), x, 1 - m, m, 5, 2),
    "spd_norm": lambda x, m: spd_norm(x, x.flip(3), x.flip(2), 1 - m),
    "ssim": lambda x, m: ssim(x, x.flip(3)),
    "ssim weighted": lambda x, m: ssim(x, x.flip(3), 1 - m),
}


@pytest.mark.skipif(not EMULATED, reason="the emulation checks launches without running them")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("batch", "side"), [(1, 8192), (256, 256)])
def test_launch_configurations_of_large_inputs(name, batch, side, monkeypatch):
    if name == "partial_conv2d" and side == 8192:
        pytest.skip("its convolution is not ours, and would run")
    monkeypatch.setenv("INPAINTX_EMULATE_DRY", "1")
    x, mask = torch.empty(batch, 3, side, side), torch.empty(batch, 1, side, side)
    CALLS[name](x, mask)  # an invalid configuration raises


@on_gpu
@pytest.mark.parametrize("name", CALLS)
def test_graph_capture(name, cuda):
    call = CALLS[name]
    x, mask = draw(2, 3, 48, 48, dtype=torch.float32).to(cuda), holes("box", 48, 48).to(cuda).repeat(2, 1, 1, 1)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            call(x, mask)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = call(x, mask)
    x.copy_(draw(2, 3, 48, 48, dtype=torch.float32, seed=5))
    graph.replay()
    torch.cuda.synchronize()
    torch.testing.assert_close(out, call(x, mask))


@on_gpu
@pytest.mark.parametrize("name", ["partial_conv2d", "poisson_blend", "spd_norm", "ssim", "ssim weighted"])
def test_graph_capture_of_gradients(name, cuda):
    x = draw(2, 3, 48, 48, dtype=torch.float32).to(cuda).requires_grad_()
    mask = holes("box", 48, 48).to(cuda).repeat(2, 1, 1, 1)

    def gradient():
        return torch.autograd.grad(CALLS[name](x, mask).square().sum(), x)[0]

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            gradient()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = gradient()
    with torch.no_grad():
        x.copy_(draw(2, 3, 48, 48, dtype=torch.float32, seed=5))
    graph.replay()
    torch.cuda.synchronize()
    torch.testing.assert_close(out, gradient())


@on_gpu
@pytest.mark.parametrize("name", CALLS)
def test_two_streams_at_once(name, cuda):
    call = CALLS[name]
    inputs = [
        (draw(2, 3, 64, 64, dtype=torch.float32, seed=s).to(cuda), holes("noise", 64, 64).to(cuda)) for s in (1, 2)
    ]
    inputs = [(x, m.repeat(2, 1, 1, 1)) for x, m in inputs]
    expected = [call(*i) for i in inputs]
    torch.cuda.synchronize()
    streams, got = [torch.cuda.Stream() for _ in inputs], [None, None]
    for _ in range(20):
        for k, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                got[k] = call(*inputs[k])
    torch.cuda.synchronize()
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@on_gpu
def test_a_poisson_solver_is_used_on_other_streams(cuda):
    """What it prepared on one stream is waited for on others, and kept as long as they work on it."""
    image = draw(1, 3, 512, 512, dtype=torch.float64).to(cuda)
    mask = holes("noise", 512, 512).to(cuda)
    want = {
        dtype: poisson_blend(image.flip(3).to(dtype), image.to(dtype), mask) for dtype in (torch.float32, torch.float64)
    }
    torch.cuda.synchronize()
    for _ in range(5):
        solver, got = PoissonSolver(mask), []
        for dtype in want:
            with torch.cuda.stream(torch.cuda.Stream()):
                got.append((solver.solve(image.flip(3).to(dtype), image.to(dtype)), want[dtype]))
        del solver
        torch.zeros(1, 1, 512, 512, dtype=torch.bool, device=cuda)  # would take over its memory
        torch.cuda.synchronize()
        assert all(torch.equal(a, b) for a, b in got)


@on_gpu
@pytest.mark.parametrize("op", [efros_leung, tv_inpaint])
def test_what_is_carried_to_the_cpu(op, cuda):
    image, mask = draw(1, 3, 24, 25, dtype=torch.float32), holes("box", 24, 25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = op(image.to(cuda), mask.to(cuda))
    assert got.is_cuda
    assert torch.equal(got.cpu(), op(image, mask))


@on_gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("name", CALLS)
def test_device_that_is_not_the_current_one(name):
    x, mask = draw(2, 3, 48, 48, dtype=torch.float32).to("cuda:1"), holes("box", 48, 48).repeat(2, 1, 1, 1).to("cuda:1")
    here = CALLS[name](x.to("cuda:0"), mask.to("cuda:0"))
    torch.testing.assert_close(CALLS[name](x, mask).cpu(), here.cpu())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["hog", "poisson_blend", "ssim", "ssim weighted"])
def test_half_types_are_computed_in_float32(name, dtype, cuda):
    x, mask = draw(2, 3, 40, 40, dtype=dtype).to(cuda), holes("noise", 40, 40).to(cuda).repeat(2, 1, 1, 1)
    torch.testing.assert_close(
        CALLS[name](x, mask).float(), CALLS[name](x.float(), mask).to(dtype).float(), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("name", ["hog", "poisson_blend"])
def test_same_bits_at_every_run(name, cuda):
    x, mask = draw(2, 3, 40, 40, dtype=torch.float32).to(cuda), holes("noise", 40, 40).to(cuda).repeat(2, 1, 1, 1)
    assert torch.equal(CALLS[name](x, mask), CALLS[name](x, mask))
