"""The method: options, presets, and how a hole is filled."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from inpaintx import Method, Trainer
from inpaintx.nn.blocks import first_std
from inpaintx.nn.vgg import asked_anew
from inpaintx.plugin.method import Weights

from .config import PRESETS, WEIGHTS, ForegroundConfig
from .network import ForegroundNet, network_input

__all__ = ["Foreground"]


class Foreground(Method):
    """Jam et al.: a mask of skin and hair weighs the losses; it never enters the network.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Jam et al., "Foreground-guided Facial Inpainting with Fidelity Preservation", CAIP 2021.
    """

    name = "foreground"
    paper = "https://arxiv.org/abs/2105.03342"
    requires_weights, blend = True, "poisson_interior"
    Config = ForegroundConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS

    def size_divisor(self, config: Any) -> int:
        """Four halvings."""
        return 16

    def required_annotations(self, config: Any) -> frozenset[str]:
        """The foreground, unless every pixel counts."""
        return frozenset({"foreground"}) if config.guided else frozenset()

    def build(self, config: Any) -> nn.Module:
        """Make the network."""
        return ForegroundNet(config.width, std=first_std(config.width, config.init_std))

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One pass."""
        return (net(network_input(image, mask), (mask > 0.5).to(image.dtype)) + 1) / 2

    def finetune_config(self, config: Any) -> BaseModel:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: nn.Module, config: Any) -> Trainer:
        """Weighted losses and a Wasserstein critic."""
        from .trainer import ForegroundTrainer

        return ForegroundTrainer(net, config)
