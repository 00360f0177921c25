"""Approximate nearest neighbour fields between the patches of two images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.errors import renamed
from inpaintx.ops._native import check_same_device, has_kernel

__all__ = ["PatchMatch", "patchmatch", "patchmatch_ref"]


@renamed(patch="kernel_size")
def patchmatch(
    source: Tensor,
    target: Tensor,
    source_valid: Tensor,
    kernel_size: int = 7,
    iterations: int = 5,
    seed: int = 0,
    *,
    init: Tensor | None = None,
    where: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """For the patch around each target pixel, find a similar patch of the source.

    Each round walks over the target in scan order, forwards and backwards in turn: a pixel tries the shifted match
    of the two neighbours that came before it, then random places around its own match at radii max(Hs,Ws), half
    of it, and so on down to 1.

    Parameters
    ----------
    source, target
        ``[B,C,Hs,Ws]`` and ``[B,C,H,W]``, or both without ``B``; floating point. No gradient.
    source_valid
        ``[B,1,Hs,Ws]``, ``[1,1,Hs,Ws]`` or ``[1,Hs,Ws]``, any real dtype. **1 = may be copied from (above 0.5): the
        inverse of a mask, in which 1 = hole.** Only patches that lie wholly inside the source and are valid in every
        pixel are candidates.
    kernel_size
        Side of a patch in pixels, odd.
    iterations
        Rounds; 0 returns the starting field with its costs.
    seed
        Of the random numbers, which are a function of (seed, round, row, column): the same on any number of threads,
        alone or in a batch.
    init
        ``[B,H,W,2]`` integers, a first guess; entries that are not candidates (-1, say) start at random.
    where
        ``[B,1,H,W]`` bool, the target pixels that are wanted; the others get -1 and infinity.

    Returns
    -------
    nnf : Tensor
        ``[B,H,W,2]`` int32, row and column of the centre of the matching source patch (``[H,W,2]`` without ``B``);
        **-1 where an image has no candidate at all**.
    cost : Tensor
        ``[B,H,W]`` float32: sum of squared differences over the patch's pixels inside the target image, over all
        channels, divided by the number of these pixels; infinity where ``nnf`` is -1.

    Raises
    ------
    ValueError
        A shape, dtype or option that does not fit.

    Notes
    -----
    On the CPU an image is searched in exact serial order and a batch over threads. Sums run in float32, in float64 if
    either image is float64.

    References
    ----------
    Barnes, Shechtman, Finkelstein and Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image
    Editing", SIGGRAPH 2009, section 3.

    Examples
    --------
    >>> image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> nnf, cost = patchmatch(image[:, 2:], image, torch.ones(1, 30, 32), iterations=8)
    >>> nnf[20, 20].tolist(), float(cost[20, 20])
    ([18, 20], 0.0)
    """
    single = target.dim() == 3
    if single:
        source, target, source_valid = source[None], target[None], source_valid[None]
        init, where = (x if x is None else x[None] for x in (init, where))
    if is_dynamo_compiling():
        nnf, cost = torch.ops.inpaintx.patchmatch(
            source, target, source_valid, kernel_size, iterations, seed, init, where
        )
    elif has_kernel("patchmatch", target):
        nnf, cost = _C.patchmatch(source, target, source_valid, kernel_size, iterations, seed, init, where)
    else:
        nnf, cost = patchmatch_ref(source, target, source_valid, kernel_size, where=where)
    return (nnf[0], cost[0]) if single else (nnf, cost)


@renamed(patch="kernel_size")
def patchmatch_ref(
    source: Tensor, target: Tensor, source_valid: Tensor, kernel_size: int = 7, *, where: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Exact nearest neighbours by trying every candidate: no cost of :func:`patchmatch` is lower. On any device."""
    if target.dim() == 3:
        nnf, cost = patchmatch_ref(
            source[None], target[None], source_valid[None], kernel_size, where=None if where is None else where[None]
        )
        return nnf[0], cost[0]
    wide = torch.promote_types(torch.promote_types(source.dtype, target.dtype), torch.float32)
    source, target = source.detach().to(wide), target.detach().to(wide)
    (batch, _, height, width), r = target.shape, kernel_size // 2
    nnf = torch.full((batch, height, width, 2), -1, dtype=torch.int32, device=target.device)
    cost = torch.full((batch, height, width), torch.inf, device=target.device)
    usable = (source_valid > 0.5).expand(batch, 1, -1, -1)
    if min(source.shape[2:]) < kernel_size:
        return nnf, cost
    inside = F.unfold(torch.ones_like(target[:1, :1]), kernel_size, padding=r)[0].T  # [H*W, patch²]
    for b in range(batch):
        good = F.unfold(usable[b : b + 1].to(wide), kernel_size)[0].amin(0) > 0
        index = good.nonzero()[:, 0]
        if not len(index):
            continue
        # [N, C, patch²] each; pixels outside the target weigh nothing
        candidates = F.unfold(source[b : b + 1], kernel_size)[0].T[index].unflatten(1, (-1, kernel_size**2))
        wanted = F.unfold(target[b : b + 1], kernel_size, padding=r)[0].T.unflatten(1, (-1, kernel_size**2))
        for i in range(height * width):
            y, x = divmod(i, width)
            if where is not None and not where[b, 0, y, x]:
                continue
            d = ((candidates - wanted[i]).square() * inside[i]).sum((1, 2)) / inside[i].sum()
            k = d.argmin()
            columns = source.shape[3] - kernel_size + 1
            nnf[b, y, x, 0], nnf[b, y, x, 1] = index[k] // columns + r, index[k] % columns + r
            cost[b, y, x] = d[k]
    return nnf, cost


class PatchMatch(nn.Module):
    """Layer of :func:`patchmatch` with fixed options."""

    @renamed(patch="kernel_size")
    def __init__(self, kernel_size: int = 7, iterations: int = 5, seed: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.iterations, self.seed = kernel_size, iterations, seed

    def forward(self, source: Tensor, target: Tensor, source_valid: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,Hs,Ws]``, ``[B,C,H,W]`` and ``[B,1,Hs,Ws]`` (1 = usable) to ``[B,H,W,2]`` and ``[B,H,W]``."""
        return patchmatch(source, target, source_valid, self.kernel_size, self.iterations, self.seed)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"kernel_size={self.kernel_size}, iterations={self.iterations}, seed={self.seed}"


@torch.library.register_fake("inpaintx::patchmatch")
def _fake(
    source: Tensor,
    target: Tensor,
    source_valid: Tensor,
    kernel_size: int = 7,
    iterations: int = 5,
    seed: int = 0,
    init: Tensor | None = None,
    where: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    check_same_device("patchmatch", target, source=source, source_valid=source_valid, init=init, where=where)
    batch, _, height, width = target.shape
    return (
        target.new_empty((batch, height, width, 2), dtype=torch.int32),
        target.new_empty((batch, height, width), dtype=torch.float32),
    )
