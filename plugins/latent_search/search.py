"""The search: all images and all starts of a batch at once, with the networks frozen and their norms folded in."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .config import Prior, SearchConfig
from .network import DCGAN
from .objectives import QiangLoss, YehLoss, prior

__all__ = ["Found", "Frozen", "closest", "complete", "draw", "search"]

Distance = Callable[[Tensor], Tensor]
TOGETHER = 16  # pictures that are compared with each image at once while the starts are chosen


def draw(count: int, z: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """``[count,Z]`` uniform in [-1,1]."""
    return 2 * torch.rand(count, z, generator=generator, device=device) - 1


class Frozen:
    """A copy of a DCGAN for searching: batch norms folded into the convolutions before them, weights frozen."""

    def __init__(self, net: DCGAN) -> None:
        first: Any
        first, *others = _folded(net.generator.layers)
        self.matrix, self.bias = first.weight.flatten(1), first.bias.repeat_interleave(first.weight[0, 0].numel())
        self.opened = first.weight.shape[1:]
        self.generator = nn.Sequential(*others)
        self.discriminator = nn.Sequential(*_folded(net.discriminator.layers))

    def picture(self, z: Tensor) -> Tensor:
        """``[N,Z]`` to pictures ``[N,3,64,64]`` in [-1,1]."""
        x = torch.addmm(self.bias, z, self.matrix).view(-1, *self.opened)  # the first layer sees one pixel
        return cast(Tensor, self.generator(x.contiguous(memory_format=torch.channels_last)))

    def pictures(self, z: Tensor) -> Tensor:
        """As :meth:`picture` for any number of vectors, a few at a time, without gradient."""
        with torch.no_grad():
            return torch.cat([self.picture(z[n : n + TOGETHER]) for n in range(0, len(z), TOGETHER)])

    def logits(self, pictures: Tensor) -> Tensor:
        """``[N,3,64,64]`` in [-1,1] to ``[N]``."""
        return cast(Tensor, self.discriminator(pictures)).flatten()


def _folded(layers: nn.Sequential) -> list[Any]:
    """Copies of the layers, none with statistics any more."""
    folded: list[Any] = []
    for layer in deepcopy(layers).eval():
        if isinstance(layer, nn.BatchNorm2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], layer, isinstance(folded[-1], nn.ConvTranspose2d))
        else:
            folded.append(layer)
    return [layer.requires_grad_(False).to(memory_format=torch.channels_last) for layer in folded]


@dataclass(frozen=True)
class Found:
    """What a search of B images from R starts came upon.

    Parameters
    ----------
    z
        ``[R,B,Z]``: of each start, the vector with the least loss.
    known
        ``[R,B]``: how far its picture is from the known pixels.
    best
        ``[iterations,R,B]``: the least loss so far, prior included.
    """

    z: Tensor
    known: Tensor
    best: Tensor

    def choice(self) -> Tensor:
        """``[B,Z]``: of each image's starts, the one closest to the known pixels."""
        return self.z[self.known.argmin(0), torch.arange(self.z.shape[1])]


def closest(drawn: Tensor, pictures: Tensor, images: int, distance: Distance, starts: int) -> Tensor:
    """``[starts,images,Z]``: of the vectors ``[N,Z]``, for each image those whose pictures are the closest to it."""
    if len(drawn) == starts:
        return drawn[:, None].expand(-1, images, -1)
    some = [pictures[n : n + TOGETHER, None].expand(-1, images, -1, -1, -1) for n in range(0, len(drawn), TOGETHER)]
    apart = torch.cat([distance(s) for s in some])
    return drawn[apart.topk(starts, 0, largest=False).indices]


def search(
    net: Frozen,
    starts: Tensor,
    distance: Distance,
    *,
    iterations: int,
    rate: float,
    decay: bool,
    prior_weight: float,
    prior_form: Prior,
) -> Found:
    """Move vectors by Adam so that their pictures match the known pixels and look like faces; clip them to [-1,1].

    Parameters
    ----------
    starts
        ``[R,B,Z]``: of each of B images, the vectors that its search starts from.
    distance
        Pictures ``[R,B,3,64,64]`` in [-1,1] to their distance ``[R,B]`` from the known pixels.
    iterations, rate, decay
        Number of pictures looked at from each start; Adam's step, and whether it falls to 0 along half a cosine.
    prior_weight, prior_form
        Weight of :func:`prior` in the loss; at 0 the discriminator is not run.

    Notes
    -----
    The loss is summed over the batch and nothing depends on the batch's statistics, so each image is searched as if
    it were alone. The only gradient taken is that to the vectors.
    """
    shape = starts.shape[:2]
    z = starts.flatten(0, 1).clone().requires_grad_()
    optimizer = torch.optim.Adam([z], rate)
    kept, known = z.detach().clone(), torch.zeros(shape, device=z.device)
    best = torch.full((iterations, *shape), torch.inf, device=z.device)
    for i in range(iterations):
        with torch.enable_grad():
            pictures = net.picture(z)
            apart = distance(pictures.view(*shape, *pictures.shape[1:]))
            loss = apart
            if prior_weight:
                loss = apart + prior_weight * prior(net.logits(pictures), prior_form).view(shape)
            (z.grad,) = torch.autograd.grad(loss.sum(), z)
        loss, apart, before = loss.detach(), apart.detach(), best[max(i - 1, 0)]
        better = loss < before
        kept = torch.where(better.view(-1, 1), z.detach(), kept)
        known = torch.where(better, apart, known)
        best[i] = torch.where(better, loss, before)
        if decay:
            optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * i / iterations)) / 2
        optimizer.step()
        z.detach().clamp_(-1, 1)
    return Found(kept.view(*shape, -1), known, best)


def complete(net: Frozen, config: SearchConfig, loss: YehLoss | QiangLoss, drawn: Tensor, pictures: Tensor) -> Tensor:
    """Search from the best of the vectors ``[N,Z]`` and their pictures; ``[B,3,64,64]`` in [0,1] of the best found."""
    count = max(config.candidates, config.starts)
    found = search(
        net,
        closest(drawn[:count], pictures[:count], len(loss.image), loss, config.starts),
        loss,
        iterations=config.iterations,
        rate=config.search_lr,
        decay=config.decay,
        prior_weight=config.prior_weight,
        prior_form=config.prior_form,
    )
    return net.picture(found.choice()) / 2 + 0.5
