"""DCGAN: a generator that makes faces of 64x64 from vectors, and the discriminator that it was trained against.

Paper: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016, https://arxiv.org/abs/1511.06434, as Yeh et al. and Qiang et al. use it. Departure: kernels of
4x4, as in the PyTorch ports, in place of 5x5.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from inpaintx.nn.blocks import init_weights
from inpaintx.nn.discriminators import DCGANDiscriminator

__all__ = ["DCGAN", "Generator", "Spread"]


class Generator(nn.Module):
    """Five transposed convolutions, 4x4: the first opens a vector to 4x4 pixels, each of the others doubles the side.

    No bias; batch normalisation and ReLU after all but the last, tanh after that.

    Parameters
    ----------
    z
        Length of the vector.
    width
        Channels before the last convolution. The paper's is 128, with 1024 channels at 4x4 (12,658,432 parameters);
        64 has 3,576,704.
    """

    def __init__(self, z: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (into, out) in enumerate(pairwise((z, 8 * width, 4 * width, 2 * width, width))):
            stride, padding = (2, 1) if i else (1, 0)
            layers.append(nn.ConvTranspose2d(into, out, 4, stride, padding, bias=False))
            layers += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """``[B,Z]`` in [-1,1] to pictures ``[B,3,64,64]`` in [-1,1]."""
        picture: Tensor = self.layers(z[:, :, None, None])
        return picture


class Spread(nn.Module):
    """How far pictures of the generator lie from faces: mean and deviation of their SSIM and of their L1 distance.

    Qiang et al. take the limits of their losses from these four figures (section 3.4); they begin as printed there,
    and training replaces them by the set's own, as running statistics. SSIM is the global one of eq. 2, the distance
    a sum over the picture, both on values in [0,1].
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4836, 2800.0]))
        self.register_buffer("deviation", torch.tensor([0.1198, 687.0]))

    @torch.no_grad()
    def follow(self, ssim: Tensor, distance: Tensor, share: float = 0.01) -> None:
        """Move the figures by ``share`` towards those of a batch, ``[B]`` each."""
        seen = torch.stack([ssim, distance], 1)
        self.mean.lerp_(seen.mean(0), share)
        variance = self.deviation.square().lerp((seen - self.mean).square().mean(0), share)
        self.deviation.copy_(variance.sqrt())


class DCGAN(nn.Module):
    """Generator, discriminator, and the spread of the one's pictures around the faces that it learnt from.

    Parameters
    ----------
    z, width
        Of the :class:`Generator`.
    critic
        Channels of the discriminator's first layer: 11,036,160 parameters at the paper's 128, 2,765,568 at 64.
    """

    config: Any  # of the method that searches with it: YehConfig or QiangConfig

    def __init__(self, z: int, width: int, critic: int) -> None:
        super().__init__()
        self.generator = Generator(z, width)
        self.discriminator = DCGANDiscriminator(64, critic)
        self.spread = Spread()
        init_weights(self)
