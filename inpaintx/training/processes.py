"""Devices and processes of a run, through Lightning Fabric."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn

from inpaintx.errors import InpaintxError
from inpaintx.inference.device import pick_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from inpaintx.plugin.trainer import Trainer

__all__ = ["hardware", "keep_freed_memory", "place", "same_threads", "start"]

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h


def start(device: str, devices: int, precision: str) -> Fabric:
    """Start the processes of a run.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    devices
        GPUs of this machine, or processes on the CPU. Under ``torchrun`` or ``fabric run``, which start the processes
        themselves, their number decides.
    precision
        As in :class:`inpaintx.training.config.TrainConfig`.

    Raises
    ------
    InpaintxError
        No such device, or a precision that it does not have.
    """
    chosen = pick_device(device)
    if chosen.type not in ("cpu", "cuda"):
        raise InpaintxError(f"training runs on cpu and cuda; got device {device!r}")
    if precision == "16-mixed" and chosen.type == "cpu":
        raise InpaintxError("precision=16-mixed needs a GPU; on the CPU take 32-true or bf16-mixed")
    if devices < 1:
        raise InpaintxError(f"devices must be 1 or more, got {devices}")
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    nodes = 1
    if torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    if chosen.type == "cpu":
        keep_freed_memory()
    one_gpu = chosen.type == "cuda" and devices == 1 and nodes == 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fabric = Fabric(
                accelerator=chosen.type,
                devices=[chosen.index or 0] if one_gpu else devices,
                num_nodes=nodes,
                strategy="ddp" if devices * nodes > 1 else "auto",
                precision=precision,  # type: ignore[arg-type]
            )
            if os.environ.get("LT_CLI_USED") != "1":  # 'fabric run' has launched
                fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise InpaintxError(f"{devices} x {chosen.type} cannot be used: {str(error).splitlines()[0]}") from error
    return fabric


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that are freed, for the next step, instead of giving them back to the kernel.

    A step allocates the same large tensors again and again, and fresh pages cost: the example plugin's U-Net took 1.3
    times less CPU time a step at 64 pixels and 1.4 times less at 128, for 15 % more memory at the peak.

    Returns
    -------
    bool
        Whether it was done: not without glibc, nor where the environment has settings of its own (``GLIBC_TUNABLES``
        or ``MALLOC_...``).
    """
    if platform.libc_ver()[0] != "glibc" or any(k.startswith(("GLIBC_TUNABLES", "MALLOC_")) for k in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26))
    return all(mallopt(key, value) == 1 for key, value in settings)


def hardware(fabric: Fabric) -> str:
    """What a run computes on, in general words."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
    threads = torch.get_num_threads()
    each = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return each if fabric.world_size == 1 else f"{fabric.world_size} processes, each {each}"


def place(trainer: Trainer, device: torch.device, *, channels_last: bool) -> None:
    """Move what a trainer holds to a device: networks, discriminators, feature extractors; channels last if asked."""
    for part in [*trainer.networks.values(), *vars(trainer).values()]:
        if isinstance(part, nn.Module):
            part.to(device)
            if channels_last:
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def same_threads(fabric: Fabric, earlier: int | None) -> str:
    """Take the number of threads that a run began with: sums of floats, and so weights, depend on it.

    Parameters
    ----------
    earlier
        As the run's record has it; None: a run that begins, or one of an earlier version.

    Returns
    -------
    str
        What was changed, in words; empty: nothing.
    """
    now = torch.get_num_threads()
    if fabric.device.type != "cpu" or earlier is None or earlier == now:
        return ""
    torch.set_num_threads(earlier)
    return (
        f"computes with {earlier} thread{'s' * (earlier > 1)} as the run began, not {now}: only so do the weights "
        "become those of a run that was never stopped"
    )
