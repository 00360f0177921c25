"""PD-GAN: a vector decoded by residual blocks that a prior modulates, as strongly as a probability map says."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintx.nn.blocks import PixelShuffleUp, init_weights
from inpaintx.ops import WinogradConv2d, conv3x3, spd_map, spd_norm

from ..pconv_prior.network import PriorNet

__all__ = ["Generator", "PDGANNet", "SPDNorm", "SPDNormBlock", "Unit"]

Map = Literal["hard", "improved"]
Upsample = Literal["deconv", "pixelshuffle"]
Resize = Literal["nearest", "area"]

# Of each unit: output channels in units of the width, and steps and window of its probability map.
UNITS = ((16, 2, 3), (16, 3, 3), (8, 4, 3), (4, 5, 3), (2, 6, 5), (1, 7, 5))


def for_each(vectors: int, x: Tensor) -> Tensor:
    """Repeat what belongs to B images for the fills by several vectors of each: ``[B,...]`` to ``[vectors,...]``."""
    return x if len(x) == vectors else x.repeat(vectors // len(x), 1, 1, 1)


class SPDNorm(nn.Module):
    """Positional normalisation, modulated by a prior image; equation 3 of the paper."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.shared = WinogradConv2d(3, hidden, 3, padding=1)
        self.gamma = WinogradConv2d(hidden, channels, 3, padding=1)
        self.beta = WinogradConv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, prior: Tensor, probability: Tensor) -> Tensor:
        """``[K,C,H,W]``, prior ``[B,3,H,W]``, P ``[B or K,1 or C,H,W]`` to ``[K,C,H,W]``; K a multiple of B."""
        code = F.relu(self.shared(prior))
        pair = self.modulation_at_once(code) if code.is_cuda else (self.gamma(code), self.beta(code))
        gamma, beta, probability = (for_each(len(x), t) for t in (*pair, probability))
        if probability.shape[1] > 1:  # a map for each channel goes into gamma and beta
            gamma, beta, probability = gamma * probability, beta * probability, torch.ones_like(probability[:, :1])
        return spd_norm(x, gamma, beta, probability)

    def modulation_at_once(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """gamma and beta of features ``[B,hidden,H,W]`` by one convolution; on the CPU two take no more time."""
        weight, bias = (torch.cat([getattr(conv, k) for conv in (self.gamma, self.beta)]) for k in ("weight", "bias"))
        gamma, beta = conv3x3(code, weight, bias).chunk(2, 1)
        return gamma, beta


class SPDNormBlock(nn.Module):
    """Two normalised convolutions with the probability map of the hole, beside a shortcut with a learnt one."""

    def __init__(
        self,
        into: int,
        out: int,
        hidden: int,
        steps: int,
        window: int,
        kind: Map,
        *,
        floor: bool = False,
        capped: bool = False,
    ) -> None:
        super().__init__()
        self.steps, self.window, self.floor, self.capped = steps, window, floor, capped
        self.kind: Map = kind
        middle = min(into, out)
        self.conv_0 = spectral_norm(WinogradConv2d(into, middle, 3, padding=1))
        self.conv_1 = spectral_norm(WinogradConv2d(middle, out, 3, padding=1))
        self.conv_s = spectral_norm(nn.Conv2d(into, out, 1, bias=False))
        self.norm_0, self.norm_1 = SPDNorm(into, hidden), SPDNorm(middle, hidden)
        self.norm_s = SPDNorm(into, hidden)
        self.prior_features = nn.Sequential(
            WinogradConv2d(3, hidden, 3, padding=1),
            nn.InstanceNorm2d(hidden),
            nn.ReLU(),
            WinogradConv2d(hidden, into, 3, padding=1),
        )
        self.attention = nn.Sequential(WinogradConv2d(2 * into, into, 3, padding=1), nn.Sigmoid())

    def probability(self, mask: Tensor) -> Tensor:
        """The map of a mask of this resolution, ``[B,1,H,W]``: 1 where known, falling into the hole."""
        p = spd_map(mask, self.steps, self.window, kind=self.kind)
        return p.clamp_min(math.exp(-self.steps)) if self.floor else p

    def forward(self, x: Tensor, prior: Tensor, mask: Tensor) -> Tensor:
        """``[K,Cin,H,W]``, prior ``[B,3,H,W]`` and mask (1 = hole) of its size, to ``[K,Cout,H,W]``."""
        learnt = self.attention(torch.cat([for_each(len(x), self.prior_features(prior)), x], 1))
        hard = self.probability(mask)
        if self.capped:
            learnt = learnt * for_each(len(x), hard).to(learnt.dtype)
        known = for_each(len(x), mask) <= 0.5
        soft = torch.where(known, torch.ones((), dtype=learnt.dtype, device=learnt.device), learnt)
        shortcut = self.conv_s(self.norm_s(x, prior, soft))
        y = self.conv_0(F.leaky_relu(self.norm_0(x, prior, hard), 0.2))
        return shortcut + self.conv_1(F.leaky_relu(self.norm_1(y, prior, hard), 0.2))


class Unit(nn.Module):
    """A block, and twice the size."""

    def __init__(self, block: SPDNormBlock, out: int, upsample: Upsample) -> None:
        super().__init__()
        self.block = block
        self.up = PixelShuffleUp(out) if upsample == "pixelshuffle" else nn.ConvTranspose2d(out, out, 4, 2, 1)

    def forward(self, x: Tensor, prior: Tensor, mask: Tensor) -> Tensor:
        """As the block, then to ``[B,Cout,2H,2W]``."""
        return self.up(self.block(x, prior, mask))


class Generator(nn.Module):
    """From a vector to an image, 4×4 pixels first, twice the side in each unit.

    Parameters
    ----------
    size
        Side S of the image, 8 to 256 and a power of two: the first log2(S/4) units are there.
    width
        Channels of the sixth unit; the first has 16 times as many.
    z
        Length of the vector.
    kind
        Probability map, see :func:`inpaintx.ops.spd_map`.
    upsample
        ``"deconv"``: 4×4 transposed convolution (PD-GAN); ``"pixelshuffle"`` (improved PD-GAN).
    floor
        Keep the improved map above e^-n, so that the middle of deep holes hears of the prior.
    capped
        Whether the shortcut's learnt map is multiplied by the hole's, so that it falls into the hole, too: left to
        itself it learns to be 1 there, and all fills are copies of the prior.
    resize
        How the mask is brought to a unit's size: its nearest pixel, or hole where more than half of the area is.
    std
        Of the first weights.
    """

    def __init__(
        self,
        size: int = 256,
        width: int = 64,
        z: int = 256,
        *,
        kind: Map = "hard",
        upsample: Upsample = "deconv",
        floor: bool = False,
        capped: bool = False,
        resize: Resize = "nearest",
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.z, self.width, self.resize = z, width, resize
        self.first = nn.Linear(z, 16 * width * 16)
        self.units = nn.ModuleList()
        into = 16 * width
        for times, steps, window in UNITS[: int(math.log2(size)) - 2]:
            out = times * width
            block = SPDNormBlock(into, out, 2 * width, steps, window, kind, floor=floor, capped=capped)
            self.units.append(Unit(block, out, upsample))
            into = out
        self.last = WinogradConv2d(into, 3, 3, padding=1)
        init_weights(self, std)
        for module in self.modules():
            if isinstance(module, PixelShuffleUp):
                module.reset(std)

    def forward(self, z: Tensor, prior: Tensor, mask: Tensor) -> Tensor:
        """Fill each of B images by K/B vectors.

        Parameters
        ----------
        z
            ``[K,z]``; vector i is for image i modulo B.
        prior, mask
            ``[B,3,S,S]`` in [-1,1] and ``[B,1,S,S]``, 1 = hole.

        Returns
        -------
        Tensor
            ``[K,3,S,S]`` in [-1,1].
        """
        x = self.first(z).view(-1, 16 * self.width, 4, 4)
        for unit in self.units:
            side = x.shape[-1]
            if self.resize == "area":
                hole = (F.adaptive_avg_pool2d(mask, side) > 0.5).to(mask.dtype)
            else:
                hole = F.interpolate(mask, (side, side))
            x = unit(x, F.interpolate(prior, (side, side)), hole)
        return torch.tanh(self.last(F.leaky_relu(x, 0.2)))


class PDGANNet(nn.Module):
    """The prior network, frozen once it is trained, and the generator that it guides.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021.
    """

    def __init__(self, prior: PriorNet, generator: Generator) -> None:
        super().__init__()
        self.prior, self.generator = prior, generator

    def forward(self, z: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Vectors ``[K,z]`` and images ``[B,3,S,S]`` in [-1,1] with holes to ``[K,3,S,S]`` in [-1,1]."""
        with torch.no_grad():
            prior = self.prior(image, mask)
        return self.generator(z, prior, mask)
