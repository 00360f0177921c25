"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.errors import InpaintxError
from inpaintx.nn.options import asked_anew

from .config import PRESETS, PConvConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import PConvUNet

__all__ = ["PConv"]


class PConv(Method[PConvConfig, "PConvUNet"]):
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
    successor = "pconv_prior"

    def superseded(self, options: Mapping[str, Any]) -> bool:
        """PD-GAN's prior was an option of this method once."""
        return options.get("arch") == "prior"

    def size_divisor(self, config: PConvConfig) -> int:
        """Halvings."""
        return 2**config.levels

    def build(self, config: PConvConfig) -> PConvUNet:
        """Make the network."""
        from .network import PConvUNet

        divisor = self.size_divisor(config)
        if config.size % divisor:
            raise InpaintxError(
                f"pconv with levels={config.levels} needs a size that {divisor} divides, got {config.size}"
            )
        return PConvUNet(config.width, config.levels, config.scale)

    def inpaint(
        self, net: PConvUNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """One pass; the U-Net's last layer has no bounds, so it is clamped."""
        return net.from_net(net(net.to_net(image), mask)).clamp(0, 1)

    def finetune_config(self, config: PConvConfig) -> PConvConfig:
        """VGG's file is named anew."""
        return config.model_copy(update=asked_anew(config))

    def trainer(self, net: PConvUNet, config: PConvConfig) -> Trainer[PConvUNet]:
        """Five losses, then fine-tuning with frozen encoder statistics."""
        from .trainer import PConvTrainer

        return PConvTrainer(net, config)
