"""The mean of a smooth fill and of copied texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from inpaintx import Config, Method

from .efros_leung import Odd

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["HarmonicTexture"]


class HarmonicTextureConfig(Config):
    """How texture is looked for."""

    kernel_size: Odd = Field(default=7, ge=3, le=101, description="largest side of the compared window in pixels, odd")
    reach: int = Field(default=64, ge=0, description="rows and columns from a pixel in which it looks; 0: everywhere")


class HarmonicTexture(Method[HarmonicTextureConfig, "NoNetwork[HarmonicTextureConfig]"]):
    """The mean of the harmonic fill and of one by texture synthesis from nearby.

    Notes
    -----
    The harmonic fill bridges a hole without texture; Efros and Leung's copies lines and texture into it, at times wrong
    ones. Their errors have little in common, so the mean is nearer to the truth than either. It is softer than a photo,
    which ``detail`` makes up for.

    References
    ----------
    Efros and Leung, "Texture Synthesis by Non-parametric Sampling", ICCV 1999; Pérez, Gangnet and Blake, "Poisson Image
    Editing", SIGGRAPH 2003, eq. 2.
    """

    name = "harmonic_texture"
    paper = "https://doi.org/10.1109/ICCV.1999.790383"
    Config = HarmonicTextureConfig
    max_pixels = 512 * 512  # the time of texture synthesis grows with the area of the hole, and of what it looks at
    softness = 1.5
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": HarmonicTextureConfig(),
        "tiny": HarmonicTextureConfig(kernel_size=5, reach=16),
    }

    def inpaint(
        self,
        net: NoNetwork[HarmonicTextureConfig],
        image: Tensor,
        mask: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Fill by :func:`inpaintx.ops.poisson_blend` and :func:`inpaintx.ops.efros_leung`, the latter on the CPU."""
        import torch

        from inpaintx.ops import efros_leung, poisson_blend

        from .seed import draw_seed

        seed, config = draw_seed(generator), net.config
        smooth = poisson_blend(torch.full_like(image, 0.5), image, mask)
        texture = efros_leung(image.cpu(), mask.cpu(), config.kernel_size, seed, config.reach).to(image)
        return (smooth + texture) / 2
