"""Harmonic inpainting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inpaintx import Config, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["Harmonic"]


class Harmonic(Method[Config, "NoNetwork[Config]"]):
    """The smoothest fill that meets the rim: Laplace's equation in the hole, each channel for itself.

    Notes
    -----
    A Poisson blend of a single colour. Without any known pixel the fill is mid-grey.

    References
    ----------
    Pérez, Gangnet, Blake, "Poisson Image Editing", SIGGRAPH 2003, eq. 2 (the membrane interpolant).
    """

    name = "harmonic"
    paper = "https://doi.org/10.1145/1201775.882269"

    def inpaint(
        self, net: NoNetwork[Config], image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fill by :func:`inpaintx.ops.poisson_blend`."""
        import torch

        from inpaintx.ops import poisson_blend

        return poisson_blend(torch.full_like(image, 0.5), image, mask)
