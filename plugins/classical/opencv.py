"""Navier-Stokes and Telea as OpenCV has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from inpaintx import Config, Method
from inpaintx.io.opencv import import_cv2

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["NavierStokes", "Telea"]

Array = npt.NDArray[Any]


class OpenCVConfig(Config):
    """Options of ``cv2.inpaint``."""

    radius: float = Field(default=3.0, gt=0, le=100, description="pixels around each hole pixel that count")


class NavierStokes(Method[OpenCVConfig, "NoNetwork[OpenCVConfig]"]):
    """Continue the lines of equal brightness into the hole, as a fluid continues its stream lines.

    Notes
    -----
    ``cv2.inpaint`` with ``INPAINT_NS``: a marching front in place of the paper's time steps. Where all known pixels
    are levels of 8 bits, so is the fill; else (16-bit and floating photos, reduced crops) it has 16 bits a channel.

    References
    ----------
    Bertalmio, Bertozzi and Sapiro, "Navier-Stokes, fluid dynamics, and image and video inpainting", CVPR 2001.
    """

    name = "ns"
    paper = "https://doi.org/10.1109/CVPR.2001.990497"
    Config = OpenCVConfig
    presets: ClassVar[dict[str, BaseModel]] = {"default": OpenCVConfig(), "paper": OpenCVConfig()}
    flag: ClassVar[str] = "INPAINT_NS"

    def inpaint(
        self, net: NoNetwork[OpenCVConfig], image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fill each image by ``cv2.inpaint``; mid-grey where nothing is known."""
        import torch

        hole = (mask > 0.5).cpu()
        given = torch.where(hole, 0.0, image.detach().float().cpu()).clamp(0, 1)
        out = torch.full(image.shape, 0.5)
        for i in range(len(image)):
            if not bool(hole[i].all()):
                out[i] = torch.from_numpy(self._fill(given[i].numpy(), hole[i, 0].byte().numpy(), net.config.radius))
        return out.to(image)

    def _fill(self, planes: Array, hole: Array, radius: float) -> Array:
        """Fill ``[3,H,W]`` in [0,1]: in 8 bits where the photo has no more, else in 16, which is plane by plane."""
        cv2 = import_cv2()
        flag = getattr(cv2, self.flag)
        levels = np.rint(planes * 255)
        if float(np.abs(planes * 255 - levels).max()) < 1e-3:
            pixels = np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
            return np.asarray(cv2.inpaint(pixels, hole, radius, flag).transpose(2, 0, 1) / np.float32(255))
        deep = np.rint(planes * 65535).astype(np.uint16)
        return np.stack([cv2.inpaint(plane, hole, radius, flag) for plane in deep]) / np.float32(65535)


class Telea(NavierStokes):
    """March a front into the hole; each pixel is a weighted sum of known ones near it, continued along gradients.

    Notes
    -----
    ``cv2.inpaint`` with ``INPAINT_TELEA``, in 8 or 16 bits a channel as :class:`NavierStokes`. OpenCV adds a step of
    one level along the gradient to each pixel, which is less in 16 bits: such fills are a little smoother.

    References
    ----------
    Telea, "An image inpainting technique based on the fast marching method", Journal of Graphics Tools 9(1), 2004.
    """

    name = "telea"
    paper = "https://doi.org/10.1080/10867651.2004.10487596"
    flag = "INPAINT_TELEA"
