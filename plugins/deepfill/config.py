"""Options, presets and trained weights."""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig
from inpaintx.plugin.method import Weights

__all__ = ["PRESETS", "WEIGHTS", "DeepFillConfig", "Version"]

Version = Literal["v1", "v2"]


class DeepFillConfig(LearnedConfig):
    """Network, losses and training."""

    renamed_options: ClassVar[dict[str, str]] = {"critic_steps": "discriminator_steps"}

    version: Version = Field(default="v2", description="v1: contextual attention; v2: gated convolution as well")
    width: int = Field(default=48, ge=4, multiple_of=4, description="channels of the first convolution")
    init_std: float = Field(
        default=0.0, ge=0, description="of the discriminators' first weights; 0: 0.02·√(64 / channels)"
    )
    compat: bool = Field(default=False, description="contextual attention as the published code computes it")
    batch_size: int = Field(default=16, ge=1, description="images of one update")
    steps: int = Field(default=1_000_000, ge=1, description="number of updates of the critics (v1), of both (v2)")
    lr: float = Field(default=1e-4, gt=0, description="learning rate")
    beta1: float = Field(default=0.5, ge=0, lt=1, description="Adam's first moment")
    discriminator_width: int = Field(default=64, ge=4, description="channels of the discriminator's first layer")
    l1: float = Field(default=1.0, ge=0, description="weight of the L1 of both stages")
    coarse: float = Field(default=1.0, ge=0, description="weight of the coarse stage within it")
    adversarial: float = Field(default=1.0, ge=0, description="weight of the adversarial loss")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    discount: float = Field(default=0.9, gt=0, le=1, description="v1: the L1's factor a pixel away from known ones")
    penalty: float = Field(default=10.0, ge=0, description="v1: weight of the critics' gradient penalty")
    discriminator_steps: int = Field(default=5, ge=1, description="v1: steps of the critics for one of the network")


V1 = DeepFillConfig(version="v1", width=32, l1=1.2, coarse=1.2, adversarial=1e-3)

PRESETS: dict[str, BaseModel] = {
    "default": DeepFillConfig(),
    "paper": DeepFillConfig(compat=True),
    "v1": V1,
    "v1_paper": V1.model_copy(update={"compat": True}),
    "tiny": DeepFillConfig(
        size=64, width=16, discriminator_width=8, batch_size=8, steps=1000, lr=1e-3, adversarial=0.05
    ),
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "gated128.safetensors",
        sha256="ba61141704c22680e430dcf2f9677f6e4e6641d3220ec80d04c4ce099f78113e",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 2,000 steps of 8 on one CPU core",
    ),
    "v1": Weights(
        "plain128.safetensors",
        sha256="9e759f05aa0b945efe2395debd85fef24f5f344d13a929fe90d2aed185479b12",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 8,000 steps of 8 on one CPU core",
    ),
}
