"""Training: a squared error, and a discriminator that sees what was predicted."""

from typing import Any

import torch
from torch import Tensor

from inpaintx.nn.blocks import init_weights
from inpaintx.nn.discriminators import DCGANDiscriminator
from inpaintx.nn.losses import blended_loss, discriminator_loss, generator_loss
from inpaintx.plugin.trainer import Trainer

from .config import Variant
from .network import Network
from .window import shown_to_network, square

__all__ = ["ContextEncoderTrainer", "loss_weights", "squared_error"]


def loss_weights(size: int, overlap: int, weight: float) -> Tensor:
    """``[size/2,size/2]``: ``weight`` on the ``overlap`` outermost pixels, which the network was shown, 1 inside."""
    weights = torch.full((size // 2, size // 2), weight)
    weights[overlap : size // 2 - overlap, overlap : size // 2 - overlap] = 1
    return weights


def squared_error(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Σ w·(a - b)² over the number of values with w > 0; weights broadcast to ``[B,1,H,W]``."""
    w = weights.expand_as(a)
    return (w * (a.float() - b).square()).sum() / (w > 0).sum().clamp_min(1)


class ContextEncoderTrainer(Trainer[Network]):
    """One update of the discriminator, then one of the network.

    ``"center"``: the square in the middle is hidden, whatever the batch's masks, and the discriminator sees squares.
    ``"random"``: the batch's masks are the holes, and the discriminator sees whole pictures, the known pixels true.

    References
    ----------
    Pathak et al., CVPR 2016, eq. 1 to 3 and section 5.1.
    """

    def __init__(
        self,
        net: Network,
        size: int,
        width: int,
        variant: Variant,
        *,
        std: float,
        overlap: int,
        overlap_weight: float,
        known_weight: float,
        lr: float,
        discriminator_lr: float,
        adversarial: float,
        blended: float,
    ) -> None:
        device = next(net.parameters()).device
        discriminator = DCGANDiscriminator(size if variant == "random" else size // 2, width).to(device)
        init_weights(discriminator, std)
        super().__init__(
            {"net": net, "discriminator": discriminator},
            {
                "net": torch.optim.Adam(net.parameters(), lr, (0.5, 0.999)),
                "discriminator": torch.optim.Adam(discriminator.parameters(), discriminator_lr, (0.5, 0.999)),
            },
        )
        self.size, self.variant, self.overlap = size, variant, overlap
        self.weights = loss_weights(size, overlap, overlap_weight).to(device)
        self.known_weight, self.adversarial, self.blended = known_weight, adversarial, blended

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update both once."""
        net, discriminator = self.net, self.networks["discriminator"]
        image, hole, weights = batch["image"], batch["mask"] > 0.5, self.weights
        if self.variant == "center":
            hole = torch.zeros_like(hole)
            hole[square(self.size, self.overlap)] = True
        else:
            weights = torch.where(hole, 1.0, self.known_weight)
        predicted = net(shown_to_network(image, hole))
        if self.variant == "center":
            target = 2 * image[square(self.size)] - 1
            judged = predicted
        else:
            target = 2 * image - 1
            judged = torch.where(hole, predicted, target)
        judge = discriminator_loss(discriminator(target), discriminator(judged.detach()), "nsgan")
        self.update("discriminator", judge)
        error = squared_error(predicted, target, weights)
        fool = generator_loss(discriminator(judged), "nsgan")
        terms = {"l2": error, "adversarial": fool}
        loss = (1 - self.adversarial) * error + self.adversarial * fool
        if self.blended:
            terms["blended"] = blended_loss(predicted, target, hole)
            loss = loss + self.blended * terms["blended"]
        self.update("net", loss)
        return {"discriminator": judge.detach(), **{name: term.detach() for name, term in terms.items()}}
