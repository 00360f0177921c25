import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaintx.ops import SPDMap, spd_map, spd_map_ref


def masks(height=61, width=83, device="cpu"):
    torch.manual_seed(0)
    mask = (torch.rand(4, 1, height, width) < 0.97).float()
    mask[0] = 1
    mask[1] = 0
    mask[2] = 0
    mask[2, :, height // 5 :, width // 4 : -width // 8] = 1
    return mask.to(device)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("n", [0, 1, 3, 7, 40, 300])
def test_hard_equals_reference(n, kernel_size, device):
    mask = masks(device=device)
    torch.testing.assert_close(spd_map(mask, n, kernel_size), spd_map_ref(mask, n, kernel_size), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("update", ["diffuse", "freeze"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("n", [0, 1, 7, 50])
def test_improved_equals_reference(n, kernel_size, update, device):
    options = {"kind": "improved", "update": update}
    ours, theirs = (f(masks(device=device), n, kernel_size, **options) for f in (spd_map, spd_map_ref))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kernel_size", [3, 7, 9])
def test_improved_of_each_width(kernel_size):
    torch.manual_seed(0)
    for width in range(1, 50):
        mask = (torch.rand(3, 1, 5, width) < 0.8).float()
        ours, theirs = (f(mask, 12, kernel_size, kind="improved") for f in (spd_map, spd_map_ref))
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kernel_size", [13, 25, 27, 71])
def test_improved_of_wide_windows(kernel_size, device):
    ours, theirs = (f(masks(device=device), 3, kernel_size, kind="improved") for f in (spd_map, spd_map_ref))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(2, 400), (400, 2)])
def test_hard_far_from_the_known_region(height, width, device):
    mask = torch.ones(1, 1, height, width, device=device)
    mask[..., 1, 1] = 0
    torch.testing.assert_close(spd_map(mask, 350, k=1.01), spd_map_ref(mask, 350, k=1.01), atol=1e-6, rtol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 150)),
    n=st.integers(0, 40),
    kernel_size=st.sampled_from([1, 3, 5, 9]),
    hole=st.sampled_from([0.0, 0.6, 0.99, 1.0]),
    kind=st.sampled_from(["hard", "improved"]),
    threads=st.sampled_from([1, 2, 7]),
)
def test_any_size(size, n, kernel_size, hole, kind, threads):
    torch.manual_seed(n)
    mask = (torch.rand(2, 1, *size) < hole).float()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        ours = spd_map(mask, n, kernel_size, kind=kind)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(ours, spd_map_ref(mask, n, kernel_size, kind=kind), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.368, 0.135, 0.050, 0.018]),
        ({"kind": "improved", "update": "freeze"}, [0.333, 0.111, 0.037, 0.012]),
        ({"kind": "improved"}, [0.657, 0.372, 0.177, 0.068]),
    ],
)
def test_straight_edge_has_the_published_values(options, expected):
    mask = torch.zeros(1, 1, 41, 40)
    mask[..., 20:] = 1
    assert spd_map(mask, 7, 3, **options)[0, 0, 20, 20:24].tolist() == pytest.approx(expected, abs=6e-4)


def test_unreached_interior_keeps_the_last_ring():
    assert spd_map(torch.ones(1, 1, 5, 5), 4).unique().tolist() == pytest.approx([math.e**-4])
    assert not spd_map(torch.ones(1, 1, 5, 5), 4, kind="improved").any()


@pytest.mark.parametrize("n", [1, 7, 60])
def test_tall_images_go_by_bands(n, threads):
    mask = torch.zeros(1, 1, 1003, 33)
    mask[..., 3:990, 4:30] = 1
    mask[..., 500, 6] = 0
    for count in (1, 2, 7):
        threads(count)
        assert torch.allclose(spd_map(mask, n), spd_map_ref(mask, n))


def test_more_steps_than_pixels():
    mask = torch.ones(2, 1, 1, 3)
    mask[1, ..., 0] = 0
    for n in (2, 3, 9):
        assert torch.allclose(spd_map(mask, n), spd_map_ref(mask, n))


