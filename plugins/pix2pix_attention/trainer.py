"""Training: a conditional PatchGAN, and L1."""

from typing import Any

import torch
from torch import Tensor

from inpaintx.nn.blocks import first_std, init_weights
from inpaintx.nn.discriminators import PatchGAN
from inpaintx.nn.losses import blended_loss, discriminator_loss, generator_loss, l1_loss
from inpaintx.plugin.trainer import Trainer

from .config import Pix2PixAttentionConfig
from .network import AttentionUNet, conditional_input

__all__ = ["Pix2PixTrainer"]


class Pix2PixTrainer(Trainer[AttentionUNet]):
    """The discriminator judges input and output together, and learns at half the loss; then the generator."""

    def __init__(self, net: AttentionUNet, config: Pix2PixAttentionConfig) -> None:
        self.config = config
        channels = 6 + config.mask_input
        discriminator = PatchGAN(channels, config.discriminator_width, "spectral" if config.spectral else "batch")
        init_weights(discriminator, first_std(config.discriminator_width, config.init_std))
        discriminator.to(next(net.parameters()).device)
        networks = {"net": net, "discriminator": discriminator}
        optimizers = {k: torch.optim.Adam(v.parameters(), config.lr, (0.5, 0.999)) for k, v in networks.items()}
        super().__init__(networks, optimizers)

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        net, discriminator = self.net, self.networks["discriminator"]
        real = 2 * batch["image"] - 1
        given = conditional_input(batch["image"], batch["mask"], self.config.mask_input)
        fake = net(given)
        judged = discriminator(torch.cat([given, fake.detach()], 1))[-1]
        d_loss = discriminator_loss(discriminator(torch.cat([given, real], 1))[-1], judged, "nsgan") / 2
        self.update("discriminator", d_loss)
        terms = {
            "adversarial": generator_loss(discriminator(torch.cat([given, fake], 1))[-1], "nsgan"),
            "l1": self.config.l1 * l1_loss(fake, real),
        }
        if self.config.blended:
            terms["blended"] = self.config.blended * blended_loss(fake, real, batch["mask"])
        self.update("net", torch.stack(list(terms.values())).sum())
        return {"discriminator": d_loss.detach(), **{name: term.detach() for name, term in terms.items()}}
