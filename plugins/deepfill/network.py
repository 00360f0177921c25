"""Coarse network, then a refining one whose second branch copies from known patches."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.blocks import GatedConv
from inpaintx.ops import WinogradConv2d, contextual_attention

from .config import Version

__all__ = ["DeepFillNet"]

DILATIONS = (2, 4, 8, 16)


class Plain(nn.Module):
    """A convolution and its activation (v1)."""

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
        self.conv = WinogradConv2d(in_channels, out_channels, kernel_size, stride, padding, dilation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv(x))


class Doubled(nn.Module):
    """Nearest upsampling to twice the size, then a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(F.interpolate(x, scale_factor=2.0))
        return x


class DeepFillNet(nn.Module):
    """Both stages; convolutions are plain in v1, gated in v2, where a layer of ``c`` channels hands on half of them.

    Parameters
    ----------
    version
        ``"v1"`` or ``"v2"``.
    width
        Channels of the first convolution: 32 in v1, 48 in v2.
    compat
        Contextual attention as the published code computes it, see :func:`inpaintx.ops.contextual_attention`.

    References
    ----------
    Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018; Yu et al., "Free-Form Image
    Inpainting with Gated Convolution", ICCV 2019.
    """

    def __init__(self, version: Version = "v2", width: int = 48, *, compat: bool = False) -> None:
        super().__init__()
        self.version, self.compat = version, compat
        c = width if version == "v1" else width // 2

        def layer(into: int, out: int, kernel: int = 3, **options: Any) -> nn.Module:
            return (Plain if version == "v1" else GatedConv)(into, out, kernel, **options)

        def dilated() -> list[nn.Module]:
            return [layer(4 * c, 4 * c, dilation=d) for d in DILATIONS]

        def up(into: int) -> list[nn.Module]:
            return [
                layer(into, 4 * c),
                layer(4 * c, 4 * c),
                Doubled(layer(4 * c, 2 * c)),
                layer(2 * c, 2 * c),
                Doubled(layer(2 * c, c)),
                layer(c, c // 2),
                WinogradConv2d(c // 2, 3, 3, padding=1),
            ]

        self.coarse = nn.Sequential(
            layer(5, c, 5),
            layer(c, 2 * c, stride=2),
            layer(2 * c, 2 * c),
            layer(2 * c, 4 * c, stride=2),
            layer(4 * c, 4 * c),
            layer(4 * c, 4 * c),
            *dilated(),
            *up(4 * c),
        )
        given = 5 if version == "v1" else 3
        self.hallucinate = nn.Sequential(
            layer(given, c, 5),
            layer(c, c, stride=2),
            layer(c, 2 * c),
            layer(2 * c, 2 * c, stride=2),
            layer(2 * c, 4 * c),
            layer(4 * c, 4 * c),
            *dilated(),
        )
        self.attend = nn.Sequential(
            layer(given, c, 5),
            layer(c, c, stride=2),
            layer(c, 2 * c),
            layer(2 * c, 4 * c, stride=2),
            layer(4 * c, 4 * c),
            layer(4 * c, 4 * c, activation=F.relu),
        )
        self.copied = nn.Sequential(layer(4 * c, 4 * c), layer(4 * c, 4 * c))
        self.merge = nn.Sequential(*up(8 * c))

    def bounded(self, x: Tensor) -> Tensor:
        """What the last step of each stage is: clipping in v1, tanh in v2."""
        return x.clamp(-1, 1) if self.version == "v1" else x.tanh()

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and refined images.

        Parameters
        ----------
        x
            ``[B,3,H,W]`` in [-1,1] with 0 in the hole; sides are multiples of 8.
        mask
            ``[B,1,H,W]``, 1 = hole.

        Returns
        -------
        Tensor, Tensor
            ``[B,3,H,W]`` in [-1,1] each.
        """
        marks = [torch.ones_like(mask), mask]
        coarse = self.bounded(self.coarse(torch.cat([x, *marks], 1)))
        filled = torch.where(mask.bool(), coarse, x)
        given = torch.cat([filled, *marks], 1) if self.version == "v1" else filled
        hole = mask[..., ::4, ::4] if self.compat else F.max_pool2d(mask, 4)
        features = self.attend(given)
        copied = self.copied(contextual_attention(features, features, hole, compat=self.compat))
        merged = self.merge(torch.cat([self.hallucinate(given), copied], 1))
        return coarse, self.bounded(merged)