def test_levels_and_base():
    mask = masks()[2:3]
    assert len(spd_map(mask, 5).unique()) == 6
    assert spd_map(mask, 3, k=2.0).unique().tolist() == [1 / 8, 1 / 4, 1 / 2, 1]
    assert len(spd_map(mask, 5, kind="improved").unique()) > 5 * 6


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_dtypes_give_float32(dtype):
    out = spd_map(masks().to(dtype), 3)
    assert out.dtype == torch.float32
    assert torch.equal(out, spd_map(masks(), 3))


def test_strided_input_and_batch_equals_singles():
    mask = masks(122, 166)[..., ::2, ::2]
    for kind in ("hard", "improved"):
        out = spd_map(mask, 4, 5, kind=kind)
        for i in range(4):
            assert torch.equal(out[i : i + 1], spd_map(mask[i : i + 1].contiguous(), 4, 5, kind=kind))


def test_no_gradient():
    assert not spd_map(masks().requires_grad_(), 3).requires_grad


@pytest.mark.parametrize("improved", [False, True])
def test_opcheck(improved, device):
    args = (masks(9, 11, device).requires_grad_(), 3, 3, improved, math.e, False)
    torch.library.opcheck(torch.ops.inpaintx.spd_map.default, args)


@pytest.mark.slow
def test_compile_equals_eager():
    layer = SPDMap(5, 3, kind="improved")
    assert torch.equal(torch.compile(layer, fullgraph=True)(masks()), layer(masks()))


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        ((torch.zeros(8, 8), 3), {}, r"mask must have shape \[B,1,H,W\].* got \[8, 8\]"),
        ((torch.zeros(1, 3, 8, 8), 3), {}, "mask must have shape"),
        ((torch.zeros(1, 1, 8, 8), -1), {}, "n must not be negative, got -1"),
        ((torch.zeros(1, 1, 8, 8), 3, 4), {}, "kernel_size must be odd and positive, got 4"),
        ((torch.zeros(1, 1, 8, 8), 3), {"k": 0.0}, "k must be positive"),
        ((torch.zeros(1, 1, 8, 8), 3), {"kind": "soft"}, "kind must be 'hard' or 'improved', got 'soft'"),
        ((torch.zeros(1, 1, 8, 8), 3), {"update": "x"}, "update must be"),
    ],
)
def test_bad_input_is_named(args, options, words):
    with pytest.raises(ValueError, match=words):
        spd_map(*args, **options)


@pytest.mark.parametrize("kernel_size", [99, 2**20 + 1, 2**29 + 1, 2**30 - 1])
@pytest.mark.parametrize("n", [0, 1, 2, 16, 2**30 - 1])
def test_windows_larger_than_the_image(n, kernel_size):
    mask = torch.ones(3, 1, 9, 14)
    mask[0, ..., 4:, 5] = 0
    mask[1] = 0
    wanted = torch.where(mask > 0, math.exp(-min(n, 1) if n < 2**29 else -1), 1.0)
    wanted[2] = math.exp(-n)
    torch.testing.assert_close(spd_map(mask, n, kernel_size), wanted)
    if n < 20:
        known = (mask == 0).float()
        for _ in range(n):
            known = torch.where(mask > 0, known.sum((2, 3), keepdim=True) / kernel_size**2, 1.0)
        torch.testing.assert_close(spd_map(mask, n, kernel_size, kind="improved"), known, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["hard", "improved"])
def test_sizes_that_cannot_be_meant(kind):
    for n, kernel_size in ((1, 2**30 + 1), (1, 2**32 + 1), (1, 2**61 + 1), (2**30, 3)):
        with pytest.raises(ValueError, match=rf"below 2\^30, got n {n}, kernel_size {kernel_size}"):
            spd_map(torch.ones(1, 1, 4, 4), n, kernel_size, kind=kind)
