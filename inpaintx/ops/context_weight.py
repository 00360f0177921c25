"""Weights of known pixels by how much of their window is hole, for the context loss of latent search."""

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.errors import renamed

__all__ = ["as_hole", "context_weight"]


@renamed(k="kernel_size")
def context_weight(mask: Tensor, kernel_size: int = 7) -> Tensor:
    """Weight of a known pixel: the part of its window that is hole; 0 on hole pixels (Yeh et al.).

    Parameters
    ----------
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype or bool. No gradient.
    kernel_size
        Odd side of the window, in pixels. At the image's edge the mask is mirrored, its outermost pixels repeated.

    Returns
    -------
    Tensor
        ``[B,1,H,W]`` float32 in [0,1].

    Raises
    ------
    ValueError
        A shape or option that does not fit.

    References
    ----------
    Yeh et al., "Semantic Image Inpainting with Deep Generative Models", CVPR 2017, eq. 2 and 3.

    Examples
    --------
    >>> mask = torch.zeros(1, 1, 1, 4)
    >>> mask[..., 3] = 1
    >>> [round(v, 2) for v in context_weight(mask, kernel_size=3).flatten().tolist()]
    [0.0, 0.0, 0.33, 0.0]
    """
    hole = as_hole("context_weight", mask, kernel_size)
    mirrored = hole[..., _mirror(mask.shape[2], kernel_size // 2, mask.device), :][
        ..., _mirror(mask.shape[3], kernel_size // 2, mask.device)
    ]
    return (1 - hole) * F.avg_pool2d(mirrored, kernel_size, 1)


def as_hole(op: str, mask: Tensor, kernel_size: int) -> Tensor:
    """The mask in float32, 0 or 1, after a check of it and of a window's side."""
    if mask.dim() != 4 or mask.shape[1] != 1 or mask.is_complex():
        raise ValueError(f"{op}: mask must be real [B,1,H,W] (1 = hole), got {mask.dtype} {list(mask.shape)}")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"{op}: kernel_size must be odd and positive, got {kernel_size}")
    return (mask > 0.5).float()


def _mirror(length: int, rim: int, device: torch.device) -> Tensor:
    """Indices from -rim to length + rim - 1 of a row continued by its mirror image, edge pixels repeated."""
    at = torch.arange(-rim, length + rim, device=device) % (2 * length)
    return torch.where(at < length, at, 2 * length - 1 - at)
