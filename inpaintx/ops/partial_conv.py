"""Partial convolution: a convolution that sees known pixels only, and tells which outputs saw none."""

import operator
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel, layout_of

__all__ = ["PartialConv2d", "partial_conv2d", "partial_conv2d_ref"]

Scale = Literal["window", "sum"]
Size = int | tuple[int, int]


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
    stride: Size = 1,
    padding: Size | Literal["valid", "same"] = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    scale: Scale = "window",
    mask_channels: Sequence[int] | None = None,
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
        ``[Cout,Cin/groups,kh,kw]`` and ``[Cout]`` or None, in the dtype of ``x``.
    stride, padding, dilation, groups
        As in :func:`torch.nn.functional.conv2d`. Padding behaves as hole. With several groups the mask has one
        channel, and the convolution is PyTorch's.
    scale
        ``"window"``: y = K/S · (W∗(v⊙x)) + b with K the window's size (NVIDIA's partialconv). ``"sum"``: the
        factor is 1 / (known inputs over all channels), as in PD-GAN's and naoto0804's networks.
    mask_channels
        For an ``x`` of several feature maps, each with a mask of its own: ``mask`` is ``[B,G,H,W]``, and its planes
        are of so many channels of ``x`` each, in order. The result is that of the mask repeated to ``[B,Cin,H,W]``;
        what is kept for the backward pass is the mask as given.

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
    pairs = _pair(stride, "stride"), _pair(dilation, "dilation")
    if isinstance(padding, str):
        x, mask, padding = _padded(x, mask, weight, pairs[0], padding, pairs[1])
    window = pairs[0], _pair(padding, "padding"), pairs[1]
    if groups != 1:
        _check_groups(x, mask, weight, groups, mask_channels)
        return partial_conv2d_ref(x, mask, weight, bias, *window, groups, scale=scale)
    if is_dynamo_compiling():
        y, new_mask, _ = torch.ops.inpaintx.partial_conv2d(
            x, mask, weight, bias, *window, scale == "sum", mask_channels or ()
        )
        return y, new_mask
    if not has_kernel("partial_conv2d", x):
        return partial_conv2d_ref(x, mask, weight, bias, *window, scale=scale, mask_channels=mask_channels)
    result: tuple[Tensor, Tensor] = _C.partial_conv2d(
        x, mask, weight, bias, *window, scale == "sum", mask_channels or ()
    )
    return result


def _check_groups(x: Tensor, mask: Tensor, weight: Tensor, groups: int, mask_channels: Sequence[int] | None) -> None:
    if x.dim() != 4 or groups < 1 or x.shape[1] != groups * weight.shape[1] or weight.shape[0] % groups:
        raise ValueError(
            "partial_conv2d: x must have shape [B,Cin,H,W] and weight [Cout,Cin/groups,kh,kw], with channels that "
            f"groups divides, got {list(x.shape)}, {list(weight.shape)} and groups {groups!r}"
        )
    if mask.dim() != 4 or mask.shape[0] not in (1, x.shape[0]) or mask.shape[1:] != (1, *x.shape[2:]) or mask_channels:
        raise ValueError(
            f"partial_conv2d: with groups the mask must have shape {[x.shape[0], 1, *x.shape[2:]]} (one for all "
            f"channels) and no mask_channels, got {list(mask.shape)} and mask_channels {mask_channels}"
        )


