"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx import Method, Weights
from inpaintx.nn.options import asked_anew

from .config import DATA, PRESETS, WEIGHTS, HOGGuidedConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import HOGGuidedNet

__all__ = ["HOGGuided"]


class HOGGuided(Method[HOGGuidedConfig, "HOGGuidedNet"]):
    """Salem: EdgeConnect with histograms of oriented gradients in place of edges.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Salem, "A Novel Face Inpainting Approach Based on Guided Deep Learning"; Nazeri et al., "EdgeConnect: Generative
    Image Inpainting with Adversarial Edge Learning", 2019; Dalal and Triggs, "Histograms of Oriented Gradients for
    Human Detection", CVPR 2005.
    """

    name = "hog_guided"
    paper = "https://arxiv.org/abs/1901.00212"
    requires_weights, blend = True, "poisson_interior"
    Config = HOGGuidedConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA

    def size_divisor(self, config: HOGGuidedConfig) -> int:
        """Whole cells, two halvings, and at the bottom more pixels than the dilation reflects over."""
        return math.lcm(config.cell, 16)

    def build(self, config: HOGGuidedConfig) -> HOGGuidedNet:
        """Make both generators."""
        from inpaintx.nn.blocks import first_std

        from .network import HOGGuidedNet

        return HOGGuidedNet(
            config.width,
            config.blocks,
            config.cell,
            config.bins,
            transform_sqrt=config.transform_sqrt,
            std=first_std(config.width, config.init_std),
        )

    def inpaint(
        self, net: HOGGuidedNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Both stages; ``net.complete`` gives the map alone."""
        return net(image, mask > 0.5)

    def finetune_config(self, config: HOGGuidedConfig) -> HOGGuidedConfig:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: HOGGuidedNet, config: HOGGuidedConfig) -> Trainer[HOGGuidedNet]:
        """Three stages in one run."""
        from .trainer import HOGGuidedTrainer

        return HOGGuidedTrainer(net, config)
