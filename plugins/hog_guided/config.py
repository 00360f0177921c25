"""Options, presets and trained weights."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig, Weights
from inpaintx.nn.options import Features

__all__ = ["DATA", "PRESETS", "WEIGHTS", "HOGGuidedConfig"]


class HOGGuidedConfig(LearnedConfig):
    """Networks, losses and training; the last two stages take what ``shape_steps`` leaves of ``steps``."""

    stages: ClassVar[frozenset[str]] = frozenset({"shape_steps", "true_guidance_steps"})

    width: int = Field(default=64, ge=4, description="channels of the generators' first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / channels)")
    blocks: int = Field(default=8, ge=1, description="residual blocks of a generator")
    cell: int = Field(default=8, ge=2, description="side of a cell of the gradients' map, in pixels")
    bins: int = Field(default=0, ge=0, le=32, description="0: the map as it is drawn; else the descriptor's bins")
    transform_sqrt: bool = Field(
        default=False, description="global normalization of the image before its gradients: square roots"
    )
    discriminator_width: int = Field(default=64, ge=4, description="channels of the discriminators' first layer")
    losses: Literal["paper", "edgeconnect"] = Field(default="paper", description="see the plugin's README")
    steps: int = Field(default=300_000, ge=3, description="number of updates of all three stages")
    shape_steps: int = Field(default=100_000, ge=1, description="steps of the first stage, of the map alone")
    true_guidance_steps: int = Field(default=100_000, ge=0, description="steps of painting with the true map, after it")
    lr: float = Field(default=1e-4, gt=0, description="learning rate of the generators")
    discriminator_lr: float = Field(default=1e-5, gt=0, description="learning rate of the discriminators")
    adversarial: float = Field(default=0.1, ge=0, description="of the second stage")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    perceptual: float = Field(default=0.1, ge=0, description="weight of the perceptual loss")
    style: float = Field(default=250.0, ge=0, description="weight of the style loss")
    vgg: Features = Field(default="random", description="what to do without VGG's official weights")
    vgg_path: str = Field(default="", description="a weight file of VGG to take in place of the official one")


PRESETS: dict[str, BaseModel] = {
    "default": HOGGuidedConfig(),
    "paper": HOGGuidedConfig(transform_sqrt=True, vgg="error"),
    "edgeconnect": HOGGuidedConfig(losses="edgeconnect"),
    "tiny": HOGGuidedConfig(
        size=64, width=16, blocks=3, cell=4, discriminator_width=16, batch_size=8, steps=1200, shape_steps=500,
        true_guidance_steps=350, lr=1e-3, discriminator_lr=1e-4, vgg="skip",
    ),
}  # fmt: skip

DATA: dict[str, dict[str, Any]] = {"paper": {"limit": 65_534}}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "gradients128.safetensors",
        sha256="eaff87c5ad20a957b153ede933fe9dd7d8bd60bd2afd8e212d907a23ebbb4bcf",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 8,000 steps of 8 on one CPU core",
    )
}
