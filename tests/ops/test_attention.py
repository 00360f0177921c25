import importlib
from types import SimpleNamespace

import pytest
import torch

from inpaintx.ops import (
    ContextualAttention,
    SelfAttention,
    contextual_attention,
    contextual_attention_ref,
    self_attention,
    self_attention_ref,
)

MODULE = importlib.import_module("inpaintx.ops.contextual_attention")  # the name in ops is the function's


def qkv(batch=2, width=3, channels=16, pixels=50, dtype=torch.float64, device="cpu"):
    torch.manual_seed(pixels)
    shapes = (width, width, channels)
    return [torch.randn(batch, c, pixels, device=device).to(dtype).requires_grad_() for c in shapes]


@pytest.mark.parametrize(("width", "channels"), [(3, 16), (8, 8), (5, 2)])
def test_self_attention_equals_reference(width, channels, device):
    inputs = qkv(width=width, channels=channels, device=device)
    o, expected = self_attention(*inputs), self_attention_ref(*inputs)
    torch.testing.assert_close(o, expected)
    grad = torch.randn_like(o)
    for ours, theirs in zip(
        torch.autograd.grad(o, inputs, grad), torch.autograd.grad(expected, inputs, grad), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_self_attention_is_the_formula():
    q, k, v = (t.detach()[0] for t in qkv(1, pixels=4))
    o = self_attention(q[None], k[None], v[None])[0]
    for j in range(4):
        scores = torch.stack([k[:, i] @ q[:, j] for i in range(4)])
        shares = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(o[:, j], sum(shares[i] * v[:, i] for i in range(4)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)])
def test_self_attention_dtypes(dtype, tolerance, device):
    inputs = [t.detach() for t in qkv(dtype=dtype, device=device)]
    o = self_attention(*inputs)
    assert o.dtype == dtype
    expected = self_attention_ref(*(t.double() for t in inputs))
    torch.testing.assert_close(o.double(), expected, atol=tolerance, rtol=tolerance)


