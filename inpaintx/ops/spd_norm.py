"""Normalisation of SPDNorm: positional, then modulated by a prior as strongly as a probability map says."""

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel, layout_of

__all__ = ["SPDNorm", "spd_norm", "spd_norm_ref"]


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
    if is_dynamo_compiling():
        compiled: Tensor = torch.ops.inpaintx.spd_norm(x, gamma, beta, probability, eps)[0]
        return compiled
    if not has_kernel("spd_norm", x):
        return spd_norm_ref(x, gamma, beta, probability, eps)
    result: Tensor = _C.spd_norm(x, gamma, beta, probability, eps)
    return result


def spd_norm_ref(x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float = 1e-5) -> Tensor:
    """Slow reference of :func:`spd_norm` in plain PyTorch, on any device."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    wide, p = x.to(dtype), probability.to(dtype)
    normal = (wide - wide.mean(1, keepdim=True)) * torch.rsqrt(wide.var(1, keepdim=True) + eps)
    return (normal * (1 + p * gamma.to(dtype)) + p * beta.to(dtype)).to(x.dtype)


class SPDNorm(nn.Module):
    """Module of :func:`spd_norm` with a fixed ``eps``; gamma and beta come from the prior's convolutions."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor) -> Tensor:
        """``[B,C,H,W]`` three times and ``[B,1,H,W]`` to ``[B,C,H,W]``."""
        return spd_norm(x, gamma, beta, probability, self.eps)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"eps={self.eps:g}"


@torch.library.register_fake("inpaintx::spd_norm")
def _fake(
    x: Tensor, gamma: Tensor, beta: Tensor, probability: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    check_same_device("spd_norm", x, gamma=gamma, beta=beta, probability=probability)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    mean = x.new_empty((x.shape[0], 1, *x.shape[2:]), dtype=wide)
    return torch.empty_like(x, memory_format=layout_of(x)), mean, torch.empty_like(mean)


@torch.library.register_fake("inpaintx::spd_norm_backward")
def _fake_backward(
    grad_output: Tensor,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor | None,
    probability: Tensor,
    mean: Tensor,
    rstd: Tensor,
    output_mask: list[bool],
) -> tuple[Tensor | None, ...]:
    saved = {"probability": probability, "mean": mean, "rstd": rstd}
    check_same_device("spd_norm_backward", x, grad_output=grad_output, gamma=gamma, beta=beta, **saved)
    by_probability = probability.new_empty(probability.shape) if output_mask[3] else None
    return (
        *(torch.empty_like(x, memory_format=layout_of(x)) if want else None for want in output_mask[:3]),
        by_probability,
    )
