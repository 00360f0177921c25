"""The method: options, presets, and how a hole is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx import Method
from inpaintx.errors import InpaintxError
from inpaintx.nn.options import asked_anew
from inpaintx.plugin.method import Weights

from .config import DATA, PRESETS, WEIGHTS, PDGANConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import PDGANNet

__all__ = ["PDGAN"]


class PDGAN(Method[PDGANConfig, "PDGANNet"]):
    """PD-GAN and its improvement for faces.

    Notes
    -----
    Departures are listed in the plugin's README.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021; ``map="improved"``, ``upsample``,
    ``alpha`` and ``beta``: Shi, Wang and Zhang, "Probabilistic Diverse GAN Based Human Face Inpainting".
    """

    name = "pdgan"
    paper = "https://arxiv.org/abs/2105.02201"
    importer = "import-pdgan"
    requires_weights = True
    fixed_size = True
    blend = "poisson_interior"
    is_stochastic = True
    Config = PDGANConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA

    def required_annotations(self, config: PDGANConfig) -> frozenset[str]:
        """The skin, where its loss counts; heatmaps are FAN's own."""
        return frozenset({"skin"} if config.alpha else ())

    def build(self, config: PDGANConfig) -> PDGANNet:
        """Make prior and generator."""
        from inpaintx.nn.blocks import first_std

        from ..pconv_prior.network import PriorNet
        from .network import Generator, PDGANNet

        levels = config.size.bit_length() - 3
        if config.size != 4 << levels or not 2 <= levels <= 6:
            raise InpaintxError(f"pdgan's size must be 16, 32, 64, 128 or 256, got {config.size}")
        width = config.prior_width or config.width
        prior = PriorNet(width, config.prior_levels or levels, config.scale, std=first_std(width, config.init_std))
        if config.size % 2 ** (config.prior_levels + 1):
            raise InpaintxError(f"prior_levels={config.prior_levels} are too many for pdgan's size {config.size}")
        generator = Generator(
            config.size,
            config.width,
            config.z,
            kind=config.map,
            upsample=config.upsample,
            floor=config.floor,
            capped=config.soft == "capped",
            resize=config.mask_resize,
            std=first_std(config.width, config.init_std),
        )
        return PDGANNet(prior, generator)

    def inpaint(
        self, net: PDGANNet, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw one vector a call, for all images of the batch."""
        import torch

        from inpaintx.plugin.sampling import compute_once

        z = torch.randn(1, net.generator.z, generator=generator, device=image.device).expand(len(image), -1)
        with torch.no_grad():
            prior = compute_once(net.prior, 2 * image - 1, mask)
        return (net.generator(z, prior, mask) + 1) / 2

    def finetune_config(self, config: PDGANConfig) -> PDGANConfig:
        """The weights hold the prior, too; the heatmaps want a FAN that is named anew, and features a VGG."""
        own = {"prior": "", "prior_steps": 0, "fan_path": "", "fan": "skip"}
        return config.model_copy(update=own | asked_anew(config))

    def trainer(self, net: PDGANNet, config: PDGANConfig) -> Trainer[PDGANNet]:
        """The prior first, unless it is given; then generator and discriminator in turn."""
        from .trainer import PDGANTrainer

        return PDGANTrainer(net, config)
