"""The method: options, presets, weights, and how a hole is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.errors import InpaintxError
from inpaintx.nn.options import asked_anew
from inpaintx.plugin.method import Weights

from .config import PRESETS, WEIGHTS, PConvPriorConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import PriorNet

__all__ = ["PConvPrior"]


class PConvPrior(Method[PConvPriorConfig, "PriorNet"]):
    """PD-GAN's prior: partial convolutions down, transposed convolutions up.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021, section 3.1.
    """

    name = "pconv_prior"
    paper = "https://arxiv.org/abs/2105.02201"
    importer = "import-pconv-prior"
    requires_weights, blend = True, "poisson"
    softness = 1.5
    Config = PConvPriorConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    compatible_weights: ClassVar[frozenset[str]] = frozenset({"pconv"})  # its files of before

    def size_divisor(self, config: PConvPriorConfig) -> int:
        """Halvings, and two pixels at the bottom for the instance norms."""
        return 2 ** (config.levels + 1)

    def build(self, config: PConvPriorConfig) -> PriorNet:
        """Make the network."""
        from inpaintx.nn.blocks import first_std

        from .network import PriorNet

        divisor = self.size_divisor(config)
        if config.size % divisor:
            raise InpaintxError(
                f"pconv_prior with levels={config.levels} needs a size that {divisor} divides, got {config.size}"
            )
        return PriorNet(config.width, config.levels, config.scale, std=first_std(config.width, config.init_std))

    def inpaint(
        self, net: PriorNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """One pass."""
        return net.from_net(net(net.to_net(image), mask)).clamp(0, 1)

    def finetune_config(self, config: PConvPriorConfig) -> PConvPriorConfig:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: PriorNet, config: PConvPriorConfig) -> Trainer[PriorNet]:
        """The losses of Liu's U-Net on other layers, with a rate that fades."""
        from .trainer import PConvTrainer

        return PConvTrainer(net, config)
