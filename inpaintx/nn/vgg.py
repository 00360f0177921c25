"""VGG16 and VGG19 as feature extractors, with torchvision's names of weights."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.nn.official import VGG16, VGG19, WeightFile
from inpaintx.nn.options import Features, OnMissing
from inpaintx.nn.pretrained import frozen, he_init
from inpaintx.ops import WinogradConv2d

__all__ = ["VGG", "load_vgg"]

Depth = Literal[16, 19]
CONVS: dict[Depth, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each of the five blocks
TIMES = (1, 2, 4, 8, 8)  # their channels, in units of the first block's
FILES: dict[Depth, WeightFile] = {16: VGG16, 19: VGG19}


class VGG(nn.Module):
    """The convolutions of VGG up to the last layer that is asked for.

    Parameters
    ----------
    depth
        16 or 19.
    layers
        Names of the layers to return: ``"conv3_1"``, ``"relu3_1"``, ``"pool3"`` (block, convolution).
    normalize
        Whether images in [0,1] are brought to ImageNet's mean and deviation first, as the weights expect; PD-GAN and
        EdgeConnect leave that out.
    width
        Channels of the first block; the official weights have 64.

    References
    ----------
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.

    Examples
    --------
    >>> vgg = VGG(16, ["relu1_1", "pool2"])
    >>> {name: list(f.shape) for name, f in vgg(torch.rand(1, 3, 32, 32)).items()}
    {'relu1_1': [1, 64, 32, 32], 'pool2': [1, 128, 8, 8]}
    """

    mean: Tensor
    std: Tensor

    def __init__(self, depth: Depth, layers: Iterable[str], *, normalize: bool = True, width: int = 64) -> None:
        super().__init__()
        names: list[str] = []
        modules: list[nn.Module] = []
        channels = 3
        for block, (convs, times) in enumerate(zip(CONVS[depth], TIMES, strict=True), start=1):
            for i in range(1, convs + 1):
                names += [f"conv{block}_{i}", f"relu{block}_{i}"]
                modules += [WinogradConv2d(channels, times * width, 3, padding=1), nn.ReLU()]
                channels = times * width
            names.append(f"pool{block}")
            modules.append(nn.MaxPool2d(2))
        self.layers = list(layers)
        unknown = sorted(set(self.layers) - set(names))
        if unknown or not self.layers:
            raise InpaintxError(f"VGG{depth} has no layers {unknown or 'asked for'}; it has: {', '.join(names)}")
        last = max(names.index(layer) for layer in self.layers)
        self.names = names[: last + 1]
        self.features = nn.Sequential(*modules[: last + 1])
        self.normalize = normalize
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """``[B,3,H,W]`` RGB in [0,1] to the features by name, in float32 also under autocast."""
        with torch.autocast(image.device.type, enabled=False):
            x = image.float()
            if self.normalize:
                x = (x - self.mean) / self.std
            found = {}
            for name, layer in zip(self.names, self.features, strict=True):
                x = layer(x)
                if name in self.layers:
                    found[name] = x
        return found

    @torch.no_grad()
    def target(self, image: Tensor) -> dict[str, Tensor]:
        """Features of an image that a loss compares with: nothing is kept for a gradient."""
        features: dict[str, Tensor] = self(image)
        return features


def load_vgg(
    depth: Depth,
    layers: Iterable[str],
    features: Features = "error",
    *,
    normalize: bool = True,
    path: str = "",
    option: str = "vgg",
) -> tuple[VGG | None, str]:
    """Make a frozen :class:`VGG`, and say where its weights came from.

    Parameters
    ----------
    features
        The official weights; and without them ``"error"``, ``"random"`` or ``"skip"``, as
        :func:`inpaintx.nn.pretrained.frozen` has it. ``"small"``: random weights of a quarter of the width, a
        sixteenth of the time, for trials on a CPU.
    depth, layers, normalize, path, option
        See :class:`VGG` and :func:`inpaintx.nn.pretrained.frozen`.
    """
    if features == "small" and not path:
        small = VGG(depth, layers, normalize=normalize, width=16)
        he_init(small, 0)
        return small.eval().requires_grad_(False), "random, a quarter of the width"
    on_missing: OnMissing = "error" if features == "small" else features
    return frozen(lambda: VGG(depth, layers, normalize=normalize), FILES[depth], on_missing, path=path, option=option)
