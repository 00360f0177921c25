"""Devices and processes of a run, through Lightning Fabric."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

import torch

from inpaintx.errors import InpaintxError
from inpaintx.inpaint import pick_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["hardware", "start"]


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
            fabric.launch()
    except (ValueError, RuntimeError) as error:
        raise InpaintxError(f"{devices} x {chosen.type} cannot be used: {str(error).splitlines()[0]}") from error
    return fabric


def hardware(fabric: Fabric) -> str:
    """What a run computes on, in general words."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
    threads = torch.get_num_threads()
    each = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return each if fabric.world_size == 1 else f"{fabric.world_size} processes, each {each}"
