"""The method: options, presets, and how a hole is filled."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from inpaintx import LearnedConfig, Method, Trainer
from inpaintx.plugin.method import Weights

from .network import DeepFillNet, Version

__all__ = ["DeepFill", "DeepFillConfig", "network_input"]


class DeepFillConfig(LearnedConfig):
    """Network, losses and training."""

    version: Version = Field(default="v2", description="v1: contextual attention; v2: gated convolution as well")
    width: int = Field(default=48, ge=4, multiple_of=4, description="channels of the first convolution")
    init_std: float = Field(
        default=0.0, ge=0, description="of the discriminators' first weights; 0: 0.02·√(64 / channels)"
    )
    compat: bool = Field(default=False, description="contextual attention as the published code computes it")
    batch: int = Field(default=16, ge=1)
    steps: int = Field(default=1_000_000, ge=1)
    lr: float = Field(default=1e-4, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    discriminator_width: int = Field(default=64, ge=4)
    l1: float = Field(default=1.0, ge=0, description="weight of the L1 of both stages")
    coarse: float = Field(default=1.0, ge=0, description="weight of the coarse stage within it")
    adversarial: float = Field(default=1.0, ge=0)
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    discount: float = Field(default=0.9, gt=0, le=1, description="v1: the L1's factor a pixel away from known ones")
    penalty: float = Field(default=10.0, ge=0, description="v1: weight of the critics' gradient penalty")
    critic_steps: int = Field(default=5, ge=1, description="v1: steps of the critics for one of the network")


V1 = DeepFillConfig(version="v1", width=32, l1=1.2, coarse=1.2, adversarial=1e-3)


class DeepFill(Method):
    """Yu et al.: coarse to fine, with attention that copies from known patches; plain (v1) or gated (v2) convolutions.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018; Yu et al., "Free-Form Image
    Inpainting with Gated Convolution", ICCV 2019.
    """

    name = "deepfill"
    paper = "https://arxiv.org/abs/1806.03589"
    trained, blend = True, "poisson_interior"
    multiple = 8
    Config = DeepFillConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": DeepFillConfig(),
        "paper": DeepFillConfig(compat=True),
        "v1": V1,
        "v1_paper": V1.model_copy(update={"compat": True}),
        "tiny": DeepFillConfig(
            size=64, width=16, discriminator_width=8, batch=8, steps=1000, lr=1e-3, adversarial=0.05
        ),
    }
    weights: ClassVar[dict[str, Weights]] = {
        "default": Weights(
            "gated128.safetensors",
            sha256="ba61141704c22680e430dcf2f9677f6e4e6641d3220ec80d04c4ce099f78113e",
            licence="research use only, as its images",
            trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 2,000 steps of 8 on one CPU core",
        )
    }

    def build(self, config: Any) -> nn.Module:
        """Make both stages."""
        return DeepFillNet(config.version, config.width, compat=config.compat)

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One pass; the refined image."""
        hole = (mask > 0.5).to(image.dtype)
        return (net(network_input(image, hole), hole)[1] + 1) / 2

    def trainer(self, net: nn.Module, config: Any) -> Trainer:
        """Global and local Wasserstein critics (v1), or a patch discriminator with spectral norm (v2)."""
        from .trainer import V1Trainer, V2Trainer

        return V1Trainer(net, config) if config.version == "v1" else V2Trainer(net, config)


def network_input(image: Tensor, mask: Tensor) -> Tensor:
    """The image in [-1,1], 0 (grey) in its hole."""
    return (2 * image - 1).masked_fill(mask > 0.5, 0.0)
