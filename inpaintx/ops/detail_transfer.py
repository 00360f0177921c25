"""Detail of places that look alike: a search for nearest patches, and a vote of what they have to add."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel
from inpaintx.ops.patchmatch import patchmatch_ref

__all__ = ["DetailTransfer", "detail_transfer", "detail_transfer_ref"]

EXACT = 1e-10  # a median cost below this is taken as this


def detail_transfer(
    source: Tensor,
    target: Tensor,
    residual: Tensor,
    source_valid: Tensor,
    mask: Tensor,
    kernel_size: int = 5,
    iterations: int = 5,
    seed: int = 0,
) -> Tensor:
    """Give each hole pixel of a target the mean residual of the source patches that look like it.

    For each target patch that has a hole pixel a similar patch of the source is found, as by
    :func:`inpaintx.ops.patchmatch`. All patches over a hole pixel then vote: each with the residual that its match has
    at that pixel, weighted by exp(-cost / (2 · median cost)), where the median is that of the image.

    Parameters
    ----------
    source, target
        Features to match by, ``[B,C,Hs,Ws]`` and ``[B,C,H,W]``; floating point. No gradient.
    residual
        ``[B,R,Hs,Ws]``, what the source's pixels have to give; floating point.
    source_valid
        ``[B,1,Hs,Ws]`` or ``[1,1,Hs,Ws]``, any real dtype. **1 = may be taken from (above 0.5): a mask inverted.**
        Only patches that lie wholly inside the source and are valid in every pixel are candidates.
    mask
        ``[B,1,H,W]`` or ``[1,1,H,W]``, any real dtype, 1 = hole (above 0.5).
    kernel_size
        Side of a patch in pixels, odd.
    iterations
        Rounds of the search.
    seed
        Of the search's random numbers. The result is the same on any number of threads, alone or in a batch.

    Returns
    -------
    Tensor
        ``[B,R,H,W]`` in the dtype of ``residual``: 0 outside the hole, and where an image has no candidate.

    Raises
    ------
    ValueError
        A shape, dtype, device or option that does not fit.

    Notes
    -----
    On the CPU threads share an image in strips of 64 rows: up to that height, the matches are those of
    :func:`inpaintx.ops.patchmatch`. Sums run in float32, in float64 where the inputs are float64. What should be
    matched as well (gradients, places) is a channel of ``source`` and ``target``, scaled by its weight.

    Examples
    --------
    >>> low = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    >>> mask = torch.zeros(1, 1, 32, 32)
    >>> mask[..., 10:20, 10:20] = 1
    >>> detail = detail_transfer(low, low, torch.full_like(low, 0.1), 1 - mask, mask)
    >>> round(float(detail[0, 0, 15, 15]), 4), float(detail[0, 0, 0, 0])
    (0.1, 0.0)
    """
    if not has_kernel("detail_transfer", target):
        return detail_transfer_ref(source, target, residual, source_valid, mask, kernel_size)
    if is_dynamo_compiling():
        result: Tensor = torch.ops.inpaintx.detail_transfer(
            source, target, residual, source_valid, mask, kernel_size, iterations, seed
        )
        return result
    return _C.detail_transfer(source, target, residual, source_valid, mask, kernel_size, iterations, seed)


def detail_transfer_ref(
    source: Tensor, target: Tensor, residual: Tensor, source_valid: Tensor, mask: Tensor, kernel_size: int = 5
) -> Tensor:
    """Try every candidate, so that matches are the nearest there are. On any device."""
    hole = (mask > 0.5).expand(len(target), 1, -1, -1)
    touched = F.max_pool2d(F.pad(hole.float(), [kernel_size // 2] * 4), kernel_size, 1) > 0
    nnf, cost = patchmatch_ref(source, target, source_valid, kernel_size, where=touched)
    return votes_ref(residual, nnf, cost, hole, kernel_size)


def votes_ref(residual: Tensor, nnf: Tensor, cost: Tensor, hole: Tensor, kernel_size: int) -> Tensor:
    """Let the patches of a field vote, an offset of the pixel in its patch after the other.

    Parameters
    ----------
    residual, hole, kernel_size
        As for :func:`detail_transfer`; ``hole`` ``[B,1,H,W]`` bool.
    nnf, cost
        As :func:`inpaintx.ops.patchmatch` returns them.
    """
    wide = torch.promote_types(residual.dtype, torch.float32)
    (batch, height, width, _), r = nnf.shape, kernel_size // 2
    detail = residual.new_zeros((batch, residual.shape[1], height, width), dtype=wide)
    for b in range(batch):
        y, x = torch.isfinite(cost[b]).nonzero().unbind(1)
        if not len(y):
            continue
        weight = torch.exp(-cost[b, y, x] / (2 * cost[b, y, x].median().clamp_min(EXACT))).to(wide)
        row, column = nnf[b, y, x].long().unbind(1)
        total = torch.zeros(height, width, dtype=wide, device=residual.device)
        for v in range(-r, r + 1):
            for u in range(-r, r + 1):
                k = (y + v >= 0) & (y + v < height) & (x + u >= 0) & (x + u < width)
                at = y[k] + v, x[k] + u
                detail[b][:, at[0], at[1]] += residual[b][:, row[k] + v, column[k] + u].to(wide) * weight[k]
                total[at] += weight[k]
        detail[b] /= torch.where(total > 0, total, torch.ones_like(total))
    return torch.where(hole, detail, 0).to(residual.dtype)


class DetailTransfer(nn.Module):
    """Layer of :func:`detail_transfer` with fixed options."""

    def __init__(self, kernel_size: int = 5, iterations: int = 5, seed: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.iterations, self.seed = kernel_size, iterations, seed

    def forward(self, source: Tensor, target: Tensor, residual: Tensor, source_valid: Tensor, mask: Tensor) -> Tensor:
        """As :func:`detail_transfer`."""
        return detail_transfer(
            source, target, residual, source_valid, mask, self.kernel_size, self.iterations, self.seed
        )

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"kernel_size={self.kernel_size}, iterations={self.iterations}, seed={self.seed}"


@torch.library.register_fake("inpaintx::detail_transfer")
def _fake(
    source: Tensor,
    target: Tensor,
    residual: Tensor,
    source_valid: Tensor,
    mask: Tensor,
    kernel_size: int = 5,
    iterations: int = 5,
    seed: int = 0,
) -> Tensor:
    check_same_device("detail_transfer", target, source=source, residual=residual, source_valid=source_valid, mask=mask)
    batch, _, height, width = target.shape
    return residual.new_empty((batch, residual.shape[1], height, width))
