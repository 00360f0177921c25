"""Options, presets and trained weights."""

from typing import Literal

from pydantic import BaseModel, Field, field_validator, model_validator
from typing_extensions import Self

from inpaintx.plugin.method import LearnedConfig, Weights

__all__ = ["PRESETS", "WEIGHTS", "Bottleneck", "Variant"]

Variant = Literal["center", "random"]
Bottleneck = Literal["conv", "cfc"]


class ContextEncoderConfig(LearnedConfig):
    """Options of the context encoder.

    Parameters
    ----------
    width, variant, bottleneck, code
        Of :class:`Network`.
    init_std
        Deviation of the first weights; 0: 0.02·√(64 / width).
    overlap, overlap_weight
        ``"center"``: how many pixels of the predicted square are shown to the network all around, and their weight
        in the loss.
    known_weight
        ``"random"``: weight of the known pixels in the loss; 1 for those in the hole.
    learning_rate, generator_rate
        Of the discriminator, and how many times that the network's is.
    adversarial
        Share of the adversarial loss; the rest is the squared error's.
    blended
        Weight of the L1 of hidden pixels after Poisson blending; ``"random"`` only.
    """

    size: int = Field(128, ge=64, le=4096)
    batch: int = Field(64, ge=1)
    steps: int = Field(100_000, ge=1)
    width: int = Field(56, ge=1)
    init_std: float = Field(0.0, ge=0)
    variant: Variant = "random"
    bottleneck: Bottleneck = "cfc"
    code: int = Field(4000, ge=1)
    overlap: int = Field(4, ge=0)
    overlap_weight: float = Field(10.0, ge=0)
    known_weight: float = Field(0.0, ge=0)
    learning_rate: float = Field(2e-4, gt=0)
    generator_rate: float = Field(10.0, gt=0)
    adversarial: float = Field(0.001, ge=0, le=1)
    blended: float = Field(0.0, ge=0)

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
    "tiny": ContextEncoderConfig(size=64, width=16, batch=8, steps=200),
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "random128.safetensors",
        sha256="688f2306a4e28d28ada7da851278db73062c12f0413ecde61187296b47b06ae3",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 3,000 steps of 8 on one CPU core",
    )
}
