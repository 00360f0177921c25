"""Training of v1 and v2."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.io.opencv import import_cv2
from inpaintx.nn.blocks import first_std, init_weights, network_input
from inpaintx.nn.discriminators import GlobalLocalCritics, SNPatchGAN
from inpaintx.nn.losses import blended_loss, discriminator_loss, generator_loss, gradient_penalty, l1_loss
from inpaintx.plugin.trainer import Trainer

from .config import DeepFillConfig
from .network import DeepFillNet

__all__ = ["V1Trainer", "V2Trainer", "discounts", "hole_boxes"]


def discounts(hole: Tensor, factor: float) -> Tensor:
    """factor^(distance to the nearest known pixel - 1) in holes (bool), 0 elsewhere: ``[B,1,H,W]`` float32.

    Distances are the chessboard's: that is v1's rule for its boxes, for holes of any shape.
    """
    holes = hole.cpu().numpy().astype(np.uint8)[:, 0]
    cv2 = import_cv2()
    far = np.stack([cv2.distanceTransform(np.pad(h, 1, constant_values=1), cv2.DIST_C, 3)[1:-1, 1:-1] for h in holes])
    return (factor ** (torch.from_numpy(far)[:, None] - 1)).to(hole.device) * hole


def hole_boxes(holes: Tensor) -> Tensor:
    """Bounds of holes (bool) as ``[B,4]``: left, top, right, bottom in [-1,1], widened to a square within the image."""
    size = holes.shape[-1]
    boxes = []
    for hole in holes[:, 0]:
        ys, xs = torch.nonzero(hole.any(1))[:, 0], torch.nonzero(hole.any(0))[:, 0]
        if not len(ys):
            boxes.append(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
            continue
        side = int(max(ys[-1] - ys[0], xs[-1] - xs[0])) + 1
        corner = [min(max(0, (int(v[0]) + int(v[-1]) + 1 - side) // 2), size - side) for v in (xs, ys)]
        boxes.append(2 * torch.tensor([*corner, *(c + side for c in corner)]) / size - 1)
    return torch.stack(boxes).to(holes.device)


def cut(image: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Each image's box, resized bilinearly to ``[B,C,side,side]``."""
    half, center = (boxes[:, 2:] - boxes[:, :2]) / 2, (boxes[:, 2:] + boxes[:, :2]) / 2
    theta = torch.zeros(len(boxes), 2, 3, device=image.device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = half[:, 0], half[:, 1], center
    grid = F.affine_grid(theta, [*image.shape[:2], side, side], align_corners=False)
    return F.grid_sample(image, grid, align_corners=False)


def _adam(module: nn.Module, config: DeepFillConfig, beta2: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), config.lr, (config.beta1, beta2))


class V1Trainer(Trainer[DeepFillNet]):
    """The critics at every step, the network at every ``discriminator_steps``-th."""

    def __init__(self, net: DeepFillNet, config: DeepFillConfig) -> None:
        self.config = config
        critics = GlobalLocalCritics(config.size, config.size // 2, config.discriminator_width)
        init_weights(critics, first_std(config.discriminator_width, config.init_std))
        critics.to(next(net.parameters()).device)
        optimizers = {"net": _adam(net, config, 0.9), "critics": _adam(critics, config, 0.9)}
        super().__init__({"net": net, "critics": critics}, optimizers)

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        c, net, critics = self.config, self.net, self.networks["critics"]
        mask, hole, image = batch["mask"], batch["mask"] > 0.5, 2 * batch["image"] - 1
        boxes = hole_boxes(hole)
        learns = self.steps % c.discriminator_steps == 0
        with torch.set_grad_enabled(learns):
            coarse, fine = net(network_input(batch["image"], hole), mask)
        composite = torch.where(hole, fine, image)

        def parts(x: Tensor) -> tuple[Tensor, Tensor]:
            return x, cut(x, boxes, c.size // 2)

        fakes, reals = parts(composite.detach()), parts(image)
        d_loss = 2 * discriminator_loss(critics(*reals), critics(*fakes), "wgan")  # the sum of both critics
        if c.penalty:
            weights = parts(mask)
            for critic, real, fake, weight in zip((critics.whole, critics.local), reals, fakes, weights, strict=True):
                d_loss = d_loss + c.penalty * gradient_penalty(critic, real, fake, weight)  # type: ignore[arg-type]
        self.update("critics", d_loss)
        if not learns:
            return {"critics": d_loss.detach()}
        inside = discounts(hole, c.discount)
        outside = (1 - mask) / (1 - mask).mean().clamp_min(1e-3)
        terms = {
            "hole": c.l1 * (c.coarse * l1_loss(coarse, image, inside) + l1_loss(fine, image, inside)),
            "known": c.l1 * (c.coarse * l1_loss(coarse, image, outside) + l1_loss(fine, image, outside)),
            "adversarial": 2 * c.adversarial * generator_loss(critics(*parts(composite)), "wgan"),
        }
        if c.blended:
            terms["blended"] = c.blended * blended_loss(fine, image, mask)
        self.update("net", torch.stack(list(terms.values())).sum())
        return {"critics": d_loss.detach(), **{k: v.detach() for k, v in terms.items()}}


class V2Trainer(Trainer[DeepFillNet]):
    """The discriminator sees the composite and the mask; then the network: L1 of both stages and the hinge."""

    def __init__(self, net: DeepFillNet, config: DeepFillConfig) -> None:
        self.config = config
        judge = SNPatchGAN(4, config.discriminator_width)
        init_weights(judge, first_std(config.discriminator_width, config.init_std))
        judge.to(next(net.parameters()).device)
        super().__init__(
            {"net": net, "discriminator": judge},
            {"net": _adam(net, config, 0.999), "discriminator": _adam(judge, config, 0.999)},
        )

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch."""
        c, net, judge = self.config, self.net, self.networks["discriminator"]
        mask, hole, image = batch["mask"], batch["mask"] > 0.5, 2 * batch["image"] - 1
        coarse, fine = net(network_input(batch["image"], hole), mask)
        composite = torch.where(hole, fine, image)

        def judged(x: Tensor) -> Tensor:
            logits: Tensor = judge(torch.cat([x, mask], 1))[-1]
            return logits

        d_loss = discriminator_loss(judged(image), judged(composite.detach()), "hinge")
        self.update("discriminator", d_loss)
        terms = {
            "coarse": c.l1 * c.coarse * l1_loss(coarse, image),
            "refined": c.l1 * l1_loss(fine, image),
            "adversarial": c.adversarial * generator_loss(judged(composite), "hinge"),
        }
        if c.blended:
            terms["blended"] = c.blended * blended_loss(fine, image, mask)
        self.update("net", torch.stack(list(terms.values())).sum())
        return {"discriminator": d_loss.detach(), **{k: v.detach() for k, v in terms.items()}}
