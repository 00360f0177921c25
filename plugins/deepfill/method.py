"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.plugin.method import Weights

from .config import PRESETS, WEIGHTS, DeepFillConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import DeepFillNet

__all__ = ["DeepFill"]


class DeepFill(Method[DeepFillConfig, "DeepFillNet"]):
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
    requires_weights, blend = True, "poisson_interior"
    multiple = 8
    Config = DeepFillConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS

    def build(self, config: DeepFillConfig) -> DeepFillNet:
        """Make both stages."""
        from .network import DeepFillNet

        return DeepFillNet(config.version, config.width, compat=config.compat)

    def inpaint(
        self, net: DeepFillNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """One pass; the refined image."""
        from inpaintx.nn.blocks import network_input

        hole = mask > 0.5
        return (net(network_input(image, hole), hole.to(image.dtype))[1] + 1) / 2

    def trainer(self, net: DeepFillNet, config: DeepFillConfig) -> Trainer[DeepFillNet]:
        """Global and local Wasserstein critics (v1), or a patch discriminator with spectral norm (v2)."""
        from .trainer import V1Trainer, V2Trainer

        return V1Trainer(net, config) if config.version == "v1" else V2Trainer(net, config)
