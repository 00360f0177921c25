"""Options, presets and trained weights."""

from typing import ClassVar

from pydantic import BaseModel, Field

from inpaintx.plugin.method import Weights

from ..pconv.config import Arch, PartialConvConfig

__all__ = ["PRESETS", "WEIGHTS", "PConvPriorConfig"]


class PConvPriorConfig(PartialConvConfig):
    """PD-GAN's prior, trained as its public code has it."""

    arch: ClassVar[Arch] = "prior"

    levels: int = Field(default=6, ge=2, le=7, description="halvings")
    steps: int = Field(default=105_000, ge=1, description="number of updates")
    lr: float = Field(default=1e-3, gt=0, description="learning rate")
    finetune_steps: int = Field(default=0, ge=0, description="the last so many steps: finetune_lr")
    fade: bool = Field(default=True, description="constant rate for a sixth of the steps, then linearly to 0")
    beta1: float = Field(default=0.0, ge=0, lt=1, description="Adam's first moment")


PRESETS: dict[str, BaseModel] = {
    "default": PConvPriorConfig(),
    "paper": PConvPriorConfig(scale="sum", vgg="error", vgg_normalize=False),
    "tiny": PConvPriorConfig(
        size=64, width=16, levels=4, steps=800, lr=2e-3, finetune_steps=100, fade=False, beta1=0.9, vgg="skip"
    ),
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "features128.safetensors",
        sha256="225d017c78560e72efde6b0c7bced9582b09f73686d9cc49d195814b98216d58",
        license="research use only, as its images",
        trained_on="from tag l1: All-Age-Faces (Cheng et al. 2019), 3,126 faces at 128 x 128, and 3,642 generated "
        "faces; 12,900 steps of 8 on features of VGG16-HED and against a discriminator on one CPU core",
    ),
    "l1": Weights(
        "prior128.safetensors",
        sha256="e2a9d7b0d86849b2e36172c6bc5f75dfc6b4a4eabcdb634ff45213e92e05c761",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 32,000 steps of 8 on one CPU core",
    ),
    "small": Weights(
        "small128.safetensors",
        sha256="fd3684ff6b5f1a764d8dadfb79ec5e0eef772fbf6ade32cb1c833e9a4db73d7f",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 10,000 steps of 8 on one CPU core",
    ),
}
