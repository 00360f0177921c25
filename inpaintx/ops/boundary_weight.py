"""Weights of known pixels that rise towards the hole, for the context loss of latent search."""

import torch.nn.functional as F
from torch import Tensor

from inpaintx.errors import renamed
from inpaintx.ops.context_weight import as_hole

__all__ = ["boundary_weight"]


@renamed(k="kernel_size")
def boundary_weight(mask: Tensor, kernel_size: int = 7, alpha: float = 2.0) -> Tensor:
    """Weight 1 far from the hole, and more the more hole pixels a window shows: 1 + α · mean of the mask in it.

    Parameters
    ----------
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype or bool. No gradient.
    kernel_size
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
    >>> import torch
    >>> mask = torch.zeros(1, 1, 1, 5)
    >>> mask[..., 4] = 1
    >>> boundary_weight(mask, kernel_size=3, alpha=9).flatten().tolist()
    [1.0, 1.0, 1.0, 2.0, 2.0]
    """
    return 1 + alpha * F.avg_pool2d(as_hole("boundary_weight", mask, kernel_size), kernel_size, 1, kernel_size // 2)
