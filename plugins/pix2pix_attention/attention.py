"""Where a pixel looks: the attention of a trained network, as a picture."""

import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError

from .network import AttentionUNet, conditional_input, weights_of

__all__ = ["attention_map"]


@torch.no_grad()
def attention_map(net: AttentionUNet, image: Tensor, mask: Tensor, row: int, column: int) -> Tensor:
    """Where the pixel (row, column) of the image looks, on the way down.

    Parameters
    ----------
    net
        A network of :class:`Pix2PixAttention`, with attention.
    image, mask
        ``[B,3,H,W]`` in [0,1] and ``[B,1,H,W]``, 1 = hole; sides multiples of 2 to the power of ``levels``.

    Returns
    -------
    Tensor
        ``[B,1,H,W]``: weights of an eighth of the size, enlarged (nearest), divided by the largest.
    """
    if net.attention_down is None:
        raise InpaintxError("this network has no attention (attention=false, or fewer than four levels)")
    x = conditional_input(image, mask, net.config.mask_input)
    for down in net.encoder[:3]:
        x = down(x)
    weights = weights_of(net.attention_down, x, row // 8, column // 8)[:, None]
    enlarged = nn.functional.interpolate(weights, scale_factor=8.0, mode="nearest")
    return enlarged / enlarged.amax((2, 3), keepdim=True)
