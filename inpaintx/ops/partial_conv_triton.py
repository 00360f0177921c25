"""Partial convolution in one pass over memory: an implicit matrix product that loads known pixels only, in Triton.

A window's taps are bits of one word an output pixel, 1 where the tap shows a known pixel. The words are made once; then
every load of ``x`` is predicated by a bit in a register, which stands for hole, padding and edge alike. The number of
known inputs comes on the way, so that the ratio and the bias are applied to the sums before they are stored.

The module imports Triton, and is itself imported when the kernel is asked for (``partial_conv_fused.py``).
"""

from collections.abc import Callable, Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.errors import OutOfResources
from triton.testing import do_bench

__all__ = ["CONFIGS", "Config", "convolve", "milliseconds"]

# Output pixels, output channels and (16-bit) input channels of a tile; warps; stages of the pipeline.
Config = tuple[int, int, int, int, int]
CONFIGS: tuple[Config, ...] = (
    (128, 64, 64, 4, 3),
    (128, 128, 64, 8, 3),
    (64, 64, 64, 4, 4),
    (64, 32, 32, 4, 4),
)


@triton.jit
def partial_conv_kernel(  # type: ignore[no-untyped-def]
    x,  # [batch, height, width, channels]
    mask,  # [batch or 1, planes, height, width], a hole where above 0.5
    weight,  # [out_channels, kernel_height, kernel_width, channels]
    bias,  # [out_channels] or None
    y,  # [batch, out_height, out_width, out_channels], written
    new_mask,  # [batch, out_height, out_width], written
    ratio,  # [batch, out_height, out_width], written
    pixels,  # of the result: batch * out_height * out_width
    height,
    width,
    out_height,
    out_width,
    channels,
    out_channels,
    mask_step,  # from the mask of an image to that of the next: 0 where they share one
    stride_y,
    stride_x,
    padding_y,
    padding_x,
    dilation_y,
    dilation_x,
    scale,  # what the ratio is when one input is known
    plane_channels,  # a tuple: of how many channels of x each plane of the mask is
    kernel_height: tl.constexpr,
    kernel_width: tl.constexpr,
    precision: tl.constexpr,
    block_m: tl.constexpr,
    block_n: tl.constexpr,
    block_k: tl.constexpr,
):
    columns = tl.cdiv(out_channels, block_n)  # of tiles: those that read the same pixels follow each other
    m = tl.program_id(0) // columns * block_m + tl.arange(0, block_m)
    n = tl.program_id(0) % columns * block_n + tl.arange(0, block_n)
    image = m // (out_height * out_width)
    top = m // out_width % out_height * stride_y - padding_y
    left = m % out_width * stride_x - padding_x
    taps: tl.constexpr = kernel_height * kernel_width
    planes: tl.constexpr = len(plane_channels)
    corners = x + (image * height * width + top * width + left) * channels  # outside of the image in the padding

    total = tl.zeros([block_m, block_n], tl.float32)
    known = tl.zeros([block_m], tl.int32)
    first = 0  # channel of the plane
    for plane in tl.static_range(planes):
        count = plane_channels[plane]
        bits = tl.zeros([block_m], tl.int64)
        for v in range(kernel_height):
            for u in tl.static_range(kernel_width):
                row, column = top + v * dilation_y, left + u * dilation_x
                inside = (m < pixels) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
                at = image * mask_step + plane * height * width + row * width + column
                shown = inside & ~(tl.load(mask + at, inside, other=1) > 0.5)
                bits |= shown.to(tl.int64) << (v * kernel_width + u)
                known += shown.to(tl.int32) * (count if planes > 1 else 1)
        blocks = tl.cdiv(count, block_k)
        any_known = tl.max((bits != 0).to(tl.int32), 0)  # a tile inside the hole has nothing to sum
        for step in range(any_known * taps * blocks):
            tap = step // blocks
            k = step % blocks * block_k + tl.arange(0, block_k)
            shift = (tap // kernel_width * dilation_y * width + tap % kernel_width * dilation_x) * channels
            # Bit 63 is never set. One predicate for pixel and channel also keeps the layout's conversion of the bits
            # out of the loop: it may only stand before the first operation on rows and columns together.
            bit = tl.where(k < count, tap, 63)
            seen = ((bits[:, None] >> bit[None, :]) & 1) != 0
            a = tl.load(corners[:, None] + (shift + first + k)[None, :], seen, other=0)
            at = (n * taps * channels)[None, :] + (tap * channels + first + k)[:, None]
            b = tl.load(weight + at, (k < count)[:, None] & (n < out_channels)[None, :], other=0)
            total = tl.dot(a, b, total, input_precision=precision)
        first += count

    factor = tl.where(known > 0, tl.div_rn(scale, tl.maximum(known, 1).to(tl.float32)), 0.0)
    total *= factor[:, None]
    if bias is not None:
        total += tl.load(bias + n, n < out_channels, other=0).to(tl.float32)[None, :]
    total = tl.where((known > 0)[:, None], total, 0.0)
    written = (m < pixels)[:, None] & (n < out_channels)[None, :]
    tl.store(y + m[:, None] * out_channels + n[None, :], total, written)
    if tl.program_id(0) % columns == 0:
        tl.store(ratio + m, factor, m < pixels)
        tl.store(new_mask + m, known == 0, m < pixels)


def convolve(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    scale_by_sum: bool,
    mask_channels: Sequence[int],
    out_size: tuple[int, int],
    config: Config,
) -> list[Tensor]:
    """The op's three results, ``[y, new_mask, ratio]``, of arguments that ``partial_conv_fused`` has found to fit."""
    channels, height, width = x.shape[1:]
    out_channels, _, *kernel = weight.shape
    planes = tuple(mask_channels) or (channels,)
    inputs = channels if len(planes) > 1 else 1  # of a window's pixel, as the kernel counts them
    last = torch.channels_last
    y = torch.empty((x.shape[0], out_channels, *out_size), dtype=x.dtype, device=x.device, memory_format=last)
    ratio = torch.empty((x.shape[0], 1, *out_size), dtype=torch.float32, device=x.device)
    new_mask = torch.empty_like(ratio, dtype=mask.dtype)
    hole = (mask if mask.dtype in (torch.float32, torch.bool) else mask > 0.5).contiguous()
    tf32 = torch.backends.cudnn.conv.fp32_precision == "tf32"  # type: ignore[attr-defined]
    block_m, block_n, block_k, warps, stages = config
    block_n = min(block_n, max(16, triton.next_power_of_2(out_channels)))
    block_k = min(block_k * 2 // x.element_size(), max(16, triton.next_power_of_2(max(planes))))
    partial_conv_kernel[triton.cdiv(ratio.numel(), block_m) * triton.cdiv(out_channels, block_n),](
        x.contiguous(memory_format=last),
        _bytes(hole),
        weight.contiguous(memory_format=last),
        None if bias is None else bias.contiguous(),
        y,
        _bytes(new_mask),
        ratio,
        ratio.numel(),
        height,
        width,
        *out_size,
        channels,
        out_channels,
        0 if mask.shape[0] == 1 else len(planes) * height * width,
        *stride,
        *padding,
        *dilation,
        inputs / channels if scale_by_sum else float(kernel[0] * kernel[1] * inputs),
        planes,
        *kernel,
        "tf32" if tf32 else "ieee",
        block_m,
        block_n,
        block_k,
        num_warps=warps,
        num_stages=stages,
    )
    return [y, new_mask, ratio]


def _bytes(mask: Tensor) -> Tensor:
    return mask.view(torch.uint8) if mask.dtype == torch.bool else mask


def milliseconds(run: Callable[[], object]) -> float:
    """The GPU's time for a call, infinite where its tile does not fit the GPU."""
    try:
        return float(do_bench(run, warmup=5, rep=20, return_mode="median"))
    except OutOfResources:
        return float("inf")
