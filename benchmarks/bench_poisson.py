"""poisson_blend to half a grey level of the exact solution, set-up included, against OpenCV, pyamg, fpie and copies."""

import numpy as np
import pytest
import torch

import inpaintx
from inpaintx.benchmark import optional
from inpaintx.ops import poisson_blend

cv2, pyamg, sparse, fpie = (optional(name) for name in ("cv2", "pyamg", "scipy.sparse", "fpie.process"))
CYCLES = 2
HOLES = ("rectangle", "strokes", "blob")
# at most this share of seamlessClone's time, by side and hole
GOALS = {
    64: dict.fromkeys(HOLES, 1 / 4),
    256: dict.fromkeys(HOLES, 1 / 10),
    1024: {"rectangle": 1 / 15, "strokes": 1 / 30, "blob": 1 / 30},
    2048: {"blob": 1 / 40},
}
AMG = {"rectangle": 1 / 150, "strokes": 1 / 50, "blob": 1 / 150}  # at 1024


def smooth_noise(side, seed):
    """Three channels with the spectrum of photographs, in [0,1]."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    planes = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, side, side))) / frequency, (side, side))
    low, high = planes.min((1, 2), keepdims=True), planes.max((1, 2), keepdims=True)
    return torch.from_numpy(((planes - low) / (high - low)).astype(np.float32))[None]


def hole(side, kind):
    """30 % rectangle, 25 % strokes, or a blob of 60 % of the image."""
    mask = torch.zeros(1, 1, side, side)
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    if kind == "rectangle":
        edge = round(side * (1 - 0.3**0.5) / 2)
        mask[..., edge : side - edge, edge : side - edge] = 1
    elif kind == "blob":
        angle = torch.atan2(y, x)
        mask[0, 0] = (torch.hypot(x, y) < 0.87 * (1 + 0.08 * torch.sin(5 * angle))).float()
    else:
        mask[0, 0] = (
            ((4 * x + torch.sin(5 * y)).remainder(1) < 0.15).logical_or((3 * y - x).remainder(1) < 0.12).float()
        )
    mask[..., 0, :] = mask[..., -1, :] = mask[..., :, 0] = mask[..., :, -1] = 0  # seamlessClone leaves the frame alone
    return mask


def amg_solver(mask):
    """pyamg's Ruge-Stuben on the same masked system, assembled beforehand: set-up and solve."""
    inside = mask[0, 0].numpy() > 0
    index = np.cumsum(inside.ravel()).reshape(inside.shape) - 1
    count = int(inside.sum())
    rows, columns = [], []
    for dy, dx in ((0, 1), (1, 0)):
        a, b = inside[: -dy or None, : -dx or None], inside[dy:, dx:]
        both = a & b
        i, j = index[: -dy or None, : -dx or None][both], index[dy:, dx:][both]
        rows += [i, j]
        columns += [j, i]
    off = sparse.coo_matrix(
        (np.full(sum(map(len, rows)), -1.0), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    )
    matrix = (off + 4 * sparse.identity(count)).tocsr()
    right = np.random.default_rng(0).standard_normal((count, 3))

    def solve():
        hierarchy = pyamg.ruge_stuben_solver(matrix)
        for channel in range(3):
            hierarchy.solve(right[:, channel], tol=1e-6, accel="cg")

    return solve


@pytest.mark.parametrize(("side", "kind"), [(s, k) for s, goals in GOALS.items() for k in goals])
def test_blend(versus, threads, benchmark, side, kind):
    fill, image, mask = smooth_noise(side, 1), smooth_noise(side, 2), hole(side, kind)
    exact = poisson_blend(fill.double(), image.double(), mask.double(), tol=1e-10)
    error = (poisson_blend(fill, image, mask, max_iter=CYCLES) - exact).abs().max().item() * 255
    assert error < 0.5, f"{CYCLES} cycles leave {error:.2f} grey levels"
    source, target = ((t[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8) for t in (fill, image))
    bytes_ = (mask[0, 0].numpy() * 255).astype(np.uint8)
    ys, xs = np.nonzero(bytes_)
    center = (int(xs.min() + xs.max() + 1) // 2, int(ys.min() + ys.max() + 1) // 2)
    out = torch.empty_like(image)
    large = side >= 1024
    versus(
        lambda: poisson_blend(fill, image, mask, max_iter=CYCLES),
        {
            "cv2.seamlessClone": (lambda: cv2.seamlessClone(source, target, bytes_, center, cv2.NORMAL_CLONE))
            if cv2 and hasattr(cv2, "seamlessClone")
            else None,
            "pyamg": amg_solver(mask) if pyamg and sparse and side in (256, 1024) else None,
            "copy": lambda: out.copy_(image),
        },
        goal={
            "cv2.seamlessClone": GOALS[side][kind],
            **({"pyamg": AMG[kind]} if side == 1024 else {}),
            **({"copy": 12.0} if (side, kind) == (1024, "blob") else {}),
        },
        size=int(mask.sum()),
        **({"rounds": 5} if large else {}),
    )
    benchmark.extra_info["max_error_levels"] = error


@pytest.mark.parametrize("kind", HOLES)
def test_prepared_solver(versus, threads, kind):
    fill, image, mask = smooth_noise(1024, 1), smooth_noise(1024, 2), hole(1024, kind)
    solver = inpaintx.PoissonSolver(mask)
    versus(
        lambda: solver.solve(fill, image, max_iter=CYCLES),
        {"own first solve": lambda: inpaintx.PoissonSolver(mask).solve(fill, image, max_iter=CYCLES)},
        size=int(mask.sum()),
        rounds=10,
    )


@pytest.mark.parametrize("side", [256, 512, 1024, 2048])
def test_growth(versus, threads, side):
    fill, image, mask = smooth_noise(side, 1), smooth_noise(side, 2), hole(side, "blob")
    out = torch.empty_like(image)
    versus(
        lambda: poisson_blend(fill, image, mask, tol=1e-3),
        {"copy": lambda: out.copy_(image)},
        size=int(mask.sum()),
        rounds=5,
    )
