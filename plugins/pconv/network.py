"""The U-Net of partial convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.blocks import PConvBlock
from inpaintx.ops import PartialConv2d
from inpaintx.ops.partial_conv import Scale

__all__ = ["PConvUNet"]

KERNELS = (7, 5, 5)  # of the first layers; the others have 3


def doubled(mask: Tensor) -> Tensor:
    """``[B,1,H,W]`` bool to ``[B,1,2H,2W]``, each pixel four times: ``F.interpolate`` takes no bool."""
    return mask.repeat_interleave(2, 2).repeat_interleave(2, 3)


class PConvUNet(nn.Module):
    """Partial convolutions down and up again; masks go along, and are concatenated where features are.

    Images are normalised by ImageNet's mean and deviation, as in the public code that the sizes are of.

    Parameters
    ----------
    width
        Channels of the first layer; they double up to eight times that.
    levels
        Halvings: sides must be multiples of 2 to the power of it.
    scale
        See :func:`inpaintx.ops.partial_conv2d`.

    References
    ----------
    Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, section 3.2.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 64, levels: int = 7, scale: Scale = "window") -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        widths = [3, *(width * 2 ** min(i, 3) for i in range(levels))]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for i in range(levels):
            kernel = KERNELS[i] if i < len(KERNELS) else 3
            conv = PartialConv2d(widths[i], widths[i + 1], kernel, 2, kernel // 2, bias=False, scale=scale)
            self.encoder.append(PConvBlock(conv, "batch" if i else "none", nn.ReLU()))
        for i in reversed(range(levels)):
            conv = PartialConv2d(widths[i + 1] + widths[i], widths[i], 3, 1, 1, bias=i == 0, scale=scale)
            self.decoder.append(PConvBlock(conv, "batch", nn.LeakyReLU(0.2)) if i else PConvBlock(conv))
        for module in self.modules():
            if isinstance(module, PartialConv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def to_net(self, image: Tensor) -> Tensor:
        """[0,1] to the network's own scale."""
        return (image - self.mean) / self.std

    def from_net(self, x: Tensor) -> Tensor:
        """The network's own scale to that of images in [0,1]."""
        return x * self.std + self.mean

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``[B,3,H,W]`` in the network's scale and ``[B,1,H,W]`` (1 = hole) to ``[B,3,H,W]`` in that scale."""
        path = [(x, mask > 0.5)]
        for block in self.encoder:
            path.append(block(*path[-1]))
        x, mask = path.pop()
        for block, (skip, skip_mask) in zip(self.decoder, reversed(path), strict=True):
            up, masks = (
                F.interpolate(x, scale_factor=2.0),
                torch.cat([doubled(mask), skip_mask.expand(len(x), -1, -1, -1)], 1),
            )
            x, mask = block(torch.cat([up, skip], 1), masks, mask_channels=(up.shape[1], skip.shape[1]))
        return x

    def freeze_encoder_statistics(self) -> None:
        """Let the encoder's batch norms use what they have gathered (fine-tuning, section 3.3 of the paper)."""
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
