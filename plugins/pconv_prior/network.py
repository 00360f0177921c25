"""The network of partial convolutions that PD-GAN takes as its prior, and the face paper as its baseline."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.blocks import PConvBlock, Up, init_weights
from inpaintx.ops import PartialConv2d
from inpaintx.ops.partial_conv import Scale

__all__ = ["PriorNet"]


class Residual(nn.Module):
    """x plus partial convolution, instance norm, ReLU, partial convolution, instance norm."""

    def __init__(self, channels: int, scale: Scale) -> None:
        super().__init__()

        def block() -> PConvBlock:
            return PConvBlock(PartialConv2d(channels, channels, 3, 1, 1, bias=False, scale=scale), "instance")

        self.first, self.second = block(), block()

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        y, mask = self.first(x, mask)
        y, mask = self.second(y.relu(), mask)
        return x + y, mask


class PriorNet(nn.Module):
    """Partial convolutions down, residual blocks, transposed convolutions up with skips, tanh.

    Parameters
    ----------
    width
        Channels of the first layer; they double up to eight times that.
    levels
        Halvings: sides must be multiples of 2 to the power of one more (instance norm needs two pixels).
    scale
        See :func:`inpaintx.ops.partial_conv2d`; PD-GAN's published weights are of ``"sum"``.
    std
        Of the first weights.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021, section 3.1.
    """

    def __init__(self, width: int = 64, levels: int = 6, scale: Scale = "window", *, std: float = 0.02) -> None:
        super().__init__()
        widths = [3, *(width * 2 ** min(i, 3) for i in range(levels))]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for i in range(levels):
            conv = PartialConv2d(widths[i], widths[i + 1], 4, 2, 1, bias=False, scale=scale)
            self.encoder.append(PConvBlock(conv, "instance_affine" if 0 < i < levels - 1 else "none"))
        self.middle = nn.ModuleList(Residual(widths[-1], scale) for _ in range(4))
        for i in reversed(range(levels)):
            into = widths[i + 1] * (1 if i == levels - 1 else 2)
            norm, then = ("instance_affine", ()) if i else ("none", (nn.Tanh(),))
            self.decoder.append(Up(into, widths[i], norm, then))  # type: ignore[arg-type]
        init_weights(self, std)

    def to_net(self, image: Tensor) -> Tensor:
        """[0,1] to [-1,1]."""
        return 2 * image - 1

    def from_net(self, x: Tensor) -> Tensor:
        """[-1,1] to [0,1]."""
        return (x + 1) / 2

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``[B,3,H,W]`` in [-1,1] and ``[B,1,H,W]`` (1 = hole) to ``[B,3,H,W]`` in [-1,1]."""
        skips: list[Tensor] = []
        for i, block in enumerate(self.encoder):
            x, mask = block(F.leaky_relu(x, 0.2) if i else x, mask)
            skips.append(x)
        skips.pop()
        for residual in self.middle:
            x, mask = residual(x, mask)
        for i, up in enumerate(self.decoder):
            x = up(torch.cat([x, skips.pop()], 1) if i else x)
        return x
