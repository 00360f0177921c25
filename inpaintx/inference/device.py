"""Where to compute."""

import torch

from inpaintx.errors import InpaintxError

__all__ = ["pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """Turn ``"auto"`` (the first GPU that CUDA finds, else the CPU), ``"cpu"`` or ``"cuda:N"`` into a device.

    Raises
    ------
    InpaintxError
        No such device here.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InpaintxError(f"unknown device {name!r}; expected auto, cpu or cuda:N") from None
    if device.type == "meta":
        raise InpaintxError("device 'meta' holds no values; expected auto, cpu or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InpaintxError(f"device {name!r} was asked for, but torch {torch.__version__} finds no CUDA device here")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InpaintxError(
            f"device {name!r} was asked for, but there are only {torch.cuda.device_count()} (from cuda:0)"
        )
    try:
        torch.empty(1, device=device)
    except Exception as error:  # torch raises whatever the missing backend raises, over many lines
        words = str(error).splitlines()[0][:120]
        raise InpaintxError(f"device {name!r} cannot be used here ({words}); expected auto, cpu or cuda:N") from None
    return device
