"""Which devices have kernels of their own; the others run the slow reference, and the library says so once."""

import warnings

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

__all__ = ["ReferenceOpWarning", "layout_of", "one_device", "runs_natively"]

# Ops that have CUDA kernels; they are used when the extension was built with CUDA.
CUDA_OPS = frozenset({"hog", "partial_conv2d", "patchmatch", "poisson_blend", "spd_map", "spd_norm", "ssim"})
# Ops whose CPU kernel serves every device: the dispatcher carries tensors there and back.
CARRIED_OPS = frozenset({"efros_leung", "tv_inpaint"})
_warned: set[tuple[str, str]] = set()


class ReferenceOpWarning(UserWarning):
    """An op has no kernel for the device and runs its slow PyTorch reference there."""


def runs_natively(op: str, x: Tensor) -> bool:
    """Whether ``op`` has a kernel for the device of ``x``; if not, warn once for the op and device."""
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


def one_device(op: str, x: Tensor, **others: Tensor | None) -> None:
    """For fakes: the meta key would otherwise win over a real tensor's device, and return memory as it was found."""
    for name, other in others.items():
        if other is not None and other.device != x.device:
            raise ValueError(f"{op}: {name} must be on the device of the others, {x.device}, got {other.device}")


def layout_of(x: Tensor) -> torch.memory_format:
    """For fakes: as csrc/common/layout.h."""
    last = not x.is_contiguous() and suggest_memory_format(x) == torch.channels_last
    return torch.channels_last if last else torch.contiguous_format


def _with_cuda() -> bool:
    from inpaintx import _C

    return bool(torch.version.cuda) and bool(_C.build_info()["with_cuda"])
