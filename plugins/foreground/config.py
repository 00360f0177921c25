"""Options, presets and trained weights."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig
from inpaintx.nn.options import Features
from inpaintx.plugin.method import Weights

__all__ = ["DATA", "PRESETS", "WEIGHTS", "ForegroundConfig"]


class ForegroundConfig(LearnedConfig):
    """Network, losses and training."""

    renamed_options: ClassVar[dict[str, str]] = {
        "losses": "equations",
        "critic_lr": "discriminator_lr",
        "critic_width": "discriminator_width",
        "critic_norm": "discriminator_norm",
    }

    width: int = Field(default=64, ge=4, description="channels of the first layer")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / channels)")
    guided: bool = Field(default=True, description="losses weighted by the foreground; false: every pixel counts")
    equations: Literal["repaired", "literal"] = Field(default="repaired", description="see the plugin's README")
    corrupted: float = Field(default=1.0, ge=0, description="weight of the L1 to the masked input (eq. 1)")
    foreground: float = Field(default=10.0, ge=0, description="weight of the loss to the true foreground (eq. 2)")
    perceptual: float = Field(default=0.1, ge=0, description="weight of the features' loss (eq. 3)")
    adversarial: float = Field(default=1e-3, ge=0, description="weight of the adversarial loss")
    background: float = Field(default=0.1, ge=0, description="weight of the L1 of holes outside the foreground")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    batch_size: int = Field(default=5, ge=1, description="images of one update")
    steps: int = Field(default=540_000, ge=1, description="number of updates")
    lr: float = Field(default=1e-4, gt=0, description="learning rate of the network")
    discriminator_lr: float = Field(default=1e-4, gt=0, description="learning rate of the critic")
    discriminator_width: int = Field(default=64, ge=4, description="channels of the critic's first layer")
    penalty: float = Field(default=10.0, ge=0, description="weight of the critic's gradient penalty")
    discriminator_norm: bool = Field(default=False, description="batch norm in the critic")
    vgg: Features = Field(default="random", description="what to do without VGG16's official weights")
    vgg_path: str = Field(default="", description="a weight file of VGG16 to take in place of the official one")


PAPER = ForegroundConfig(
    equations="literal", background=0.0, discriminator_lr=1e-12, penalty=0.0, discriminator_norm=True, vgg="error"
)

PRESETS: dict[str, BaseModel] = {
    "default": ForegroundConfig(),
    "paper": PAPER,
    "unguided": ForegroundConfig(guided=False),
    "tiny": ForegroundConfig(size=64, width=16, batch_size=8, steps=800, lr=2e-3, discriminator_width=16, vgg="skip"),
}

DATA: dict[str, dict[str, Any]] = {"paper": {"limit": 27_000, "holes": "quickdraw:ratio=0.01-0.6,spread=uniform"}}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "guided128.safetensors",
        sha256="1e9e8fe60420986ab49ddaa25a453b82d190c1f333a7d30c62c3a8dc3467027d",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 5,000 steps of 8 on one CPU core",
    )
}
