"""Training: losses over the foreground, and a critic."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.nn.blocks import first_std, init_weights, network_input
from inpaintx.nn.discriminators import Critic
from inpaintx.nn.losses import blended_loss, discriminator_loss, generator_loss, gradient_penalty, l1_loss
from inpaintx.nn.vgg import load_vgg
from inpaintx.plugin.trainer import Trainer

from .config import ForegroundConfig
from .network import ForegroundNet

__all__ = ["ForegroundTrainer", "foreground_losses"]

TAP = "relu3_3"


def foreground_losses(
    config: ForegroundConfig, output: Tensor, image: Tensor, hole: Tensor, foreground: Tensor
) -> dict[str, Tensor]:
    """The terms in pixels, weighted.

    Parameters
    ----------
    output, image
        ``[B,3,H,W]`` in [-1,1]: the network's and the true one.
    hole, foreground
        ``[B,1,H,W]``, bool, and float32 with 1 = skin or hair.

    Notes
    -----
    "literal" is as printed: the known and the hidden part are held against the *masked input*, and the second norm is
    not squared before it is divided by the number of elements N of an image; the batch's mean is taken.
    "repaired" leaves the hole out of the first term and squares the second.

    References
    ----------
    Jam et al., "Foreground-guided Facial Inpainting with Fidelity Preservation", CAIP 2021, eq. 1 and 2.
    """
    given = image.masked_fill(hole, 0.0)
    elements = image[0].numel()
    outside = (1 - foreground) * hole
    if config.equations == "literal":
        corrupted = l1_loss(given, output, foreground)
        true = ((foreground * (image - output)).flatten(1).norm(dim=1) / elements).mean()
    else:
        corrupted = l1_loss(given, output, foreground * ~hole)
        true = (foreground * (image - output) ** 2).mean()
    return {
        "corrupted": config.corrupted * corrupted,
        "foreground": config.foreground * true,
        "background": config.background * l1_loss(image, output, outside),
    }


class ForegroundTrainer(Trainer[ForegroundNet]):
    """The critic first, then the network."""

    def __init__(self, net: ForegroundNet, config: ForegroundConfig) -> None:
        self.config = config
        w = config.discriminator_width
        critic = Critic(
            config.size, (w, 2 * w, 4 * w, 8 * w), kernel_size=3, batch_norm=config.discriminator_norm, dropout=0.25
        )
        init_weights(critic, first_std(w, config.init_std))
        device = next(net.parameters()).device
        self.vgg, outcome = load_vgg(16, [TAP], config.vgg, path=config.vgg_path)
        if self.vgg is not None:
            self.vgg.to(device)
        optimizers = {
            "net": torch.optim.Adam(net.parameters(), config.lr),
            "critic": torch.optim.Adam(critic.to(device).parameters(), config.discriminator_lr),
        }
        super().__init__({"net": net, "critic": critic}, optimizers, frozen={"vgg": outcome})

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        c, net, critic = self.config, self.net, self.networks["critic"]
        image, mask, hole = 2 * batch["image"] - 1, batch["mask"], batch["mask"] > 0.5
        foreground = batch["foreground"] if c.guided else torch.ones_like(mask)
        output = net(network_input(batch["image"], hole), mask)
        # eqs. 3 and 4 are printed of the prediction; repaired, they judge what is seen: known pixels are the image's
        judged = output if c.equations == "literal" else torch.where(hole, output, image)
        critic_loss = discriminator_loss(critic(image), critic(judged.detach()), "wgan")
        if c.penalty:
            critic_loss = critic_loss + c.penalty * gradient_penalty(critic, image, judged)
        self.update("critic", critic_loss)
        terms = foreground_losses(c, output, image, hole, foreground)
        if self.vgg is not None:
            terms["perceptual"] = c.perceptual * self._perceptual(judged, image, hole, foreground)
        if c.blended:
            terms["blended"] = c.blended * blended_loss(output, image, mask)
        terms["adversarial"] = c.adversarial * generator_loss(critic(judged), "wgan")
        self.update("net", torch.stack(list(terms.values())).sum())
        return {"critic": critic_loss.detach(), **{name: term.detach() for name, term in terms.items()}}

    def _perceptual(self, judged: Tensor, image: Tensor, hole: Tensor, foreground: Tensor) -> Tensor:
        """Eq. 3 as printed: against the masked input, not squared, over the image's elements; or repaired.

        Repaired, it is the mean squared difference from the true image's features.
        """
        assert self.vgg is not None
        literal = self.config.equations == "literal"
        target = image.masked_fill(hole, 0.0) if literal else image
        want = self.vgg.target((target + 1) / 2)[TAP]
        have = self.vgg((judged + 1) / 2)[TAP]
        weight = F.interpolate(foreground, have.shape[2:], mode="area")
        if literal:
            return ((weight * (have - want)).flatten(1).norm(dim=1) / image[0].numel()).mean()
        return (weight * (have - want) ** 2).mean()
