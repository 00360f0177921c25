"""Total variation inpainting."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from inpaintx import Config, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["TV"]


class TVConfig(Config):
    """When the iteration ends."""

    tol: float = Field(default=1e-4, ge=0, description="primal-dual gap relative to the energy")
    max_iter: int = Field(default=10000, ge=0, description="iterations on each level of the pyramid")


class TV(Method[TVConfig, "NoNetwork[TVConfig]"]):
    """The fill whose edges have the least length times height, each channel for itself.

    Notes
    -----
    Known pixels are fixed (infinite lambda): no denoising.

    References
    ----------
    Chan and Shen, "Mathematical models for local nontexture inpaintings", SIAM J. Appl. Math. 62(3), 2002.
    """

    name = "tv"
    paper = "https://doi.org/10.1137/S0036139900368844"
    Config = TVConfig
    max_pixels = 512 * 512  # iterations grow with the hole's side
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": TVConfig(),
        "paper": TVConfig(tol=1e-6, max_iter=50000),
        "tiny": TVConfig(tol=1e-3, max_iter=500),
    }

    def inpaint(
        self, net: NoNetwork[TVConfig], image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fill by :func:`inpaintx.ops.tv_inpaint`, on the CPU."""
        from inpaintx.ops import tv_inpaint

        return tv_inpaint(image.cpu(), mask.cpu(), net.config.tol, net.config.max_iter).to(image)
