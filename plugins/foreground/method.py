"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.nn.options import asked_anew
from inpaintx.plugin.method import Weights

from .config import DATA, PRESETS, WEIGHTS, ForegroundConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import ForegroundNet

__all__ = ["Foreground"]


class Foreground(Method[ForegroundConfig, "ForegroundNet"]):
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
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA

    def size_divisor(self, config: ForegroundConfig) -> int:
        """Four halvings."""
        return 16

    def required_annotations(self, config: ForegroundConfig) -> frozenset[str]:
        """The foreground, unless every pixel counts."""
        return frozenset({"foreground"}) if config.guided else frozenset()

    def build(self, config: ForegroundConfig) -> ForegroundNet:
        """Make the network."""
        from inpaintx.nn.blocks import first_std

        from .network import ForegroundNet

        return ForegroundNet(config.width, std=first_std(config.width, config.init_std))

    def inpaint(
        self, net: ForegroundNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """One pass."""
        from inpaintx.nn.blocks import network_input

        hole = mask > 0.5
        return (net(network_input(image, hole), hole.to(image.dtype)) + 1) / 2

    def finetune_config(self, config: ForegroundConfig) -> ForegroundConfig:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: ForegroundNet, config: ForegroundConfig) -> Trainer[ForegroundNet]:
        """Weighted losses and a Wasserstein critic."""
        from .trainer import ForegroundTrainer

        return ForegroundTrainer(net, config)
