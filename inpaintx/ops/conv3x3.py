"""Convolution by 3×3 windows with step 1: what most layers of most methods are, and faster on the CPU."""

import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, in_plain_ops, layout_of

__all__ = ["WinogradConv2d", "conv3x3", "conv3x3_ref"]


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int | tuple[int, int] = 1) -> Tensor:
    """Convolve with 3×3 windows, stride 1: :func:`torch.nn.functional.conv2d`, in less time on the CPU.

    Parameters
    ----------
    x
        ``[B,Cin,H,W]``, float16, bfloat16, float32 or float64; contiguous, channels_last or any strides.
    weight, bias
        ``[Cout,Cin,3,3]`` and ``[Cout]`` or None, in the dtype of ``x``.
    padding
        Zeros on each side, for both axes or for each.

    Returns
    -------
    Tensor
        ``[B,Cout,H+2p-2,W+2p-2]`` in dtype and layout of ``x``; gradients reach ``x``, ``weight`` and ``bias``, also
        those of gradients, and tangents.

    Raises
    ------
    ValueError
        On the CPU, a shape, dtype or device that does not fit; names the argument, what was expected and what came.

    Notes
    -----
    On a CPU with AVX2 or AVX-512, float32 images with 16 channels and more go by Winograd's F(4×4, 3×3) with the
    points 0, ±5/8, ±3/2 and ∞, forwards and backwards, where that takes less time. Rounding is then four to five
    times that of a plain sum, 1e-6 of the results' standard deviation, and shared by the 4×4 results of a tile: a NaN
    or a very large value reaches all that see its tile, not only its own 3×3 neighbours. Everything else (other devices
    and dtypes, few channels, :mod:`torch.func`) is PyTorch's own convolution.

    References
    ----------
    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.

    Examples
    --------
    >>> x, weight = torch.rand(1, 32, 64, 64), torch.rand(48, 32, 3, 3)
    >>> bool((conv3x3(x, weight) - conv3x3_ref(x, weight)).abs().max() < 1e-2)  # of sums around 70
    True
    """
    pair = _pair(padding)
    if is_dynamo_compiling():
        if x.device.type != "cpu":
            return conv3x3_ref(x, weight, bias, pair)
        compiled: Tensor = torch.ops.inpaintx.conv3x3(x, weight, bias, pair)
        return compiled
    if x.device.type != "cpu" or in_plain_ops("conv3x3"):
        return conv3x3_ref(x, weight, bias, pair)
    return _C.conv3x3(x, weight, bias, pair)


def _pair(padding: int | tuple[int, int]) -> tuple[int, int]:
    try:
        first, second = padding if isinstance(padding, (tuple, list)) else (padding, padding)
        return operator.index(first), operator.index(second)
    except (TypeError, ValueError):
        raise ValueError(f"conv3x3: padding must be an integer or a pair of them, got {padding!r}") from None


def conv3x3_ref(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int | tuple[int, int] = 1) -> Tensor:
    """:func:`conv3x3` by :func:`torch.nn.functional.conv2d`, on any device."""
    return F.conv2d(x, weight, bias, padding=padding)


class WinogradConv2d(nn.Conv2d):
    """A :class:`torch.nn.Conv2d`, which goes by :func:`conv3x3` where its windows are 3×3 and its stride is 1.

    Same arguments, parameters and state dict. ``torch.compile`` and ``torch.export`` take it; TorchScript and
    ``torch.fx`` cannot look into it.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        fits = self.kernel_size == (3, 3) and {*self.stride, *self.dilation, self.groups} == {1}
        plain = input.dim() == 4 and input.is_floating_point() and not input.is_mkldnn
        if not fits or not plain or isinstance(padding, str):
            return super()._conv_forward(input, weight, bias)
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0
        return conv3x3(input, weight, bias, padding)


@torch.library.register_fake("inpaintx::conv3x3")
def _fake(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: Sequence[int] = (1, 1)) -> Tensor:
    check_same_device("conv3x3", x, weight=weight, bias=bias)
    height, width = (x.shape[2 + i] + 2 * padding[i] - 2 for i in (0, 1))
    shape = (x.shape[0], weight.shape[0], height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout_of(x, weight))


@torch.library.register_fake("inpaintx::conv3x3_backward")
def _fake_backward(
    grad_output: Tensor, x: Tensor, weight: Tensor, padding: list[int], output_mask: list[bool]
) -> tuple[Tensor | None, ...]:
    check_same_device("conv3x3_backward", x, grad_output=grad_output, weight=weight)
    return (
        torch.empty_like(x, memory_format=layout_of(x, weight)) if output_mask[0] else None,
        weight.new_empty(weight.shape) if output_mask[1] else None,
        weight.new_empty(weight.shape[:1]) if output_mask[2] else None,
    )
