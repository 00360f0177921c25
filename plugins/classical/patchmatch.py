"""Inpainting by patches: expectation and maximisation over a pyramid, nearest patches by PatchMatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field, field_validator

from inpaintx import Config, Method

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.plugin.no_network import NoNetwork

__all__ = ["PatchMatch"]


class PatchMatchConfig(Config):
    """Size of patches and effort."""

    renamed_options: ClassVar[dict[str, str]] = {"patch": "kernel_size"}

    kernel_size: int = Field(default=7, ge=3, le=31, description="side of a patch in pixels, odd")
    iterations: int = Field(default=5, ge=1, description="rounds of PatchMatch for each nearest neighbour field")
    max_rounds: int = Field(default=8, ge=1, description="most rounds of matching and voting on one level")
    trust: float = Field(default=1.3, ge=1, le=10, description="a patch one pixel deeper in the hole weighs 1/trust")

    @field_validator("kernel_size")
    @classmethod
    def odd(cls, value: int) -> int:
        """Patches have a centre."""
        if value % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {value}")
        return value


class PatchMatch(Method[PatchMatchConfig, "NoNetwork[PatchMatchConfig]"]):
    """Make every patch that the hole touches look like some known patch, from coarse to fine.

    References
    ----------
    Barnes, Shechtman, Finkelstein and Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural Image
    Editing", SIGGRAPH 2009. Wexler, Shechtman and Irani, "Space-Time Completion of Video", PAMI 29(3), 2007, for the
    rounds of matching and voting and the weights.
    """

    name = "patchmatch"
    softness = 0.0
    paper = "https://doi.org/10.1145/1531326.1531330"
    Config = PatchMatchConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": PatchMatchConfig(),
        "paper": PatchMatchConfig(),
        "tiny": PatchMatchConfig(iterations=3, max_rounds=3),
    }

    def inpaint(
        self, net: NoNetwork[PatchMatchConfig], image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Fill each image on the CPU; mid-grey where nothing is known."""
        import torch

        from .patches import fill_by_patches
        from .seed import draw_seed

        config, seed = net.config, draw_seed(generator)
        hole = (mask > 0.5).cpu()
        known = torch.where(hole, 0.0, image.detach().float().cpu())
        filled = [
            fill_by_patches(x, h[0], config.kernel_size, config.iterations, config.max_rounds, config.trust, seed)
            for x, h in zip(known, hole, strict=True)
        ]
        return torch.stack(filled).to(image)
