"""How far a fill is from the truth in the features of a VGG16."""

from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintx.nn.vgg import load_vgg

__all__ = ["EMBEDDING", "LAYERS", "FeatureDistance"]

#: Layers of VGG16 that are compared.
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
#: The layer whose mean over the image stands for the image in a Fréchet distance.
EMBEDDING = "relu5_3"


class FeatureDistance(nn.Module):
    """Sum over four layers of the mean squared difference of features that are normalised over their channels.

    Parameters
    ----------
    path
        A weight file of VGG16; empty: the official one.
    embedding
        Whether :meth:`maps` gives the layer ``EMBEDDING`` as well.

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

    def __init__(self, path: str | Path = "", *, embedding: bool = False) -> None:
        super().__init__()
        layers = (*LAYERS, EMBEDDING) if embedding else LAYERS
        self.vgg, self.outcome = load_vgg(16, layers, "error", path=str(path))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``[B,3,H,W]`` RGB in [0,1], twice, to ``[B]``."""
        return self.between(self.maps(a), self.maps(b))

    @torch.no_grad()
    def maps(self, image: Tensor) -> dict[str, Tensor]:
        """The layers of an image; those that are compared are of length 1 over their channels."""
        assert self.vgg is not None
        found: dict[str, Tensor] = self.vgg(image)
        return {
            name: f / (f.square().sum(1, keepdim=True).sqrt() + 1e-8) if name in LAYERS else f
            for name, f in found.items()
        }

    @staticmethod
    def between(a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        """The distance of two images' :meth:`maps`, ``[B]``."""
        return torch.stack([(a[name] - b[name]).square().sum(1).mean((1, 2)) for name in LAYERS]).sum(0)
