"""Navier-Stokes and Telea as OpenCV has them."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from inpaintx import Config, Method
from inpaintx.data.cv import import_cv2

__all__ = ["NavierStokes", "Telea"]


class OpenCVConfig(Config):
    """Options of ``cv2.inpaint``."""

    radius: float = Field(default=3.0, gt=0, le=100, description="pixels around each hole pixel that count")


class NavierStokes(Method):
    """Continue the lines of equal brightness into the hole, as a fluid continues its stream lines.

    Notes
    -----
    ``cv2.inpaint`` with ``INPAINT_NS``: 8 bits a channel, and a marching front in place of the paper's time steps.

    References
    ----------
    Bertalmio, Bertozzi and Sapiro, "Navier-Stokes, fluid dynamics, and image and video inpainting", CVPR 2001.
    """

    name = "ns"
    paper = "https://doi.org/10.1109/CVPR.2001.990497"
    Config = OpenCVConfig
    presets: ClassVar[dict[str, BaseModel]] = {"default": OpenCVConfig(), "paper": OpenCVConfig()}
    flag: ClassVar[str] = "INPAINT_NS"

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Fill each image by ``cv2.inpaint``; mid-grey where nothing is known."""
        cv2 = import_cv2()
        hole = (mask > 0.5).cpu()
        pixels = torch.where(hole, 0.0, image.detach().float().cpu()).mul(255).round().to(torch.uint8)
        out = torch.full(image.shape, 0.5)
        for i in range(len(image)):
            if bool(hole[i].all()):
                continue
            given = pixels[i].permute(1, 2, 0).contiguous().numpy()
            filled = cv2.inpaint(given, hole[i, 0].byte().numpy(), net.config.radius, getattr(cv2, self.flag))
            out[i] = torch.from_numpy(filled).permute(2, 0, 1) / 255
        return out.to(image)


class Telea(NavierStokes):
    """March a front into the hole; each pixel is a weighted sum of known ones near it, continued along gradients.

    Notes
    -----
    ``cv2.inpaint`` with ``INPAINT_TELEA``, 8 bits a channel.

    References
    ----------
    Telea, "An image inpainting technique based on the fast marching method", Journal of Graphics Tools 9(1), 2004.
    """

    name = "telea"
    paper = "https://doi.org/10.1080/10867651.2004.10487596"
    flag = "INPAINT_TELEA"
