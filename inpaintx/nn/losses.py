"""Loss terms, each a mean over the batch in float32."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.nn.blend import guidance_image
from inpaintx.ops import poisson_blend

__all__ = [
    "GANMode",
    "blended_fill",
    "blended_loss",
    "discriminator_loss",
    "feature_matching_loss",
    "generator_loss",
    "gradient_penalty",
    "gram",
    "l1_loss",
    "perceptual_loss",
    "style_loss",
    "tv_loss",
]

#: Form of an adversarial loss.
GANMode = Literal["nsgan", "hinge", "wgan", "lsgan"]
Logits = Tensor | Sequence[Tensor]
BLEND_TOLERANCE = 1e-3  # relative to the rim's data: about half a grey level in usual holes


def l1_loss(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of ``|a - b| * weight`` over all elements, those of weight 0 included."""
    difference = (a.float() - b.float()).abs()
    return difference.mean() if weight is None else (difference * weight).mean()


def blended_fill(output: Tensor, image: Tensor, mask: Tensor, *, interior: bool = False) -> Tensor:
    """Join a fill to the known pixels by Poisson blending, with the gradient through the solver.

    Parameters
    ----------
    output, image, mask, interior
        See :func:`blended_loss`.

    Returns
    -------
    Tensor
        ``[B,3,H,W]`` float32: the image's pixels where they are known, in the holes not clamped.
    """
    output, image = output.float(), image.float()
    if interior:
        output = guidance_image(output, image, mask > 0.5, "poisson_interior")
    return poisson_blend(output, image, mask, tol=BLEND_TOLERANCE)


def blended_loss(output: Tensor, image: Tensor, mask: Tensor, *, interior: bool = False) -> Tensor:
    """L1 of the fill as Poisson blending joins it to the known pixels.

    A network whose fills are blended (:attr:`inpaintx.Method.blend`) is so trained for what is seen of it: its own
    offset of colour costs nothing, its gradients count. The gradient passes through the solver.

    Parameters
    ----------
    output, image
        ``[B,3,H,W]`` in one scale: what the network gave, and the true image.
    mask
        ``[B,1,H,W]``, 1 = hole.
    interior
        Blend by ``"poisson_interior"``, with no regard to the output outside the hole, in place of ``"poisson"``,
        where the gradients across the rim count too.

    Returns
    -------
    Tensor
        Sum of the absolute differences in the holes over all elements, those of known pixels included.
    """
    return l1_loss(blended_fill(output, image, mask, interior=interior), image, (mask > 0.5).float())


