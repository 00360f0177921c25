"""What poisson_blend and PoissonSolver take: masks of any bytes, written later; values of any scale; NaN; threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from inpaintx.ops import PoissonSolver, efros_leung, patchmatch, poisson_blend, poisson_blend_ref, tv_inpaint


def case(side=24, channels=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(side)
    fill, image = torch.rand(2, 1, channels, side, side, generator=generator, dtype=torch.float64).to(dtype)
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    mask[..., 5:15, 4:17] = True
    mask[..., 9, 9] = False
    return fill, image, mask


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_solver_keeps_its_own_mask(dtype):
    fill, image, mask = case(dtype=dtype)
    want = poisson_blend(fill, image, mask)
    for shape in ((1, 1, 24, 24), (24, 24)):
        own = mask.clone().view(shape)
        solver = PoissonSolver(own)
        own.fill_(True)
        own[..., :3] = False
        assert torch.equal(solver.solve(fill, image), want)


def test_bool_masks_of_any_bytes():
    """Bytes seen as bool may be any; all but 0 are a hole."""
    fill, image, mask = case()
    for byte in (2, 255):
        odd = (mask.view(torch.uint8) * byte).view(torch.bool)
        assert torch.equal(poisson_blend(fill, image, odd), poisson_blend(fill, image, mask))
        assert torch.equal(PoissonSolver(odd).solve(fill, image), poisson_blend(fill, image, mask))
        assert torch.equal(poisson_blend_ref(fill, image, odd), poisson_blend_ref(fill, image, mask))
        assert torch.equal(tv_inpaint(image, odd), tv_inpaint(image, mask))
        assert torch.equal(efros_leung(image, odd, 5), efros_leung(image, mask, 5))
        for a, b in zip(
            patchmatch(image, fill, odd, 3, 2, where=odd), patchmatch(image, fill, mask, 3, 2, where=mask), strict=True
        ):
            assert torch.equal(a, b)
        grads = []
        for hole in (odd, mask):
            leaf = fill.clone().requires_grad_()
            grads += torch.autograd.grad(poisson_blend(leaf, image, hole).square().sum(), leaf)
        assert torch.equal(*grads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("exponent", [-100, -67, -50, 30, 63, 100, 120])
def test_the_scale_of_the_values_does_not_matter(exponent, dtype):
    """By powers of two: bit for bit, gradients too."""
    fill, image, mask = case(dtype=dtype)
    scale = 2.0**exponent
    want = poisson_blend(fill, image, mask)
    assert torch.equal(poisson_blend(fill * scale, image * scale, mask), want * scale)
    assert torch.equal(PoissonSolver(mask).solve(fill * scale, image * scale), want * scale)
    weight = torch.rand_like(image)
    grads = [
        torch.autograd.grad((poisson_blend(leaf, image, mask) * weight * s).sum(), leaf)[0] / s
        for leaf, s in ((fill.clone().requires_grad_(), 1.0), (fill.clone().requires_grad_(), scale))
    ]
    assert torch.equal(*grads)


@pytest.mark.parametrize("blend", [poisson_blend, poisson_blend_ref, lambda *a: PoissonSolver(a[2]).solve(*a[:2])])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("of", ["image", "fill"])
def test_what_is_no_number_at_the_rim_spoils_its_channel(of, value, blend):
    """One rule for one channel and for all: the whole hole is NaN; known pixels and other channels are as ever."""
    fill, image, mask = case(channels=3)
    want = blend(fill, image, mask)
    for channels in ([0], [1, 2], [0, 1, 2]):
        broken = {"image": image.clone(), "fill": fill.clone()}
        broken[of][0, channels, 4, 7] = value
        got = blend(broken["fill"], broken["image"], mask)
        hole = mask[0, 0]
        assert got[0, channels][:, hole].isnan().all()
        torch.testing.assert_close(got[..., ~hole], broken["image"][..., ~hole], rtol=0, atol=0, equal_nan=True)
        others = [c for c in range(3) if c not in channels]
        torch.testing.assert_close(got[0, others], want[0, others], rtol=0, atol=1e-5)


@pytest.mark.parametrize("blend", [poisson_blend, poisson_blend_ref, lambda *a: PoissonSolver(a[2]).solve(*a[:2])])
def test_what_is_no_number_elsewhere_does_not_spread(blend):
    fill, image, mask = case()
    want = blend(fill, image, mask)
    image[..., 10, 6] = float("nan")  # under the hole
    fill[..., 0, 0] = float("nan")  # far from it
    assert torch.equal(blend(fill, image, mask), want)
    image[..., 20, 20] = float("inf")
    got = blend(fill, image, mask)
    image[..., 20, 20] = want[..., 20, 20] = 0
    got[..., 20, 20] = 0
    assert torch.equal(got, want)
    fill[..., 8, 8] = float("inf")  # a hole pixel's own fill stays there
    got = blend(fill, image, mask)
    assert got[..., 8, 8].isinf().all()
    got[..., 8, 8] = want[..., 8, 8] = 0
    got[..., 20, 20] = 0
    assert torch.equal(got, want)


def test_gradients_that_are_no_number_spoil_the_rim():
    fill, image, mask = case()
    fill.requires_grad_(), image.requires_grad_()
    weight = torch.ones_like(image)
    weight[0, 0, 8, 8] = float("nan")
    grads = torch.autograd.grad(poisson_blend(fill, image, mask), (fill, image), weight)
    for grad in grads:
        assert grad[0, 0, 4, 7].isnan()
        assert grad[0, 1].isfinite().all()
        assert grad[0, 0, 0, 0].isfinite()


def test_threads_share_a_solver():
    """Both dtypes at once, each prepared by whichever thread comes first."""
    data = {dtype: case(40, 3, dtype) for dtype in (torch.float32, torch.float64)}
    mask = data[torch.float32][2]
    want = {dtype: poisson_blend(fill, image, mask) for dtype, (fill, image, _) in data.items()}
    for _ in range(3):
        solver = PoissonSolver(mask)

        def solve(i, solver=solver):
            dtype = (torch.float32, torch.float64)[i % 2]
            ok = torch.equal(solver.solve(*data[dtype][:2]), want[dtype])
            return ok and solver.bytes > 0 and solver.last[0] > 0

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(solve, range(24)))
