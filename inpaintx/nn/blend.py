"""How a fill is joined to the photo around it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.nn.options import Blend

__all__ = ["guidance_image"]


def guidance_image(raw: Tensor, images: Tensor, holes: Tensor, blend: Blend) -> Tensor:
    """The pictures ``[B,3,h,w]`` whose gradients a blend takes, those across the rim among them.

    By ``"poisson"`` that is the method's own output; but a method that hands back the known pixels as they are says
    nothing of the gradients across the rim, and to take them would be to keep the seam. There, and always by
    ``"poisson_interior"``, its fill is continued over the rim (by three pixels: as far as the interpolation reaches
    that brings a reduced fill back to full size).
    """
    copied = ((raw - images).abs() * ~holes).amax((1, 2, 3)) < 1 / 254
    if blend == "poisson_interior":
        copied = torch.ones_like(copied)
    if not copied.any():
        return raw
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]], device=raw.device).expand(4, 1, 3, 3)
    guide, inside = raw[copied], holes[copied].float()
    for _ in range(3):
        sums = F.conv2d(torch.cat([guide * inside, inside], 1), cross, padding=1, groups=4)
        ring = (inside == 0) & (sums[:, 3:] > 0)
        guide = torch.where(ring, sums[:, :3] / sums[:, 3:].clamp_min(1), guide)
        inside = inside + ring
    result = raw.clone()
    result[copied] = guide
    return result
