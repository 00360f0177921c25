"""Discriminators and critics. Those that work on patches return every layer's output; the last are the logits."""

import itertools
import math
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintx.errors import InpaintxError

__all__ = ["Critic", "DCGANDiscriminator", "GlobalLocalCritics", "MultiScale", "PatchGAN", "SNPatchGAN"]

PatchNorm = Literal["none", "batch", "instance", "spectral", "spectral_instance"]


class PatchGAN(nn.Module):
    """PatchGAN-70: each logit judges a patch of 70×70 pixels.

    Five 4×4 convolutions, stride 2, 2, 2, 1, 1, of width, 2·width, 4·width, 8·width and 1 channels, leaky ReLU 0.2.

    Parameters
    ----------
    in_channels
        Of the image and what is concatenated to it.
    width
        Channels of the first layer.
    norm
        Of the three layers in the middle: ``"none"``, ``"batch"``, ``"instance"`` (without parameters),
        ``"spectral_instance"`` (PD-GAN's); ``"spectral"`` normalises all five (EdgeConnect's).
    padding
        1, or 2 as in PD-GAN.
    bias
        Whether the first and the last layer have a bias (and those in the middle without normalisation).

    References
    ----------
    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section 6.1.2.
    """

    def __init__(
        self, in_channels: int, width: int = 64, norm: PatchNorm = "none", *, padding: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        channels = [in_channels, width, 2 * width, 4 * width, 8 * width, 1]
        self.layers = nn.ModuleList()
        for i, (into, out, stride) in enumerate(zip(channels[:-1], channels[1:], (2, 2, 2, 1, 1), strict=True)):
            middle = 0 < i < 4
            with_bias = bias and (norm in ("none", "spectral") or not middle)
            conv: nn.Module = nn.Conv2d(into, out, 4, stride, padding, bias=with_bias)
            if norm == "spectral" or (norm == "spectral_instance" and middle):
                conv = spectral_norm(conv)
            layer = [conv]
            if middle and norm == "batch":
                layer.append(nn.BatchNorm2d(out))
            if middle and norm in ("instance", "spectral_instance"):
                layer.append(nn.InstanceNorm2d(out))
            if i < 4:
                layer.append(nn.LeakyReLU(0.2))
            self.layers.append(nn.Sequential(*layer))

    def forward(self, x: Tensor) -> list[Tensor]:
        """``[B,C,H,W]``, side at least 32, to the five layers' outputs; the last, ``[B,1,h,w]``, are the logits."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


class MultiScale(nn.Module):
    """Several discriminators, each on half the size of the one before.

    References
    ----------
    Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018.
    """

    def __init__(self, *discriminators: nn.Module) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(discriminators)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """``[B,C,H,W]`` to what each discriminator returns."""
        outputs = []
        for i, discriminator in enumerate(self.discriminators):
            if i:
                x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            outputs.append(discriminator(x))
        return outputs


class SNPatchGAN(nn.Module):
    """Spectrally normalised 5×5 convolutions with stride 2: width, 2·width and four times 4·width channels.

    Every element of the last layer counts as a logit of its receptive field.

    References
    ----------
    Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019, section 3.3.
    """

    def __init__(self, in_channels: int, width: int = 64) -> None:
        super().__init__()
        channels = [in_channels, width, 2 * width, *[4 * width] * 4]
        convs = (nn.Conv2d(a, b, 5, 2, 2) for a, b in itertools.pairwise(channels))
        self.convs = nn.ModuleList(spectral_norm(conv) for conv in convs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``[B,C,H,W]`` to the six layers' outputs; the last, ``[B,4·width,H/64,W/64]``, are the logits."""
        outputs: list[Tensor] = []
        for conv in self.convs:
            x = conv(F.leaky_relu(x, 0.2) if outputs else x)
            outputs.append(x)
        return outputs


class DCGANDiscriminator(nn.Module):
    """One logit an image: 4×4 convolutions with stride 2 without bias down to 4×4, then one over all of it.

    Batch norm except in the first layer, leaky ReLU 0.2. Channels double from ``width`` up to eight times that.

    References
    ----------
    Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks", ICLR 2016 (kernels 4×4 in place of 5×5).
    """

    def __init__(self, size: int = 64, width: int = 128, in_channels: int = 3) -> None:
        super().__init__()
        levels = int(math.log2(size)) - 2
        if levels < 1 or size != 4 << levels:
            raise InpaintxError(f"a DCGAN's discriminator takes a side of 8, 16, 32, ... pixels, got {size}")
        layers: list[nn.Module] = []
        for i in range(levels):
            out = width * 2 ** min(i, 3)
            layers.append(nn.Conv2d(in_channels, out, 4, 2, 1, bias=False))
            if i:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.LeakyReLU(0.2))
            in_channels = out
        self.layers = nn.Sequential(*layers, nn.Conv2d(in_channels, 1, 4, bias=False))

    def forward(self, image: Tensor) -> Tensor:
        """``[B,C,size,size]`` to ``[B]`` logits."""
        return self.layers(image).flatten()


class Critic(nn.Module):
    """One number an image: convolutions with stride 2, then a dense layer over all that is left.

    Parameters
    ----------
    size
        Side of the images in pixels, a multiple of 2 to the power of the number of widths.
    widths
        Channels of the convolutions.
    kernel_size
        Their odd side.
    batch_norm
        From the second convolution on.
    dropout
        After each convolution.
    """

    def __init__(
        self,
        size: int,
        widths: tuple[int, ...] = (64, 128, 256, 256),
        in_channels: int = 3,
        *,
        kernel_size: int = 5,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if size % 2 ** len(widths):
            raise InpaintxError(f"a critic with {len(widths)} halvings cannot take a side of {size} pixels")
        layers: list[nn.Module] = []
        for i, out in enumerate(widths):
            layers.append(nn.Conv2d(in_channels, out, kernel_size, 2, kernel_size // 2))
            if i and batch_norm:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.LeakyReLU(0.2))
            if dropout:
                layers.append(nn.Dropout(dropout))
            in_channels = out
        self.convs = nn.Sequential(*layers)
        self.dense = nn.Linear(in_channels * (size >> len(widths)) ** 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """``[B,C,size,size]`` to ``[B]``."""
        return self.dense(self.convs(image).flatten(1)).flatten()


class GlobalLocalCritics(nn.Module):
    """Two critics: one sees the whole image, one the part with the hole.

    References
    ----------
    Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018, section 3.2.
    """

    def __init__(self, size: int, local_size: int, width: int = 64, in_channels: int = 3) -> None:
        super().__init__()
        self.whole = Critic(size, (width, 2 * width, 4 * width, 4 * width), in_channels)
        self.local = Critic(local_size, (width, 2 * width, 4 * width, 8 * width), in_channels)

    def forward(self, image: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,C,size,size]`` and ``[B,C,local_size,local_size]`` to ``[B]`` each."""
        return self.whole(image), self.local(part)
