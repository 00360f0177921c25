"""Partial convolution: a convolution that sees known pixels only, and tells which outputs saw none."""

import operator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel, layout_of

__all__ = ["PartialConv2d", "partial_conv2d", "partial_conv2d_ref"]

Scale = Literal["window", "sum"]


def _pair(value: Any, name: str) -> tuple[int, int]:
    """One integer for both axes, or one for each."""
    try:
        pair = tuple(map(operator.index, value)) if isinstance(value, (tuple, list)) else (operator.index(value),) * 2
    except TypeError:
        pair = ()
    if len(pair) != 2:
        raise ValueError(f"partial_conv2d: {name} must be an integer or a pair of them, got {value!r}")
    return pair


def partial_conv2d(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    *,
    scale: Scale = "window",
) -> tuple[Tensor, Tensor]:
    """Convolve the known pixels of ``x`` and rescale by how many the window shows.

    Parameters
    ----------
    x
        ``[B,Cin,H,W]``, float16, bfloat16, float32 or float64; contiguous, channels_last or any strides.
    mask
        ``[B,1,H,W]`` or ``[B,Cin,H,W]`` (batch 1 serves all), 1 = hole (above 0.5), any real dtype or bool. No
        gradient. What ``x`` holds under the hole does not matter, NaN included.
    weight, bias
        ``[Cout,Cin,kh,kw]`` and ``[Cout]`` or None, in the dtype of ``x``.
    stride, padding, dilation
        As in :func:`torch.nn.functional.conv2d`. Padding behaves as hole.
    scale
        ``"window"``: y = K/S · (W∗(v⊙x)) + b with K the window's size (NVIDIA's partialconv). ``"sum"``: the
        factor is 1 / (known inputs over all channels), as in PD-GAN's and naoto0804's networks.

    Returns
    -------
    y : Tensor
        ``[B,Cout,Ho,Wo]``; 0 (without bias) where the window shows no known pixel.
    new_mask : Tensor
        ``[B,1,Ho,Wo]`` in the mask's dtype, 1 where the window shows no known pixel.

    Raises
    ------
    ValueError
        A shape, dtype or device that does not fit; names the argument, what was expected and what came.

    Notes
    -----
    On a CPU with AVX2 or AVX-512, float32 takes the ways that are fastest there: 3×3 windows with stride 1 over 16
    channels and more as :func:`conv3x3` does (see there for rounding), other windows by a convolution that passes over
    what a large hole hides.

    References
    ----------
    Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, eq. 1 and 2.

    Examples
    --------
    >>> x, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    >>> mask[..., 2:6, 2:6] = 1
    >>> y, new_mask = partial_conv2d(x, mask, torch.rand(4, 3, 3, 3), padding=1)
    >>> y.shape, int(new_mask.sum())
    (torch.Size([1, 4, 8, 8]), 4)
    """
    if scale not in ("window", "sum"):
        raise ValueError(f"partial_conv2d: scale must be 'window' or 'sum', got {scale!r}")
    args = (
        x,
        mask,
        weight,
        bias,
        _pair(stride, "stride"),
        _pair(padding, "padding"),
        _pair(dilation, "dilation"),
        scale == "sum",
    )
    if is_dynamo_compiling():
        y, new_mask, _ = torch.ops.inpaintx.partial_conv2d(*args)
        return y, new_mask
    if not has_kernel("partial_conv2d", x):
        return partial_conv2d_ref(*args[:7], scale=scale)
    result: tuple[Tensor, Tensor] = _C.partial_conv2d(*args)
    return result


def partial_conv2d_ref(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    *,
    scale: Scale = "window",
) -> tuple[Tensor, Tensor]:
    """Slow reference of :func:`partial_conv2d` in plain PyTorch, on any device."""
    hole = mask > 0.5
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    shown = torch.where(hole, torch.zeros((), dtype=x.dtype, device=x.device), x)
    known = (~hole).to(dtype)
    window = torch.ones(1, mask.shape[1], *weight.shape[2:], dtype=dtype, device=x.device)
    seen = F.conv2d(known, window, None, stride, padding, dilation).round()
    factor = window.numel() if scale == "window" else mask.shape[1] / x.shape[1]
    ratio = torch.where(seen > 0, factor / seen.clamp(min=1), 0.0)
    y = F.conv2d(shown, weight, None, stride, padding, dilation).to(dtype)
    y = torch.where(ratio > 0, y * ratio, 0.0)
    if bias is not None:
        y = y + bias.to(dtype)[None, :, None, None] * (seen > 0)
    return y.to(x.dtype), (seen == 0).to(mask.dtype).expand(x.shape[0], -1, -1, -1)


class PartialConv2d(nn.Module):
    """Layer of :func:`partial_conv2d`; takes the state dicts of other implementations.

    ``weight`` and ``bias`` load from NVIDIA's ``PartialConv2d`` (use ``scale="window"``), and from the
    ``input_conv.*`` of PD-GAN's and naoto0804's (use ``scale="sum"``), whose all-ones ``mask_conv`` is dropped.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, bias
        As in :class:`torch.nn.Conv2d`, which also initialises the weights; groups = 1.
    scale
        See :func:`partial_conv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        *,
        scale: Scale = "window",
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding = _pair(stride, "stride"), _pair(padding, "padding")
        self.dilation = _pair(dilation, "dilation")
        self.scale: Scale = scale

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B,Cin,H,W]`` and mask (1 = hole) to ``[B,Cout,Ho,Wo]`` and ``[B,1,Ho,Wo]``."""
        return partial_conv2d(
            x, mask, self.weight, self.bias, self.stride, self.padding, self.dilation, scale=self.scale
        )

    def extra_repr(self) -> str:
        """Sizes and scale, for printing."""
        out, into, *kernel = self.weight.shape
        return (
            f"{into}, {out}, kernel_size={tuple(kernel)}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, bias={self.bias is not None}, scale={self.scale!r}"
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in ("weight", "bias"):
            if f"{prefix}input_conv.{name}" in state_dict:
                state_dict[prefix + name] = state_dict.pop(f"{prefix}input_conv.{name}")
        state_dict.pop(f"{prefix}mask_conv.weight", None)
        super()._load_from_state_dict(state_dict, prefix, *args)


@torch.library.register_fake("inpaintx::partial_conv2d")
def _fake(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    scale_by_sum: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    check_same_device("partial_conv2d", x, mask=mask, weight=weight, bias=bias)
    y = F.conv2d(x, weight, None, stride, padding, dilation)
    acc = torch.float64 if x.dtype == torch.float64 else torch.float32
    ratio = y.new_empty((y.shape[0], 1, *y.shape[2:]), dtype=acc)
    y = torch.empty(y.shape, dtype=y.dtype, device=y.device, memory_format=layout_of(x, weight))
    return y, torch.empty_like(ratio, dtype=mask.dtype), ratio


@torch.library.register_fake("inpaintx::partial_conv2d_backward")
def _fake_backward(
    grad_output: Tensor,
    x: Tensor,
    mask: Tensor,
    ratio: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    output_mask: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    check_same_device("partial_conv2d_backward", x, grad_output=grad_output, mask=mask, ratio=ratio, weight=weight)
    return (
        torch.empty_like(x, memory_format=layout_of(x, weight)) if output_mask[0] else None,
        torch.empty_like(weight, memory_format=layout_of(weight)) if output_mask[1] else None,
        weight.new_empty(weight.shape[0]) if output_mask[2] else None,
    )
