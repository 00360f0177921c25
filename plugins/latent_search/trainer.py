"""Training of the DCGAN, without holes: the batch's masks have no part in it."""

from typing import Any

import torch
from torch import Tensor

from inpaintx.nn.losses import discriminator_loss, generator_loss
from inpaintx.ops import ssim
from inpaintx.plugin.trainer import Trainer

from .network import DCGAN

__all__ = ["DCGANTrainer"]


class DCGANTrainer(Trainer[DCGAN]):
    """One update of the discriminator and one of the generator a step, by Adam with β (0.5, 0.999).

    Parameters
    ----------
    net
        In training mode.
    z
        Length of the vectors.
    lr
        Of both.

    References
    ----------
    Radford et al., ICLR 2016, section 4.
    """

    def __init__(self, net: DCGAN, z: int, lr: float) -> None:
        super().__init__(
            {"net": net},
            {
                part: torch.optim.Adam(getattr(net, part).parameters(), lr, (0.5, 0.999))
                for part in ("discriminator", "generator")
            },
        )
        self.z = z

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update both once; of the batch only ``"image"`` is used."""
        net, image = self.net, batch["image"]
        fake = net.generator(2 * torch.rand(len(image), self.z, device=image.device) - 1)
        judge = discriminator_loss(net.discriminator(2 * image - 1), net.discriminator(fake.detach()), "nsgan")
        self.update("discriminator", judge)
        fool = generator_loss(net.discriminator(fake), "nsgan")
        self.update("generator", fool)
        made = fake.detach().float() / 2 + 0.5
        net.spread.follow(ssim(made, image, mode="global"), (made - image).abs().sum((1, 2, 3)))
        return {"discriminator": judge.detach(), "generator": fool.detach()}
