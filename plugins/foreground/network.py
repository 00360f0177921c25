"""The encoder and decoder with skips that are added."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.blocks import init_weights
from inpaintx.ops import WinogradConv2d

__all__ = ["ForegroundNet"]


class ForegroundNet(nn.Module):
    """Dilated 5×5 convolutions and pooling down, bilinear upsampling and 3×3 convolutions up, skips added.

    A skip is multiplied by the validity of its pixels (the hole max-pooled), so that features of hidden pixels do not
    pass by the bottleneck.

    Parameters
    ----------
    width
        Channels of the first layer: width, width, 2·width, 4·width, 8·width.
    std
        Of the first weights.

    References
    ----------
    Jam et al., "Foreground-guided Facial Inpainting with Fidelity Preservation", CAIP 2021; the layers of the encoder
    after the same author's "R-MNet", WACV 2021.
    """

    def __init__(self, width: int = 64, *, std: float = 0.02) -> None:
        super().__init__()
        widths = [width, width, 2 * width, 4 * width]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for into, out in pairwise([3, *widths]):
            conv = nn.Conv2d(into, out, 5, padding=4, dilation=2)
            self.encoder.append(nn.Sequential(conv, nn.LeakyReLU(0.2), nn.BatchNorm2d(out, momentum=0.2)))
        self.bottom = nn.Sequential(
            nn.Conv2d(widths[-1], 8 * width, 5, padding=4, dilation=2), nn.LeakyReLU(0.2), nn.Dropout(0.5)
        )
        for into, out in pairwise([8 * width, *reversed(widths)]):
            conv = WinogradConv2d(into, out, 3, padding=1)
            self.decoder.append(nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(out)))
        self.last = WinogradConv2d(width, 3, 3, padding=1)
        init_weights(self, std)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``[B,3,H,W]`` in [-1,1] with 0 in the hole, and ``[B,1,H,W]``, to ``[B,3,H,W]`` in [-1,1]; sides times 16."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x * (1 - mask))
            x, mask = F.max_pool2d(x, 2), F.max_pool2d(mask, 2)
        x = self.bottom(x)
        for block in self.decoder:
            x = block(F.interpolate(x, scale_factor=2.0, mode="bilinear")) + skips.pop()
        return self.last(x).tanh()
