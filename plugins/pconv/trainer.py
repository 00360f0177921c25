"""Training of the networks of partial convolutions."""

from typing import Any

import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.nn.losses import blended_loss, l1_loss, perceptual_loss, style_loss, tv_loss
from inpaintx.nn.vgg import VGG, load_vgg
from inpaintx.trainer import Trainer

from .method import PConvConfig
from .network import PConvUNet

__all__ = ["PConvLoss", "PConvTrainer", "faded"]

# Layers of the perceptual and the style loss: of Liu et al., and of PD-GAN's code for its prior.
TAPS = {
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

    def __init__(self, config: PConvConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptual_taps, self.style_taps = TAPS[config.arch]
        wanted = {*self.perceptual_taps, *self.style_taps}
        self.vgg, self.outcome = load_vgg(16, wanted, config.vgg, normalize=config.vgg_normalize)

    def forward(self, net: Any, output: Tensor, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Weighted terms by name, of the network's output and the true image, both in the network's scale."""
        c, hole = self.config, mask > 0.5
        composite = torch.where(hole, output.float(), image)
        terms = {
            "valid": c.valid * l1_loss(output, image, (~hole).float()),
            "hole": c.hole * l1_loss(output, image, hole.float()),
            "tv": c.tv * tv_loss(composite, mask),
        }
        if c.blended:
            terms["blended"] = c.blended * blended_loss(output, image, mask)
        if self.vgg is None:
            return terms
        features = [self._features(self.vgg, net, x) for x in (output, composite)]
        with torch.no_grad():
            target = self._features(self.vgg, net, image)
        styled = features if c.arch == "unet" else features[:1]
        perceptual = [perceptual_loss(f, target, self.perceptual_taps) for f in features]
        style = [style_loss(f, target, self.style_taps) for f in styled]
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
    """Adam; the last steps with a lower rate and, in the U-Net, the encoder's batch statistics frozen."""

    def __init__(self, net: nn.Module, config: PConvConfig) -> None:
        optimizer = torch.optim.Adam(net.parameters(), config.lr, (config.beta1, 0.999))
        if config.finetune_steps >= config.steps:
            raise InpaintxError(
                f"finetune_steps={config.finetune_steps} leaves none of steps={config.steps} before it; set both"
            )
        self.turn = config.steps - config.finetune_steps

        def rate(step: int) -> float:
            if step >= self.turn:
                return config.finetune_lr / config.lr
            return faded(step / config.steps) if config.fade else 1.0

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        self.loss = PConvLoss(config).to(next(net.parameters()).device)
        super().__init__({"net": net}, {"net": optimizer}, {"net": schedule}, {"vgg": self.loss.outcome})

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        net: Any = self.networks["net"]
        if self.steps >= self.turn and isinstance(net, PConvUNet):
            net.freeze_encoder_statistics()
        image, mask = net.to_net(batch["image"]), batch["mask"]
        terms = self.loss(net, net(image, mask), image, mask)
        self.update("net", torch.stack(list(terms.values())).sum())
        return {name: term.detach() for name, term in terms.items()}
