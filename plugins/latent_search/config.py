"""Options, presets and trained weights."""

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from inpaintx.plugin.method import LearnedConfig, Weights

NETWORK = frozenset(
    {"size", "z", "width", "discriminator_width"}
)  # what a weight file decides; the search is the caller's

Prior = Literal["saturating", "nonsaturating"]


class SearchConfig(LearnedConfig):
    """The DCGAN, its training, and what both searches have in common."""

    renamed_options: ClassVar[dict[str, str]] = {
        "learning_rate": "lr",
        "critic": "discriminator_width",
        "rate": "search_lr",
        "window": "kernel_size",
        "prior": "prior_form",
    }

    size: int = Field(default=64, ge=64, le=64, description="side in pixels of the images; the DCGAN has no other")
    batch_size: int = Field(default=32, ge=1, description="images of one update")
    steps: int = Field(default=20_000, ge=1, description="number of updates")
    z: int = Field(default=100, ge=1, description="length of the random vector")
    width: int = Field(default=64, ge=1, description="channels of the generator's last hidden layer")
    discriminator_width: int = Field(default=56, ge=1, description="channels of the discriminator's first layer")
    lr: float = Field(default=2e-4, gt=0, description="learning rate of the training")
    iterations: int = Field(default=300, ge=1, description="steps of the search")
    candidates: int = Field(
        default=64, ge=1, description="vectors that are drawn; the search starts from those that come closest"
    )
    starts: int = Field(default=1, ge=1, description="number of vectors that the search starts from")
    search_lr: float = Field(default=0.2, gt=0, description="learning rate of the search, at its first step")
    decay: bool = Field(default=True, description="whether that rate falls to 0 along half a cosine")
    kernel_size: int = Field(
        default=7, ge=1, description="side of the window that makes the weights of known pixels, odd"
    )
    prior_weight: float = Field(
        default=0.003, ge=0, description="weight of the discriminator's judgement in the search"
    )
    prior_form: Prior = Field(default="saturating", description="its form: log(1 - D) (saturating) or -log D")

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, kernel_size: int) -> int:
        if kernel_size % 2 == 0:
            raise ValueError(f"must be odd, got {kernel_size}")
        return kernel_size


class YehConfig(SearchConfig):
    """Yeh's search has nothing of its own."""


class QiangConfig(SearchConfig):
    """What Qiang's search has beside Yeh's."""

    alpha: float = Field(default=2.0, ge=0, description="how much more a pixel at the rim weighs")
    context_weight: float = Field(default=0.2, ge=0, description="weight of the context loss, λ_c")
    structure_weight: float = Field(default=0.797, ge=0, description="weight of the structure loss, λ_s")
    structure: Literal["window", "global"] = Field(
        default="window", description="SSIM under a Gaussian window, or of the whole image as printed"
    )
    clamped: bool = Field(default=False, description="whether the losses are cut off at their limits")
    limits: Literal["mask", "set", "printed"] = Field(
        default="mask",
        description="where the losses' limits come from: pictures under the mask at hand, those of training, the paper",
    )


WEIGHTS = {
    "default": Weights(
        "dcgan64.safetensors",
        sha256="45dea3720ab14d03db29e011a7f2ffcbe1061721984bdcd3d9f837ec73c1e59c",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 64 x 64; 9,500 steps of 32 on two CPU cores",
    )
}


# 20 epochs of CelebA's 200,599 training images in batches of 128; the search from the first vector that is drawn
PAPER: dict[str, Any] = {
    "width": 128,
    "discriminator_width": 128,
    "batch_size": 128,
    "steps": 31_344,
    "iterations": 1000,
    "candidates": 1,
    "search_lr": 0.01,
    "decay": False,
}


DATA: dict[str, dict[str, Any]] = {"paper": {"limit": 200_599}}  # 2,000 of CelebA's 202,599 are held out

TINY: dict[str, Any] = {
    "width": 8,
    "discriminator_width": 8,
    "batch_size": 8,
    "steps": 100,
    "iterations": 8,
    "candidates": 4,
    "starts": 2,
}
