"""Options, presets and trained weights."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator, model_validator
from typing_extensions import Self

from inpaintx.plugin.method import LearnedConfig, Weights

__all__ = ["PRESETS", "WEIGHTS", "Bottleneck", "Variant"]

Variant = Literal["center", "random"]
Bottleneck = Literal["conv", "cfc"]


class ContextEncoderConfig(LearnedConfig):
    """Options of the context encoder."""

    renamed_options: ClassVar[dict[str, str]] = {"learning_rate": "discriminator_lr", "generator_rate": "lr"}

    size: int = Field(default=128, ge=64, le=4096, description="side in pixels of the images, a power of two")
    batch_size: int = Field(default=64, ge=1, description="images of one update")
    steps: int = Field(default=100_000, ge=1, description="number of updates")
    width: int = Field(default=56, ge=1, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / width)")
    variant: Variant = Field(
        default="random",
        description="random: any hole, the whole picture is predicted; center: the square in the middle alone",
    )
    bottleneck: Bottleneck = Field(
        default="cfc", description="between encoder and decoder: convolutions, or the paper's channel-wise layer"
    )
    code: int = Field(default=4000, ge=1, description="length of the bottleneck's code")
    overlap: int = Field(
        default=4, ge=0, description="center: pixels of the predicted square that are shown to the network all around"
    )
    overlap_weight: float = Field(default=10.0, ge=0, description="center: weight of those pixels in the loss")
    known_weight: float = Field(
        default=0.0, ge=0, description="random: weight of the known pixels in the loss; 1 for those in the hole"
    )
    lr: float = Field(default=2e-3, gt=0, description="learning rate of the network")
    discriminator_lr: float = Field(default=2e-4, gt=0, description="learning rate of the discriminator")
    adversarial: float = Field(
        default=0.001, ge=0, le=1, description="share of the adversarial loss; the rest is the squared error's"
    )
    blended: float = Field(
        default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending; random only"
    )

    @classmethod
    def current_names(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Give options their present names; ``generator_rate`` was how many times the discriminator's rate."""
        given = dict(options)
        if "learning_rate" in given or "generator_rate" in given:
            given["discriminator_lr"] = float(given.pop("learning_rate", 2e-4))
            given["lr"] = float(given.pop("generator_rate", 10.0)) * given["discriminator_lr"]
        return super().current_names(given)

    @field_validator("variant", mode="before")
    @classmethod
    def _spelling(cls, variant: object) -> object:
        return "center" if variant == "centre" else variant  # as weights of version 0.1 have it

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two from 64, got {self.size}")
        if 4 * self.overlap >= self.size:
            raise ValueError(f"overlap {self.overlap} leaves nothing of the square of {self.size // 2} pixels")
        if self.blended and self.variant == "center":
            raise ValueError("variant 'center' predicts no pixels outside its square to blend with; set blended=0")
        return self


PRESETS: dict[str, BaseModel] = {
    "default": ContextEncoderConfig(),
    # 500 epochs of 27,000 images, CelebA-HQ's training part in paper 003
    "paper": ContextEncoderConfig(width=64, variant="center", bottleneck="conv", steps=210_938),
    "tiny": ContextEncoderConfig(size=64, width=16, batch_size=8, steps=200),
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "random128.safetensors",
        sha256="688f2306a4e28d28ada7da851278db73062c12f0413ecde61187296b47b06ae3",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 3,000 steps of 8 on one CPU core",
    )
}