def _padded(
    x: Tensor, mask: Tensor, weight: Tensor, stride: tuple[int, int], padding: str, dilation: tuple[int, int]
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Padding by name. ``"same"`` adds the odd pixel of an even window below and to the right, as PyTorch does."""
    if padding == "valid":
        return x, mask, (0, 0)
    if padding != "same" or stride != (1, 1):
        raise ValueError(
            "partial_conv2d: padding must be integers, 'valid', or 'same' with stride 1, "
            f"got {padding!r} with stride {stride}"
        )
    rows, columns = (d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True))
    if rows % 2 or columns % 2:
        more = (0, columns % 2, 0, rows % 2)
        x, mask = F.pad(x, more), F.pad(mask, more, value=1)
    return x, mask, (rows // 2, columns // 2)


def partial_conv2d_ref(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    scale: Scale = "window",
    mask_channels: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Slow reference of :func:`partial_conv2d` in plain PyTorch, on any device."""
    if mask_channels:
        planes = zip(mask.split(1, 1), mask_channels, strict=True)
        mask = torch.cat([plane.expand(-1, count, -1, -1) for plane, count in planes], 1)
    hole = mask > 0.5
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    shown = torch.where(hole, torch.zeros((), dtype=x.dtype, device=x.device), x)
    known = (~hole).to(dtype)
    window = torch.ones(1, mask.shape[1], *weight.shape[2:], dtype=dtype, device=x.device)
    seen = F.conv2d(known, window, None, stride, padding, dilation).round()
    factor = window.numel() if scale == "window" else mask.shape[1] * groups / x.shape[1]
    ratio = torch.where(seen > 0, factor / seen.clamp(min=1), 0.0)
    y = F.conv2d(shown, weight, None, stride, padding, dilation, groups).to(dtype)
    y = torch.where(ratio > 0, y * ratio, 0.0)
    if bias is not None:
        y = y + bias.to(dtype)[None, :, None, None] * (seen > 0)
    return y.to(x.dtype), (seen == 0).to(mask.dtype).expand(x.shape[0], -1, -1, -1)


class PartialConv2d(nn.Conv2d):
    """Layer of :func:`partial_conv2d`: a :class:`torch.nn.Conv2d` that is called with a mask as well.

    ``weight`` and ``bias`` load from NVIDIA's ``PartialConv2d`` (use ``scale="window"``), and from the
    ``input_conv.*`` of PD-GAN's and naoto0804's (use ``scale="sum"``), whose all-ones ``mask_conv`` is dropped.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        As in :class:`torch.nn.Conv2d`, whose attributes and initial weights the layer has. Zeros around the image
        are hole; other padding modes continue the mask as they do the image.
    scale
        See :func:`partial_conv2d`.

    Examples
    --------
    >>> layer = PartialConv2d(3, 8, 3, padding="same")
    >>> y, new_mask = layer(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
    >>> y.shape, float(y.abs().sum()), bool(new_mask.all())
    (torch.Size([1, 8, 8, 8]), 0.0, True)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | Literal["valid", "same"] = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        scale: Scale = "window",
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.scale: Scale = scale

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor, mask_channels: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """``[B,Cin,H,W]`` and mask (1 = hole) to ``[B,Cout,Ho,Wo]`` and ``[B,1,Ho,Wo]``; see :func:`partial_conv2d`."""
        padding: Any = self.padding
        dtype = mask.dtype
        if self.padding_mode != "zeros":
            around = self._reversed_padding_repeated_twice
            x = F.pad(x, around, mode=self.padding_mode)
            mask, padding = F.pad((mask > 0.5).to(x.dtype), around, mode=self.padding_mode), 0
        stride, dilation = (self.stride[0], self.stride[1]), (self.dilation[0], self.dilation[1])
        options: dict[str, Any] = {"scale": self.scale, "mask_channels": mask_channels}
        y, new_mask = partial_conv2d(x, mask, self.weight, self.bias, stride, padding, dilation, self.groups, **options)
        return y, new_mask.to(dtype)

    def extra_repr(self) -> str:
        """Sizes and scale, for printing."""
        return f"{super().extra_repr()}, scale={self.scale!r}"

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
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    scale_by_sum: bool = False,
    mask_channels: Sequence[int] = (),
) -> tuple[Tensor, Tensor, Tensor]:
    check_same_device("partial_conv2d", x, mask=mask, weight=weight, bias=bias)
    y = F.conv2d(x, weight, None, tuple(stride), tuple(padding), tuple(dilation))
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
    mask_channels: Sequence[int] = (),
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    check_same_device("partial_conv2d_backward", x, grad_output=grad_output, mask=mask, ratio=ratio, weight=weight)
    return (
        torch.empty_like(x, memory_format=layout_of(x, weight)) if output_mask[0] else None,
        torch.empty_like(weight, memory_format=layout_of(weight)) if output_mask[1] else None,
        weight.new_empty(weight.shape[0]) if output_mask[2] else None,
    )
