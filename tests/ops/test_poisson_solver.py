"""PoissonSolver, kept for a mask, against poisson_blend."""

import pytest
import torch
from test_poisson import draw, shape_mask

from inpaintx.ops.poisson import PoissonSolver, poisson_blend


def test_solver_gives_the_same_bits_fresh_and_reused():
    mask = shape_mask("blob", 120, 97)
    kept = PoissonSolver(mask)
    for seed in range(3):
        for dtype in (torch.float32, torch.float64):
            fill, image = draw(120, 97, dtype=dtype, seed=seed)
            want = poisson_blend(fill, image, mask)
            assert torch.equal(kept.solve(fill, image), want)
            assert torch.equal(PoissonSolver(mask[0, 0]).solve(fill, image), want)
    fill[0, 0, 60, 50] = float("nan")  # nor does a broken image leave anything behind
    broken = fill.clone()
    broken[0, :, :, :] = float("inf")
    kept.solve(broken, image)
    fill, image = draw(120, 97, seed=9)
    assert torch.equal(kept.solve(fill, image), poisson_blend(fill, image, mask))


def test_solver_takes_batches():
    size = (36, 52)
    masks = torch.cat([shape_mask(k, *size) for k in ("blob", "full", "strokes")])
    fill, image = draw(*size, batch=3)
    each = PoissonSolver(masks)
    assert each.shape == (3, 1, *size)
    assert torch.equal(each.solve(fill, image), poisson_blend(fill, image, masks))
    one = PoissonSolver(masks[0, 0])
    assert one.shape == (1, 1, *size)
    assert torch.equal(one.solve(fill, image, 1e-4, 3), poisson_blend(fill, image, masks[:1], tol=1e-4, max_iter=3))
    assert one.bytes > 0
    assert PoissonSolver(torch.zeros(9, 9)).bytes < one.bytes


@pytest.mark.parametrize("size", [(1, 600), (600, 1), (2, 600), (600, 2)])
def test_lines_of_pixels(size):
    """A line's equations have larger eigenvalues than a plane's, and smoothing must not enlarge their errors."""
    fill, image = draw(*size, dtype=torch.float64)
    mask = torch.ones(1, 1, *size)
    mask.flatten()[::97] = 0
    solver = PoissonSolver(mask)
    solver.solve(fill, image, 1e-10)
    cycles, residual = solver.last
    assert residual <= 1e-10
    assert cycles <= 12
