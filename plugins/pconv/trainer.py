"""Training of the networks of partial convolutions."""

from typing import Any

import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std, init_weights
from inpaintx.nn.discriminators import PatchGAN
from inpaintx.nn.losses import (
    blended_fill,
    discriminator_loss,
    generator_loss,
    l1_loss,
    perceptual_loss,
    style_loss,
    tv_loss,
)
from inpaintx.nn.vgg import VGG, load_vgg
from inpaintx.plugin.trainer import Trainer

from .config import PartialConvConfig
from .network import PConvUNet

__all__ = ["PConvLoss", "PConvTrainer", "faded"]

# Layers of the perceptual and the style loss: of Liu et al., of PD-GAN's code for its prior, and cheap ones.
LIGHT = ("relu1_1", "relu2_1", "relu3_1")
LAYERS = {
    "light": (LIGHT, LIGHT),
    "unet": (("pool1", "pool2", "pool3"), ("pool1", "pool2", "pool3")),
    "prior": (("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), ("relu2_2", "relu3_3", "relu4_3")),
}


class PConvLoss(nn.Module):
    """The five terms of Liu et al., eq. 7, and the L1 of the blended fill; computed in the network's own scale.

    Attributes
    ----------
    outcome
        Where VGG16's weights came from; with ``"skip"`` the perceptual and the style term are dropped.
    """

    def __init__(self, config: PartialConvConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptual_layers, self.style_layers = LAYERS["light" if config.layers == "light" else config.arch]
        wanted = {*self.perceptual_layers, *self.style_layers}
        self.vgg, self.outcome = load_vgg(16, wanted, config.vgg, normalize=config.vgg_normalize, path=config.vgg_path)

    def joined(self, output: Tensor, image: Tensor, mask: Tensor) -> Tensor | None:
        """The fill after Poisson blending, if a term counts on it."""
        c = self.config
        return blended_fill(output, image, mask) if c.blended or c.seen == "blended" else None

    def forward(
        self, net: Any, output: Tensor, image: Tensor, mask: Tensor, joined: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Weighted terms by name, of the network's output and the true image, both in the network's scale.

        ``joined``: what :meth:`joined` gave of the output.
        """
        c, hole = self.config, mask > 0.5
        joined = self.joined(output, image, mask) if joined is None else joined
        composite = torch.where(hole, output.float(), image)
        terms = {
            "valid": c.valid * l1_loss(output, image, (~hole).float()),
            "hole": c.hole * l1_loss(output, image, hole.float()),
            "tv": c.tv * tv_loss(composite, mask),
        }
        if c.blended and joined is not None:
            terms["blended"] = c.blended * l1_loss(joined, image, hole.float())
        if self.vgg is None:
            return terms
        pictures = (output, composite) if joined is None or c.seen == "output" else (joined,)
        features = [self._features(self.vgg, net, x) for x in pictures]
        with torch.no_grad():
            target = self._features(self.vgg, net, image)
        styled = features if c.arch == "unet" else features[:1]
        perceptual = [perceptual_loss(f, target, self.perceptual_layers) for f in features]
        style = [style_loss(f, target, self.style_layers) for f in styled]
        terms["perceptual"] = c.perceptual * torch.stack(perceptual).sum()
        terms["style"] = c.style * torch.stack(style).sum()
        return terms

    def _features(self, vgg: VGG, net: Any, x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = vgg(net.from_net(x) if self.config.vgg_normalize else x)
        return features


def faded(done: float) -> float:
    """PD-GAN's schedule: the rate's factor when a share ``done`` of 120 epochs is done (20 constant, 100 to 0)."""
    return min(1.0, max(0.0, (1 - done) * 6 / 5))


class PConvTrainer(Trainer):
    """Adam; the last steps with a lower rate and, in the U-Net, the encoder's batch statistics frozen.

    With ``adversarial``, a discriminator of image and mask is updated first.
    """

    def __init__(self, net: nn.Module, config: PartialConvConfig) -> None:
        if config.finetune_steps >= config.steps:
            raise InpaintxError(
                f"finetune_steps={config.finetune_steps} leaves none of steps={config.steps} before it; set both"
            )
        self.turn = config.steps - config.finetune_steps

        def rate(step: int) -> float:
            if step >= self.turn:
                return config.finetune_lr / config.lr
            return faded(step / config.steps) if config.fade else 1.0

        device = next(net.parameters()).device
        networks, rates = {"net": net}, {"net": config.lr}
        if config.adversarial:
            networks["discriminator"] = PatchGAN(4, config.discriminator_width, "spectral").to(device)
            init_weights(networks["discriminator"], first_std(config.discriminator_width, config.init_std))
            rates["discriminator"] = config.discriminator_lr
        optimizers = {
            name: torch.optim.Adam(network.parameters(), rates[name], (config.beta1, 0.999))
            for name, network in networks.items()
        }
        schedules = {name: torch.optim.lr_scheduler.LambdaLR(o, rate) for name, o in optimizers.items()}
        self.config = config
        self.loss = PConvLoss(config).to(device)
        super().__init__(networks, optimizers, schedules, {"vgg": self.loss.outcome})

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        net: Any = self.networks["net"]
        if self.steps >= self.turn and isinstance(net, PConvUNet):
            net.freeze_encoder_statistics()
        image, mask = net.to_net(batch["image"]), batch["mask"]
        output = net(image, mask)
        joined = self.loss.joined(output, image, mask)
        terms = self.loss(net, output, image, mask, joined)
        judged: dict[str, Tensor] = {}
        if self.config.adversarial:
            shown = torch.where(mask > 0.5, output.float(), image)
            if joined is not None and self.config.seen == "blended":
                shown = joined
            real, fake = self._logits(image, mask), self._logits(shown.detach(), mask)
            judged["discriminator"] = discriminator_loss(real, fake, "hinge")
            self.update("discriminator", judged["discriminator"])
            terms["adversarial"] = self.config.adversarial * generator_loss(self._logits(shown, mask), "hinge")
        self.update("net", torch.stack(list(terms.values())).sum())
        return {name: term.detach() for name, term in {**judged, **terms}.items()}

    def _logits(self, picture: Tensor, mask: Tensor) -> Tensor:
        logits: list[Tensor] = self.networks["discriminator"](torch.cat([picture, mask], 1))
        return logits[-1]
