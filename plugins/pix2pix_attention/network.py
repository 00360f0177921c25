"""The generator: pix2pix's U-Net with self-attention on the way down and on the way up."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.blocks import Down, SelfAttention, Up, init_weights, network_input

from .config import Pix2PixAttentionConfig

__all__ = ["AttentionUNet", "conditional_input", "weights_of"]

ATTENDED = 3  # halvings at which attention stands: 32x32 pixels of an image of 256


class AttentionUNet(nn.Module):
    """4×4 convolutions down to one pixel (or a few) and up again, skips concatenated, tanh.

    Parameters
    ----------
    in_channels
        3, or 4 with the mask.
    width
        Channels of the first layer; they double up to eight times that.
    levels
        Halvings: sides must be multiples of 2 to the power of it.
    attention
        Whether there is self-attention; without it, this is pix2pix.
    dropout
        Of three layers of the decoder, the second to the fourth.
    std
        Of the first weights.

    References
    ----------
    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section 6.1; Zhang et
    al., "Self-Attention Generative Adversarial Networks", ICML 2019.
    """

    config: Pix2PixAttentionConfig

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        levels: int = 8,
        *,
        attention: bool = True,
        dropout: float = 0.5,
        std: float = 0.02,
    ) -> None:
        super().__init__()
        widths = [in_channels, *(width * 2 ** min(i, 3) for i in range(levels))]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for i in range(levels):
            plain = i in (0, levels - 1)  # the outermost and the innermost layer have no norm
            self.encoder.append(Down(widths[i], widths[i + 1], "none" if plain else "batch", activate=i > 0))
        for i in reversed(range(levels)):
            into = widths[i + 1] * (1 if i == levels - 1 else 2)
            drop = [nn.Dropout(dropout)] if levels - 4 <= i < levels - 1 and i > 1 else []
            self.decoder.append(Up(into, widths[i], "batch", drop) if i else Up(into, 3, "none", [nn.Tanh()]))
        init_weights(self, std)
        attended = attention and levels > ATTENDED
        self.attention_down = SelfAttention(widths[ATTENDED]) if attended else None
        self.attention_up = SelfAttention(widths[ATTENDED]) if attended else None

    def forward(self, x: Tensor) -> Tensor:
        """``[B,in_channels,H,W]`` in [-1,1] to ``[B,3,H,W]`` in [-1,1]."""
        skips: list[Tensor] = []
        for i, down in enumerate(self.encoder, start=1):
            x = down(x)
            if i == ATTENDED and self.attention_down is not None:
                x = self.attention_down(x)
            skips.append(x)
        skips.pop()
        for i, up in enumerate(self.decoder):
            x = up(torch.cat([x, skips.pop()], 1) if i else x)
            if self.attention_up is not None and i == len(self.decoder) - ATTENDED - 1:
                x = self.attention_up(x)
        return x


def weights_of(attention: SelfAttention, x: Tensor, row: int, column: int) -> Tensor:
    """What pixel (row, column) gathers from each pixel: ``[B,H,W]``, sums of 1 (slide's β_j,i for one j).

    Only this one row of the N×N matrix is ever made.
    """
    query = attention.query(x)[..., row, column]
    scores = torch.einsum("bc,bchw->bhw", query, attention.key(x))
    return F.softmax(scores.flatten(1), 1).reshape(scores.shape)


def conditional_input(image: Tensor, mask: Tensor, with_mask: bool) -> Tensor:
    """The image in [-1,1] with its hole white, and the mask where it is wanted: ``[B,3,H,W]`` or ``[B,4,H,W]``."""
    hole = mask > 0.5
    white = network_input(image, hole, 1.0)
    return torch.cat([white, hole.to(image.dtype)], 1) if with_mask else white
