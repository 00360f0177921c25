"""Structural similarity of two images, as a metric and as a loss."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.errors import renamed
from inpaintx.ops._native import check_same_device, has_kernel

__all__ = ["SSIM", "ssim", "ssim_ref"]

Mode = Literal["window", "global"]
# A window whose weights sum to less than this (of a Gaussian that sums to 1) tells nothing and is skipped.
LEAST_WEIGHT = 1e-3
MOST = 2.0**30  # data ranges: what is beyond counts as this, so that no product overflows


@renamed(window="kernel_size")
def ssim(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    mode: Mode = "window",
    kernel_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
) -> Tensor:
    """Structural similarity of each image of a batch.

    ``(2 μx μy + c1)(2 σxy + c2) / ((μx² + μy² + c1)(σx² + σy² + c2))`` with c1 = (0.01 L)², c2 = (0.03 L)², of each
    channel by itself; the mean over pixels and channels is the image's value.

    Parameters
    ----------
    x, y
        ``[B,C,H,W]``, floating point, of one shape. Differentiable in both.
    weight
        ``[B,1,H,W]`` (batch 1 serves all), at least 0, or None. Means and variances become those of a normalised
        convolution, μ = Σ g·w·x / Σ g·w, and the map is averaged with w; windows with Σ g·w < 1e-3 are skipped. What
        ``x`` and ``y`` hold where w = 0 does not matter, NaN included. No gradient.
    mode
        ``"window"``: a map under a Gaussian window, at pixels whose window lies inside the image (the metric).
        ``"global"``: one mean, variance and covariance of each image and channel, no window (Qiang et al., eq. 2).
    kernel_size, sigma
        Side of the Gaussian window (odd, at most 511) and its standard deviation, in pixels.
    data_range
        L, the range of the values: 1 for images in [0,1], 255 for bytes.

    Returns
    -------
    Tensor
        ``[B]``, at most 1, float32 (float64 for float64): one value an image, so that a metric takes the mean and a
        search the sum over the batch. 1, without gradient, where the weights leave nothing to compare.

    Raises
    ------
    ValueError
        A shape, dtype or option that does not fit, an image smaller than the window among them.

    Notes
    -----
    Variances are those of the population, divided by N. Equal images have the value 1 at any scale; values beyond 2^30
    times ``data_range`` count as that. There are gradients of any order.

    References
    ----------
    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", TIP 2004, eq. 13.
    Qiang et al., "Face Inpainting with Deep Generative Models", eq. 2.
    Knutsson and Westin, "Normalized and Differential Convolution", CVPR 1993.

    Examples
    --------
    >>> x = torch.rand(2, 3, 32, 32)
    >>> ssim(x, x)
    tensor([1., 1.])
    """
    if mode not in ("window", "global"):
        raise ValueError(f"ssim: mode must be 'window' or 'global', got {mode!r}")
    if mode == "global":
        return _whole(x, y, weight, data_range)
    if is_dynamo_compiling():
        compiled: Tensor = torch.ops.inpaintx.ssim(x, y, weight, kernel_size, sigma, data_range)[0]
        return compiled
    if not has_kernel("ssim", x):
        return ssim_ref(x, y, weight, mode, kernel_size, sigma, data_range)
    result: Tensor = _C.ssim(x, y, weight, kernel_size, sigma, data_range)
    return result


@renamed(window="kernel_size")
def ssim_ref(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    mode: Mode = "window",
    kernel_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
) -> Tensor:
    """Slow reference of :func:`ssim` in plain PyTorch, on any device."""
    if mode == "global":
        return _whole(x, y, weight, data_range)
    with torch.autocast(x.device.type, enabled=False):
        x, y, w = _visible(x, y, weight, data_range)
        at = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
        g = torch.exp(-(at**2) / (2 * sigma**2))
        g = (g / g.sum()).to(x)
        if w is None:
            return _similarity([_blur(m, g) for m in _moments(x, y)]).mean((1, 2, 3))
        seen = _blur(w, g)
        counts = seen >= LEAST_WEIGHT
        seen = torch.where(counts, seen, 1.0)
        values = _similarity([_blur(w * m, g) / seen for m in _moments(x, y)]).mean(1, keepdim=True)
        rim = kernel_size // 2
        inner = w[:, :, rim : w.shape[2] - rim, rim : w.shape[3] - rim] * counts
        total = inner.sum((1, 2, 3))
        return torch.where(total > 0, (inner * values).sum((1, 2, 3)) / torch.where(total > 0, total, 1.0), 1.0)


def _whole(x: Tensor, y: Tensor, weight: Tensor | None, data_range: float) -> Tensor:
    """The mode ``"global"``: one pass over each channel, which needs no kernel."""
    if x.dim() != 4 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(f"ssim: x must be floating point [B,C,H,W] and not empty, got {x.dtype} {list(x.shape)}")
    if y.shape != x.shape or y.dtype != x.dtype:
        raise ValueError(
            f"ssim: y must have shape and dtype of x, {list(x.shape)} {x.dtype}, got {list(y.shape)} {y.dtype}"
        )
    if weight is not None and list(weight.shape) not in ([n, 1, *x.shape[2:]] for n in (1, x.shape[0])):
        raise ValueError(f"ssim: weight must have shape {[x.shape[0], 1, *x.shape[2:]]}, got {list(weight.shape)}")
    if not data_range > 0:
        raise ValueError(f"ssim: data_range must be positive, got {data_range}")
    x, y, w = _visible(x, y, weight, data_range)
    w = torch.ones_like(x[:, :1]) if w is None else w.expand(x.shape[0], -1, -1, -1)
    total = w.sum((2, 3), keepdim=True)
    means = [(w * m).sum((2, 3), keepdim=True) / torch.where(total > 0, total, 1.0) for m in _moments(x, y)]
    return torch.where(total.flatten() > 0, _similarity(means).mean((1, 2, 3)), 1.0)


def _visible(x: Tensor, y: Tensor, weight: Tensor | None, data_range: float) -> tuple[Tensor, Tensor, Tensor | None]:
    """Everything in the dtype that is computed in, images in units of the data range; 0 where the weight is 0."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    x, y = ((image.to(dtype) / data_range).clamp(-MOST, MOST) for image in (x, y))
    if weight is None:
        return x, y, None
    weight = weight.detach().to(dtype)
    return torch.where(weight > 0, x, 0.0), torch.where(weight > 0, y, 0.0), weight


