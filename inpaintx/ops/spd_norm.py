"""Normalisation of SPDNorm: positional, then modulated by a prior as strongly as a probability map says."""

import torch
from torch import Tensor

__all__ = ["spd_norm", "spd_norm_ref"]


def spd_norm(x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise each pixel over its channels, then modulate: x^ (1 + P γ) + P β.

    Parameters
    ----------
    x
        ``[B,C,H,W]``, C at least 2; float16, bfloat16, float32 or float64.
    gamma, beta
        Scale and shift that the prior gives, in shape and dtype of ``x``.
    probability
        P, ``[B,1,H,W]``, floating point; see :func:`inpaintx.ops.spd_map`.
    eps
        Added to the variance.

    Returns
    -------
    Tensor
        ``[B,C,H,W]`` in the dtype of ``x``; gradients reach all four inputs.

    Raises
    ------
    ValueError
        A shape, dtype or device that does not fit; names the argument, what was expected and what came.

    Notes
    -----
    x^ = (x - μ) / sqrt(σ² + eps), with μ the mean and σ² the unbiased variance over the channels of one pixel.
    float16 and bfloat16 are computed in float32.

    References
    ----------
    Liu et al., "PD-GAN: Probabilistic Diverse GAN for Image Inpainting", CVPR 2021 (SPDNorm).
    Li et al., "Positional Normalization", NeurIPS 2019.

    Examples
    --------
    >>> x, gamma, beta = torch.rand(3, 1, 8, 4, 4)
    >>> y = spd_norm(x, gamma, beta, torch.zeros(1, 1, 4, 4))  # P = 0: the prior has no say
    >>> bool(y.mean(1).abs().max() < 1e-5), bool((y.var(1) - 1).abs().max() < 1e-2)
    (True, True)
    """
    _check(x, gamma, beta, probability, eps)
    return spd_norm_ref(x, gamma, beta, probability, eps)


def spd_norm_ref(x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float = 1e-5) -> Tensor:
    """Slow reference of :func:`spd_norm` in plain PyTorch, on any device."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    wide, p = x.to(dtype), probability.to(dtype)
    normal = (wide - wide.mean(1, keepdim=True)) * torch.rsqrt(wide.var(1, keepdim=True) + eps)
    return (normal * (1 + p * gamma.to(dtype)) + p * beta.to(dtype)).to(x.dtype)


def _check(x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float) -> None:
    if x.dim() != 4 or x.shape[1] < 2 or not x.is_floating_point():
        raise ValueError(f"spd_norm: x must be floating point [B,C,H,W] with C >= 2, got {x.dtype} {list(x.shape)}")
    for name, other in (("gamma", gamma), ("beta", beta)):
        if other.shape != x.shape or other.dtype != x.dtype or other.device != x.device:
            raise ValueError(
                f"spd_norm: {name} must have shape, dtype and device of x, {list(x.shape)} {x.dtype} {x.device}, "
                f"got {list(other.shape)} {other.dtype} {other.device}"
            )
    expected = [x.shape[0], 1, *x.shape[2:]]
    if list(probability.shape) != expected or not probability.is_floating_point() or probability.device != x.device:
        raise ValueError(
            f"spd_norm: probability must be floating point {expected} on {x.device}, "
            f"got {probability.dtype} {list(probability.shape)} on {probability.device}"
        )
    if not eps > 0:
        raise ValueError(f"spd_norm: eps must be positive, got {eps}")
