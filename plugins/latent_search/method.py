"""Two methods on one DCGAN: the search of Yeh et al. and that of Qiang et al."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from inpaintx.plugin.method import Method, Trainer, Weights

from .config import NETWORK, PAPER, TINY, WEIGHTS, QiangConfig, SearchConfig, YehConfig
from .network import DCGAN
from .objectives import Limits, QiangLoss, YehLoss
from .search import Frozen, draw, search
from .trainer import DCGANTrainer

__all__ = ["Qiang", "Yeh"]

CALIBRATION = 64  # pairs of pictures; the paper takes 64 faces


def complete(net: DCGAN, config: SearchConfig, loss: YehLoss | QiangLoss, starts: Tensor) -> Tensor:
    """Search; the picture ``[B,3,64,64]`` in [0,1] of each image's best vector."""
    frozen = Frozen(net)
    found = search(
        frozen,
        starts,
        len(loss.image),
        loss,
        iterations=config.iterations,
        rate=config.rate,
        prior_weight=config.prior_weight,
        prior_form=config.prior,
    )
    return frozen.picture(found.choice()) / 2 + 0.5


class Yeh(Method):
    """Semantic inpainting in the latent space of a DCGAN ("DIP" in Qiang et al.)."""

    name, paper, requires_weights, fixed_size = "yeh", "https://arxiv.org/abs/1607.07539", True, True
    Config = YehConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": YehConfig(),
        "paper": YehConfig(**PAPER),
        "tiny": YehConfig(**TINY),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    compatible_weights, checkpoint_fields, blend = frozenset({"qiang"}), NETWORK, "poisson"
    is_stochastic = True

    def build(self, config: Any) -> nn.Module:
        """Make the DCGAN."""
        return DCGAN(config.z, config.width, config.critic)

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Find the picture whose rim around the hole is the image's."""
        starts = draw(net.config.starts, net.config.z, generator, image.device)
        return complete(net, net.config, YehLoss(image, mask, net.config.window), starts)

    def trainer(self, net: Any, config: Any) -> Trainer:
        """Train the DCGAN on whole faces."""
        return DCGANTrainer(net, config.z, config.learning_rate)


class Qiang(Method):
    """The search with a structural loss, weighted towards the hole's rim, of Qiang et al. (2019)."""

    name, paper, requires_weights, fixed_size = "qiang", "https://doi.org/10.2991/ijcis.d.191016.003", True, True
    Config = QiangConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": QiangConfig(),
        "paper": QiangConfig(**PAPER, structure="global", clamped=True, limits="printed"),
        "tiny": QiangConfig(**TINY, limits="set"),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    compatible_weights, checkpoint_fields, blend = frozenset({"yeh"}), NETWORK, "poisson"
    is_stochastic = True

    def build(self, config: Any) -> nn.Module:
        """Make the DCGAN."""
        return DCGAN(config.z, config.width, config.critic)

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Find the picture whose known pixels are the image's in structure and colour."""
        config: QiangConfig = net.config
        starts = draw(config.starts, config.z, generator, image.device)
        loss = QiangLoss(
            image,
            mask,
            window=config.window,
            alpha=config.alpha,
            context_weight=config.context_weight,
            structure_weight=config.structure_weight,
            structure=config.structure,
            clamped=config.clamped,
        )
        if config.limits == "set":
            loss.limits = Limits.of(net.spread.mean[:, None], net.spread.deviation[:, None])
        elif config.limits == "mask":
            loss.calibrate(net.generator(draw(CALIBRATION, config.z, generator, image.device)))
        return complete(net, config, loss, starts)

    def trainer(self, net: Any, config: Any) -> Trainer:
        """Train the DCGAN on whole faces."""
        return DCGANTrainer(net, config.z, config.learning_rate)