def _moments(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return x, y, (x - y).square(), x * y


def _similarity(means: list[Tensor]) -> Tensor:
    """The formula from the means of x, y, (x - y)² and xy, as csrc/ssim/math.h has it."""
    mx, my, squares, product = means
    cross, far = mx * my, (mx - my).square()
    spread = (squares - far).clamp(min=0)  # the variance of x - y
    a1 = 2 * cross + 0.01**2
    a2 = torch.clamp(2 * (product - cross), min=-0.5 * spread) + 0.03**2
    return a1 * a2 / ((a1 + far) * (a2 + spread))


def _blur(x: Tensor, g: Tensor) -> Tensor:
    """Convolve the rows and the columns of every channel, valid region."""
    channels = x.shape[1]
    rows = F.conv2d(x, g.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(rows, g.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)


class SSIM(nn.Module):
    """Module of :func:`ssim` with fixed options."""

    @renamed(window="kernel_size")
    def __init__(
        self, mode: Mode = "window", kernel_size: int = 11, sigma: float = 1.5, data_range: float = 1.0
    ) -> None:
        super().__init__()
        self.mode: Mode = mode
        self.kernel_size, self.sigma, self.data_range = kernel_size, sigma, data_range

    def forward(self, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """``[B,C,H,W]`` twice, and a weight ``[B,1,H,W]`` or None, to ``[B]``."""
        return ssim(x, y, weight, self.mode, self.kernel_size, self.sigma, self.data_range)

    def extra_repr(self) -> str:
        """Options, for printing."""
        window = f"kernel_size={self.kernel_size}, sigma={self.sigma:g}"
        return f"mode={self.mode!r}, {window}, data_range={self.data_range:g}"


@torch.library.register_fake("inpaintx::ssim")
def _fake(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    kernel_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
) -> tuple[Tensor, Tensor]:
    check_same_device("ssim", x, y=y, weight=weight)
    value = x.new_empty(x.shape[0], dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)
    return value, torch.empty_like(value)


@torch.library.register_fake("inpaintx::ssim_backward")
def _fake_backward(
    grad_output: Tensor,
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    total: Tensor,
    kernel_size: int,
    sigma: float,
    data_range: float,
    output_mask: list[bool],
) -> tuple[Tensor | None, Tensor | None]:
    check_same_device("ssim_backward", x, grad_output=grad_output, y=y, weight=weight, total=total)
    return x.new_empty(x.shape) if output_mask[0] else None, y.new_empty(y.shape) if output_mask[1] else None
