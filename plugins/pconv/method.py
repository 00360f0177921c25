"""The method: options, presets, and how a hole is filled."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from inpaintx import Method, Trainer
from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std
from inpaintx.nn.vgg import asked_anew
from inpaintx.plugin.method import Weights

from .config import PRESETS, WEIGHTS, PConvConfig
from .network import PConvUNet
from .prior import PriorNet

__all__ = ["PConv", "build"]


def build(config: PConvConfig) -> PConvUNet | PriorNet:
    """Make the network of the options."""
    divisor = 2 ** (config.levels + (config.arch == "prior"))  # instance norms need two pixels
    if config.size % divisor:
        raise InpaintxError(
            f"pconv with arch={config.arch} and levels={config.levels} needs a size that {divisor} divides, got "
            f"{config.size}"
        )
    if config.arch == "unet":
        return PConvUNet(config.width, config.levels, config.scale)
    return PriorNet(config.width, config.levels, config.scale, std=first_std(config.width, config.init_std))


class PConv(Method):
    """Liu et al.: a U-Net whose convolutions see known pixels only.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018.
    """

    name = "pconv"
    paper = "https://arxiv.org/abs/1804.07723"
    importer = "import-pconv"
    requires_weights, blend = True, "poisson"
    Config = PConvConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS

    def size_divisor(self, config: Any) -> int:
        """Halvings; the prior's instance norms need two pixels at the bottom."""
        return 2 ** (config.levels + (config.arch == "prior"))

    def build(self, config: Any) -> nn.Module:
        """Make the network."""
        return build(config)

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One pass; the U-Net's last layer has no bounds, so it is clamped."""
        return net.from_net(net(net.to_net(image), mask)).clamp(0, 1)

    def finetune_config(self, config: Any) -> BaseModel:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: nn.Module, config: Any) -> Trainer:
        """Five losses, then fine-tuning with frozen encoder statistics."""
        from .trainer import PConvTrainer

        return PConvTrainer(net, config)
