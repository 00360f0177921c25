"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.errors import InpaintxError
from inpaintx.plugin.method import Weights

from .config import DATA, PRESETS, WEIGHTS, Pix2PixAttentionConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import AttentionUNet

__all__ = ["Pix2PixAttention"]


class Pix2PixAttention(Method[Pix2PixAttentionConfig, "AttentionUNet"]):
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
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA

    def size_divisor(self, config: Pix2PixAttentionConfig) -> int:
        """Halvings."""
        return 2**config.levels

    def build(self, config: Pix2PixAttentionConfig) -> AttentionUNet:
        """Make the generator."""
        from inpaintx.nn.blocks import first_std

        from .network import AttentionUNet

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

    def inpaint(
        self, net: AttentionUNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """One pass."""
        from .network import conditional_input

        return ((net(conditional_input(image, mask, net.config.mask_input)) + 1) / 2).clamp(0, 1)

    def trainer(self, net: AttentionUNet, config: Pix2PixAttentionConfig) -> Trainer[AttentionUNet]:
        """Conditional GAN and L1."""
        from .trainer import Pix2PixTrainer

        return Pix2PixTrainer(net, config)
