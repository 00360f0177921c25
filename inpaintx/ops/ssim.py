"""Structural similarity of two images, as a metric and as a loss."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SSIM", "ssim", "ssim_ref"]

Mode = Literal["window", "global"]
# A window whose weights sum to less than this (of a Gaussian that sums to 1) tells nothing and is skipped.
LEAST_WEIGHT = 1e-3


def ssim(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    mode: Mode = "window",
    window: int = 11,
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
    window, sigma
        Side of the Gaussian window (odd) and its standard deviation, in pixels.
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
    Variances are those of the population, divided by N.

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
    _check(x, y, weight, mode, window, sigma, data_range)
    with torch.autocast(x.device.type, enabled=False):
        return ssim_ref(x, y, weight, mode, window, sigma, data_range)


def ssim_ref(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    mode: Mode = "window",
    window: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
) -> Tensor:
    """Slow reference of :func:`ssim` in plain PyTorch, on any device."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    x, y = x.to(dtype), y.to(dtype)
    w = None if weight is None else weight.detach().to(dtype)
    if w is not None:
        seen = w > 0
        x, y = torch.where(seen, x, 0.0), torch.where(seen, y, 0.0)
    if mode == "global":
        whole = torch.ones((), dtype=dtype, device=x.device) if w is None else w
        total = whole.expand_as(x).sum((2, 3), keepdim=True)
        means = [(whole * m).sum((2, 3), keepdim=True) / total.clamp(min=1e-30) for m in _moments(x, y)]
        value = _similarity(means, data_range).mean((1, 2, 3))
        return torch.where((total > 0).all(1).flatten(), value, 1.0)
    g = gaussian(window, sigma).to(x)
    if w is None:
        return _similarity([_blur(m, g) for m in _moments(x, y)], data_range).mean((1, 2, 3))
    seen_weight = _blur(w, g)
    counts = seen_weight >= LEAST_WEIGHT
    safe = torch.where(counts, seen_weight, 1.0)
    values = _similarity([_blur(w * m, g) / safe for m in _moments(x, y)], data_range).mean(1, keepdim=True)
    rim = window // 2
    inner = w[:, :, rim : w.shape[2] - rim, rim : w.shape[3] - rim] * counts
    total = inner.sum((1, 2, 3))
    return torch.where(total > 0, (inner * values).sum((1, 2, 3)) / torch.where(total > 0, total, 1.0), 1.0)


def gaussian(window: int, sigma: float) -> Tensor:
    """``[window]`` float64: a Gaussian that sums to 1."""
    at = torch.arange(window, dtype=torch.float64) - window // 2
    g = torch.exp(-(at**2) / (2 * sigma**2))
    return g / g.sum()


def _moments(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return x, y, x * x + y * y, x * y


def _similarity(means: list[Tensor], data_range: float) -> Tensor:
    """The formula from the means of x, y, x² + y² and xy."""
    mx, my, squares, product = means
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    both, cross = mx * mx + my * my, mx * my
    return (2 * cross + c1) * (2 * (product - cross) + c2) / ((both + c1) * (squares - both + c2))


def _blur(x: Tensor, g: Tensor) -> Tensor:
    """Convolve the rows and the columns of every channel, valid region."""
    channels = x.shape[1]
    rows = F.conv2d(x, g.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)
    return F.conv2d(rows, g.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)


def _check(
    x: Tensor, y: Tensor, weight: Tensor | None, mode: str, window: int, sigma: float, data_range: float
) -> None:
    if x.dim() != 4 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(f"ssim: x must be floating point [B,C,H,W] and not empty, got {x.dtype} {list(x.shape)}")
    if y.shape != x.shape or y.dtype != x.dtype or y.device != x.device:
        raise ValueError(
            f"ssim: y must have shape, dtype and device of x, {list(x.shape)} {x.dtype} {x.device}, "
            f"got {list(y.shape)} {y.dtype} {y.device}"
        )
    if weight is not None:
        fits = weight.dim() == 4 and weight.shape[0] in (1, x.shape[0]) and weight.shape[1] == 1
        if not fits or weight.shape[2:] != x.shape[2:] or weight.is_complex():
            expected = [x.shape[0], 1, *x.shape[2:]]
            raise ValueError(f"ssim: weight must be real {expected}, got {weight.dtype} {list(weight.shape)}")
    if mode not in ("window", "global"):
        raise ValueError(f"ssim: mode must be 'window' or 'global', got {mode!r}")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"ssim: window must be odd and positive, got {window}")
    if mode == "window" and min(x.shape[2:]) < window:
        raise ValueError(f"ssim: x must be at least as large as the window, {window} pixels, got {list(x.shape)}")
    if sigma <= 0 or data_range <= 0:
        raise ValueError(f"ssim: sigma and data_range must be positive, got {sigma} and {data_range}")


class SSIM(nn.Module):
    """Module of :func:`ssim` with fixed options."""

    def __init__(self, mode: Mode = "window", window: int = 11, sigma: float = 1.5, data_range: float = 1.0) -> None:
        super().__init__()
        self.mode: Mode = mode
        self.window, self.sigma, self.data_range = window, sigma, data_range

    def forward(self, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """``[B,C,H,W]`` twice, and a weight ``[B,1,H,W]`` or None, to ``[B]``."""
        return ssim(x, y, weight, self.mode, self.window, self.sigma, self.data_range)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"mode={self.mode!r}, window={self.window}, sigma={self.sigma:g}, data_range={self.data_range:g}"
