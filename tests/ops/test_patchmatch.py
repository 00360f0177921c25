"""patchmatch: against the exact field, against a plain Python walk in the same order, and by its contract."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inpaintx
from inpaintx import _C
from inpaintx.ops import PatchMatch, patchmatch, patchmatch_ref
from inpaintx.ops.efros_leung import random_bits


def dyadic(*shape, seed=0):
    """Sixteenths: sums of their squared differences are exact in float32, in whatever order they are summed."""
    return torch.randint(0, 17, shape, generator=torch.Generator().manual_seed(seed)) / 16


def natural(*shape, seed=0):
    coarse = torch.rand(shape[0], shape[1], 6, 7, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, shape[2:], mode="bicubic")
    return (smooth + 0.05 * torch.rand(shape, generator=torch.Generator().manual_seed(seed + 1))).clamp(0, 1)


def serial(source, target, valid, patch, iterations, seed):
    """The same algorithm for one image, a loop over pixels."""
    (_, hs, ws), (_, h, w), r = source.shape, target.shape, patch // 2
    source, target = source.double(), target.double()
    good = {
        (y, x) for y in range(r, hs - r) for x in range(r, ws - r) if valid[y - r : y + r + 1, x - r : x + r + 1].all()
    }
    order = sorted(good)
    if not order:
        return torch.full((h, w, 2), -1, dtype=torch.int32), torch.full((h, w), torch.inf)

    def cost(y, x, sy, sx):
        u, d, lf, rt = min(r, y), min(r, h - 1 - y), min(r, x), min(r, w - 1 - x)
        a = target[:, y - u : y + d + 1, x - lf : x + rt + 1]
        b = source[:, sy - u : sy + d + 1, sx - lf : sx + rt + 1]
        return float((a - b).square().sum()) / ((u + d + 1) * (lf + rt + 1))

    nnf, best = {}, {}
    for y in range(h):
        for x in range(w):
            nnf[y, x] = order[random_bits(seed, 0, y, x, 0) * len(order) >> 32]
            best[y, x] = cost(y, x, *nnf[y, x])

    def attempt(y, x, sy, sx):
        if (sy, sx) in good and cost(y, x, sy, sx) < best[y, x]:
            nnf[y, x], best[y, x] = (sy, sx), cost(y, x, sy, sx)

    def draw(bits, center, radius, size):
        first, last = max(0, center - radius), min(size - 1, center + radius)
        return first + (bits * (last - first + 1) >> 32)

    for iteration in range(1, iterations + 1):
        step = 1 if iteration % 2 else -1
        for i in range(h * w)[::step]:
            y, x = divmod(i, w)
            if (y, x - step) in nnf:
                attempt(y, x, nnf[y, x - step][0], nnf[y, x - step][1] + step)
            if (y - step, x) in nnf:
                attempt(y, x, nnf[y - step, x][0] + step, nnf[y - step, x][1])
            (cy, cx), radius, k = nnf[y, x], max(hs, ws), 0
            while radius >= 1:
                sy = draw(random_bits(seed, iteration, y, x, k), cy, radius, hs)
                attempt(y, x, sy, draw(random_bits(seed, iteration, y, x, k + 1), cx, radius, ws))
                radius, k = radius // 2, k + 2
    field = torch.tensor([[nnf[y, x] for x in range(w)] for y in range(h)], dtype=torch.int32)
    return field, torch.tensor([[best[y, x] for x in range(w)] for y in range(h)])


@pytest.mark.parametrize(
    ("hs", "ws", "h", "w", "channels", "patch", "iterations", "seed"),
    [(9, 11, 8, 13, 3, 3, 3, 0), (12, 7, 5, 9, 1, 5, 4, 7), (10, 10, 6, 6, 2, 1, 2, 3), (8, 15, 9, 7, 3, 7, 5, -1)],
)
@pytest.mark.skipif(inpaintx.build_info().get("emulated", False), reason="CUDA's order is another")
def test_equals_the_serial_walk(hs, ws, h, w, channels, patch, iterations, seed):
    source, target = dyadic(channels, hs, ws), dyadic(channels, h, w, seed=1)
    valid = torch.ones(1, hs, ws)
    if patch < 7:
        valid[0, 2, 3] = 0
    nnf, cost = patchmatch(source, target, valid, patch, iterations, seed)
    expected, expected_cost = serial(source, target, valid[0] > 0, patch, iterations, seed)
    assert torch.equal(nnf, expected)
    torch.testing.assert_close(cost, expected_cost.float(), atol=0, rtol=1e-6)


def test_close_to_exact_and_never_below():
    source, target = natural(2, 3, 40, 45), natural(2, 3, 37, 41, seed=5)
    valid = torch.ones(2, 1, 40, 45)
    valid[0, :, 10:20, 12:25] = 0
    nnf, cost = patchmatch(source, target, valid, 5, 6, 3)
    exact_nnf, exact = patchmatch_ref(source, target, valid, 5)
    assert (cost >= exact - 1e-6).all()
    assert cost.mean() < 1.08 * exact.mean()
    assert (nnf == exact_nnf).all(-1).float().mean() > 0.3
    start = patchmatch(source, target, valid, 5, 0, 3)[1]
    assert start.mean() > 2 * exact.mean()  # so the rounds have done something


def test_cost_is_the_cost_of_the_match():
    source, target = natural(1, 3, 30, 33), natural(1, 3, 21, 26, seed=9)
    nnf, cost = patchmatch(source, target, torch.ones(1, 1, 30, 33), 5, 2)
    for y, x in ((0, 0), (20, 25), (0, 13), (10, 10), (19, 1)):
        u, d, lf, rt = min(2, y), min(2, 20 - y), min(2, x), min(2, 25 - x)
        sy, sx = nnf[0, y, x].tolist()
        a = target[0, :, y - u : y + d + 1, x - lf : x + rt + 1]
        b = source[0, :, sy - u : sy + d + 1, sx - lf : sx + rt + 1]
        mean = (a - b).square().sum() / ((u + d + 1) * (lf + rt + 1))
        torch.testing.assert_close(cost[0, y, x], mean)


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(*[st.integers(1, 20)] * 4),
    channels=st.integers(1, 4),
    patch=st.sampled_from([1, 3, 5]),
    share=st.sampled_from([0.0, 0.7, 0.98, 1.0]),
    threads=st.sampled_from([1, 2, 5]),
)
def test_only_candidates_are_matched(size, channels, patch, share, threads):
    hs, ws, h, w = size
    source, target = dyadic(2, channels, hs, ws), dyadic(2, channels, h, w, seed=2)
    valid = torch.rand(2, 1, hs, ws, generator=torch.Generator().manual_seed(hs)) < share
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        nnf, cost = patchmatch(source, target, valid, patch, 2)
    finally:
        torch.set_num_threads(before)
    r = patch // 2
    for b in range(2):
        singles = patchmatch(source[b], target[b], valid[b], patch, 2)
        assert torch.equal(singles[0], nnf[b])
        assert torch.equal(singles[1], cost[b])
        if torch.isinf(cost[b]).any():
            assert torch.isinf(cost[b]).all()
            assert (nnf[b] == -1).all()
            assert torch.isinf(patchmatch_ref(source[b], target[b], valid[b], patch)[1]).all()
            continue
        for y, x in nnf[b].flatten(0, 1).unique(dim=0).tolist():
            assert r <= y < hs - r
            assert r <= x < ws - r
            assert valid[b, 0, y - r : y + r + 1, x - r : x + r + 1].all()


def test_init_and_where():
    image = natural(1, 3, 32, 32)
    valid = torch.ones(1, 1, 32, 32)
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    identity = torch.stack([y, x], -1)[None]
    nnf, cost = patchmatch(image, image, valid, 5, 0, init=identity)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert torch.equal(nnf[inner], identity[inner].int())
    assert (cost[inner] == 0).all()
    assert (nnf[:, 0, 0] >= 2).all()  # no candidate was given there: a random one was taken
    where = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    where[..., 5:9, 4:20] = True
    nnf, cost = patchmatch(image, image, valid, 5, 3, where=where)
    assert torch.equal(torch.isinf(cost), ~where[:, 0])
    assert torch.equal((nnf == -1).all(-1), ~where[:, 0])
    assert torch.equal(patchmatch_ref(image, image, valid, 5, where=where)[1].isinf(), ~where[:, 0])


def test_seeds_differ_and_repeat():
    source, target = natural(1, 3, 40, 40), natural(1, 3, 40, 40, seed=4)
    valid = torch.ones(1, 1, 40, 40)
    first, second = (patchmatch(source, target, valid, 7, 1, s)[0] for s in (1, 2))
    assert not torch.equal(first, second)
    assert torch.equal(first, PatchMatch(7, 1, 1)(source, target, valid)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    source, target, valid = dyadic(1, 3, 20, 21), dyadic(1, 3, 17, 18, seed=1), torch.ones(1, 1, 20, 21)
    nnf, cost = patchmatch(source.to(dtype), target.to(dtype), valid)
    expected = patchmatch(source, target, valid)
    assert nnf.dtype == torch.int32
    assert cost.dtype == torch.float32
    assert torch.equal(nnf, expected[0])
    assert torch.equal(cost, expected[1])


def test_layouts():
    source, target, valid = dyadic(2, 3, 20, 21), dyadic(2, 3, 17, 18, seed=1), torch.ones(2, 1, 20, 21)
    expected = patchmatch(source, target, valid)
    strided = dyadic(2, 3, 40, 21)[:, :, ::2]
    assert torch.equal(
        patchmatch(strided, target, valid)[0], patchmatch(strided.contiguous(), target, valid[:1].bool())[0]
    )
    got = patchmatch(source.to(memory_format=torch.channels_last), target.mT.contiguous().mT, valid)
    assert torch.equal(got[0], expected[0])


def test_opcheck_and_compile():
    source, target = dyadic(2, 3, 12, 13).requires_grad_(), dyadic(2, 3, 10, 11, seed=1)
    valid = torch.ones(1, 1, 12, 13)
    torch.library.opcheck(torch.ops.inpaintx.patchmatch.default, (source, target, valid, 3, 2, 0, None, None))
    where = torch.rand(2, 1, 10, 11) < 0.5
    init = torch.zeros(2, 10, 11, 2, dtype=torch.int64)
    torch.library.opcheck(torch.ops.inpaintx.patchmatch.default, (source, target, valid, 3, 2, 0, init, where))
    compiled = torch.compile(lambda *x: patchmatch(*x, 3, 2), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(source, target, valid)[0], patchmatch(source, target, valid, 3, 2)[0])
    assert not patchmatch(source, target, valid, 3)[1].requires_grad


def test_errors_name_the_argument():
    x, valid = torch.rand(2, 3, 12, 13), torch.ones(2, 1, 12, 13)
    for message, args in {
        "target must have shape": (x, x[:, 0, 0], valid),
        r"source must have the batch and channels of target, \[2,3,Hs,Ws\], got \[2, 2, 12, 13\]": (x[:, :2], x, valid),
        r"source_valid must have shape \[2,1,12,13\] \(1 = usable": (x, x, valid[..., :5]),
        "source must be floating point, got Int": (x.int(), x, valid),
        "source_valid must be real": (x, x, valid.cfloat()),
        "kernel_size must be odd and positive, got 4": (x, x, valid, 4),
        "iterations must not be negative, got -1": (x, x, valid, 3, -1),
        r"init must be an integer field of shape \[2, 12, 13, 2\], got Float": (x, x, valid, 3, 1, 0, x, None),
        r"where must be bool of shape \[2, 1, 12, 13\], got Float": (x, x, valid, 3, 1, 0, None, valid),
    }.items():
        arguments = args + (7, 5, 0, None, None)[len(args) - 3 :]
        with pytest.raises(ValueError, match=message):
            _C.patchmatch(*arguments)
