"""LPIPS: how far apart two images look, as features of VGG16 weighted by people's judgements say."""

import torch
from torch import Tensor, nn

from inpaintx.nn.official import LPIPS_VGG
from inpaintx.nn.options import OnMissing
from inpaintx.nn.pretrained import frozen
from inpaintx.nn.vgg import load_vgg

__all__ = ["LPIPS", "load_lpips"]

LAYERS = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512}


class LPIPSHeads(nn.Module):
    """The weight of each feature: a 1x1 convolution to one channel, with the official file's names."""

    def __init__(self) -> None:
        super().__init__()
        for i, channels in enumerate(LAYERS.values()):
            self.add_module(
                f"lin{i}", nn.ModuleDict({"model": nn.ModuleDict({"1": nn.Conv2d(channels, 1, 1, bias=False)})})
            )

    def weight(self, layer: int) -> Tensor:
        """``[C]``, not negative."""
        return self.get_parameter(f"lin{layer}.model.1.weight").view(-1)


class LPIPS(nn.Module):
    """Distance of two images by the features of VGG16.

    Parameters
    ----------
    vgg
        A :class:`inpaintx.nn.vgg.VGG` with the layers relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3.
    heads
        The weights of its features.

    Notes
    -----
    Version 0.1, network "vgg". Its scaling of images is that of ImageNet, which VGG does itself.

    References
    ----------
    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, eq. 1.
    """

    def __init__(self, vgg: nn.Module, heads: LPIPSHeads) -> None:
        super().__init__()
        self.vgg, self.heads = vgg, heads

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``[B,3,H,W]`` RGB in [0,1], both sides at least 16 pixels, to ``[B]``; 0 = the same."""
        total = torch.zeros(len(a), device=a.device)
        for i, (fa, fb) in enumerate(zip(self.vgg(a).values(), self.vgg(b).values(), strict=True)):
            weight = self.heads.weight(i).view(1, -1, 1, 1)
            total = total + ((_unit(fa) - _unit(fb)) ** 2 * weight).sum(1).mean((1, 2))
        return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def load_lpips(on_missing: OnMissing = "error") -> LPIPS | None:
    """Make LPIPS of official weights; None where they are missing and ``on_missing`` is not ``"error"``.

    Raises
    ------
    InpaintxError
        The weights are missing and ``on_missing`` is ``"error"``: there is no LPIPS of random weights.
    """
    policy: OnMissing = "error" if on_missing == "error" else "skip"
    vgg, _ = load_vgg(16, LAYERS, policy, option="features")
    heads, _ = frozen(LPIPSHeads, LPIPS_VGG, policy, option="features")
    return None if vgg is None or heads is None else LPIPS(vgg, heads)
