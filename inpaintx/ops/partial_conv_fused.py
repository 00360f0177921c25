"""Who computes :func:`partial_conv2d` on CUDA: cuDNN's convolution between passes over memory, or one kernel of Triton.

The op in C++ asks ``inpaintx::partial_conv2d_fused`` first, while another kernel than cuDNN's is chosen. That gets its
own here when it is first chosen. So autograd, autocast and ``torch.compile`` see one op, whoever computes it.
"""

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor

from inpaintx import _C
from inpaintx.errors import InpaintxError
from inpaintx.ops._native import layout_of

__all__ = ["partial_conv_kernel"]

Kernel = Literal["cudnn", "fused", "auto"]
VARIABLE = "INPAINTX_PARTIAL_CONV"
MOST_TAPS = 63  # of a window, bits of a word
MOST_PLANES = 4  # of a mask, each a loop of its own in the kernel
_LIBRARY = torch.library.Library("inpaintx", "IMPL")
_registered: set[str] = set()
_kernel: str = "cudnn"
_fastest: dict[tuple[object, ...], Any] = {}
_measuring = threading.local()  # .here: in this thread, whose calls meanwhile are for the passes


@contextmanager
def partial_conv_kernel(kernel: Kernel) -> Iterator[None]:
    """Choose who computes :func:`partial_conv2d` on CUDA in the block, in all threads.

    The environment variable ``INPAINTX_PARTIAL_CONV``, read when the ops are imported, chooses for a process.

    Parameters
    ----------
    kernel
        ``"cudnn"``, the default: cuDNN's convolution between passes that hide the input and rescale the output.
        ``"fused"``: one kernel of Triton that loads known pixels only and stores the result, where it can: float16,
        bfloat16 or float32, ``x`` or ``weight`` channels_last, windows of at most 63 pixels, a mask of one channel or
        up to four ``mask_channels``, a GPU of compute capability 8.0 or newer. Elsewhere, and without Triton, cuDNN's.
        ``"auto"``: the faster of the two, which is measured at the first call with such shapes, strides and dtype.

    Raises
    ------
    ValueError
        ``kernel`` is another word.

    Notes
    -----
    Nothing is measured unless :attr:`torch.backends.cudnn.benchmark` is set, nor under
    :func:`torch.use_deterministic_algorithms`, nor while a CUDA graph is recorded: then ``"auto"`` is cuDNN's, and
    ``"fused"`` takes its tile by a fixed rule, the same at every run. The gradients are computed as with ``"cudnn"``.
    While another than ``"cudnn"`` is chosen each call goes by way of Python, those that cuDNN computes in the end as
    well; afterwards none does.

    Examples
    --------
    >>> x, mask, weight = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), torch.rand(4, 3, 3, 3)
    >>> with inpaintx.ops.partial_conv_kernel("auto"):
    ...     y, new_mask = inpaintx.ops.partial_conv2d(x, mask, weight)
    """
    before = _kernel
    _use(kernel)
    try:
        yield
    finally:
        _use(before)


def _use(kernel: str, source: str = "partial_conv_kernel") -> None:
    global _kernel
    if kernel not in ("cudnn", "fused", "auto"):
        raise InpaintxError(f"{source} must be 'cudnn', 'fused' or 'auto', got {kernel!r}")
    with_triton = kernel != "cudnn" and find_spec("triton") is not None
    if with_triton:
        register("CUDA")
    elif kernel == "fused":
        warnings.warn(
            f"{source} is 'fused' and Triton is not installed: partial_conv2d runs cuDNN's convolution", stacklevel=4
        )
    _kernel = kernel if with_triton else "cudnn"
    _C.choose_fused_partial_conv(_kernel != "cudnn")


def register(key: str) -> None:
    """Give ``inpaintx::partial_conv2d_fused`` its kernel for a dispatch key, once."""
    if key not in _registered:
        _registered.add(key)
        _LIBRARY.impl("partial_conv2d_fused", _partial_conv2d, key)


def _partial_conv2d(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    scale_by_sum: bool,
    mask_channels: Sequence[int],
) -> list[Tensor]:
    """``[y, new_mask, ratio]`` of checked arguments, or nothing where cuDNN is to compute them."""
    window = tuple(stride), tuple(padding), tuple(dilation)
    passes = _kernel == "cudnn" or getattr(_measuring, "here", False)
    out_size = None if passes else out_size_of(x, mask, weight, *window, mask_channels)
    if out_size is None:
        return []
    from inpaintx.ops import partial_conv_triton as fused

    given = x, mask, weight, bias, *window, scale_by_sum, mask_channels

    def run(config: Any) -> list[Tensor]:
        return fused.convolve(*given, out_size, config) if config else []

    def run_to_measure(config: Any) -> None:
        _measuring.here = True
        try:
            run(config) or torch.ops.inpaintx.partial_conv2d(*given)
        finally:
            _measuring.here = False

    config = None if _kernel == "auto" else fused.CONFIGS[0]
    if torch.backends.cudnn.benchmark and not torch.are_deterministic_algorithms_enabled():
        key = (_kernel, x.device, x.dtype, mask.dtype, x.shape, mask.shape, weight.shape, *window, tuple(mask_channels))
        if key not in _fastest and not (x.is_cuda and torch.cuda.is_current_stream_capturing()):
            configs = (None, *fused.CONFIGS) if _kernel == "auto" else fused.CONFIGS
            _fastest[key] = min(configs, key=lambda c: fused.milliseconds(lambda: run_to_measure(c)))
        config = _fastest.get(key, config)
    return run(config)


def out_size_of(
    x: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    mask_channels: Sequence[int],
) -> tuple[int, int] | None:
    """Height and width of the result, or None where the kernel cannot compute it."""
    kernel = weight.shape[2:]
    out_height, out_width = (
        (x.shape[2 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)
    )
    numbers = max(x.numel(), weight.numel(), mask.numel(), x.shape[0] * weight.shape[0] * out_height * out_width)
    fits = (
        x.dtype in (torch.float16, torch.bfloat16, torch.float32)
        and layout_of(x, weight) == torch.channels_last
        and kernel.numel() <= MOST_TAPS
        and mask.shape[1] == max(1, len(mask_channels)) <= MOST_PLANES
        and weight.shape[0] > 0
        and numbers < 2**30  # offsets are 32-bit
        and max(*stride, *padding, *dilation) < 2**20
        and (not x.is_cuda or torch.cuda.get_device_capability(x.device) >= (8, 0))
    )
    return (out_height, out_width) if fits else None


_use(os.environ.get(VARIABLE) or "cudnn", VARIABLE)
