"""Options, presets and trained weights."""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig
from inpaintx.nn.vgg import Features
from inpaintx.plugin.method import Weights

__all__ = ["PRESETS", "WEIGHTS", "PConvConfig"]


class PConvConfig(LearnedConfig):
    """Network, losses and training."""

    stages: ClassVar[frozenset[str]] = frozenset({"finetune_steps"})

    arch: Literal["unet", "prior"] = Field(default="unet", description="Liu's U-Net, or PD-GAN's prior network")
    width: int = Field(default=64, ge=4, multiple_of=4, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the prior's first weights; 0: 0.02·√(64 / channels)")
    levels: int = Field(default=7, ge=2, le=8, description="halvings")
    scale: Literal["window", "sum"] = Field(default="window", description="of the partial convolutions")
    steps: int = Field(default=1_000_000, ge=1)
    lr: float = Field(default=2e-4, gt=0)
    finetune_steps: int = Field(
        default=500_000, ge=0, description="the last so many steps: finetune_lr, encoder statistics frozen"
    )
    finetune_lr: float = Field(default=5e-5, gt=0)
    fade: bool = Field(default=False, description="constant rate for a sixth of the steps, then linearly to 0")
    beta1: float = Field(default=0.9, ge=0, lt=1)
    valid: float = Field(default=1.0, ge=0, description="weight of the L1 of known pixels")
    hole: float = Field(default=6.0, ge=0, description="weight of the L1 of hidden pixels")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    perceptual: float = Field(default=0.05, ge=0)
    style: float = Field(default=120.0, ge=0)
    tv: float = Field(default=0.1, ge=0)
    seen: Literal["output", "blended"] = Field(
        default="output",
        description="what the features' terms and the discriminator see: the output and its composite (the "
        "discriminator: the composite), or the fill after Poisson blending",
    )
    taps: Literal["paper", "light"] = Field(
        default="paper", description="layers of the features' terms; light: relu1_1, relu2_1, relu3_1"
    )
    adversarial: float = Field(default=0.0, ge=0, description="weight of a PatchGAN's hinge loss; 0: none is trained")
    discriminator_width: int = Field(default=32, ge=4)
    discriminator_lr: float = Field(default=1e-4, gt=0)
    vgg: Features = Field(default="random", description="what to do without VGG16's official weights")
    vgg_path: str = Field(default="", description="a weight file of VGG16 to take in place of the official one")
    vgg_normalize: bool = Field(default=True, description="whether VGG is given images as it was trained on")


PRIOR = PConvConfig(arch="prior", levels=6, batch=8, steps=105_000, lr=1e-3, fade=True, finetune_steps=0, beta1=0.0)

PRESETS: dict[str, BaseModel] = {
    "default": PConvConfig(),
    "paper": PConvConfig(batch=16, vgg="error"),
    "prior": PRIOR,
    "prior_paper": PRIOR.model_copy(update={"scale": "sum", "vgg": "error", "vgg_normalize": False}),
    "tiny": PConvConfig(size=64, width=16, levels=5, batch=8, steps=800, lr=2e-3, finetune_steps=100, vgg="skip"),
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "prior128.safetensors",
        sha256="e2a9d7b0d86849b2e36172c6bc5f75dfc6b4a4eabcdb634ff45213e92e05c761",
        preset="prior",
        licence="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 32,000 steps of 8 on one CPU core",
    ),
    "small": Weights(
        "small128.safetensors",
        sha256="fd3684ff6b5f1a764d8dadfb79ec5e0eef772fbf6ade32cb1c833e9a4db73d7f",
        preset="prior",
        licence="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 10,000 steps of 8 on one CPU core",
    ),
    "256": Weights(
        "prior256.safetensors",
        sha256="c8d8e1e920de15d6e006c045f9fe36247ffc95c0c1601783ae11e56d9203f6e1",
        preset="prior",
        licence="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 1,300 faces, and 3,642 generated faces, at 256 x 256; 5,000 "
        "steps of 8 from the default weights on one CPU core",
    ),
}
