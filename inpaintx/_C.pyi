from collections.abc import Sequence
from typing import Any

from torch import Tensor

def partial_conv2d(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    scale_by_sum: bool,
    mask_channels: Sequence[int],
) -> tuple[Tensor, Tensor]: ...
def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor: ...
def spd_map(mask: Tensor, n: int, kernel_size: int, improved: bool, k: float, freeze: bool) -> Tensor: ...
def hog(x: Tensor, cell: int, block: int, bins: int, clip: float) -> tuple[Tensor, Tensor]: ...
def ssim(x: Tensor, y: Tensor, weight: Tensor | None, kernel_size: int, sigma: float, data_range: float) -> Tensor: ...
def spd_norm(x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float) -> Tensor: ...
def patchmatch(
    source: Tensor,
    target: Tensor,
    source_valid: Tensor,
    kernel_size: int,
    iterations: int,
    seed: int,
    init: Tensor | None,
    where: Tensor | None,
) -> tuple[Tensor, Tensor]: ...
def detail_transfer(
    source: Tensor,
    target: Tensor,
    residual: Tensor,
    source_valid: Tensor,
    mask: Tensor,
    kernel_size: int,
    iterations: int,
    seed: int,
) -> Tensor: ...
def tv_inpaint(image: Tensor, mask: Tensor, tol: float, max_iter: int) -> Tensor: ...
def efros_leung(image: Tensor, mask: Tensor, kernel_size: int, seed: int, reach: int) -> Tensor: ...
def poisson_blend(
    fill: Tensor,
    image: Tensor,
    mask: Tensor,
    tol: float = 1e-6,
    max_iter: int | None = None,
    hierarchy: Tensor | None = None,
) -> Tensor: ...
def choose_fused_partial_conv(chosen: bool) -> None: ...
def empty_cache() -> int: ...
def build_info() -> dict[str, Any]: ...

class PoissonSolver:
    def __init__(self, mask: Tensor) -> None: ...
    def solve(self, fill: Tensor, image: Tensor, tol: float = 1e-6, max_iter: int | None = None) -> Tensor: ...
    @property
    def bytes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int, int, int]: ...
    @property
    def last(self) -> tuple[int, float]: ...
