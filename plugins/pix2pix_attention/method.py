"""The method: options, presets, and how a hole is filled."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from inpaintx import Method, Trainer
from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std
from inpaintx.plugin.method import Weights

from .config import PRESETS, WEIGHTS, Pix2PixAttentionConfig
from .network import AttentionUNet, network_input, weights_of

__all__ = ["Pix2PixAttention", "attention_map"]


class Pix2PixAttention(Method):
    """Pix2Pix whose U-Net attends to distant pixels.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017; Zhang et al.,
    "Self-Attention Generative Adversarial Networks", ICML 2019.
    """

    name = "pix2pix_attention"
    paper = "https://arxiv.org/abs/1611.07004"
    requires_weights, blend = True, "poisson"
    Config = Pix2PixAttentionConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS

    def size_divisor(self, config: Any) -> int:
        """Halvings."""
        return 2**config.levels

    def build(self, config: Any) -> nn.Module:
        """Make the generator."""
        if config.size % 2**config.levels:
            raise InpaintxError(
                f"pix2pix_attention with levels={config.levels} needs a size that {2**config.levels} divides, got "
                f"{config.size}"
            )
        return AttentionUNet(
            3 + config.mask_input,
            config.width,
            config.levels,
            attention=config.attention,
            dropout=config.dropout,
            std=first_std(config.width, config.init_std),
        )

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One pass."""
        return ((net(network_input(image, mask, net.config.mask_input)) + 1) / 2).clamp(0, 1)

    def trainer(self, net: nn.Module, config: Any) -> Trainer:
        """Conditional GAN and L1."""
        from .trainer import Pix2PixTrainer

        return Pix2PixTrainer(net, config)


@torch.no_grad()
def attention_map(net: Any, image: Tensor, mask: Tensor, row: int, column: int) -> Tensor:
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
    x = network_input(image, mask, net.config.mask_input)
    for down in net.encoder[:3]:
        x = down(x)
    weights = weights_of(net.attention_down, x, row // 8, column // 8)[:, None]
    enlarged = nn.functional.interpolate(weights, scale_factor=8.0, mode="nearest")
    return enlarged / enlarged.amax((2, 3), keepdim=True)
