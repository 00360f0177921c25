"""poisson_blend against an exact sparse solve; its gradients and its edge cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from inpaintx.ops.poisson import PoissonBlend, PoissonSolver, poisson_blend, poisson_blend_ref

HALF_LEVEL = 0.5 / 255


def exact(fill, image, mask):
    """Dense float64 truth by a sparse direct solve, an image at a time."""
    out = image.double().clone()
    for b in range(len(image)):
        hole = mask[b, 0].numpy() > 0.5
        if hole.all():
            out[b] = fill[b]
            continue
        index = np.full(hole.shape, -1)
        index[hole] = np.arange(hole.sum())
        rows, cols, values = [], [], []
        rhs = np.zeros((image.shape[1], hole.sum()))
        t, i = fill[b].double().numpy(), image[b].double().numpy()
        for y, x in np.argwhere(hole):
            p = index[y, x]
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if not (0 <= ny < hole.shape[0] and 0 <= nx < hole.shape[1]):
                    continue
                rows.append(p), cols.append(p), values.append(1.0)
                rhs[:, p] += t[:, y, x] - t[:, ny, nx]
                if hole[ny, nx]:
                    rows.append(p), cols.append(index[ny, nx]), values.append(-1.0)
                else:
                    rhs[:, p] += i[:, ny, nx]
        if hole.any():
            matrix = sparse.csc_matrix((values, (rows, cols)))
            solution = spsolve(matrix, rhs.T).reshape(hole.sum(), -1).T
            out[b][:, torch.tensor(hole)] = torch.tensor(solution)
    return out


def draw(height, width, batch=1, channels=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, batch, channels, height, width)
    fill, image = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
    return fill, image


def shape_mask(kind, height, width, seed=0):
    rng = np.random.default_rng(seed)
    hole = np.zeros((height, width), bool)
    if kind == "rectangle":
        hole[height // 4 : -height // 4, width // 4 : -width // 4] = True
    elif kind == "blob":
        field = ndimage.gaussian_filter(rng.standard_normal((height, width)), min(height, width) / 12, mode="wrap")
        hole = field > np.quantile(field, 0.4)
    elif kind == "strokes":
        for _ in range(10):
            (y0, y1), (x0, x1) = rng.integers(0, height, 2), rng.integers(0, width, 2)
            for s in np.linspace(0, 1, 2 * max(height, width)):
                y, x = round(y0 + s * (y1 - y0)), round(x0 + s * (x1 - x0))
                hole[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
    elif kind == "empty":
        pass
    elif kind == "full":
        hole[:] = True
    elif kind == "frame":
        hole[:] = True
        hole[3:-3, 3:-3] = False
    elif kind == "pixel":
        hole[height // 2, width // 2] = True
    elif kind == "corner":
        hole[: height // 2, : width // 2] = True
    elif kind == "all but one":
        hole[:] = True
        hole[height // 3, width // 3] = False
    elif kind == "checkers":
        hole[::2, ::2] = hole[1::2, 1::2] = True
    elif kind == "components":
        hole[1:5, 1:9] = hole[-6:, 2:4] = hole[7:30, 20:33] = hole[2, -1] = True
    elif kind == "lines":
        hole[::3] = True
    else:
        raise ValueError(kind)
    return torch.tensor(hole)[None, None]


KINDS = ["rectangle", "blob", "strokes", "empty", "full", "frame", "pixel", "corner", "all but one", "checkers",
         "components", "lines"]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_exact_solution(kind, dtype):
    fill, image = draw(47, 62, dtype=dtype)
    mask = shape_mask(kind, 47, 62)
    got = poisson_blend(fill, image, mask, tol=1e-6 if dtype == torch.float32 else 1e-12)
    want = exact(fill, image, mask)
    assert got.dtype == dtype
    assert torch.equal(got[~mask.expand_as(got)], image[~mask.expand_as(got)])
    torch.testing.assert_close(got.double(), want, rtol=0, atol=5e-5 if dtype == torch.float32 else 1e-9)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (1, 33), (40, 1), (2, 2), (3, 5), (8, 8), (9, 17), (65, 64), (129, 3)]
)
@pytest.mark.parametrize("kind", ["corner", "all but one", "checkers", "lines"])
def test_odd_sizes(size, kind):
    fill, image = draw(*size, dtype=torch.float64)
    mask = shape_mask(kind, *size)
    got = poisson_blend(fill, image, mask, tol=1e-12)
    torch.testing.assert_close(got, exact(fill, image, mask), rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["rectangle", "blob", "strokes"])
def test_largest_error_is_below_half_a_level_at_loose_tolerance(kind):
    """The yardstick is the error, not the residual, and three cycles from a random start are enough for it."""
    fill, image = draw(150, 131)
    mask = shape_mask(kind, 150, 131)
    want = exact(fill, image, mask)
    for limits in ({"tol": 1e-3}, {"tol": 0.0, "max_iter": 4}, {}):
        error = (poisson_blend(fill, image, mask, **limits).double() - want).abs().max()
        assert error < HALF_LEVEL, limits


def test_rounding_leaves_little_in_single_precision():
    """Single steps of the smoother amplify high frequencies; in the wrong order rounding grows forty times."""
    solver = PoissonSolver(shape_mask("rectangle", 128, 128))
    solver.solve(*draw(128, 128, dtype=torch.float32), 1e-8)
    assert solver.last[1] < 1.5e-6


def test_tolerance_is_met_and_reported():
    fill, image = draw(90, 70, dtype=torch.float64)
    solver = PoissonSolver(shape_mask("blob", 90, 70))
    assert solver.last == (0, 0.0)
    previous = 0
    for tol in (1e-2, 1e-5, 1e-10):
        solver.solve(fill, image, tol)
        cycles, residual = solver.last
        assert residual <= tol
        assert cycles > previous
        previous = cycles
    solver.solve(fill, image, 0.0)  # stops where the dtype does
    assert solver.last[0] < 30
    solver.solve(fill, image, 1e-10, 2)
    assert solver.last[0] == 2
    solver.solve(fill, image, 1e-10, 0)
    assert solver.last[0] == 0


@given(
    hole=hnp.arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24))),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_any_mask(hole, seed):
    mask = torch.tensor(hole)[None, None]
    fill, image = draw(*hole.shape, channels=2, dtype=torch.float64, seed=seed)
    hidden = torch.where(mask, float("nan"), image)
    got = poisson_blend(fill, hidden, mask, tol=1e-12)
    torch.testing.assert_close(got, exact(fill, image, mask), rtol=0, atol=1e-8)


def test_singular_image_returns_fill_among_others():
    fill, image = draw(20, 20, batch=3)
    mask = torch.cat([shape_mask(k, 20, 20) for k in ("rectangle", "full", "empty")])
    got = poisson_blend(fill, image, mask)
    assert torch.equal(got[1], fill[1])
    assert torch.equal(got[2], image[2])


def test_what_lies_under_the_hole_or_far_from_it_never_matters():
    fill, image = draw(64, 64)
    mask = shape_mask("blob", 64, 64)
    want = poisson_blend(fill, image, mask)
    assert torch.equal(poisson_blend(fill, torch.where(mask, float("nan"), image), mask), want)
    reached = torch.tensor(ndimage.binary_dilation(mask[0, 0].numpy()))
    far = torch.where(reached, fill, float("nan"))
    assert torch.equal(poisson_blend(far, image, mask), want)


def test_nan_in_one_channel_stays_there():
    fill, image = draw(40, 40, batch=2)
    mask = shape_mask("rectangle", 40, 40).expand(2, -1, -1, -1)
    want = poisson_blend(fill, image, mask)
    fill[0, 1, 20, 20] = float("nan")
    got = poisson_blend(fill, image, mask)
    assert got[0, 1].isnan().any()
    assert torch.equal(got[1], want[1])
    torch.testing.assert_close(got[0, [0, 2]], want[0, [0, 2]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_computes_in_float32(dtype):
    fill, image = draw(50, 41, dtype=dtype)
    mask = shape_mask("strokes", 50, 41)
    got = poisson_blend(fill, image, mask)
    assert torch.equal(got, poisson_blend(fill.float(), image.float(), mask).to(dtype))
    assert torch.equal(torch.where(mask, 0, got), torch.where(mask, 0, image))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64])
def test_mask_dtypes(dtype):
    fill, image = draw(30, 30)
    mask = shape_mask("blob", 30, 30)
    assert torch.equal(poisson_blend(fill, image, mask.to(dtype)), poisson_blend(fill, image, mask))


def test_mask_is_binarised_above_a_half():
    fill, image = draw(30, 30)
    soft = torch.rand(1, 1, 30, 30)
    soft[0, 0, :3, :3] = 0.5
    assert torch.equal(poisson_blend(fill, image, soft), poisson_blend(fill, image, soft > 0.5))


def test_layouts():
    fill, image = draw(33, 48, batch=2)
    mask = torch.cat([shape_mask("blob", 33, 48), shape_mask("strokes", 33, 48)])
    want = poisson_blend(fill, image, mask)
    last = torch.channels_last
    assert torch.equal(
        poisson_blend(fill.contiguous(memory_format=last), image.contiguous(memory_format=last), mask), want
    )
    big = torch.rand(2, 3, 70, 100)
    big[:, :, 5:38, 9:57] = image
    assert torch.equal(poisson_blend(fill, big[:, :, 5:38, 9:57], mask), want)
    wide = torch.rand(2, 3, 33, 96)
    wide[..., ::2] = fill
    assert torch.equal(poisson_blend(wide[..., ::2], image, mask), want)
    assert torch.equal(poisson_blend(fill.mT.contiguous().mT, image, mask), want)
    one = poisson_blend(fill[:1].expand(2, -1, -1, -1), image[:1].expand(2, -1, -1, -1), mask[:1].expand(2, -1, -1, -1))
    assert torch.equal(one[0], want[0])
    assert torch.equal(one[1], want[0])
    assert torch.equal(poisson_blend(fill, image, mask[:1])[0], want[0])
    assert torch.equal(poisson_blend(fill, image, mask[:1]), poisson_blend(fill, image, mask[:1].expand(2, -1, -1, -1)))


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 9])
def test_any_number_of_channels(channels):
    fill, image = draw(40, 40, channels=channels, dtype=torch.float64)
    mask = shape_mask("strokes", 40, 40)
    got = poisson_blend(fill, image, mask, tol=1e-12)
    torch.testing.assert_close(got, exact(fill, image, mask), rtol=0, atol=1e-9)


def test_nothing_to_blend():
    for shape in [(0, 3, 8, 8), (2, 0, 8, 8), (2, 3, 0, 8), (2, 3, 8, 0)]:
        x = torch.rand(shape)
        assert poisson_blend(x, x, torch.ones(shape[0], 1, *shape[2:])).shape == shape


@pytest.mark.parametrize("size", [(60, 44), (420, 391)])
def test_batch_equals_singles(size):
    fill, image = draw(*size, batch=4)
    mask = torch.cat([shape_mask(k, *size, seed=2) for k in ("rectangle", "blob", "strokes", "frame")])
    got = poisson_blend(fill, image, mask)
    for b in range(4):
        assert torch.equal(got[b : b + 1], poisson_blend(fill[b : b + 1], image[b : b + 1], mask[b : b + 1]))


@pytest.mark.parametrize("kind", ["blob", "strokes"])
def test_threads_do_not_change_a_bit(kind, threads):
    fill, image = draw(515, 402)
    mask = shape_mask(kind, 515, 402)
    fill.requires_grad_()
    results = []
    for count in (1, 2, 7):
        threads(count)
        got = poisson_blend(fill, image, mask)
        (grad,) = torch.autograd.grad(got.square().sum(), fill)
        results.append((got.detach(), grad))
    for got, grad in results[1:]:
        assert torch.equal(got, results[0][0])
        assert torch.equal(grad, results[0][1])


@pytest.mark.parametrize("kind", ["rectangle", "frame", "components", "full", "empty"])
def test_gradients(kind):
    fill, image = draw(9, 8, batch=2, channels=2, dtype=torch.float64)
    if kind == "components":
        mask = torch.zeros(2, 1, 9, 8)
        mask[:, :, 1:4, 0:2] = mask[:, :, 5:9, 3:6] = mask[1, 0, 0, 7] = 1
    else:
        mask = shape_mask(kind, 9, 8).expand(2, -1, -1, -1)
    fill.requires_grad_(), image.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, i: poisson_blend(t, i, mask, tol=1e-13), (fill, image))


def test_gradients_equal_those_through_the_reference():
    fill, image = draw(40, 33, batch=2, dtype=torch.float64)
    mask = torch.cat([shape_mask("blob", 40, 33), shape_mask("full", 40, 33)])
    fill.requires_grad_(), image.requires_grad_()
    weight = torch.rand_like(image)
    got = torch.autograd.grad((poisson_blend(fill, image, mask, tol=1e-12) * weight).sum(), (fill, image))
    want = torch.autograd.grad((poisson_blend_ref(fill, image, mask, tol=1e-12) * weight).sum(), (fill, image))
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["rectangle", "full"])
def test_opcheck(kind):
    fill, image = draw(12, 10, batch=2)
    mask = shape_mask(kind, 12, 10).expand(2, -1, -1, -1).float()
    op = torch.ops.inpaintx.poisson_blend.default
    torch.library.opcheck(op, (fill, image, mask))
    torch.library.opcheck(op, (fill.requires_grad_(), image.requires_grad_(), mask, 1e-5, 20))
    torch.library.opcheck(torch.ops.inpaintx.poisson_blend_backward.default, (image.detach(), mask, 1e-6, None))


@pytest.mark.slow
def test_compiles_whole():
    fill, image = draw(24, 20, batch=2)
    mask = shape_mask("rectangle", 24, 20).expand(2, -1, -1, -1)

    def blend(t, i):
        return poisson_blend(t * 2, i, mask, max_iter=5) + 1

    fill.requires_grad_()
    compiled = torch.compile(blend, fullgraph=True)
    got, want = compiled(fill, image), blend(fill, image)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(
        torch.autograd.grad(got.square().sum(), fill), torch.autograd.grad(want.square().sum(), fill)
    )


def test_autocast_computes_in_float32():
    fill, image = draw(30, 30)
    mask = shape_mask("blob", 30, 30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = poisson_blend(fill.bfloat16(), image, mask)
    assert got.dtype == torch.float32
    assert torch.equal(got, poisson_blend(fill.bfloat16().float(), image, mask))


@pytest.mark.parametrize("kind", KINDS)
def test_reference(kind):
    fill, image = draw(47, 62, batch=2, dtype=torch.float64)
    mask = torch.cat([shape_mask(kind, 47, 62), shape_mask("blob", 47, 62)])
    got = poisson_blend_ref(fill, torch.where(mask, float("nan"), image), mask, tol=1e-12)
    torch.testing.assert_close(got, exact(fill, image, mask), rtol=0, atol=1e-8)
    assert poisson_blend_ref(fill.half(), image.half(), mask).dtype == torch.float16


def test_module():
    fill, image = draw(20, 20)
    mask = shape_mask("rectangle", 20, 20)
    layer = PoissonBlend(tol=1e-3, max_iter=3)
    assert torch.equal(layer(fill, image, mask), poisson_blend(fill, image, mask, tol=1e-3, max_iter=3))
    assert "max_iter=3" in repr(layer)


def test_error_messages():
    fill, image = draw(64, 64, batch=2)
    mask = torch.zeros(2, 1, 64, 64)
    wrong = [
        ((fill, image, torch.zeros(2, 3, 64, 64)), {},
         r"mask must have shape \[B,1,H,W\] matching image \[2, 3, 64, 64\], got \[2, 3, 64, 64\]"),
        ((fill, image, mask[..., :5]), {}, "mask must have shape"),
        ((fill, image, torch.zeros(3, 1, 64, 64)), {}, "mask must have shape"),
        ((fill[:, :1], image, mask), {}, r"fill must have the shape of image \[2, 3, 64, 64\], got \[2, 1, 64, 64\]"),
        ((fill[0], image[0], mask), {}, r"image must have shape \[B,C,H,W\], got \[3, 64, 64\]"),
        ((fill, image.long(), mask), {}, "image must be floating point, got Long"),
        ((fill.to(torch.complex64), image, mask), {}, "fill must be floating point"),
        ((fill, image, mask.to(torch.complex64)), {}, "mask must be real or bool"),
        ((fill, image, mask), {"tol": -1.0}, "tol must be finite and not negative, got -1"),
        ((fill, image, mask), {"tol": float("nan")}, "tol must be finite"),
        ((fill, image, mask), {"max_iter": -1}, "max_iter must be None or not negative, got -1"),
    ]  # fmt: skip
    for args, kwargs, message in wrong:
        with pytest.raises(ValueError, match=message):
            poisson_blend(*args, **kwargs)
    with pytest.raises(ValueError, match=r"mask must have shape \[H,W\]"):
        PoissonSolver(torch.zeros(2, 3, 64, 64))
    with pytest.raises(ValueError, match=r"image must fit the prepared mask \[1, 1, 9, 9\], got \[2, 3, 64, 64\]"):
        PoissonSolver(torch.zeros(9, 9)).solve(fill, image)
