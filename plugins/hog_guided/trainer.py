"""Training in three stages: the map; painting with the true map; painting with the predicted one."""

from typing import Any

import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.nn.blocks import first_std, init_weights
from inpaintx.nn.discriminators import PatchGAN
from inpaintx.nn.losses import (
    blended_loss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    l1_loss,
    perceptual_loss,
    style_loss,
)
from inpaintx.nn.vgg import load_vgg
from inpaintx.plugin.trainer import Trainer

from .config import HOGGuidedConfig
from .network import HOGGuidedNet

__all__ = ["HOGGuidedTrainer"]

# VGG's depth, layers of the perceptual loss, and of the style loss: the paper's, and EdgeConnect's code's
LAYERS = {
    "paper": (16, ("relu1_1", "relu2_1", "relu3_1", "relu4_1"), ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    "edgeconnect": (
        19,
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        ("relu2_2", "relu3_4", "relu4_4", "relu5_2"),
    ),
}
MATCHING = 10.0  # weight of EdgeConnect's feature matching


class HOGGuidedTrainer(Trainer[HOGGuidedNet]):
    """One discriminator a stage; the first sees the grey image and the map, the second the colours."""

    def __init__(self, net: HOGGuidedNet, config: HOGGuidedConfig) -> None:
        self.config = config
        before = config.shape_steps + config.true_guidance_steps
        if before >= config.steps:
            raise InpaintxError(
                f"shape_steps={config.shape_steps} and true_guidance_steps={config.true_guidance_steps} leave none of "
                f"steps={config.steps} for the last stage; set all three"
            )
        device = next(net.parameters()).device
        channels = 1 + (config.bins or 1)
        judges = {
            "judge_shape": PatchGAN(channels, config.discriminator_width, "spectral", bias=False),
            "judge_paint": PatchGAN(3, config.discriminator_width, "spectral", bias=False),
        }
        for judge in judges.values():
            init_weights(judge, first_std(config.discriminator_width, config.init_std))
            judge.to(device)

        def adam(module: nn.Module, lr: float) -> torch.optim.Adam:
            return torch.optim.Adam(module.parameters(), lr, (0.0, 0.9))

        optimizers = {"shape": adam(net.shape, config.lr), "paint": adam(net.paint, config.lr)}
        optimizers |= {name: adam(judge, config.discriminator_lr) for name, judge in judges.items()}
        depth, self.perceptual_layers, self.style_layers = LAYERS[config.losses]
        wanted = dict.fromkeys((*self.perceptual_layers, *self.style_layers))
        normalize = config.losses == "paper"  # EdgeConnect's code leaves the normalisation out
        self.vgg, outcome = load_vgg(
            depth,  # type: ignore[arg-type]
            wanted,
            config.vgg,
            normalize=normalize,
            path=config.vgg_path,
        )
        if self.vgg is not None:
            self.vgg.to(device)
        super().__init__({"net": net, **judges}, optimizers, frozen={"vgg": outcome})

    @property
    def stage(self) -> str:
        """``"shape"``, ``"true"`` or ``"predicted"``."""
        if self.steps < self.config.shape_steps:
            return "shape"
        done = self.steps - self.config.shape_steps
        return "true" if done < self.config.true_guidance_steps else "predicted"

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        image, hole = batch["image"], batch["mask"] > 0.5
        return self._shape(image, hole) if self.stage == "shape" else self._paint(image, hole)

    def _shape(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        net = self.net
        judge = self.networks["judge_shape"]
        true, gray = net.guidance(image), net.gray(image)
        predicted, _ = net.complete(image, hole)
        real, fake = torch.cat([gray, true], 1), torch.cat([gray, predicted], 1)
        d_loss = discriminator_loss(judge(real)[-1], judge(fake.detach())[-1], "nsgan") / 2
        self.update("judge_shape", d_loss)
        seen = judge(fake)
        terms = {"shape_adversarial": generator_loss(seen[-1], "nsgan")}
        if self.config.losses == "edgeconnect":
            terms["shape_matching"] = MATCHING * feature_matching_loss([judge(real)], [seen])
        else:
            terms["shape_l1"] = l1_loss(predicted, true)
        return self._update("shape", terms, d_loss)

    def _paint(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        c, net = self.config, self.net
        judge = self.networks["judge_paint"]
        with torch.no_grad():
            guidance = net.guidance(image) if self.stage == "true" else net.complete(image, hole)[1]
        output = net.color(image, hole, guidance)
        d_loss = discriminator_loss(judge(image)[-1], judge(output.detach())[-1], "nsgan") / 2
        self.update("judge_paint", d_loss)
        edgeconnect = c.losses == "edgeconnect"
        terms = {
            "l1": l1_loss(output, image) / (hole.float().mean().clamp_min(1e-3) if edgeconnect else 1.0),
            "adversarial": c.adversarial * generator_loss(judge(output)[-1], "nsgan"),
        }
        if c.blended:
            terms["blended"] = c.blended * blended_loss(output, image, hole, interior=True)
        if self.vgg is not None:
            have, want = self.vgg(output), self.vgg.target(image)
            terms["perceptual"] = c.perceptual * perceptual_loss(have, want, self.perceptual_layers)
            if edgeconnect:  # style of the holes alone
                have, want = self.vgg(output * hole), self.vgg.target(image * hole)
            terms["style"] = c.style * style_loss(have, want, self.style_layers)
        return self._update("paint", terms, d_loss)

    def _update(self, name: str, terms: dict[str, Tensor], d_loss: Tensor) -> dict[str, Tensor]:
        self.update(name, torch.stack(list(terms.values())).sum())
        return {f"judge_{name}": d_loss.detach(), **{k: v.detach() for k, v in terms.items()}}
