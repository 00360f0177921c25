"""Options, presets and trained weights."""

from typing import Any

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig
from inpaintx.plugin.method import Weights

__all__ = ["DATA", "PRESETS", "WEIGHTS", "Pix2PixAttentionConfig"]


class Pix2PixAttentionConfig(LearnedConfig):
    """Network, losses and training."""

    width: int = Field(default=64, ge=4, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / channels)")
    levels: int = Field(default=8, ge=2, le=10, description="halvings")
    attention: bool = Field(default=True, description="self-attention after three halvings and before the last three")
    mask_input: bool = Field(default=True, description="whether the network is given the mask beside the white hole")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="of three layers of the decoder, in training")
    discriminator_width: int = Field(default=64, ge=4, description="channels of the discriminator's first layer")
    spectral: bool = Field(default=False, description="spectral norm in the discriminator in place of batch norm")
    l1: float = Field(default=100.0, ge=0, description="weight of the L1 to the true image")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    lr: float = Field(default=2e-4, gt=0, description="learning rate")


PRESETS: dict[str, BaseModel] = {
    "default": Pix2PixAttentionConfig(),
    "paper": Pix2PixAttentionConfig(batch_size=1, steps=109_800, mask_input=False),
    "pix2pix": Pix2PixAttentionConfig(attention=False),
    "tiny": Pix2PixAttentionConfig(size=64, width=32, levels=6, discriminator_width=16, batch_size=8, steps=1000),
}

DATA: dict[str, dict[str, Any]] = {"paper": {"limit": 1098, "holes": "box:square=true"}}  # "white square only"

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "unet-longer128.safetensors",
        sha256="6f2f9503d9b155950469b2e1973b7034f3fa66ad3e7b50439a6262e29cdc5766",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128, 7,000 steps of 8, then 3,126 of them "
        "and 3,642 generated faces, 5,000 steps of 8, on one CPU core",
    )
}
