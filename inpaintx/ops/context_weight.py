"""Weights of known pixels by how much hole lies around them, for the context losses of latent search."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["boundary_weight", "yeh_weight"]


def boundary_weight(mask: Tensor, k: int = 7, alpha: float = 2.0) -> Tensor:
    """Weight 1 far from the hole, and more the more hole pixels a window shows: 1 + α · Σ_window mask / k².

    Parameters
    ----------
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype or bool. No gradient.
    k
        Odd side of the window, in pixels. Outside the image nothing counts as hole.
    alpha
        What a window full of hole adds.

    Returns
    -------
    Tensor
        ``[B,1,H,W]`` float32 in [1, 1 + α], on hole pixels too: multiply by 1 - mask where only known pixels count.

    Raises
    ------
    ValueError
        A shape or option that does not fit.

    References
    ----------
    Qiang et al., "Face Inpainting with Deep Generative Models", eq. 7 (its O - M is the hole).

    Examples
    --------
    >>> mask = torch.zeros(1, 1, 1, 5)
    >>> mask[..., 4] = 1
    >>> boundary_weight(mask, k=3, alpha=9).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 2.0]
    """
    return 1 + alpha * F.avg_pool2d(_hole("boundary_weight", mask, k), k, 1, k // 2)


def yeh_weight(mask: Tensor, k: int = 7) -> Tensor:
    """Weight of a known pixel: the part of its window that is hole; 0 on hole pixels.

    Parameters
    ----------
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype or bool. No gradient.
    k
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
    >>> [round(v, 2) for v in yeh_weight(mask, k=3).flatten().tolist()]
    [0.0, 0.0, 0.33, 0.0]
    """
    hole = _hole("yeh_weight", mask, k)
    mirrored = hole[..., _mirror(mask.shape[2], k // 2, mask.device), :][
        ..., _mirror(mask.shape[3], k // 2, mask.device)
    ]
    return (1 - hole) * F.avg_pool2d(mirrored, k, 1)


def _hole(op: str, mask: Tensor, k: int) -> Tensor:
    if mask.dim() != 4 or mask.shape[1] != 1 or mask.is_complex():
        raise ValueError(f"{op}: mask must be real [B,1,H,W] (1 = hole), got {mask.dtype} {list(mask.shape)}")
    if k < 1 or k % 2 == 0:
        raise ValueError(f"{op}: k must be odd and positive, got {k}")
    return (mask > 0.5).float()


def _mirror(length: int, rim: int, device: torch.device) -> Tensor:
    """Indices from -rim to length + rim - 1 of a row continued by its mirror image, edge pixels repeated."""
    at = torch.arange(-rim, length + rim, device=device) % (2 * length)
    return torch.where(at < length, at, 2 * length - 1 - at)
