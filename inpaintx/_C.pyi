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
) -> tuple[Tensor, Tensor]: ...
def spd_map(mask: Tensor, n: int, kernel_size: int, improved: bool, k: float, freeze: bool) -> Tensor: ...
def hog(x: Tensor, cell: int, block: int, bins: int, clip: float) -> tuple[Tensor, Tensor]: ...
def patchmatch(
    source: Tensor,
    target: Tensor,
    source_valid: Tensor,
    patch: int,
    iterations: int,
    seed: int,
    init: Tensor | None,
    where: Tensor | None,
) -> tuple[Tensor, Tensor]: ...
def tv_inpaint(image: Tensor, mask: Tensor, tol: float, max_iter: int) -> Tensor: ...
def efros_leung(image: Tensor, mask: Tensor, window: int, seed: int) -> Tensor: ...
def build_info() -> dict[str, Any]: ...