def perceptual_loss(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    weights: Mapping[str, float] | Iterable[str],
    where: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the mean absolute differences of features.

    Parameters
    ----------
    a, b
        What :class:`inpaintx.nn.vgg.VGG` returned for the output and (``target``) for the true image.
    weights
        Weight of each layer by name, or the names alone (weight 1).
    where
        ``[B,1,H,W]``: how much each place counts, brought to the features' sizes by area; None: all alike.

    References
    ----------
    Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016.
    """
    by_name = weights if isinstance(weights, Mapping) else dict.fromkeys(weights, 1.0)
    places = {name: None if where is None else F.interpolate(where, a[name].shape[2:], mode="area") for name in by_name}
    return torch.stack([w * l1_loss(a[name], b[name], places[name]) for name, w in by_name.items()]).sum()


def gram(features: Tensor) -> Tensor:
    """``[B,C,H,W]`` to the Gram matrices FFᵀ/(C·H·W), ``[B,C,C]``."""
    flat = features.float().flatten(2)
    with torch.autocast(features.device.type, enabled=False):
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(a: Mapping[str, Tensor], b: Mapping[str, Tensor], layers: Iterable[str]) -> Tensor:
    """Sum over the layers of the mean absolute difference of their Gram matrices.

    References
    ----------
    Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016; in the form of Liu
    et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, eq. 5.
    """
    return torch.stack([l1_loss(gram(a[name]), gram(b[name])) for name in layers]).sum()


def tv_loss(x: Tensor, mask: Tensor) -> Tensor:
    """Total variation of the hole widened by one pixel.

    Parameters
    ----------
    x
        ``[B,C,H,W]``, usually the composite.
    mask
        ``[B,1,H,W]``, 1 = hole.

    Returns
    -------
    Tensor
        Mean of the absolute differences of horizontal neighbours that both lie in the widened hole, over all pairs of
        the image, plus the same of vertical neighbours.

    References
    ----------
    Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, eq. 6.
    """
    x = x.float()
    near = F.max_pool2d((mask > 0.5).float(), 3, 1, 1)
    across = (x[..., 1:] - x[..., :-1]).abs() * near[..., 1:] * near[..., :-1]
    down = (x[..., 1:, :] - x[..., :-1, :]).abs() * near[..., 1:, :] * near[..., :-1, :]
    return across.mean() + down.mean()


def _mean(logits: Logits, term: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of a term over all logits; several discriminators count alike, whatever their number of logits."""
    each = [logits] if isinstance(logits, Tensor) else logits
    return torch.stack([term(x.float()).mean() for x in each]).mean()


def discriminator_loss(real: Logits, fake: Logits, mode: GANMode) -> Tensor:
    """What the discriminator minimises: its term for real plus its term for generated images.

    Parameters
    ----------
    real, fake
        Logits of any shape, or one tensor for each of several discriminators. Detach the generated image.
    mode
        ``"nsgan"``: cross-entropy; ``"hinge"``; ``"wgan"``: difference of means, with :func:`gradient_penalty` beside
        it; ``"lsgan"``: squares.
    """
    terms: dict[GANMode, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
        "nsgan": (lambda x: F.softplus(-x), F.softplus),
        "hinge": (lambda x: F.relu(1 - x), lambda x: F.relu(1 + x)),
        "wgan": (lambda x: -x, lambda x: x),
        "lsgan": (lambda x: (x - 1) ** 2, lambda x: x**2),
    }
    for_real, for_fake = terms[mode]
    return _mean(real, for_real) + _mean(fake, for_fake)


def generator_loss(fake: Logits, mode: GANMode) -> Tensor:
    """What the generator minimises: -log D (``"nsgan"``), -D (``"hinge"``, ``"wgan"``) or (D - 1)² (``"lsgan"``)."""
    terms: dict[GANMode, Callable[[Tensor], Tensor]] = {
        "nsgan": lambda x: F.softplus(-x),
        "hinge": lambda x: -x,
        "wgan": lambda x: -x,
        "lsgan": lambda x: (x - 1) ** 2,
    }
    return _mean(fake, terms[mode])


def gradient_penalty(critic: Callable[[Tensor], Any], real: Tensor, fake: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of (‖gradient of the critic‖ - 1)² at random points between real and generated images (weight: usually 10).

    Parameters
    ----------
    critic
        Image to one logit an image (or several: they are summed).
    real, fake
        ``[B,C,H,W]``; no gradient passes into them.
    mask
        ``[B,1,H,W]``, 1 = hole: only the gradient at its pixels counts.

    References
    ----------
    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, eq. 3; with the mask: Yu et al.,
    "Generative Image Inpainting with Contextual Attention", CVPR 2018, eq. 7.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(real.detach().float(), fake.detach().float(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    if mask is not None:
        gradient = gradient * mask
    return ((gradient.float().flatten(1).norm(dim=1) - 1) ** 2).mean()


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of a discriminator's layers, all but the last, summed over layers.

    Parameters
    ----------
    real, fake
        The layers' outputs of each of one or more discriminators, whose sums are averaged. ``real`` gets no gradient.

    References
    ----------
    Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018, eq. 4.
    """
    sums = [
        torch.stack([l1_loss(f, r.detach()) for r, f in zip(rs[:-1], fs[:-1], strict=True)]).sum()
        for rs, fs in zip(real, fake, strict=True)
    ]
    return torch.stack(sums).mean()
