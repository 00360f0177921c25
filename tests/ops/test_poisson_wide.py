"""Poisson blending of wide holes, on several grids."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from test_poisson import HALF_LEVEL, draw

from inpaintx.ops.poisson import PoissonSolver, poisson_blend


def wide_hole(kind, height, width):
    """Holes with many uniform spans, on one grid and on several."""
    y, x = np.mgrid[:height, :width]
    if kind == "disc":
        hole = np.hypot(y / height - 0.5, x / width - 0.5) < 0.45
    elif kind == "at the edge":
        hole = np.hypot(y / height - 1.0, x / width) < 0.8
    elif kind == "with islands":
        hole = np.zeros((height, width), bool)
        hole[3:-5, 9:-2] = True
        hole[height // 2 :, width // 3 : width // 3 + 4] = hole[height // 4 : height // 4 + 5, -60:-53] = False
    else:
        raise ValueError(kind)
    return torch.tensor(hole)[None, None]


@pytest.mark.parametrize("size", [(300, 257), (601, 640), (1201, 1280)])
@pytest.mark.parametrize("kind", ["disc", "at the edge", "with islands"])
def test_two_cycles(kind, size, threads):
    """Near the exact solution on smooth data; the same bits for any threads, fresh and after other solves; NaN kept."""
    noise = draw(*size)
    fill, image = (
        torch.tensor(ndimage.gaussian_filter(t.numpy(), (0, 0, 2, 2))) * 4 - 1.5 for t in noise
    )  # about as steep as a photograph, in [0,1]
    mask = wide_hole(kind, *size)
    want = poisson_blend(fill.double(), image.double(), mask, tol=1e-11)
    solver = PoissonSolver(mask)
    solver.solve(*noise)
    results = []
    for count in (1, 2, 7):
        threads(count)
        results += [poisson_blend(fill, image, mask, max_iter=2), solver.solve(fill, image, max_iter=2)]
    for got in results[1:]:
        assert torch.equal(got, results[0])
    error = (results[0] - want).abs().max()
    assert error < HALF_LEVEL
    assert (solver.solve(fill, image, max_iter=3) - want).abs().max() < error
    broken = image.clone()
    broken[0, 1] = float("nan")
    got = solver.solve(fill, broken, max_iter=2)
    assert torch.equal(got[0, [0, 2]], results[0][0, [0, 2]])
    assert torch.equal(solver.solve(fill, image, max_iter=2), results[0])
    double = poisson_blend(fill.double(), image.double(), mask, max_iter=2)
    assert (double - results[0]).abs().max() < 1e-4


def test_nothing_of_an_earlier_solve_is_left():
    """Without a rim to speak of there is no cycle, and what is far from the rim must not be the last image's."""
    size = (640, 601)
    mask = wide_hole("disc", *size)
    noise, photo = draw(*size), draw(*size, seed=1)[0]
    solver = PoissonSolver(mask)
    solver.solve(*noise, max_iter=2)
    assert torch.equal(solver.solve(photo, photo), photo)
    for limits in ({"tol": 1.0}, {"max_iter": 0}):
        solver.solve(*noise)
        got = solver.solve(photo, noise[1], **limits)
        assert torch.equal(got, torch.where(mask, photo, noise[1]))
    two = torch.cat([noise[0], photo])
    assert torch.equal(poisson_blend(two, torch.cat([noise[1], photo]), mask)[1], photo[0])
    many = torch.cat([noise[0], photo, photo], 1)
    got = poisson_blend(many, torch.cat([noise[1], photo, photo], 1), mask)
    assert torch.equal(got[:, 6:], photo)
    broken = torch.full_like(photo, float("nan"))
    solver.solve(*noise)
    got = solver.solve(photo, broken)
    assert got[mask.expand_as(got)].isnan().all()


def test_scratches_beside_a_wide_hole():
    """Lines of one pixel, of which coarser grids know nothing, in memory that others have left full of NaN."""
    y, x = np.mgrid[:600, :650]
    hole = np.hypot(y - 300, x - 300) < 290
    hole[10:590, 595:646:5] = hole[11:590:4, 600:646] = hole[1] = True
    mask = torch.tensor(hole)[None, None]
    fill, image = draw(600, 650)
    want = poisson_blend(fill.double(), image.double(), mask, tol=1e-11)
    before = poisson_blend(fill, image, mask, max_iter=2)
    for size in (2**12, 2**14, 2**16, 2**18):
        left = [torch.full((size,), float("nan")) for _ in range(2**21 // size)]
        del left
        assert torch.equal(poisson_blend(fill, image, mask, max_iter=2), before)
        assert (poisson_blend(fill, image, mask, tol=1e-6) - want).abs().max() < 1e-4


@given(
    size=st.tuples(st.integers(60, 340), st.integers(60, 420)),
    known=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 30)), min_size=1, max_size=3),
    seed=st.integers(0, 5),
)
@example(size=(60, 279), known=[(1.0, 1.0, 1)], seed=0)  # the third cycle hardly helps, the next ones do
@settings(max_examples=40, deadline=None)
def test_any_wide_hole(size, known, seed):
    """Cycles end where the blend's gradients have the divergence of the fill's."""
    hole = np.ones(size, bool)
    for y, x, side in known:
        top, left = round(y * (size[0] - 1)), round(x * (size[1] - 1))
        hole[top : top + side, left : left + side] = False
    mask = torch.tensor(hole)[None, None]
    fill, image = draw(*size, channels=1, dtype=torch.float64, seed=seed)
    got = poisson_blend(fill, torch.where(mask, float("nan"), image), mask, tol=1e-12)
    residual = torch.zeros_like(got)
    for axis in (2, 3):
        step, n = (got - fill).diff(dim=axis), size[axis - 2] - 1
        residual.narrow(axis, 0, n).sub_(step)
        residual.narrow(axis, 1, n).add_(step)
    assert residual[mask].abs().max() < 1e-11
    assert torch.equal(got[~mask], image[~mask])
