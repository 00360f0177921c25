"""What a search minimises: how far a picture is from the known pixels, and how little it looks like a face."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.ops import boundary_weight, context_weight, ssim

from .config import Prior, QiangConfig

__all__ = ["Limits", "QiangLoss", "YehLoss", "prior"]


def prior(logits: Tensor, form: Prior) -> Tensor:
    """``[N]`` logits to log(1 - D) (``"saturating"``, as printed) or -log D, both lower where a face looks real.

    log(1 - D) has no lower bound, and no gradient where the discriminator is sure of a fake.
    """
    return -F.softplus(logits) if form == "saturating" else F.softplus(-logits)


class YehLoss:
    """Context loss of Yeh et al.: the sum of W·|G(z) - I|, W the part of a pixel's window that is hole.

    Parameters
    ----------
    image, mask
        ``[B,3,H,W]`` in [0,1] and ``[B,1,H,W]``, 1 = hole.
    kernel_size
        Side of W's window.

    References
    ----------
    Yeh et al., "Semantic Image Inpainting with Deep Generative Models", CVPR 2017, eq. 2 to 4.
    """

    def __init__(self, image: Tensor, mask: Tensor, kernel_size: int) -> None:
        self.weight = context_weight(mask, kernel_size)
        self.image = 2 * image - 1

    def __call__(self, pictures: Tensor) -> Tensor:
        """``[R,B,3,H,W]`` in [-1,1] to ``[R,B]``."""
        return (self.weight * (pictures - self.image).abs()).sum((2, 3, 4))


@dataclass(frozen=True)
class Limits:
    """Between which values SSIM and L1 distance lie for pictures of the generator: mean ± 3 deviations.

    Parameters
    ----------
    low, high
        ``[2,B]`` or ``[2,1]``: of the similarity s, and of the distance c.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, mean: Tensor, deviation: Tensor) -> "Limits":
        """From mean and deviation of (s, c)."""
        reach = 3 * deviation.clamp_min(1e-6)  # an image that is all hole has no spread
        return cls(mean - reach, mean + reach)

    @classmethod
    def printed(cls, device: torch.device) -> "Limits":
        """Those of section 3.4; its lower one of s is the deviation by mistake (0.1242 would be right)."""
        low, high = torch.tensor([[0.1198, 0.8431], [739.0, 4861.0]], device=device).T[..., None]
        return cls(low, high)


class QiangLoss:
    """Context and structural loss of Qiang et al., each scaled by its limits, weighted towards the hole's rim.

    Parameters
    ----------
    image, mask
        ``[B,3,H,W]`` in [0,1] and ``[B,1,H,W]``, 1 = hole.
    kernel_size, alpha
        k and α of the weights W (eq. 7).
    context_weight, structure_weight
        λ_c and λ_s.
    structure
        ``"window"``: SSIM under a Gaussian window in which pixels count by their weight; ``"global"``: eq. 2 on the
        products W·M·G(z) and W·M·I, as printed.
    clamped
        Eq. 5 and 6 as printed: losses between 0 and 1, without gradient beyond the limits, with eq. 6's jumps. Else
        the straight lines through the limits.

    References
    ----------
    Qiang et al., "Face Inpainting with Deep Generative Models", IJCIS 12(2), 2019, eq. 2 and 5 to 8.
    """

    def __init__(
        self,
        image: Tensor,
        mask: Tensor,
        *,
        kernel_size: int,
        alpha: float,
        context_weight: float,
        structure_weight: float,
        structure: Literal["window", "global"],
        clamped: bool,
    ) -> None:
        self.weight = boundary_weight(mask, kernel_size, alpha) * (1 - mask)
        self.image = image
        self.context_weight, self.structure_weight = context_weight, structure_weight
        self.structure: Literal["window", "global"] = structure
        self.clamped = clamped
        self.limits = Limits.printed(image.device)

    @classmethod
    def of(cls, config: QiangConfig, image: Tensor, mask: Tensor) -> "QiangLoss":
        """As a method's options say, with the printed limits."""
        return cls(
            image,
            mask,
            kernel_size=config.kernel_size,
            alpha=config.alpha,
            context_weight=config.context_weight,
            structure_weight=config.structure_weight,
            structure=config.structure,
            clamped=config.clamped,
        )

    def calibrate(self, pictures: Tensor) -> None:
        """Take the limits from pairs of pictures of the generator ``[N,3,H,W]`` in [-1,1], for each mask its own."""
        some = pictures[:, None] / 2 + 0.5
        pairs = [self._compare(some, some.roll(1, 0), weight[None]) for weight in self.weight]
        measured = torch.stack([torch.stack(pair) for pair in pairs], 2)[..., 0]  # [2,N,B]
        self.limits = Limits.of(measured.mean(1), measured.std(1))

    def __call__(self, pictures: Tensor) -> Tensor:
        """``[R,B,3,H,W]`` in [-1,1] to ``[R,B]``."""
        s, c = self._compare(pictures / 2 + 0.5, self.image[None], self.weight)
        (s_low, c_low), (s_high, c_high) = self.limits.low, self.limits.high
        structural = (s_high - s) / (s_high - s_low)
        if self.clamped:
            structural = structural.clamp(0, 1)
            context = torch.where(c < c_low, 0.0, torch.where(c > c_high, 1.0, c / (c_high - c_low)))
        else:
            context = (c - c_low) / (c_high - c_low)
        return self.context_weight * context + self.structure_weight * structural

    def _compare(self, x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted similarity and distance ``[R,B]`` of ``[R,B,3,H,W]`` in [0,1], weights ``[B,1,H,W]``."""
        y, w = y.expand_as(x), weight.expand(len(x), *weight.shape)
        distance = (w * (x - y).abs()).sum((2, 3, 4))
        if self.structure == "global":
            similarity = ssim((w * x).flatten(0, 1), (w * y).flatten(0, 1), mode="global")
        else:
            similarity = ssim(x.flatten(0, 1), y.flatten(0, 1), w.flatten(0, 1))
        return similarity.view_as(distance), distance
