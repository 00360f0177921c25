"""Two methods on one DCGAN: the search of Yeh et al. and that of Qiang et al."""

from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, Field, field_validator
from torch import Tensor, nn

from inpaintx.plugin.method import LearnedConfig, Method, Trainer, Weights

from .network import DCGAN
from .objectives import Limits, Prior, QiangLoss, YehLoss
from .search import Frozen, draw, search
from .trainer import DCGANTrainer

__all__ = ["Qiang", "Yeh"]

CALIBRATION = 64  # pairs of pictures; the paper takes 64 faces
NETWORK = frozenset({"size", "z", "width", "critic"})  # what a weight file decides; the search is the caller's


class SearchConfig(LearnedConfig):
    """The DCGAN, its training, and what both searches have in common.

    Parameters
    ----------
    z, width, critic
        Of :class:`DCGAN`.
    learning_rate
        Of :class:`DCGANTrainer`.
    iterations, starts, rate
        Steps of the search, number of vectors that it starts from, and Adam's step.
    window
        Side of the window that makes the weights of the known pixels.
    prior_weight, prior
        Weight of the discriminator's judgement and its form: log(1 - D) (``"saturating"``) or -log D.
    """

    size: int = Field(64, ge=64, le=64)
    batch: int = Field(32, ge=1)
    steps: int = Field(20_000, ge=1)
    z: int = Field(100, ge=1)
    width: int = Field(64, ge=1)
    critic: int = Field(56, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    iterations: int = Field(1000, ge=1)
    starts: int = Field(4, ge=1)
    rate: float = Field(0.01, gt=0)
    window: int = Field(7, ge=1)
    prior_weight: float = Field(0.003, ge=0)
    prior: Prior = "saturating"

    @field_validator("window")
    @classmethod
    def _odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError(f"must be odd, got {window}")
        return window


class YehConfig(SearchConfig):
    """Yeh's search has nothing of its own but its number of steps."""

    iterations: int = Field(1500, ge=1)


class QiangConfig(SearchConfig):
    """What Qiang's search has beside Yeh's.

    Parameters
    ----------
    alpha
        How much more a pixel at the rim weighs.
    context_weight, structure_weight
        λ_c and λ_s.
    structure, clamped
        Of :class:`QiangLoss`.
    limits
        Where the losses' limits come from: ``"mask"``, pairs of pictures of the generator under the mask at hand;
        ``"set"``, pictures against faces in training, without mask, as the paper measured them; ``"printed"``.
    """

    alpha: float = Field(2.0, ge=0)
    context_weight: float = Field(0.2, ge=0)
    structure_weight: float = Field(0.797, ge=0)
    structure: Literal["window", "global"] = "window"
    clamped: bool = False
    limits: Literal["mask", "set", "printed"] = "mask"


WEIGHTS = {
    "default": Weights(
        "dcgan64.safetensors",
        sha256="45dea3720ab14d03db29e011a7f2ffcbe1061721984bdcd3d9f837ec73c1e59c",
        licence="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 64 x 64; 9,500 steps of 32 on two CPU cores",
    )
}
# 20 epochs of CelebA's 200,599 training images in batches of 128; one start
PAPER: dict[str, Any] = {"width": 128, "critic": 128, "batch": 128, "steps": 31_344, "starts": 1}
TINY: dict[str, Any] = {"width": 8, "critic": 8, "batch": 8, "steps": 100, "iterations": 8, "starts": 2}


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

    name, paper, trained, fixed = "yeh", "https://arxiv.org/abs/1607.07539", True, True
    Config = YehConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": YehConfig(),
        "paper": YehConfig(**PAPER),
        "tiny": YehConfig(**TINY),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    takes, stored, blend = frozenset({"qiang"}), NETWORK, "poisson"
    draws = True

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

    name, paper, trained, fixed = "qiang", "https://doi.org/10.2991/ijcis.d.191016.003", True, True
    Config = QiangConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": QiangConfig(),
        "paper": QiangConfig(**PAPER, structure="global", clamped=True, limits="printed"),
        "tiny": QiangConfig(**TINY, limits="set"),
    }
    weights: ClassVar[dict[str, Weights]] = WEIGHTS
    takes, stored, blend = frozenset({"yeh"}), NETWORK, "poisson"
    draws = True

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
