"""Options and presets."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from inpaintx import LearnedConfig
from inpaintx.nn.options import Features

__all__ = ["PRESETS", "Arch", "PConvConfig", "PartialConvConfig"]

Arch = Literal["unet", "prior"]


class PartialConvConfig(LearnedConfig):
    """Network, losses and training of networks of partial convolutions."""

    renamed_options: ClassVar[dict[str, str]] = {"taps": "layers"}

    stages: ClassVar[frozenset[str]] = frozenset({"finetune_steps"})
    arch: ClassVar[Arch]

    @model_validator(mode="before")
    @classmethod
    def _without_arch(cls, given: Any) -> Any:
        """Take options of the time when one method had both networks and an option said which."""
        if isinstance(given, dict) and "arch" in given:
            if given["arch"] != cls.arch:
                owner = {"unet": "pconv", "prior": "pconv_prior"}.get(given["arch"], "none")
                raise ValueError(f"the network arch={given['arch']} is of method {owner!r}")
            return {key: value for key, value in given.items() if key != "arch"}
        return given

    width: int = Field(default=64, ge=4, multiple_of=4, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of normally drawn first weights; 0: 0.02·√(64 / channels)")
    levels: int = Field(default=7, ge=2, le=8, description="halvings")
    scale: Literal["window", "sum"] = Field(default="window", description="of the partial convolutions")
    steps: int = Field(default=1_000_000, ge=1, description="number of updates")
    lr: float = Field(default=2e-4, gt=0, description="learning rate")
    finetune_steps: int = Field(
        default=500_000, ge=0, description="the last so many steps: finetune_lr, encoder statistics frozen"
    )
    finetune_lr: float = Field(default=5e-5, gt=0, description="learning rate of the last finetune_steps")
    fade: bool = Field(default=False, description="constant rate for a sixth of the steps, then linearly to 0")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Adam's first moment")
    valid: float = Field(default=1.0, ge=0, description="weight of the L1 of known pixels")
    hole: float = Field(default=6.0, ge=0, description="weight of the L1 of hidden pixels")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    perceptual: float = Field(default=0.05, ge=0, description="weight of the perceptual loss")
    style: float = Field(default=120.0, ge=0, description="weight of the style loss")
    tv: float = Field(default=0.1, ge=0, description="weight of the total variation")
    seen: Literal["output", "blended"] = Field(
        default="output",
        description="what the features' terms and the discriminator see: the output and its composite (the "
        "discriminator: the composite), or the fill after Poisson blending",
    )
    layers: Literal["paper", "light"] = Field(
        default="paper", description="layers of the features' terms; light: relu1_1, relu2_1, relu3_1"
    )
    adversarial: float = Field(default=0.0, ge=0, description="weight of a PatchGAN's hinge loss; 0: none is trained")
    discriminator_width: int = Field(default=32, ge=4, description="channels of the discriminator's first layer")
    discriminator_lr: float = Field(default=1e-4, gt=0, description="learning rate of the discriminator")
    vgg: Features = Field(default="random", description="what to do without VGG16's official weights")
    vgg_path: str = Field(default="", description="a weight file of VGG16 to take in place of the official one")
    vgg_normalize: bool = Field(default=True, description="whether VGG is given images as it was trained on")


class PConvConfig(PartialConvConfig):
    """Liu's U-Net."""

    arch: ClassVar[Arch] = "unet"


PRESETS: dict[str, BaseModel] = {
    "default": PConvConfig(),
    "paper": PConvConfig(batch_size=16, vgg="error"),
    "tiny": PConvConfig(size=64, width=16, levels=5, batch_size=8, steps=800, lr=2e-3, finetune_steps=100, vgg="skip"),
}
