"""Probability maps of SPDNorm: weights of hole pixels that fall with the distance from what is known."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import has_kernel

__all__ = ["SPDMap", "spd_map", "spd_map_ref"]

Kind = Literal["hard", "improved"]
Update = Literal["diffuse", "freeze"]


def spd_map(
    mask: Tensor,
    n: int,
    kernel_size: int = 3,
    *,
    kind: Kind = "hard",
    k: float = math.e,
    update: Update = "diffuse",
) -> Tensor:
    """Probability map of a mask by ``n`` dilations of the known region.

    Parameters
    ----------
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype or bool. No gradient.
    n
        Number of steps, at least 0.
    kernel_size
        Odd side of the window of a step, in pixels.
    kind
        ``"hard"``: ring i has the value k^-i, and what n steps do not reach that of ring n. ``"improved"``: in
        each step a hole pixel takes the mean of its window (outside the image counts as 0).
    k
        Base of the hard map's fall; the paper writes 1/k^i, its code uses e.
    update
        Of the improved map: ``"diffuse"`` averages all hole pixels anew in each step, ``"freeze"`` assigns a
        pixel once, when it is first reached.

    Returns
    -------
    Tensor
        ``[B,1,H,W]`` float32 in [0,1], 1 at known pixels.

    Raises
    ------
    ValueError
        A shape or option that does not fit.

    Notes
    -----
    The hard map costs the same for every n: its rings are a chessboard distance transform.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021, eq. 4 and 5 (hard).

    Examples
    --------
    >>> mask = torch.zeros(1, 1, 1, 6)
    >>> mask[..., 2:] = 1
    >>> [round(v, 3) for v in spd_map(mask, 2).flatten().tolist()]
    [1.0, 1.0, 0.368, 0.135, 0.135, 0.135]
    """
    if kind not in ("hard", "improved"):
        raise ValueError(f"spd_map: kind must be 'hard' or 'improved', got {kind!r}")
    if update not in ("diffuse", "freeze"):
        raise ValueError(f"spd_map: update must be 'diffuse' or 'freeze', got {update!r}")
    args = (mask, n, kernel_size, kind == "improved", k, update == "freeze")
    if is_dynamo_compiling():
        compiled: Tensor = torch.ops.inpaintx.spd_map(*args)
        return compiled
    if not has_kernel("spd_map", mask):
        return spd_map_ref(mask, n, kernel_size, kind=kind, k=k, update=update)
    result: Tensor = _C.spd_map(*args)
    return result


def spd_map_ref(
    mask: Tensor,
    n: int,
    kernel_size: int = 3,
    *,
    kind: Kind = "hard",
    k: float = math.e,
    update: Update = "diffuse",
) -> Tensor:
    """Slow reference of :func:`spd_map`: the formulas step by step, on any device."""
    hole = mask > 0.5
    window = torch.ones(1, 1, kernel_size, kernel_size, device=mask.device)
    known = (~hole).float()
    now, total = known, known
    for i in range(1, n + 1):
        near = F.conv2d(now, window, padding=kernel_size // 2)
        if kind == "hard":
            reached = (near > 0).float()
            total = total + k**-i * (reached - now)
        else:
            mean = near / kernel_size**2
            reached = torch.where(hole if update == "diffuse" else hole & (now == 0), mean, now)
        now = reached
    return total + k**-n * (1 - now) if kind == "hard" else now


class SPDMap(nn.Module):
    """Layer of :func:`spd_map` with fixed options."""

    def __init__(
        self, n: int, kernel_size: int = 3, *, kind: Kind = "hard", k: float = math.e, update: Update = "diffuse"
    ) -> None:
        super().__init__()
        self.n, self.kernel_size, self.k = n, kernel_size, k
        self.kind: Kind = kind
        self.update: Update = update

    def forward(self, mask: Tensor) -> Tensor:
        """``[B,1,H,W]`` (1 = hole) to ``[B,1,H,W]`` float32."""
        return spd_map(mask, self.n, self.kernel_size, kind=self.kind, k=self.k, update=self.update)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"n={self.n}, kernel_size={self.kernel_size}, kind={self.kind!r}, k={self.k:g}, update={self.update!r}"


@torch.library.register_fake("inpaintx::spd_map")
def _fake(
    mask: Tensor, n: int, kernel_size: int = 3, improved: bool = False, k: float = math.e, freeze: bool = False
) -> Tensor:
    return mask.new_empty(mask.shape, dtype=torch.float32)
