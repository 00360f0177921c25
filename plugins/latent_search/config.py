"""Options, presets and trained weights."""

from typing import Any, Literal

from pydantic import Field, field_validator

from inpaintx.plugin.method import LearnedConfig, Weights

NETWORK = frozenset({"size", "z", "width", "critic"})  # what a weight file decides; the search is the caller's

Prior = Literal["saturating", "nonsaturating"]


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
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 64 x 64; 9,500 steps of 32 on two CPU cores",
    )
}


# 20 epochs of CelebA's 200,599 training images in batches of 128; one start
PAPER: dict[str, Any] = {"width": 128, "critic": 128, "batch": 128, "steps": 31_344, "starts": 1}


TINY: dict[str, Any] = {"width": 8, "critic": 8, "batch": 8, "steps": 100, "iterations": 8, "starts": 2}
