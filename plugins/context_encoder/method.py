"""The method: what the network is shown, what is taken from it, and its options."""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn
from typing_extensions import Self

from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std
from inpaintx.plugin.method import LearnedConfig, Method, Trainer, Weights

from .network import Bottleneck, Network, Variant
from .trainer import ContextEncoderTrainer
from .window import shown_to_network, square

__all__ = ["ContextEncoder"]


class ContextEncoderConfig(LearnedConfig):
    """Options of the context encoder.

    Parameters
    ----------
    width, variant, bottleneck, code
        Of :class:`Network`.
    init_std
        Deviation of the first weights; 0: 0.02·√(64 / width).
    overlap, overlap_weight
        ``"centre"``: how many pixels of the predicted square are shown to the network all around, and their weight
        in the loss.
    known_weight
        ``"random"``: weight of the known pixels in the loss; 1 for those in the hole.
    learning_rate, generator_rate
        Of the discriminator, and how many times that the network's is.
    adversarial
        Share of the adversarial loss; the rest is the squared error's.
    blended
        Weight of the L1 of hidden pixels after Poisson blending; ``"random"`` only.
    """

    size: int = Field(128, ge=64, le=4096)
    batch: int = Field(64, ge=1)
    steps: int = Field(100_000, ge=1)
    width: int = Field(56, ge=1)
    init_std: float = Field(0.0, ge=0)
    variant: Variant = "random"
    bottleneck: Bottleneck = "cfc"
    code: int = Field(4000, ge=1)
    overlap: int = Field(4, ge=0)
    overlap_weight: float = Field(10.0, ge=0)
    known_weight: float = Field(0.0, ge=0)
    learning_rate: float = Field(2e-4, gt=0)
    generator_rate: float = Field(10.0, gt=0)
    adversarial: float = Field(0.001, ge=0, le=1)
    blended: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two from 64, got {self.size}")
        if 4 * self.overlap >= self.size:
            raise ValueError(f"overlap {self.overlap} leaves nothing of the square of {self.size // 2} pixels")
        if self.blended and self.variant == "centre":
            raise ValueError("variant 'centre' predicts no pixels outside its square to blend with; set blended=0")
        return self


class ContextEncoder(Method):
    """Encoder, bottleneck and decoder under a squared and an adversarial loss (Pathak et al. 2016)."""

    name, paper, trained, fixed = "context_encoder", "https://arxiv.org/abs/1604.07379", True, True
    blend = "poisson"
    Config = ContextEncoderConfig
    presets: ClassVar[dict[str, BaseModel]] = {
        "default": ContextEncoderConfig(),
        # 500 epochs of 27,000 images, CelebA-HQ's training part in paper 003
        "paper": ContextEncoderConfig(width=64, variant="centre", bottleneck="conv", steps=210_938),
        "tiny": ContextEncoderConfig(size=64, width=16, batch=8, steps=200),
    }
    weights: ClassVar[dict[str, Weights]] = {
        "default": Weights(
            "random128.safetensors",
            sha256="688f2306a4e28d28ada7da851278db73062c12f0413ecde61187296b47b06ae3",
            licence="research use only, as its images",
            trained_on="All-Age-Faces (Cheng et al. 2019), 5,405 faces at 128 x 128; 3,000 steps of 8 on one CPU core",
        )
    }

    def build(self, config: Any) -> nn.Module:
        """Make the network."""
        std = first_std(config.width, config.init_std)
        return Network(config.size, config.width, config.variant, config.bottleneck, config.code, std=std)

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Show the picture with the hole in the mean colour, and take the hole from what comes out.

        Raises
        ------
        InpaintxError
            ``variant="centre"`` and a hole that is not inside the square in the middle.
        """
        config: ContextEncoderConfig = net.config
        if config.variant == "random":
            return net(shown_to_network(image, mask)) / 2 + 0.5
        window, hidden = square(config.size), square(config.size, config.overlap)
        whole = torch.zeros_like(mask)
        whole[hidden] = 1
        if bool((mask > whole).any()):
            rows = hidden[-1]
            raise InpaintxError(
                f"this context encoder (variant 'centre') fills only the square of {rows.stop - rows.start} pixels in "
                f"the middle of {config.size}x{config.size}, from {rows.start} to {rows.stop - 1}, and the hole "
                "reaches beyond it; take variant 'random' (the default preset), or centre the hole"
            )
        filled = image.clone()
        filled[window] = net(shown_to_network(image, whole)) / 2 + 0.5
        return torch.where(mask > 0.5, filled, image)

    def trainer(self, net: Any, config: Any) -> Trainer:
        """Train the network against a discriminator of what it predicts."""
        return ContextEncoderTrainer(
            net,
            config.size,
            config.width,
            config.variant,
            std=first_std(config.width, config.init_std),
            overlap=config.overlap,
            overlap_weight=config.overlap_weight,
            known_weight=config.known_weight,
            learning_rate=config.learning_rate,
            generator_rate=config.generator_rate,
            adversarial=config.adversarial,
            blended=config.blended,
        )
