"""Inpainting by texture synthesis, pixel after pixel."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, Field

from inpaintx import Config, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["EfrosLeung"]

SLOW = 2.5e9  # hole pixels times known pixels, above which a fill takes the best part of a minute on two cores


def odd(value: int) -> int:
    """Windows have a centre."""
    if value % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {value}")
    return value


Odd = Annotated[int, AfterValidator(odd)]


class EfrosLeungConfig(Config):
    """The window that is compared."""

    renamed_options: ClassVar[dict[str, str]] = {"window": "kernel_size"}

    kernel_size: Odd = Field(default=11, ge=3, le=101, description="largest side of the window in pixels, odd")


class EfrosLeung(Method[EfrosLeungConfig, "NoNetwork[EfrosLeungConfig]"]):
    """Copy, pixel by pixel from the rim inwards, the centre of a known window that looks like the pixel's own.

    Notes
    -----
    Time grows with hole pixels times known pixels.

    References
    ----------
    Efros and Leung, "Texture Synthesis by Non-parametric Sampling", ICCV 1999.
    """

    name = "efros_leung"
    softness = 0.0
    paper = "https://doi.org/10.1109/ICCV.1999.790383"
    Config = EfrosLeungConfig
    max_pixels = 256 * 256
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": EfrosLeungConfig(),
        "paper": EfrosLeungConfig(),
        "tiny": EfrosLeungConfig(kernel_size=7),
    }

    def inpaint(
        self, net: NoNetwork[EfrosLeungConfig], image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fill by :func:`inpaintx.ops.efros_leung`, on the CPU; warns where that takes long or means little."""
        from inpaintx.ops import efros_leung

        from .seed import draw_seed

        device, image, mask, seed = image.device, image.cpu(), mask.cpu(), draw_seed(generator)
        holes = (mask > 0.5).sum((1, 2, 3)).double()
        work = float((holes * (mask[0].numel() - holes)).sum())
        if work > SLOW:
            warnings.warn(
                f"efros_leung compares {holes.sum().item():.0f} hole pixels with all known ones ({work:.2g} pairs), "
                "which takes long; fill smaller pictures or smaller holes",
                stacklevel=2,
            )
        return efros_leung(image, mask, net.config.kernel_size, seed).to(device)
