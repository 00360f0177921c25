"""Blocks that several methods share, and how their weights begin."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintx.ops import PartialConv2d, WinogradConv2d, self_attention

__all__ = [
    "DilatedResidual",
    "Down",
    "GatedConv",
    "Norm",
    "PConvBlock",
    "PixelShuffleUp",
    "SelfAttention",
    "Up",
    "first_std",
    "icnr_",
    "init_weights",
    "network_input",
    "norm_layer",
]

#: Normalization of a block.
Norm = Literal["none", "batch", "instance", "instance_affine"]


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """A normalisation layer by name; ``"instance"`` has no parameters."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(channels, affine=kind == "instance_affine")


def first_std(width: int, std: float = 0.0) -> float:
    """``std``, or if that is 0 the 0.02 that GANs use at 64 channels, and more for fewer.

    A sum over C channels grows as √C, so that 0.02·√(64/width) keeps the size of what a network of another width hands
    on where no normalisation does.
    """
    return std or 0.02 * math.sqrt(64 / width)


def init_weights(net: nn.Module, std: float = 0.02) -> None:
    """Convolutions and dense layers from N(0, std) with bias 0, normalisations from N(1, 0.02): the usage of GANs."""
    for module in net.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)) and weight is not None:
            nn.init.normal_(weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, PartialConv2d)):
            if hasattr(module, "parametrizations"):  # spectral norm: what it normalises
                nn.init.normal_(module.parametrizations.weight.original, 0.0, std)  # type: ignore[union-attr, arg-type]
            else:
                nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class PConvBlock(nn.Module):
    """Partial convolution, normalisation and activation; the mask goes along.

    Parameters
    ----------
    conv
        The partial convolution.
    norm
        After it; see :func:`norm_layer`.
    activation
        The last step; None: none.
    """

    def __init__(self, conv: PartialConv2d, norm: Norm = "none", activation: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm_layer(norm, conv.weight.shape[0])
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor, mask: Tensor, mask_channels: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """``[B,Cin,H,W]`` and mask (1 = hole) to ``[B,Cout,Ho,Wo]`` and ``[B,1,Ho,Wo]``.

        ``mask_channels``: see :func:`inpaintx.ops.partial_conv2d`.
        """
        x, mask = self.conv(x, mask, mask_channels)
        return self.activation(self.norm(x)), mask


class DilatedResidual(nn.Module):
    """x plus a 3×3 convolution with dilation, instance norm, ReLU, a 3×3 convolution and instance norm.

    References
    ----------
    Nazeri et al., "EdgeConnect: Generative Image Inpainting with Adversarial Edge Learning", 2019, section 3.
    """

    def __init__(self, channels: int, dilation: int = 2, *, spectral: bool = False) -> None:
        super().__init__()
        first, second = (
            WinogradConv2d(channels, channels, 3, padding=d, dilation=d, padding_mode="reflect", bias=not spectral)
            for d in (dilation, 1)
        )
        self.layers = nn.Sequential(
            spectral_norm(first) if spectral else first,
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            spectral_norm(second) if spectral else second,
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,H,W]`` to the same shape; H and W above the dilation."""
        return x + self.layers(x)


class GatedConv(nn.Module):
    """A convolution to twice the channels: ELU (or another activation) of one half times the sigmoid of the other.

    References
    ----------
    Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019, eq. 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[Tensor], Tensor] = F.elu,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size - 1) // 2
        self.conv = WinogradConv2d(in_channels, 2 * out_channels, kernel_size, stride, padding, dilation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """``[B,Cin,H,W]`` to ``[B,Cout,H/stride,W/stride]``."""
        content, gate = self.conv(x).chunk(2, 1)
        return self.activation(content) * gate.sigmoid()


class SelfAttention(nn.Module):
    """x plus gamma times what each pixel gathers from all pixels; gamma is learnt and begins at 0.

    References
    ----------
    Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, eq. 1 to 3 (without the projection of
    its later version; as there, scores are not divided by √C).
    """

    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or max(1, channels // 8)
        self.query, self.key = nn.Conv2d(channels, inner, 1), nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,H,W]`` to the same shape."""
        q, k, v = (conv(x).flatten(2) for conv in (self.query, self.key, self.value))
        return x + self.gamma * self_attention(q, k, v).view_as(x)


def icnr_(weight: Tensor, factor: int = 2, std: float | None = None) -> Tensor:
    """Fill a convolution's weight so that the pixel shuffle behind it begins as nearest upsampling of a convolution.

    Parameters
    ----------
    weight
        ``[C·factor²,Cin,kh,kw]``, written to.
    std
        Of the normal distribution; None: He's for ReLU.

    References
    ----------
    Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017, section 4.
    """
    one = torch.empty_like(weight[:: factor**2])
    if std is None:
        nn.init.kaiming_normal_(one, nonlinearity="relu")
    else:
        nn.init.normal_(one, 0.0, std)
    with torch.no_grad():
        return weight.copy_(one.repeat_interleave(factor**2, 0))


class PixelShuffleUp(nn.Module):
    """Twice the size: 3×3 convolution to four times the channels, pixel shuffle, 3×3 convolution.

    References
    ----------
    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
    Network", CVPR 2016. Initialised by :func:`icnr_`.
    """

    def __init__(self, channels: int, std: float | None = None) -> None:
        super().__init__()
        self.expand = WinogradConv2d(channels, 4 * channels, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.smooth = WinogradConv2d(channels, channels, 3, padding=1)
        self.reset(std)

    def reset(self, std: float | None = None) -> None:
        """Begin anew, e.g. after :func:`init_weights` has drawn over ICNR."""
        icnr_(self.expand.weight, 2, std)
        nn.init.zeros_(self.expand.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,H,W]`` to ``[B,C,2H,2W]``."""
        return self.smooth(self.shuffle(self.expand(x)))


class Down(nn.Sequential):
    """A U-Net's way down: leaky ReLU 0.2 (not on the image itself), 4×4 convolution with stride 2, normalisation."""

    def __init__(self, in_channels: int, out_channels: int, norm: Norm = "batch", *, activate: bool = True) -> None:
        super().__init__(
            nn.LeakyReLU(0.2) if activate else nn.Identity(),
            nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=norm != "batch"),
            norm_layer(norm, out_channels),
        )


class Up(nn.Sequential):
    """A U-Net's way up: ReLU, 4×4 transposed convolution with stride 2, normalisation, further layers (dropout, tanh).

    The caller concatenates the skip: ``up(torch.cat([x, skip], 1))``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm: Norm = "batch", then: Iterable[nn.Module] = ()
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=norm != "batch"),
            norm_layer(norm, out_channels),
            *then,
        )


def network_input(image: Tensor, hole: Tensor, value: float = 0.0) -> Tensor:
    """Bring ``[B,3,H,W]`` in [0,1] to [-1,1], with ``value`` (0: grey, 1: white) in the hole, ``[B,1,H,W]`` bool."""
    return (2 * image - 1).masked_fill(hole, value)
