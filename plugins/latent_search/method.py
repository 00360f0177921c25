"""Two methods on one DCGAN: the search of Yeh et al. and that of Qiang et al."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inpaintx.plugin.method import Method, Weights

from .config import DATA, NETWORK, PAPER, TINY, WEIGHTS, QiangConfig, YehConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import DCGAN

__all__ = ["Qiang", "Yeh"]

CALIBRATION = 64  # pairs of pictures; the paper takes 64 faces


class Yeh(Method[YehConfig, "DCGAN"]):
    """Semantic inpainting in the latent space of a DCGAN ("DIP" in Qiang et al.)."""

    name, paper, requires_weights, fixed_size = "yeh", "https://arxiv.org/abs/1607.07539", True, True
    Config = YehConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": YehConfig(),
        "paper": YehConfig(**(PAPER | {"iterations": 1500})),
        "tiny": YehConfig(**TINY),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA
    compatible_weights, checkpoint_fields, blend = frozenset({"qiang"}), NETWORK, "poisson"
    is_stochastic = is_slow = True

    def build(self, config: YehConfig) -> DCGAN:
        """Make the DCGAN."""
        from .network import DCGAN

        return DCGAN(config.z, config.width, config.discriminator_width)

    def inpaint(self, net: DCGAN, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Find the picture whose rim around the hole is the image's."""
        from .objectives import YehLoss
        from .search import Frozen, complete, draw

        config: YehConfig = net.config
        frozen = Frozen(net)
        drawn = draw(max(config.candidates, config.starts), config.z, generator, image.device)
        return complete(frozen, config, YehLoss(image, mask, config.kernel_size), drawn, frozen.pictures(drawn))

    def trainer(self, net: DCGAN, config: YehConfig) -> Trainer[DCGAN]:
        """Train the DCGAN on whole faces."""
        from .trainer import DCGANTrainer

        return DCGANTrainer(net, config.z, config.lr)


class Qiang(Method[QiangConfig, "DCGAN"]):
    """The search with a structural loss, weighted towards the hole's rim, of Qiang et al. (2019)."""

    name, paper, requires_weights, fixed_size = "qiang", "https://doi.org/10.2991/ijcis.d.191016.003", True, True
    Config = QiangConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": QiangConfig(),
        "paper": QiangConfig(**PAPER, structure="global", clamped=True, limits="printed"),
        "tiny": QiangConfig(**TINY, limits="set"),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    training_options: ClassVar[dict[str, dict[str, Any]]] = DATA
    compatible_weights, checkpoint_fields, blend = frozenset({"yeh"}), NETWORK, "poisson"
    is_stochastic = is_slow = True

    def build(self, config: QiangConfig) -> DCGAN:
        """Make the DCGAN."""
        from .network import DCGAN

        return DCGAN(config.z, config.width, config.discriminator_width)

    def inpaint(self, net: DCGAN, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Find the picture whose known pixels are the image's in structure and colour."""
        from .objectives import Limits, QiangLoss
        from .search import Frozen, complete, draw

        config: QiangConfig = net.config
        frozen = Frozen(net)
        pairs = CALIBRATION if config.limits == "mask" else 1
        drawn = draw(max(config.candidates, config.starts, pairs), config.z, generator, image.device)
        pictures = frozen.pictures(drawn)
        loss = QiangLoss.of(config, image, mask)
        if config.limits == "set":
            loss.limits = Limits.of(net.spread.mean[:, None], net.spread.deviation[:, None])
        elif config.limits == "mask":
            loss.calibrate(pictures[:CALIBRATION])
        return complete(frozen, config, loss, drawn, pictures)

    def trainer(self, net: DCGAN, config: QiangConfig) -> Trainer[DCGAN]:
        """Train the DCGAN on whole faces."""
        from .trainer import DCGANTrainer

        return DCGANTrainer(net, config.z, config.lr)
