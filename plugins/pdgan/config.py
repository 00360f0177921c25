"""Options, presets and trained weights."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from inpaintx import LearnedConfig
from inpaintx.nn.options import Features, OnMissing
from inpaintx.plugin.method import Weights

__all__ = ["DATA", "PRESETS", "WEIGHTS", "PDGANConfig"]


class PDGANConfig(LearnedConfig):
    """Networks, losses and training; the face paper's changes are ``map``, ``upsample``, ``alpha`` and ``beta``."""

    stages: ClassVar[frozenset[str]] = frozenset({"prior_steps"})

    width: int = Field(default=64, ge=4, multiple_of=4, description="channels of generator, prior and discriminator")
    init_std: float = Field(default=0.0, ge=0, description="of the first weights; 0: 0.02·√(64 / channels)")
    prior_width: int = Field(default=0, ge=0, multiple_of=4, description="channels of the prior; 0: as width")
    prior_levels: int = Field(default=0, ge=0, le=8, description="halvings of the prior; 0: down to 4x4 pixels")
    z: int = Field(default=256, ge=1, description="length of the random vector")
    map: Literal["hard", "improved"] = Field(
        default="hard", description="probability map: the paper's, or the face paper's"
    )
    upsample: Literal["deconv", "pixelshuffle"] = Field(
        default="deconv", description="transposed convolutions, or the face paper's pixel shuffle"
    )
    floor: bool = Field(default=False, description="keep the improved map above e^-n")
    soft: Literal["learnt", "capped"] = Field(
        default="learnt", description="the shortcut's map in the hole: the learnt one, or that times the hole's map"
    )
    mask_resize: Literal["nearest", "area"] = Field(
        default="nearest", description="how the mask is brought to each layer's size"
    )
    scale: Literal["window", "sum"] = Field(default="window", description="of the prior's partial convolutions")
    prior: str = Field(default="", description="a file or tag of pconv_prior's weights; without, it is trained first")
    prior_steps: int = Field(default=105_000, ge=0, description="first steps that train the prior if it is not given")
    prior_lr: float = Field(default=1e-3, gt=0, description="learning rate of the prior")
    steps: int = Field(default=210_000, ge=1, description="number of updates")
    lr: float = Field(default=1e-3, gt=0, description="half of it for the generator, twice it for the discriminator")
    perceptual: float = Field(default=10.0, ge=0, description="weight of the perceptual loss")
    feature_matching: float = Field(default=10.0, ge=0, description="weight of the feature matching")
    tv: float = Field(default=0.1, ge=0, description="weight of the total variation")
    diversity: float = Field(default=1.0, ge=0, description="weight of the diversity loss")
    diversity_eps: float = Field(default=1e-2, gt=0, description="added to its denominator")
    diversity_fall: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="what is left of diversity's weight at the last step, falling evenly in log",
    )
    free: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="how free of comparison with the truth the middle of holes is: it counts 1 - free·(1 - P)",
    )
    alpha: float = Field(default=0.0, ge=0, description="weight of the L1 inside the skin")
    skin: Literal["mean", "sum", "hole"] = Field(
        default="mean",
        description="that L1's mean over all elements, sum over an image, or mean over the skin's pixels in the hole",
    )
    beta: float = Field(default=0.0, ge=0, description="weight of the landmark heatmaps' loss")
    blended: float = Field(default=0.0, ge=0, description="weight of the L1 of hidden pixels after Poisson blending")
    vgg: Features = Field(default="random", description="what to do without VGG16's official weights")
    vgg_path: str = Field(default="", description="a weight file of VGG16 to take in place of the official one")
    vgg_normalize: bool = Field(default=True, description="whether VGG is given images as it was trained on")
    fan: OnMissing = Field(default="skip", description="what to do without FAN's official weights")
    fan_path: str = Field(
        default="", description="a FAN fitted by `inpaintx train-fan`, or fan128: that of inpaintx-weights"
    )


OFFICIAL = PDGANConfig(scale="sum", diversity_eps=1e-5, vgg="error", vgg_normalize=False, fan="error", skin="sum")


IMPROVED = {"map": "improved", "upsample": "pixelshuffle", "z": 128}


def _row(**changes: Any) -> PDGANConfig:
    """A row of the face paper's table."""
    return OFFICIAL.model_copy(update={**IMPROVED, **changes})


FULL = PDGANConfig(
    map="improved",
    upsample="pixelshuffle",
    z=128,
    soft="capped",
    free=0.9,
    diversity_fall=0.1,
    alpha=10.0,
    skin="hole",
    beta=10.0,
)


TINY = {
    "size": 64,
    "width": 8,
    "z": 32,
    "steps": 1300,
    "prior_steps": 300,
    "prior_lr": 2e-3,
    "beta": 0.0,
    "vgg": "small",
}


PRESETS: dict[str, BaseModel] = {
    "default": FULL,
    "paper": OFFICIAL,
    "fan_only": _row(beta=10.0),
    "mask_only": _row(alpha=0.5),
    "full": _row(alpha=0.5, beta=10.0),
    "tiny": FULL.model_copy(update=TINY),
}

# the face paper's images, one pair of image and mask in every epoch where holes=FOLDER:order=fixed names its masks
DATA: dict[str, dict[str, Any]] = {
    row: {"limit": 7000, "order": "fixed", "flip": False} for row in ("paper", "fan_only", "mask_only", "full")
}

WEIGHTS: dict[str, Weights] = {
    "default": Weights(
        "full128.safetensors",
        sha256="a439ee4c03038ee9b9d30111f8167cae8212b1b82f1fa999f44e72a13978ed72",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 3,126 faces at 128 x 128; 4,800 steps of 8 on features of "
        "VGG16-HED and with a FAN, after pconv_prior's default weights, on one CPU core",
    ),
    "printed": Weights(
        "printed128.safetensors",
        sha256="76c88bb327ae83baa4dd8148eb28edc58424b4fa6b5e40b660ffe88340968060",
        license="research use only, as its images",
        trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 2,500 steps of 4 and 350 more, after "
        "10,000 of 8 of the prior, on one CPU core",
    ),
}
