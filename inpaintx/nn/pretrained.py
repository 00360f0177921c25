"""Frozen feature extractors: where their official weights come from, and what happens when they are missing."""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import check_file
from inpaintx.io.digest import sha256
from inpaintx.nn.official import WeightFile
from inpaintx.nn.options import OnMissing

__all__ = ["WeightFile", "find", "frozen", "he_init", "load_file_into", "read_state"]

Net = TypeVar("Net", bound=nn.Module)


def find(file: WeightFile) -> Path | None:
    """Look for a file in ``$INPAINTX_WEIGHTS`` and in torch's hub cache, where ``inpaintx fetch`` writes."""
    folders = [Path(os.environ["INPAINTX_WEIGHTS"])] if os.environ.get("INPAINTX_WEIGHTS") else []
    folders.append(Path(torch.hub.get_dir()) / "checkpoints")
    return next((folder / file.name for folder in folders if (folder / file.name).is_file()), None)


def frozen(
    build: Callable[[], Net],
    file: WeightFile,
    on_missing: OnMissing = "error",
    *,
    path: str = "",
    seed: int = 0,
    option: str = "on_missing",
) -> tuple[Net | None, str]:
    """Build a network with its official weights, frozen and in eval mode.

    Parameters
    ----------
    build
        Makes the network; its state dict has the official names (the file may hold more).
    file
        The official file, looked up by :func:`find` unless ``path`` is given.
    on_missing
        Where the file is not found: ``"error"``; ``"random"``: He initialisation from ``seed``; ``"skip"``: no
        network, the term that needs it is dropped.
    path
        A weight file to take instead.
    option
        What the caller calls ``on_missing``, for the error.

    Returns
    -------
    net
        The network, or None.
    outcome
        ``"official"``, ``"random"``, ``"skip"``, or ``"file:NAME@SHA"`` for a file that is not the official one: what
        a run has to record (``Trainer.frozen``). Results from anything but official features are never compared
        with a paper's numbers.

    Raises
    ------
    InpaintxError
        The file is missing and ``on_missing`` is ``"error"``; it cannot be read, or does not fit the network.
    """
    if path and not Path(path).is_file():
        raise InpaintxError(f"no weight file {path}")
    found = Path(path) if path else find(file)
    if found is None and on_missing == "error":
        raise InpaintxError(
            f"{file.name} (SHA-256 {file.sha256[:8]}…) was found neither in INPAINTX_WEIGHTS nor in torch's hub cache; "
            f"{file.how_to_get}, or do with random features or without the term ({option}=random or {option}=skip), "
            "which is recorded"
        )
    if found is None and on_missing == "skip":
        return None, "skip"
    net = build()
    if found is None:
        he_init(net, seed)
        outcome = "random"
    else:
        digest = sha256(found)
        outcome = "official" if digest.startswith(file.sha256) else f"file:{found.name}@{digest[:8]}"
        if outcome != "official" and not path:
            raise InpaintxError(
                f"{found} is damaged or another file: its SHA-256 begins with {digest[:8]}, not with {file.sha256[:8]}"
            )
        load_file_into(net, found)
    return net.eval().requires_grad_(False), outcome


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a ``.safetensors`` file or of one saved by torch, without running code from it.

    A state dict under ``"state_dict"``, ``"model"`` or ``"net"`` is unwrapped, ``"module."`` before names is dropped.

    Raises
    ------
    InpaintxError
        The file cannot be read, or holds something else.
    """
    check_file(path, "weight file", most=2**40)  # a file of zeros is refused by its first bytes
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            with warnings.catch_warnings():  # of pickle protocols, in the words of torch's own developers
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise InpaintxError(f"weight file {path} cannot be read as safetensors: {error}") from None
    except OSError as error:
        raise InpaintxError(f"weight file {path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InpaintxError(f"weight file {path} asks for more memory than there is; is it damaged?") from None
    except Exception as error:  # a damaged pickle raises anything; torch's own words advise to run what is in it
        raise InpaintxError(_unreadable(path, error)) from None
    for key in ("state_dict", "model", "net"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InpaintxError(f"weight file {path} holds no state dict")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _unreadable(path: Path, error: Exception) -> str:
    """Say in one sentence why a file of ``torch.save`` was not read."""
    refused = re.search(r"(?:Unsupported global: GLOBAL|GLOBAL) ([\w.]+)", str(error))
    if refused:
        return (
            f"weight file {path} needs {refused[1]} to be read, which may run code: only tensors and plain values are "
            "taken; where you trust its makers, load it elsewhere and save its state dict alone"
        )
    return f"weight file {path} cannot be read as what torch.save writes: it is damaged, cut off, or no such file"


def load_file_into(net: nn.Module, path: Path) -> None:
    """Load a weight file (:func:`read_state`); what the network has no place for is left out.

    Raises
    ------
    InpaintxError
        The file cannot be read, a weight is missing or has another shape.
    """
    given, wanted = read_state(path), net.state_dict()
    # files from before torch 0.4 count no batches
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    unfit = [key for key in wanted if key in given and given[key].shape != wanted[key].shape]
    if missing or unfit:
        raise InpaintxError(
            f"weight file {path} does not fit {type(net).__name__}: "
            + "; ".join(
                [f"{key} is missing" for key in missing[:3]] + [f"{key} has another shape" for key in unfit[:3]]
            )
        )
    net.load_state_dict({**wanted, **{key: given[key] for key in wanted if key in given}})


def he_init(net: nn.Module, seed: int) -> None:
    """Draw convolutions and dense layers from He's distribution for ReLU, from a seed of their own."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
