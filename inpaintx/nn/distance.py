"""How far a fill is from the truth in the features of a VGG16."""

from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintx.nn.vgg import load_vgg

__all__ = ["LAYERS", "FeatureDistance"]

#: Layers of VGG16 that are compared.
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


class FeatureDistance(nn.Module):
    """Sum over four layers of the mean squared difference of features that are normalised over their channels.

    Parameters
    ----------
    path
        A weight file of VGG16; empty: the official one.

    Attributes
    ----------
    outcome
        Where the weights came from: distances in different features are not compared.

    References
    ----------
    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, eq. 1, with all
    weights 1.

    Raises
    ------
    InpaintxError
        No such file, or not a VGG16's.
    """

    def __init__(self, path: str | Path = "") -> None:
        super().__init__()
        self.vgg, self.outcome = load_vgg(16, LAYERS, "error", path=str(path))

    @torch.no_grad()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``[B,3,H,W]`` RGB in [0,1], twice, to ``[B]``."""
        return torch.stack(
            [(x - y).square().sum(1).mean((1, 2)) for x, y in zip(self._features(a), self._features(b), strict=True)]
        ).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        assert self.vgg is not None
        found = self.vgg(image)
        return [f / (f.square().sum(1, keepdim=True).sqrt() + 1e-8) for f in (found[name] for name in LAYERS)]
