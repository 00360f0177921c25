"""Where ops run kernels of their own: not on every device, and not while a graph of plain ops is asked for."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.autograd import forward_ad

__all__ = [
    "ReferenceOpWarning",
    "check_same_device",
    "has_kernel",
    "in_plain_ops",
    "layout_of",
    "plain_ops",
    "under_transforms",
]

# Ops that have CUDA kernels; they are used when the extension was built with CUDA.
CUDA_OPS = frozenset(
    {"detail_transfer", "hog", "partial_conv2d", "patchmatch", "poisson_blend", "spd_map", "spd_norm", "ssim"}
)
# Ops whose CPU kernel serves every device: the dispatcher carries tensors there and back.
CARRIED_OPS = frozenset({"efros_leung", "tv_inpaint"})
# Ops whose reference is as differentiable as PyTorch itself.
DIFFERENTIABLE = frozenset({"conv3x3", "partial_conv2d", "spd_norm", "ssim"})
_PLAIN = ContextVar("_PLAIN", default=False)
_warned: set[tuple[str, str]] = set()


class ReferenceOpWarning(UserWarning):
    """An op has no kernel for the device and runs its slow PyTorch reference there."""


def under_transforms() -> bool:
    """Whether :mod:`torch.func` or forward-mode differentiation is at work: they know no autograd nodes of C++."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


@contextmanager
def plain_ops() -> Iterator[None]:
    """Let every op run its reference in the block: for graphs that are to hold PyTorch's own ops alone."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def in_plain_ops(op: str) -> bool:
    """Whether ``op`` is to run its reference, whatever the device: under transforms, and in a graph of plain ops."""
    if op in DIFFERENTIABLE and under_transforms():
        return True
    if not torch.compiler.is_dynamo_compiling() and _PLAIN.get():  # which torch.compile cannot trace
        return True
    recording = torch._C._get_tracing_state() is not None or torch.compiler.is_exporting()
    return recording and torch.onnx.is_in_onnx_export()


def has_kernel(op: str, x: Tensor) -> bool:
    """Whether ``op`` is to run its kernel. If only the device of ``x`` has none, warn once for the op and device."""
    if in_plain_ops(op):
        return False
    if isinstance(x, Tensor) and x.is_cpu:
        return True
    if not hasattr(x, "device") or not hasattr(x.device, "type"):
        raise TypeError(f"inpaintx.ops.{op} takes a torch.Tensor, got {type(x).__name__}")
    device = x.device.type
    if device in ("cpu", "meta") or op in CARRIED_OPS or (device == "cuda" and op in CUDA_OPS and _with_cuda()):
        return True
    if (op, device) not in _warned:
        _warned.add((op, device))
        warnings.warn(
            f"inpaintx.ops.{op} has no kernel for {device!r} in this build and runs its slow reference there",
            ReferenceOpWarning,
            stacklevel=3,
        )
    return False


def check_same_device(op: str, x: Tensor, **others: Tensor | None) -> None:
    """For fakes: the meta key would otherwise win over a real tensor's device, and return memory as it was found."""
    for name, other in others.items():
        if other is not None and other.device != x.device:
            raise ValueError(f"{op}: {name} must be on the device of the others, {x.device}, got {other.device}")


def layout_of(x: Tensor, weight: Tensor | None = None) -> torch.memory_format:
    """For fakes: as csrc/common/layout.h; with ``weight`` that of a convolution, as PyTorch's."""
    if weight is not None:
        if x.numel() == 0 or (x.device.type == "cuda" and x.dtype == torch.float64):
            return torch.contiguous_format
        any_last = torch.channels_last in (suggest_memory_format(x), suggest_memory_format(weight))
        return torch.channels_last if any_last else torch.contiguous_format
    last = not x.is_contiguous() and suggest_memory_format(x) == torch.channels_last
    return torch.channels_last if last else torch.contiguous_format


def _with_cuda() -> bool:
    from inpaintx import _C

    return bool(torch.version.cuda) and bool(_C.build_info()["with_cuda"])
