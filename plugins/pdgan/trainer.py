"""Training of PD-GAN: the prior, then generator against discriminator."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from inpaintx.errors import InpaintxError
from inpaintx.io.digest import sha256
from inpaintx.nn.blocks import first_std, init_weights
from inpaintx.nn.discriminators import MultiScale, PatchGAN
from inpaintx.nn.fan import heatmap_loss, load_fan
from inpaintx.nn.losses import (
    blended_fill,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    l1_loss,
    perceptual_loss,
    tv_loss,
)
from inpaintx.nn.vgg import load_vgg
from inpaintx.ops import spd_map
from inpaintx.plugin import weights
from inpaintx.plugin.trainer import Trainer
from inpaintx.plugin.weight_lookup import find_file

from ..pconv_prior.method import PConvPrior
from ..pconv_prior.trainer import PConvLoss, faded
from .config import PDGANConfig
from .network import UNITS, PDGANNet

__all__ = ["PDGANTrainer", "discriminator", "diversity_loss", "skin_loss"]

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


def discriminator(width: int) -> MultiScale:
    """Two PatchGANs on the mask, three times, and the image."""
    return MultiScale(*(PatchGAN(6, width, "spectral_instance", padding=2) for _ in range(2)))


def diversity_loss(a: Tensor, b: Tensor, eps: float) -> Tensor:
    """1 / (mean |a - b| + eps), of features of two fills for one hole; at most 1/eps. Equation 8 of PD-GAN."""
    return 1 / (l1_loss(a, b) + eps)


def skin_loss(difference: Tensor, skin: Tensor, hole: Tensor, kind: str) -> Tensor:
    """L1 inside the skin.

    Parameters
    ----------
    difference
        ``[B,3,H,W]``: absolute, weighted or not.
    skin, hole
        ``[B,1,H,W]``, 1 = inside.
    kind
        ``"sum"``: over each image, as the face paper prints it, the mean of the batch; ``"mean"``: over all elements, 0
        outside the skin; ``"hole"``: mean over the skin's pixels in the holes, whatever their share.
    """
    inside = difference * skin
    if kind == "sum":
        return inside.sum((1, 2, 3)).mean()
    if kind == "mean":
        return inside.mean()
    hidden = skin * hole
    return (difference * hidden).sum() / (difference.shape[1] * hidden.sum()).clamp_min(1)


def doubled(x: Tensor) -> Tensor:
    """One copy for each of the two samples."""
    return torch.cat([x, x])


class PDGANTrainer(Trainer[PDGANNet]):
    """Two fills A and B for each image; every term but diversity is summed over both."""

    def __init__(self, net: PDGANNet, config: PDGANConfig) -> None:
        self.config = config
        self.device = next(net.parameters()).device
        self.prior_steps = 0 if config.prior else config.prior_steps
        if self.prior_steps >= config.steps:
            raise InpaintxError(
                f"prior_steps={config.prior_steps} leaves none of steps={config.steps} for the generator; set both"
            )
        source = _load_prior(net.prior, config) if config.prior else None
        critic = discriminator(config.width).to(self.device)
        init_weights(critic, first_std(config.width, config.init_std))
        adam = torch.optim.Adam
        optimizers = {
            "generator": adam(net.generator.parameters(), config.lr / 2, (0.0, 0.9)),
            "discriminator": adam(critic.parameters(), config.lr * 2, (0.0, 0.9)),
        }
        length = self.length = max(1, config.steps - self.prior_steps)
        schedulers = {name: LambdaLR(o, lambda step: faded(step / length)) for name, o in optimizers.items()}
        self.prior_loss: PConvLoss | None = None
        if self.prior_steps:
            optimizers["prior"] = adam(net.prior.parameters(), config.prior_lr, (0.0, 0.999))
            schedulers["prior"] = LambdaLR(optimizers["prior"], lambda step: faded(step / self.prior_steps))
            self.prior_loss = PConvLoss(_prior_config(config)).to(self.device)
        self.vgg, vgg = load_vgg(16, LAYERS, config.vgg, normalize=config.vgg_normalize, path=config.vgg_path)
        trained = "trained in this run" if self.prior_steps else "what the run began from"
        prior = f"file {source.name}@{sha256(source)[:8]}" if source else trained
        frozen = {"vgg": vgg, "prior": prior}
        self.fan = None
        if config.beta:
            shipped = find_file("fan128.safetensors") if config.fan_path == "fan128" else None
            self.fan, frozen["fan"] = load_fan(config.fan, path=str(shipped or config.fan_path))
        for frozen_net in (self.vgg, self.fan):
            if frozen_net is not None:
                frozen_net.to(self.device)
        self.diversity = torch.tensor(config.diversity, device=self.device)  # its weight at this step
        super().__init__({"net": net, "discriminator": critic}, optimizers, schedulers, frozen)

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        image, mask = 2 * batch["image"] - 1, (batch["mask"] > 0.5).float()
        if self.steps < self.prior_steps:
            terms = self._train_prior(image, mask)
        else:
            terms = self._train_gan(image, mask, batch.get("skin"))
        return {name: term.detach() for name, term in terms.items()}

    def advance(self) -> None:
        """Count a step; the learning rates of the other stage stand still."""
        names = ("prior",) if self.steps < self.prior_steps else ("generator", "discriminator")
        self.steps += 1
        for name in names:
            self.schedulers[name].step()
        self._weigh_diversity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        super().load_state_dict(state)
        self._weigh_diversity()

    def _weigh_diversity(self) -> None:
        done = max(0, self.steps - self.prior_steps) / self.length
        self.diversity.fill_(self.config.diversity * self.config.diversity_fall**done)

    def capturable_as(self) -> str:
        """The stage."""
        return "prior" if self.steps < self.prior_steps else "gan"

    def _train_prior(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        net = self.net
        assert self.prior_loss is not None
        terms = self.prior_loss(net.prior, net.prior(image, mask), image, mask)
        self.update("prior", torch.stack(list(terms.values())).sum())
        return {f"prior_{name}": term for name, term in terms.items()}

    def _train_gan(self, image: Tensor, mask: Tensor, skin: Tensor | None) -> dict[str, Tensor]:
        net = self.net
        critic: Any = self.networks["discriminator"]
        with torch.no_grad():
            prior = net.prior(image, mask)
        z = torch.randn(2 * len(image), net.generator.z, device=image.device)
        fake = net.generator(z, prior, mask)
        shown, fake_shown = (torch.cat([m.expand_as(x), x], 1) for m, x in ((mask, image), (doubled(mask), fake)))
        real_logits, fake_logits = ([layers[-1] for layers in critic(x)] for x in (shown, fake_shown.detach()))
        d_loss = 2 * discriminator_loss(real_logits, fake_logits, "hinge")
        self.update("discriminator", d_loss)

        with torch.no_grad():
            real_layers = [[doubled(layer) for layer in layers] for layers in critic(shown)]
        fake_layers = critic(fake_shown)
        terms = {
            "gan": 2 * generator_loss([layers[-1] for layers in fake_layers], "hinge"),
            "feature_matching": 2 * self.config.feature_matching * feature_matching_loss(real_layers, fake_layers),
            **self._image_terms(fake, image, mask, skin),
        }
        self.update("generator", torch.stack(list(terms.values())).sum())
        return {**terms, "discriminator": d_loss}

    def _image_terms(self, fake: Tensor, image: Tensor, mask: Tensor, skin: Tensor | None) -> dict[str, Tensor]:
        """Terms that compare the two fills, A then B in ``fake``, with the image and with each other."""
        c, fake = self.config, fake.float()
        truth, hole = doubled(image), doubled(mask)
        where = self._where(mask)
        counts = 1.0 if where is None else doubled(where)
        terms = {"tv": 2 * c.tv * tv_loss(torch.where(hole > 0.5, fake, truth), hole)}
        if self.vgg is not None:
            target = {name: doubled(f) for name, f in self.vgg.target(self._for_vgg(image)).items()}
            found = self.vgg(self._for_vgg(fake))
            terms["perceptual"] = (
                2 * c.perceptual * perceptual_loss(found, target, LAYERS, None if where is None else doubled(where))
            )
            a, b = self.vgg(self._for_vgg(fake * hole))["relu4_1"].chunk(2)
            terms["diversity"] = self.diversity * diversity_loss(a, b, c.diversity_eps)
        if c.alpha and skin is not None:
            terms["skin"] = 2 * c.alpha * skin_loss((fake - truth).abs() * counts, doubled(skin), hole, c.skin)
        if c.blended:
            terms["blended"] = 2 * c.blended * l1_loss(blended_fill(fake, truth, hole), truth, hole * counts)
        if self.fan is not None:
            with torch.no_grad():
                heat = self._heatmaps(image)
            terms["heatmap"] = 2 * c.beta * heatmap_loss(self._heatmaps(fake), doubled(heat))
        return terms

    def _where(self, mask: Tensor) -> Tensor | None:
        """How much each pixel's likeness to the truth counts, ``[B,1,H,W]``; None: all alike.

        The probability map falls into the hole as the prior's say does; what may be many things is compared less.
        """
        if not self.config.free:
            return None
        net = self.net
        _, n, window = UNITS[min(len(net.generator.units), len(UNITS) - 1)]
        return 1 - self.config.free * (1 - spd_map(mask, n, window, kind=self.config.map))

    def _for_vgg(self, x: Tensor) -> Tensor:
        return (x + 1) / 2 if self.config.vgg_normalize else x

    def _heatmaps(self, x: Tensor) -> Tensor:
        """The last hourglass's maps of the whole image, brought to FAN's size."""
        assert self.fan is not None
        size = self.fan.size
        with torch.autocast(x.device.type, enabled=False):
            maps: list[Tensor] = self.fan(F.interpolate((x.float() + 1) / 2, (size, size), mode="bilinear"))
        return maps[-1]


def _prior_config(config: PDGANConfig) -> Any:
    """Options of the prior's losses."""
    width = config.prior_width or config.width
    features = {name: getattr(config, name) for name in ("vgg", "vgg_path", "vgg_normalize")}
    return PConvPrior().config(width=width, **features)


def _load_prior(prior: nn.Module, config: PDGANConfig) -> Path:
    """Take the weights of a pconv_prior run, a file or a tag of pconv_prior's; where they were found."""
    levels = config.prior_levels or config.size.bit_length() - 3
    width = config.prior_width or config.width
    own = PConvPrior().config(size=config.size, width=width, levels=levels, scale=config.scale)
    loaded = weights.load(PConvPrior(), own, config.prior, torch.device("cpu"))
    for name in ("width", "levels", "scale"):
        got, wanted = getattr(loaded.config, name), getattr(own, name)
        if got != wanted:
            raise InpaintxError(
                f"prior {config.prior} was trained with {name}={got}; these options need {name}={wanted}"
            )
    prior.load_state_dict(loaded.net.state_dict())
    return Path(loaded.source)
