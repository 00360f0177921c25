"""The method: what the network is shown, what is taken from it, and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from inpaintx import Method, Weights
from inpaintx.errors import InpaintxError

from .config import PRESETS, WEIGHTS, ContextEncoderConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx import Trainer

    from .network import Network

__all__ = ["ContextEncoder"]


class ContextEncoder(Method[ContextEncoderConfig, "Network"]):
    """Encoder, bottleneck and decoder under a squared and an adversarial loss (Pathak et al. 2016)."""

    name, paper, requires_weights, fixed_size = "context_encoder", "https://arxiv.org/abs/1604.07379", True, True
    blend = "poisson"
    Config = ContextEncoderConfig
    presets: ClassVar[dict[str, BaseModel]] = PRESETS
    weights: ClassVar[dict[str, Weights]] = WEIGHTS

    def build(self, config: ContextEncoderConfig) -> Network:
        """Make the network."""
        from inpaintx.nn.blocks import first_std

        from .network import Network

        std = first_std(config.width, config.init_std)
        return Network(config.size, config.width, config.variant, config.bottleneck, config.code, std=std)

    def inpaint(self, net: Network, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Show the picture with the hole in the mean colour, and take the hole from what comes out.

        Raises
        ------
        InpaintxError
            ``variant="center"`` and a hole that is not inside the square in the middle.
        """
        import torch

        from .window import shown_to_network, square

        config: ContextEncoderConfig = net.config
        hole = mask > 0.5
        if config.variant == "random":
            return net(shown_to_network(image, hole)) / 2 + 0.5
        window, hidden = square(config.size), square(config.size, config.overlap)
        whole = torch.zeros_like(hole)
        whole[hidden] = True
        if bool((hole & ~whole).any()):
            rows = hidden[-1]
            raise InpaintxError(
                f"this context encoder (variant 'center') fills only the square of {rows.stop - rows.start} pixels in "
                f"the middle of {config.size}x{config.size}, from {rows.start} to {rows.stop - 1}, and the hole "
                "reaches beyond it; take variant 'random' (the default preset), or centre the hole"
            )
        filled = image.clone()
        filled[window] = net(shown_to_network(image, whole)) / 2 + 0.5
        return torch.where(hole, filled, image)

    def trainer(self, net: Network, config: ContextEncoderConfig) -> Trainer[Network]:
        """Train the network against a discriminator of what it predicts."""
        from inpaintx.nn.blocks import first_std

        from .trainer import ContextEncoderTrainer

        return ContextEncoderTrainer(
            net,
            config.size,
            config.width,
            config.variant,
            std=first_std(config.width, config.init_std),
            overlap=config.overlap,
            overlap_weight=config.overlap_weight,
            known_weight=config.known_weight,
            lr=config.lr,
            discriminator_lr=config.discriminator_lr,
            adversarial=config.adversarial,
            blended=config.blended,
        )
