"""The context encoder's network: a picture with a hole is squeezed into a vector, and the content unfolded from it.

Paper: Pathak, Krähenbühl, Donahue, Darrell, Efros, "Context Encoders: Feature Learning by Inpainting", CVPR 2016,
https://arxiv.org/abs/1604.07379; layers as in the authors' code, whose bottleneck is a convolution over all that is
left (``"conv"``). The paper's text has a channel-wise dense layer in its place (``"cfc"``).
"""

import math

import torch
from torch import Tensor, nn

from inpaintx.nn.blocks import init_weights

from .config import Bottleneck, ContextEncoderConfig, Variant

__all__ = ["ChannelwiseDense", "Network"]


class ChannelwiseDense(nn.Module):
    """In each channel by itself, every pixel from every pixel; then a 1×1 convolution mixes the channels.

    References
    ----------
    Pathak et al., CVPR 2016, section 3.1, "Channel-wise fully-connected layer".
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, side * side, side * side).normal_(0, 1 / side))
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,side,side]`` to the same shape."""
        spread = torch.einsum("bci,cij->bcj", x.flatten(2), self.weight)
        mixed: Tensor = self.mix(spread.view_as(x))
        return mixed


class Network(nn.Module):
    """Encoder to 4×4 pixels, bottleneck, decoder.

    Encoder: 4×4 convolutions with stride 2, leaky ReLU 0.2, batch norm except in the first. Decoder: 4×4 transposed
    convolutions with stride 2, batch norm and ReLU, tanh at the end. No bias. At 128 pixels and width 64 the encoder
    has 64, 64, 128, 256 and 512 channels.

    Parameters
    ----------
    size
        Side of the input, a power of two from 64.
    width
        Channels of the first layer.
    variant
        ``"center"``: the output is the square of half the side in the middle; ``"random"``: the whole picture.
    bottleneck, code
        ``"conv"``: a 4×4 convolution to ``code`` channels of one pixel, and one back; ``"cfc"``:
        :class:`ChannelwiseDense`.
    std
        Of the first weights.
    """

    config: ContextEncoderConfig

    def __init__(
        self, size: int, width: int, variant: Variant, bottleneck: Bottleneck, code: int, *, std: float = 0.02
    ) -> None:
        super().__init__()
        levels = int(math.log2(size)) - 2
        channels = [width * 2 ** max(0, i + 4 - levels) for i in range(levels)]
        encoder: list[nn.Module] = []
        for i, (into, out) in enumerate(zip([3, *channels], channels, strict=False)):
            encoder.append(nn.Conv2d(into, out, 4, 2, 1, bias=False))
            encoder += [nn.BatchNorm2d(out)] * (i > 0) + [nn.LeakyReLU(0.2)]
        last = channels[-1]
        if bottleneck == "conv":
            middle = [
                nn.Conv2d(last, code, 4, bias=False),
                nn.BatchNorm2d(code),
                nn.LeakyReLU(0.2),
                nn.ConvTranspose2d(code, last, 4, bias=False),
            ]
        else:
            middle = [ChannelwiseDense(last, 4)]
        decoder: list[nn.Module] = []
        ways = channels[-2::-1] if variant == "random" else channels[-2:0:-1]
        for into, out in zip([last, *ways], ways, strict=False):
            decoder += [nn.ConvTranspose2d(into, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        self.encoder = nn.Sequential(*encoder)
        self.bottleneck = nn.Sequential(*middle, nn.BatchNorm2d(last), nn.ReLU())
        self.decoder = nn.Sequential(*decoder, nn.ConvTranspose2d(ways[-1], 3, 4, 2, 1, bias=False), nn.Tanh())
        init_weights(self, std)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,3,size,size]`` in [-1,1] to ``[B,3,size,size]`` or ``[B,3,size/2,size/2]`` in [-1,1]."""
        filled: Tensor = self.decoder(self.bottleneck(self.encoder(x)))
        return filled