def peak(run):
    """Most bytes that PyTorch held at once on the CPU for what ``run`` allocated."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes = torch.tensor([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())])
    return int(sizes.cumsum(0).max())


def test_self_attention_memory_is_linear():
    inputs = qkv(1, 2, 8, 4096, torch.float32)
    whole = 4096 * 4096 * 4  # the map of scores
    assert peak(lambda: self_attention(*inputs).sum().backward()) < whole / 16
    assert peak(lambda: self_attention_ref(*inputs)) > whole


def test_contextual_attention_s_memory_is_a_tile(monkeypatch):
    f, b, mask = maps(1, 2, (64, 64), dtype=torch.float32)
    whole, linear = 1024 * 1024 * 4, 64 * 64 * 4 * 2 * 16  # the map of scores; f's patches, which overlap
    working = 2 << 20
    monkeypatch.setattr(MODULE, "WORKING", working)

    def forward():
        return contextual_attention(f, b, mask)

    with torch.no_grad():
        assert whole / 8 < peak(forward) < working + linear
    assert peak(lambda: forward().sum().backward()) < 2 * working + 3 * linear
    with torch.no_grad():
        assert peak(lambda: contextual_attention_ref(f, b, mask)) > 4 * whole


def test_a_tile_is_sized_by_the_memory(monkeypatch):
    grid, places = MODULE._Grid(64, 64, 64, 64), torch.zeros(1)  # a column takes 2 MB, with neighbors' four
    assert MODULE._columns(grid, 3, places) == 32 - 4
    assert MODULE._columns(grid, 1, places) == 32
    assert MODULE._columns(MODULE._Grid(256, 64, 256, 256), 3, places) == 1

    class OnCuda:
        is_cuda, device = True, None

        def element_size(self):
            return 4

    gb = 1 << 30
    figures = {"total": 16 * gb, "free": 8 * gb}
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda d: SimpleNamespace(total_memory=figures["total"]))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda d: (figures["free"], figures["total"]))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda d: gb // 2)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda d: gb // 4)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert MODULE._columns(MODULE._Grid(128, 128, 128, 128), 3, OnCuda()) == gb // 4 // (16 << 20) - 4
    figures["free"] = gb // 4  # with what PyTorch keeps: half a GB
    assert MODULE._columns(MODULE._Grid(128, 128, 128, 128), 3, OnCuda()) == gb // 8 // (16 << 20) - 4
    figures["total"] = 256 * gb
    figures["free"] = 200 * gb
    assert MODULE._columns(MODULE._Grid(128, 128, 128, 128), 3, OnCuda()) == 128


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"q": torch.rand(1, 2, 3, 3)}, r"q and k must have shape \[B,D,N\]"),
        ({"k": torch.rand(1, 3, 9)}, r"got \[1, 2, 9\], \[1, 3, 9\] and"),
        ({"v": torch.rand(1, 8, 8)}, r"v \[B,C,N\], got"),
        ({"v": torch.rand(1, 8, 9).double()}, "share a floating dtype"),
    ],
)
def test_self_attention_names_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        self_attention(**{"q": torch.rand(1, 2, 9), "k": torch.rand(1, 2, 9), "v": torch.rand(1, 8, 9), **change})


def maps(batch=2, channels=3, size=(12, 16), size_b=None, dtype=torch.float64, device="cpu", hole=True):
    torch.manual_seed(sum(size))
    f = torch.randn(batch, channels, *size, device=device).to(dtype)
    b = torch.randn(batch, channels, *(size_b or size), device=device).to(dtype)
    mask = torch.zeros(batch, 1, *b.shape[2:], device=device)
    if hole:
        mask[0, :, : b.shape[2] // 2, : b.shape[3] // 3] = 1
        mask[-1, :, -3:, -2:] = 1
    return f.requires_grad_(), b.requires_grad_(), mask


@pytest.mark.parametrize("tile", [1, 40_000, MODULE.WORKING])
@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize(
    ("size", "size_b", "options"),
    [
        ((12, 16), None, {}),
        ((13, 11), (9, 14), {}),
        ((9, 12), None, {"rate": 1}),
        ((14, 17), None, {"rate": 3, "kernel_size": 1, "fuse_k": 1}),
        ((6, 18), (14, 6), {"fuse_k": 9, "kernel_size": 5}),
    ],
)
def test_equals_reference(size, size_b, options, compat, tile, monkeypatch, device):
    monkeypatch.setattr(MODULE, "WORKING", tile)
    f, b, mask = maps(size=size, size_b=size_b, device=device)
    ours = contextual_attention(f, b, mask, **options, compat=compat, scale=2.0)
    theirs = contextual_attention_ref(f, b, mask, **options, compat=compat, scale=2.0)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(ours)
    for a, e in zip(torch.autograd.grad(ours, (f, b), grad), torch.autograd.grad(theirs, (f, b), grad), strict=True):
        assert e.any()
        torch.testing.assert_close(a, e)


def test_gradcheck():
    f, b, mask = maps(1, 2, (4, 6))
    mask.zero_()
    mask[..., 0, 0] = 1
    assert torch.autograd.gradcheck(lambda f, b: contextual_attention(f, b, mask, scale=1.0), (f, b))


def test_copies_a_repeated_texture():
    torch.manual_seed(0)
    texture = torch.randn(1, 8, 8, 8).repeat(1, 1, 5, 6)
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., 14:22, 18:30] = 1
    out, offsets = contextual_attention(texture, texture, mask, return_offsets=True)
    inner = out[..., 4:-4, 4:-4] - texture[..., 4:-4, 4:-4]
    assert inner.abs().max() < 1e-3
    rows, columns = 2 * offsets[0, ..., 0], 2 * offsets[0, ..., 1]
    at = torch.arange(20)[:, None] * 2
    assert ((rows - at) % 8 == 0)[2:-2, 2:-2].all()  # each place looks where the texture is the same
    assert not mask[0, 0][rows.flatten(), columns.flatten()].any()


@pytest.mark.parametrize("compat", [False, True])
def test_attended_offsets_are_never_in_the_hole(compat):
    f, b, mask = maps(size=(24, 20), dtype=torch.float32)
    mask[1] = (torch.rand(1, 24, 20) < 0.02).float()  # single pixels
    _, offsets = contextual_attention(f, b, mask, compat=compat, return_offsets=True)
    for hole, at in zip(mask[:, 0], 2 * offsets.flatten(1, 2), strict=True):
        assert not hole[at[:, 0], at[:, 1]].any()


def test_what_lies_in_the_hole_is_never_copied():
    f, b, mask = maps(size=(16, 16), hole=False)
    mask[0, :, 5, 9] = 1  # one odd pixel, which sampling at every second would miss
    with torch.no_grad():
        out = contextual_attention(f, b, mask)
        b[0, :, 5, 9] = 1e6
        assert torch.equal(contextual_attention(f, b, mask), out)


def test_no_valid_patch_is_zero():
    f, b, mask = maps()
    mask[1] = 1
    for compat in (False, True):
        out, offsets = contextual_attention(f, b, mask, compat=compat, return_offsets=True)
        assert not out[1].any()
        assert (offsets[1] == -1).all()
        assert out[0].any()
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(out.sum(), (f, b)))


def test_constant_map_is_rebuilt_to_the_rim():
    b = torch.ones(1, 2, 10, 14)
    mask = torch.zeros(1, 1, 10, 14)
    out = contextual_attention(b, b, mask)
    old = contextual_attention(b, b, mask, compat=True)
    assert (out > old + 0.2)[..., 0, :].all()  # there two patches meet, not four


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lower_precision_scores_in_float32(dtype, device):
    f, b, mask = (t.detach() for t in maps(dtype=dtype, device=device))
    out = contextual_attention(f, b, mask)
    assert out.dtype == dtype
    assert torch.equal(out, contextual_attention(f.float(), b.float(), mask).to(dtype))
    with torch.autocast(device, torch.bfloat16):
        assert torch.equal(contextual_attention(f, b, mask), out)


def test_batch_equals_singles_and_strides(device):
    f, b, mask = (t.detach() for t in maps(size=(24, 32), dtype=torch.float32, device=device))
    f, b, mask = (t[..., ::2, ::2] for t in (f, b, mask))
    out = contextual_attention(f, b, mask)
    for i in range(2):
        one = contextual_attention(f[i : i + 1], b[i : i + 1], mask[i : i + 1])
        torch.testing.assert_close(out[i : i + 1], one, atol=1e-6, rtol=1e-5)
    last = contextual_attention(f.contiguous(memory_format=torch.channels_last), b, mask > 0.5)
    torch.testing.assert_close(last, out)
    torch.testing.assert_close(
        contextual_attention(f, b, mask[:1]), contextual_attention(f, b, mask[:1].expand(2, -1, -1, -1))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"f": torch.rand(3, 8, 8)}, r"f must be floating point \[B,C,H,W\]"),
        ({"b": torch.rand(1, 2, 8, 8)}, r"b must have batch, channels.* got \[1, 2, 8, 8\]"),
        ({"mask": torch.zeros(1, 1, 4, 8)}, r"mask must be real \[1, 1, 8, 8\] .* got .*\[1, 1, 4, 8\]"),
        ({"kernel_size": 2}, "kernel_size and fuse_k must be odd"),
        ({"rate": 0}, "rate positive"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {"f": torch.rand(1, 3, 8, 8), "b": torch.rand(1, 3, 8, 8), "mask": torch.zeros(1, 1, 8, 8)}
    with pytest.raises(ValueError, match=words):
        contextual_attention(**{**good, **change})


def test_modules_call_the_functions():
    q, k, v = qkv()
    assert torch.equal(SelfAttention()(q, k, v), self_attention(q, k, v))
    f, mask = torch.rand(1, 4, 12, 16), torch.zeros(1, 1, 12, 16)
    mask[..., 4:8, 4:8] = 1
    layer = ContextualAttention(3, 2, 1, 5.0, compat=True)
    assert torch.equal(layer(f, f, mask), contextual_attention(f, f, mask, 3, 2, 1, 5.0, compat=True))
    assert repr(layer) == "ContextualAttention(kernel_size=3, rate=2, fuse_k=1, scale=5, compat=True)"
