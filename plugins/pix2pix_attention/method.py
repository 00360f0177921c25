"""The method: options, presets, and how a hole is filled."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from inpaintx import LearnedConfig, Method, Trainer
from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std
from inpaintx.plugin.method import Weights

from .network import AttentionUNet, weights_of

__all__ = ["Pix2PixAttention", "Pix2PixAttentionConfig", "attention_map", "network_input"]


class Pix2PixAttentionConfig(LearnedConfig):
    """Network, losses and training."""

    width: int = Field(default=64, ge=4, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / channels)")
    levels: int = Field(default=8, ge=2, le=10, description="halvings")
    attention: bool = Field(default=True, description="self-attention after three halvings and before the last three")
    mask_input: bool = Field(default=True, description="whether the network is given the mask beside the white hole")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="of three layers of the decoder, in training")
    discriminator_width: int = Field(default=64, ge=4)
    spectral: bool = Field(default=False, description="spectral norm in the discriminator in place of batch norm")
    l1: float = Field(default=100.0, ge=0, description="weight of the L1 to the true image")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    lr: float = Field(default=2e-4, gt=0)


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
    trained, blend = True, "poisson"
    Config = Pix2PixAttentionConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": Pix2PixAttentionConfig(),
        "paper": Pix2PixAttentionConfig(batch=1, steps=109_800, mask_input=False),
        "pix2pix": Pix2PixAttentionConfig(attention=False),
        "tiny": Pix2PixAttentionConfig(size=64, width=32, levels=6, discriminator_width=16, batch=8, steps=1000),
    }
    weights: ClassVar[dict[str, Weights]] = {
        "default": Weights(
            "unet128.safetensors",
            sha256="752de6efb73f2a188d6bb29b300635048830182b6c4aa163ad3ce58bb161f47f",
            licence="research use only, as its images",
            trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 7,000 steps of 8 on one CPU core",
        )
    }

    def multiple_of(self, config: Any) -> int:
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


def network_input(image: Tensor, mask: Tensor, with_mask: bool) -> Tensor:
    """The image in [-1,1] with its hole white, and the mask where it is wanted: ``[B,3,H,W]`` or ``[B,4,H,W]``."""
    hole = mask > 0.5
    white = torch.where(hole, torch.ones((), dtype=image.dtype, device=image.device), 2 * image - 1)
    return torch.cat([white, hole.to(image.dtype)], 1) if with_mask else white


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
