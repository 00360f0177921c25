"""The two generators, and the guidance that passes between them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintx.nn.blocks import DilatedResidual, init_weights
from inpaintx.ops import hog, hog_image

__all__ = ["HOGGuidedNet", "ResidualGenerator"]

GRAY = (0.299, 0.587, 0.114)  # ITU-R BT.601


class ResidualGenerator(nn.Sequential):
    """Convolution, two halvings, residual blocks with dilation 2, two doublings, convolution.

    Parameters
    ----------
    in_channels, out_channels
        Of what is given and what comes out.
    width, blocks
        Channels of the first layer, and number of residual blocks.
    spectral
        Spectral norm in every layer but the last; the last step (sigmoid or tanh) is the caller's.
    std
        Of the first weights.

    References
    ----------
    Nazeri et al., "EdgeConnect: Generative Image Inpainting with Adversarial Edge Learning", 2019, appendix A.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        blocks: int = 8,
        *,
        spectral: bool = False,
        std: float = 0.02,
    ) -> None:
        def layer(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [spectral_norm(conv) if spectral else conv, nn.InstanceNorm2d(channels), nn.ReLU()]

        super().__init__(
            nn.ReflectionPad2d(3),
            *layer(nn.Conv2d(in_channels, width, 7), width),
            *layer(nn.Conv2d(width, 2 * width, 4, 2, 1), 2 * width),
            *layer(nn.Conv2d(2 * width, 4 * width, 4, 2, 1), 4 * width),
            *(DilatedResidual(4 * width, 2, spectral=spectral) for _ in range(blocks)),
            *layer(nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1), 2 * width),
            *layer(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
        )
        init_weights(self, std)


class HOGGuidedNet(nn.Module):
    """G_H completes the map of gradients, G paints.

    Parameters
    ----------
    cell
        Side of a cell in pixels; sides of images must be multiples of it and of 4.
    bins
        0: the drawn map, one channel; else the descriptor, so many channels.
    transform_sqrt
        Whether gradients are those of the square roots of the grey image (HOG's first stage).
    std
        Of the first weights.

    References
    ----------
    Salem, "A Novel Face Inpainting Approach Based on Guided Deep Learning".
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 8,
        cell: int = 8,
        bins: int = 0,
        *,
        transform_sqrt: bool = False,
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.cell, self.bins, self.transform_sqrt = cell, bins, transform_sqrt
        channels = bins or 1
        self.shape = ResidualGenerator(1 + channels + 1, channels, width, blocks, spectral=True, std=std)
        self.paint = ResidualGenerator(3 + channels, 3, width, blocks, std=std)

    def guidance(self, image: Tensor) -> Tensor:
        """Map of oriented gradients of the grey image: ``[B,3,H,W]`` in [0,1] to ``[B,bins or 1,H,W]`` in [0,1]."""
        gray = self.gray(image)
        if not self.bins:
            return hog_image(gray, self.cell, transform_sqrt=self.transform_sqrt)
        cells = hog(gray, self.cell, bins=self.bins, transform_sqrt=self.transform_sqrt).permute(0, 3, 1, 2)
        return F.interpolate(cells, scale_factor=float(self.cell)).clamp(0, 1)

    def gray(self, image: Tensor) -> Tensor:
        """``[B,3,H,W]`` to ``[B,1,H,W]``."""
        return (image * image.new_tensor(GRAY).view(1, 3, 1, 1)).sum(1, keepdim=True)

    def near_hole(self, hole: Tensor, cells: int) -> Tensor:
        """Pixels of cells within ``cells`` cells of one that the hole touches; both ``[B,1,H,W]`` bool."""
        touched = F.max_pool2d(hole.float(), self.cell)
        wide = F.max_pool2d(touched, 2 * cells + 1, 1, cells)
        return F.interpolate(wide, scale_factor=float(self.cell)) > 0

    def known_guidance(self, image: Tensor, hole: Tensor) -> Tensor:
        """What the masked image alone tells: its own map, 0 in cells within one cell of the hole (bool)."""
        white = image.masked_fill(hole, 1.0)
        return self.guidance(white).masked_fill(self.near_hole(hole, 1), 0.0)

    def complete(self, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """The map as G_H predicts it, and the completed one: predicted where the hole spoils it, its own elsewhere."""
        gray = self.gray(image).masked_fill(hole, 1.0)
        known = self.known_guidance(image, hole)
        predicted = self.shape(torch.cat([gray, known, hole.to(image.dtype)], 1)).sigmoid()
        return predicted, torch.where(self.near_hole(hole, 1), predicted, known)

    def color(self, image: Tensor, hole: Tensor, guidance: Tensor) -> Tensor:
        """G: ``[B,3,H,W]`` with the hole white, and the map, to ``[B,3,H,W]`` in [0,1]."""
        white = image.masked_fill(hole, 1.0)
        return (self.paint(torch.cat([white, guidance], 1)).tanh() + 1) / 2

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Both stages: ``[B,3,H,W]`` in [0,1] and ``[B,1,H,W]`` bool to ``[B,3,H,W]`` in [0,1]."""
        return self.color(image, hole, self.complete(image, hole)[1])
